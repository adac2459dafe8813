import assert from "node:assert/strict";
import type { Room } from "@colyseus/sdk";
import { PlayerKey, Traveler, type TravelerOptions } from "aether-federation/client";
import { SignJWT } from "jose";
import { commandLine } from "../support/command-line.ts";
import { fetchJson } from "../support/fetch-json.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import { ACCOUNTS, type ServerProcess } from "../support/processes.ts";
import { running } from "../support/running.ts";
import { askSeat, portal, takeSeat } from "../support/sdk.ts";
import { isBack, ledgerRow } from "../support/stored.ts";
import { whoAmI } from "../support/visitor.ts";

const SECRET = "the accounts' secret";

describe("a Traveler with an account at home", function () {
  this.timeout(90_000);
  const at = running({
    home: { script: ACCOUNTS },
    away: { script: ACCOUNTS, flags: ["--secret", "another secret"] },
  });
  const travelers: Traveler[] = [];
  afterEach(async () => {
    await Promise.all(travelers.splice(0).map((traveler) => traveler.leave()));
  });

  for (const room of ["members", "everybody", "instance"]) {
    it(`is that account in the room "${room}", and holds its key`, async () => {
      const { traveler, id } = await resident({}, room);
      const { auth, player } = await whoAmI(traveler.room!);
      assert.equal(auth?.["id"], id, "the host's payload stays");
      assert.equal(player?.id, `${id}@${at.home.authority}`);
      assert.equal(traveler.playerId, undefined, "the key is not the account");
      assert.equal(typeof ledgerRow(at.home, player.id)?.jkt, "string");
    });
  }

  it("goes abroad and comes back through a portal, and is asked again as at the door", async () => {
    const { traveler, id } = await resident();
    await cross(traveler, at.away);
    const abroad = await whoAmI(traveler.room!);
    assert.equal(abroad.player?.id, `${id}@${at.home.authority}`);
    await cross(traveler, at.home, "members");
    const { auth, player } = await whoAmI(traveler.room!);
    assert.deepEqual([auth?.["id"], player?.id], [id, `${id}@${at.home.authority}`]);
    await cross(traveler, at.home, "instance");
    assert.equal((await whoAmI(traveler.room!)).auth?.["id"], id, "by a portal within the server");
    await cross(traveler, at.home, "everybody");
    assert.equal((await whoAmI(traveler.room!)).auth?.["id"], id, "asked by everybody's onAuth");
  });

  it("shows the token to home alone", async () => {
    const token = await tokenOf(unique());
    const { traveler } = await resident({ token });
    await cross(traveler, at.away);
    assert.ok((await seenBy(at.home)).includes(token));
    assert.equal((await seenBy(at.away)).includes(token), false);
  });

  it("asks for the token of the moment at every login", async () => {
    const id = unique();
    let asked = 0;
    const { traveler } = await resident({
      token: async () => {
        asked += 1;
        return tokenOf(id);
      },
    });
    const before = asked;
    await traveler.join("everybody");
    assert.ok(asked > before);
  });

  it("is refused with what the host says of a wrong token, and is nobody else meanwhile", async () => {
    const traveler = travelling({ token: "wrong" });
    await assert.rejects(traveler.join("members"), /jwt malformed/u);
    await assert.rejects(traveler.travel(portal(at.away, "open")), /ERR_FED_PROOF_INVALID/u);
  });

  it("rejects the join when the token cannot be had, and says so", async () => {
    const traveler = travelling({ token: () => Promise.reject(new Error("not logged in")) });
    await assert.rejects(traveler.join("members"), /not logged in/u);
    await assert.rejects(
      travelling({ token: () => 7 as never }).join("members"),
      /TypeError: token must return|token must return/u,
    );
  });

  it("does not come home through a portal into another account", async () => {
    let id = unique();
    const { traveler } = await resident({ token: () => tokenOf(id) });
    await cross(traveler, at.away);
    id = unique();
    traveler.enter(portal(at.home, "members"));
    const message = await new Promise<string>((resolve) => {
      traveler.onFailed((failure) => {
        resolve(failure.message);
      });
    });
    assert.match(message, /does not let you in/u);
    assert.equal(traveler.origin, at.away.origin);
  });

  it("resumes where it was", async () => {
    const options = {
      token: () => tokenOf(id),
      storage: memoryStorage(),
      placeStorage: memoryStorage(),
    };
    const id = unique();
    const { traveler } = await resident(options);
    traveler.room!.reconnection.enabled = false;
    traveler.room!.connection.close();
    const again = travelling(options);
    const room = await again.resume("members");
    assert.equal((await whoAmI(room)).player?.id, `${id}@${at.home.authority}`);
  });

  it("travels without a room, by the word of a world's own onAuth, and its seat is its key's", async () => {
    const id = unique();
    const traveler = travelling({ token: await tokenOf(id) });
    const room = await traveler.travel(portal(at.away, "open"));
    const player = `${id}@${at.home.authority}`;
    assert.equal((await whoAmI(room)).player?.id, player);
    assert.equal(typeof ledgerRow(at.home, player)?.jkt, "string");
    await traveler.leave();
    await isBack(at.home, player);
  });

  it("has a name of its own for an account id that is none, and its operator finds it", async () => {
    const mail = `${unique()}@example.com`;
    const { traveler } = await resident({ token: await tokenOf(mail) });
    const first = (await whoAmI(traveler.room!)).player!.id;
    assert.match(first, /^account-[\w-]{43}@/u);
    await cross(traveler, at.away);
    await traveler.leave();
    await isBack(at.home, first);
    const { traveler: again } = await resident({ token: await tokenOf(mail) }, "everybody");
    assert.equal((await whoAmI(again.room!)).player?.id, first);
    const found = await commandLine(at.home, "players", "find", mail, "--json");
    assert.equal(found.json<{ player: string }>().player, first);
  });

  for (const [how, seconds] of [
    ["fast", 600],
    ["slow", -600],
  ] as const) {
    it(`gets in, at home and abroad, with a clock that is minutes ${how}`, async () => {
      const { now } = Date;
      Date.now = () => now() + seconds * 1000;
      try {
        const { traveler, id } = await resident();
        await cross(traveler, at.away);
        assert.equal((await whoAmI(traveler.room!)).player?.id, `${id}@${at.home.authority}`);
        const straight = travelling({ token: await tokenOf(unique()) });
        await straight.travel(portal(at.away, "open"));
        assert.equal(straight.origin, at.away.origin);
      } finally {
        Date.now = now;
      }
    });
  }

  describe("a proof beside the token", () => {
    const key = PlayerKey.generate();
    const enter = async (proof: string): Promise<Room> => {
      const token = await tokenOf(unique());
      const seat = await askSeat(at.home, "members", token);
      return takeSeat(at.home, seat, `${proof}~${token}`);
    };

    it("is used up by the connection", async () => {
      const proof = await key.prove(at.home.origin);
      const room = await enter(proof);
      await assert.rejects(enter(proof), /ERR_FED_PROOF_REPLAYED/u);
      await room.leave();
    });

    it("lets nobody in who has none for this home and this use, and leaves the seat", async () => {
      const token = await tokenOf(unique());
      const seat = await askSeat(at.home, "members", token);
      const others = [
        await key.prove(at.away.origin),
        await key.prove(at.home.origin, "travel"),
        await key.prove(at.home.origin, { purpose: "shop" }),
        await key.prove(at.home.origin, { seat: "another" }),
      ];
      for (const proof of others) {
        await assert.rejects(
          takeSeat(at.home, seat, `${proof}~${token}`),
          /ERR_FED_PROOF_INVALID/u,
        );
      }
      const room = await takeSeat(at.home, seat, `${await key.prove(at.home.origin)}~${token}`);
      await room.leave();
    });

    it("is nothing to the host's own auth, which is asked with the token", async () => {
      const token = await tokenOf(unique());
      const seat = await askSeat(at.home, "instance", token);
      const proof = await key.prove(at.home.origin);
      await assert.rejects(takeSeat(at.home, seat, `${proof}~wrong`), /jwt malformed/u);
    });
  });

  it("shows who it is at a route of the host's own, once", async () => {
    const traveler = travelling({});
    const token = (await traveler.prove("shop"))!;
    const shop = async (): Promise<Record<string, string>> => {
      const response = await fetch(`${at.home.origin}/shop`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
      });
      return (await response.json()) as Record<string, string>;
    };
    assert.match((await shop())["player"] ?? "", /^key-[\w-]{43}@localhost:\d+$/u);
    assert.deepEqual(await shop(), { code: "ERR_FED_PROOF_REPLAYED" });
  });

  it("takes other addresses of home for it, or says which one it is", async () => {
    const { port } = new URL(at.home.origin);
    const aliases = [
      `ws://localhost:${port}`,
      `http://127.0.0.1:${port}`,
      `HTTP://LOCALHOST:${port}/`,
      new URL(`${at.home.origin}/some/page?x=1`),
    ];
    for (const address of aliases) {
      const id = unique();
      const traveler = new Traveler(address, { ...kept(), token: await tokenOf(id) });
      travelers.push(traveler);
      const room = await traveler.join("members");
      assert.equal((await whoAmI(room)).player?.id, `${id}@${at.home.authority}`);
      assert.equal(traveler.home, at.home.origin, String(address));
    }
  });

  async function resident(
    options: Partial<TravelerOptions> = {},
    room = "members",
  ): Promise<{ traveler: Traveler; id: string }> {
    const id = unique();
    const traveler = travelling({ token: () => tokenOf(id), ...options });
    await traveler.join(room);
    return { traveler, id };
  }

  function travelling(options: TravelerOptions): Traveler {
    const traveler = new Traveler(at.home.origin, { ...kept(), ...options });
    travelers.push(traveler);
    return traveler;
  }
});

function kept(): Pick<TravelerOptions, "storage" | "placeStorage"> {
  return { storage: memoryStorage(), placeStorage: memoryStorage() };
}

async function cross(traveler: Traveler, to: ServerProcess, world = "open"): Promise<void> {
  const arrived = new Promise<void>((resolve, reject) => {
    const stop = traveler.onArrive(() => {
      stop();
      resolve();
    });
    traveler.onFailed(({ code, message }) => {
      reject(new Error(`${code}: ${message}`));
    });
  });
  traveler.enter(portal(to, world));
  await arrived;
}

async function seenBy(server: ServerProcess): Promise<string> {
  const { seen } = await fetchJson<{ seen: string[] }>(`${server.origin}/status`);
  return seen.join("\n");
}

function tokenOf(id: string): Promise<string> {
  return new SignJWT({ id })
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(SECRET));
}

let count = 0;
function unique(): string {
  count += 1;
  return `a${process.pid}-${count}-${Date.now().toString(36)}`;
}
