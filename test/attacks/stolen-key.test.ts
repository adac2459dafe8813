/** A thief has the key that a server signs with now, and wants to be that server for good. */
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KeyRing } from "../../src/identity/server-keys.ts";
import { commandAnswer, commandLine } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { assertRefused, currentKid, operatorKey } from "../support/operator.ts";
import { ROOMS, type ServerProcess } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { freshRing, shakeHandsAsThief } from "./support/hostile-peer.ts";

interface Recovered {
  readonly current: string;
  readonly recovery: string;
  readonly recoveryKey: string;
}

interface Listed {
  readonly peers: readonly {
    readonly origin: string;
    readonly trust: string;
    readonly endpoint: string;
    readonly recovery: string | null;
    readonly keys: readonly { readonly kid: string; readonly retiredAt: number | null }[];
  }[];
}

describe("attack: a stolen key", function () {
  this.timeout(90_000);
  const at = running({ owner: { script: ROOMS }, peer: { script: ROOMS } }, "test");
  const seen = async (): Promise<Listed["peers"][number]> => {
    const { peers } = await commandAnswer<Listed>(at.peer, "peers", "list");
    return peers.find(({ origin }) => origin === at.owner.origin)!;
  };
  const activeKids = async (): Promise<string[]> =>
    (await seen()).keys.filter(({ retiredAt }) => retiredAt === null).map(({ kid }) => kid);

  /** The thief's: the stolen key and one of its own, announced. */
  const loot = async (): Promise<{ stolen: KeyRing; own: KeyRing }> => {
    const own = freshRing();
    const current = await operatorKey(at.owner);
    return { own, stolen: { current, next: own.current, retired: [] } };
  };
  const elsewhere = (owner: ServerProcess) => ({ endpoint: `${owner.origin}/thief` });

  it("pins no next key, drops no spare and moves no endpoint by a handshake", async () => {
    const { next: spare } = await commandAnswer<{ next: string }>(at.owner, "keys", "rotate");
    await eventually(async () => {
      assert.ok((await activeKids()).includes(spare), "the peer has pinned the spare");
    });
    const before = await activeKids();
    const { endpoint } = await seen();
    const { stolen, own } = await loot();

    const shaken = await shakeHandsAsThief(at.owner, stolen, elsewhere(at.owner), at.peer);
    assert.equal(shaken.status, 200, "the key is still the owner's");
    assert.deepEqual(await activeKids(), before);
    assert.equal((await seen()).endpoint, endpoint);

    const old = await currentKid(at.owner);
    assert.equal((await commandLine(at.owner, "keys", "revoke", old)).code, 0);
    await eventually(async () => {
      assert.deepEqual(await activeKids(), [spare], "the peer follows the owner");
    });
    assert.equal((await seen()).trust, "trusted");
    const again = await shakeHandsAsThief(at.owner, stolen, elsewhere(at.owner), at.peer);
    assertRefused(again, 401, "ERR_FED_UNKNOWN_KEY");
    const asNext = { current: own.current, next: undefined, retired: [] };
    const third = await shakeHandsAsThief(at.owner, asNext, elsewhere(at.owner), at.peer);
    assertRefused(third, 401, "ERR_FED_UNKNOWN_KEY");
    assert.deepEqual(await activeKids(), [spare]);
    assert.equal((await seen()).trust, "trusted");
  });

  it("keeps nobody out who has the recovery key, though no spare was announced", async () => {
    const made = await commandAnswer<Recovered>(at.owner, "keys", "recovery");
    await eventually(async () => {
      assert.equal((await seen()).recovery, made.recovery, "the peer has pinned its id");
    });
    const { stolen } = await loot();
    const old = await currentKid(at.owner);
    assert.equal((await commandLine(at.owner, "keys", "revoke", old)).code, 0);
    await eventually(async () => {
      assert.equal((await seen()).trust, "quarantined", "nothing vouches for the fresh key");
    });

    const file = join(at.owner.spec.data, "paper");
    await writeFile(file, `${made.recoveryKey}\n`);
    const wrong = await commandLine(at.peer, "keys", "recover", "--from", file);
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /has no recovery key/u);
    const { current, recovery } = await commandAnswer<Recovered>(
      ...[at.owner, "keys", "recover", "--from", file],
    );
    assert.notEqual(recovery, made.recovery);
    await eventually(
      async () => {
        const { trust, recovery: pinned } = await seen();
        assert.deepEqual([trust, pinned], ["trusted", recovery], "without its operator");
      },
      { timeoutMilliseconds: 20_000 },
    );
    assert.deepEqual(await activeKids(), [current]);
    const shaken = await shakeHandsAsThief(at.owner, stolen, {}, at.peer);
    assertRefused(shaken, 401, "ERR_FED_UNKNOWN_KEY");
    const again = await commandLine(at.owner, "keys", "recover", "--from", file);
    assert.equal(again.code, 1, "the one that was used is used up");
    assert.match(again.err, new RegExp(`is ${recovery}, not ${made.recovery}`, "u"));
    for (const name of ["keys.json", "audit.jsonl", "federation.sqlite", "federation.sqlite-wal"]) {
      const text = await readFile(join(at.owner.spec.data, name), "latin1").catch(() => "");
      assert.ok(!text.includes(made.recoveryKey.slice(-43)), `${name} does not have it`);
    }
  });

  it("is not what a server begins anew with when its key file is gone", async () => {
    const { recoveryKey } = await commandAnswer<Recovered>(at.owner, "keys", "recovery");
    await eventually(async () => {
      assert.ok((await seen()).recovery !== null);
    });
    await at.owner.kill("SIGTERM");
    const path = join(at.owner.spec.data, "keys.json");
    await rm(path);
    assert.match((await commandLine(at.owner, "keys", "show")).err, /keys recover/u);
    const refused = at.servers.run(at.owner.spec);
    await eventually(() => {
      assert.match(refused.output, /keys recover/u);
    });
    const file = join(at.owner.spec.data, "paper");
    await writeFile(file, recoveryKey);
    const run = await commandLine(at.owner, "keys", "recover", "--from", file);
    assert.equal(run.code, 0, run.err);
    const again = await at.servers.restart(at.owner);
    await again.knows(at.peer.origin);
    await eventually(async () => {
      assert.equal((await seen()).trust, "trusted");
      assert.deepEqual(await activeKids(), [await currentKid(again)]);
    });
  });

  it("is not approved unseen: nothing is pinned that the operator has not named", async () => {
    const old = await currentKid(at.owner);
    await commandLine(at.owner, "keys", "revoke", old);
    await eventually(async () => {
      assert.equal((await seen()).trust, "quarantined");
    });
    const current = await currentKid(at.owner);
    const look = await commandLine(at.peer, "peers", "approve", at.owner.origin);
    assert.equal(look.code, 1);
    assert.match(look.out, new RegExp(`${current}.*signed its descriptor`, "u"));
    assert.match(look.out, /recovery key.*none/u);
    assert.match(look.out, /Nothing is approved yet/u);
    assert.equal((await seen()).trust, "quarantined");
    const wrong = await commandLine(at.peer, "peers", "approve", at.owner.origin, "--key", old);
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /does not come with key/u);
    const right = await commandLine(
      ...[at.peer, "peers", "approve", at.owner.origin, "--key", current],
    );
    assert.equal(right.code, 0, right.err);
    assert.deepEqual(await activeKids(), [current]);
  });

  it("is switched away from only when peers know the next one, or on purpose", async () => {
    await at.peer.kill("SIGTERM");
    const { next } = await commandAnswer<{ next: string }>(at.owner, "keys", "rotate");
    const early = await commandLine(at.owner, "keys", "rotate", "--switch");
    assert.equal(early.code, 1);
    // The second when it was stopped before it could say.
    const unsure = `${at.peer.origin}: it (did not know the next key|does not say which keys)`;
    assert.match(early.out, new RegExp(unsure, "u"));
    assert.notEqual(await currentKid(at.owner), next);
    await at.servers.restart(at.peer);
    await eventually(
      async () => {
        // As the message says: the peer is asked again at once.
        await commandLine(at.owner, "peers", "retry", at.peer.origin);
        assert.equal((await commandLine(at.owner, "keys", "rotate", "--switch")).code, 0);
      },
      { timeoutMilliseconds: 40_000 },
    );
    await eventually(async () => {
      assert.equal(await currentKid(at.owner), next);
    });
  });
});
