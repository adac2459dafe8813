import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CLI, commandAnswer, commandLine, runScript } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { fetchJson } from "../support/fetch-json.ts";
import { nobodyThere } from "../support/loopback.ts";
import { currentKid } from "../support/operator.ts";
import { type Player, playerIn } from "../support/player.ts";
import type { ServerProcess } from "../support/processes.ts";
import { worldsForEach } from "../support/running.ts";
import { leave, portal } from "../support/sdk.ts";

interface Listed {
  readonly peers: {
    readonly origin: string;
    readonly trust: string;
    readonly roles: { inbound: boolean; outbound: boolean };
    readonly keys: { kid: string; retiredAt: number | null }[];
    readonly proposedKeys: string[];
  }[];
  readonly blocks: string[];
}

describe("operators, beside running servers", function () {
  this.timeout(90_000);
  const at = worldsForEach("plaza", "arena");

  it("rotate a key while players cross: nobody notices", async () => {
    const player = await playerIn(at.plaza, "Ada");
    let crossings = 0;
    let on = true;
    const crossing = (async () => {
      while (on) {
        await player.cross(portal(at.arena, "arena"));
        await player.cross(portal(at.plaza, "plaza"));
        crossings += 2;
      }
    })();

    await eventually(() => {
      assert.ok(crossings > 2, "crossings by the first key");
    });
    const { next } = await commandAnswer<{ next: string }>(at.plaza, "keys", "rotate");
    await eventually(async () => {
      assert.ok((await keysAt(at.arena, at.plaza)).includes(next), "the arena knows the next key");
    });
    await eventually(async () => {
      assert.equal((await commandLine(at.plaza, "keys", "rotate", "--switch")).code, 0);
    });
    await eventually(async () => {
      assert.equal(await currentKid(at.plaza), next);
    });
    const before = crossings;
    await eventually(
      () => {
        assert.ok(crossings > before + 6, "crossings go on with the new key");
      },
      { timeoutMilliseconds: 20_000 },
    );
    on = false;
    await crossing;
    assert.deepEqual(player.failures, []);
    const [peer] = (await list(at.arena)).peers;
    assert.equal(peer?.trust, "trusted");
    const shown = await commandAnswer<{ current: string; retired: string[] }>(
      at.plaza,
      "keys",
      "show",
    );
    assert.equal(shown.current, next);
    assert.equal(shown.retired.length, 1);
    const [retired = ""] = shown.retired;
    const { jws } = await fetchJson<{ jws: string }>(
      `${at.plaza.origin}/federation/keys/${retired}`,
    );
    const payload = Buffer.from(jws.split(".")[1] ?? "", "base64url").toString();
    assert.ok((JSON.parse(payload) as { retiredAt?: number }).retiredAt !== undefined, payload);
    const unknown = await fetch(`${at.plaza.origin}/federation/keys/${"x".repeat(43)}`);
    assert.equal(unknown.status, 404);
    // Receipts of before and after the rotation, at home and at the other end.
    const atHome = await crossingsOf(at.plaza, player.at.me.id);
    const kids = new Set(atHome.map(({ receipt }) => kidOf(receipt)));
    assert.deepEqual([...kids].sort(), [retired, next].sort());
    const [first] = atHome.filter(({ receipt }) => kidOf(receipt) === retired);
    const atArena = await crossingsOf(at.arena, first?.transferId ?? "");
    assert.equal(atArena.length, 1);
    for (const { verdict, digest } of [...atHome, ...atArena]) {
      assert.equal(verdict, "verifies");
      assert.match(digest ?? "", /^sha-256=/u);
    }
    await player.leave();
  });

  it("revoke a key that nothing vouches for: quarantined until approved", async () => {
    const player = await playerIn(at.plaza, "Grace");
    const old = await currentKid(at.plaza);
    const { vouched } = await commandAnswer<{ vouched: boolean }>(at.plaza, "keys", "revoke", old);
    assert.equal(vouched, false);
    await eventually(
      async () => {
        assert.equal((await list(at.arena)).peers[0]?.trust, "quarantined");
      },
      { timeoutMilliseconds: 15_000, what: "the arena has quarantined the plaza" },
    );
    player.traveler.enter(portal(at.arena, "arena"));
    await player.failure();
    await player.at.pickUpCoin();

    const current = await currentKid(at.plaza);
    assert.deepEqual((await list(at.arena)).peers[0]?.proposedKeys, [current]);
    await approve(current);
    assert.equal((await commandLine(at.arena, "peers", "retry", at.plaza.origin)).code, 0);
    await crossesAgain(player);
  });

  it("block a peer: its players stay out until it is approved again", async () => {
    const player = await playerIn(at.plaza, "Edsger");
    assert.equal((await commandLine(at.arena, "peers", "block", at.plaza.origin)).code, 0);
    await eventually(async () => {
      assert.equal((await at.arena.peers())[0]?.trust, "blocked");
    });
    player.traveler.enter(portal(at.arena, "arena"));
    await player.failure();
    await player.at.pickUpCoin();
    const twice = await commandLine(at.arena, "peers", "approve", at.plaza.origin, "--json");
    assert.equal(twice.code, 1);
    assert.match(twice.err, /unblock it first/u);
    assert.equal((await commandLine(at.arena, "peers", "unblock", at.plaza.origin)).code, 0);
    await approve(await currentKid(at.plaza));
    await crossesAgain(player);
  });

  async function approve(kid: string): Promise<void> {
    const asked = ["peers", "approve", at.plaza.origin, "--key", kid];
    assert.equal((await commandLine(at.arena, ...asked)).code, 0);
  }

  async function crossesAgain(player: Player): Promise<void> {
    await eventually(
      async () => {
        player.failures.length = 0;
        await player.cross(portal(at.arena, "arena"));
      },
      { timeoutMilliseconds: 25_000, what: "players cross again" },
    );
    await player.leave();
  }

  it("let a peer's players in, but not ours go there", async () => {
    await commandLine(at.plaza, "peers", "approve", at.arena.origin, "--inbound-only");
    await eventually(async () => {
      assert.equal((await at.plaza.peers())[0]?.roles.outbound, false);
    });
    const ours = await playerIn(at.plaza, "Ours");
    ours.traveler.enter(portal(at.arena, "arena"));
    assert.equal((await ours.failure()).code, "ERR_FED_NOT_TRUSTED");
    const theirs = await playerIn(at.arena, "Theirs");
    await theirs.cross(portal(at.plaza, "plaza"));
    await leave(theirs, ours);
  });

  it("let ours go to a peer, but not its players in", async () => {
    await commandLine(at.plaza, "peers", "approve", at.arena.origin, "--outbound-only");
    await eventually(async () => {
      assert.equal((await at.plaza.peers())[0]?.roles.inbound, false);
    });
    const theirs = await playerIn(at.arena, "Theirs");
    theirs.traveler.enter(portal(at.plaza, "plaza"));
    assert.equal((await theirs.failure()).code, "ERR_FED_PASS_ISSUER");
    const ours = await playerIn(at.plaza, "Ours");
    await ours.cross(portal(at.arena, "arena"));
    await ours.cross(portal(at.plaza, "plaza"));
    await leave(theirs, ours);
  });

  it("have every decision in the audit log", async () => {
    await commandLine(at.arena, "peers", "block", at.plaza.origin);
    await commandLine(at.arena, "peers", "unblock", at.plaza.origin);
    const text = await readFile(join(at.arena.spec.data, "audit.jsonl"), "utf8");
    const entries = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { by: string; what: string; subject: string });
    assert.deepEqual(
      entries.map(({ by, what, subject }) => [by, what, subject]),
      [
        ["server", "added", at.plaza.origin],
        ["operator", "block", at.plaza.origin],
        ["operator", "unblock", at.plaza.origin],
      ],
    );
  });

  it("find a player abroad, call it home, and see the crossing", async () => {
    const player = await playerIn(at.plaza, "Barbara");
    await player.cross(portal(at.arena, "arena"));
    const { id } = player.at.me;
    const where = () => commandAnswer<{ where: string }>(at.plaza, "players", "where", id);
    await eventually(async () => {
      assert.equal((await where()).where, "abroad");
    });
    const { visitors } = await commandAnswer<{ visitors: { player: string; phase: string }[] }>(
      at.arena,
      "players",
      "visitors",
    );
    assert.deepEqual(
      visitors.filter((each) => each.player === id).map(({ phase }) => phase),
      ["held"],
    );
    await eventually(
      async () => {
        const { crossings } = await commandAnswer<{
          crossings: { player: string; outcome: string }[];
        }>(at.plaza, "crossings", "--recent");
        assert.ok(crossings.some((each) => each.player === id && each.outcome === "arrived"));
      },
      { timeoutMilliseconds: 15_000 },
    );
    assert.equal((await commandLine(at.plaza, "players", "recall", id)).code, 0);
    await eventually(
      async () => {
        assert.equal((await where()).where, "home");
      },
      { timeoutMilliseconds: 15_000, what: "the player is at home" },
    );
    assert.equal((await commandLine(at.plaza, "players", "recall", id)).code, 1, "it is at home");
    const status = await commandLine(at.plaza, "status");
    assert.match(status.out, /server +plaza/u);
    assert.doesNotMatch(status.out, /does not run/u);
    await player.leave();
  });

  it("read peers and keys as tables, without a secret in them", async () => {
    const peers = await commandLine(at.plaza, "peers", "list");
    assert.match(peers.out, new RegExp(`(?:up|unknown) .*${at.arena.origin} +arena$`, "mu"));
    const keys = await commandLine(at.plaza, "keys", "show");
    assert.match(keys.out, /current/u);
    const file = await readFile(join(at.plaza.spec.data, "keys.json"), "utf8");
    const { current } = JSON.parse(file) as { current: { d: string } };
    assert.ok(!keys.out.includes(current.d) && !at.plaza.output.includes(current.d));
  });

  describe("doctor", () => {
    it("finds a running server well", async () => {
      const answer = await runScript(CLI, "doctor", at.plaza.origin, "--allow-insecure", "--json");
      const report = answer.json<{ healthy: boolean; findings: { check: string }[] }>();
      assert.equal(report.healthy, true);
      const checks = ["reach", "TLS", "clock", "descriptor", "protocol", "delegation"];
      assert.deepEqual(
        report.findings.map(({ check }) => check),
        [...checks, "handshake", "health", "assets", "link", "rooms"],
      );
    });

    it("says what to fix about one that is not there", async () => {
      const { origin } = await nobodyThere();
      const { code, out } = await runScript(CLI, "doctor", origin, "--allow-insecure");
      assert.equal(code, 1);
      assert.match(out, /FIX\s+reach.*nothing listens there/u);
    });

    it("does not call loopback without being told that it may", async () => {
      const { code, err } = await runScript(CLI, "doctor", at.plaza.origin);
      assert.equal(code, 2);
      assert.match(err, /https/u);
    });
  });

  for (const [args, code, message] of [
    [[], 2, /Usage/u],
    [["what"], 2, /is no command/u],
    [["peers", "list", "--what"], 2, /--what/u],
    [["peers", "approve"], 2, /name the peer/u],
    [["keys", "revoke"], 2, /name the key/u],
    // A key id that begins with a dash is no flag.
    [["keys", "revoke", `-${"k".repeat(42)}`], 1, /no key|not a key|knows no/u],
    [["peers", "list", "--data", "nowhere"], 1, /no federation data in nowhere/u],
  ] as const) {
    it(`answers "${args.join(" ")}" with exit ${code}`, async () => {
      const given = args.includes("--data" as never)
        ? args
        : [...args, "--data", at.plaza.spec.data];
      const result = await runScript(CLI, ...(args.length === 0 ? [] : given));
      assert.equal(result.code, code);
      assert.match(result.out + result.err, message);
      assert.doesNotMatch(result.err, /\n\s+at /u);
    });
  }

  it("refuses a key file that others can read", async () => {
    const path = join(at.plaza.spec.data, "keys.json");
    await at.plaza.kill("SIGTERM");
    await chmod(path, 0o644);
    const { code, err } = await commandLine(at.plaza, "keys", "show", "--json");
    assert.equal(code, 1);
    assert.match(err, /chmod 600/u);
    const again = at.servers.run(at.plaza.spec);
    await eventually(() => {
      assert.match(again.output, /chmod 600/u);
    });
    await chmod(path, 0o600);
    await writeFile(path, "{}");
    assert.match((await commandLine(at.plaza, "keys", "show", "--json")).err, /damaged/u);
  });
});

async function list(server: ServerProcess): Promise<Listed> {
  return commandAnswer(server, "peers", "list");
}

async function keysAt(server: ServerProcess, of: ServerProcess): Promise<string[]> {
  const peer = (await list(server)).peers.find(({ origin }) => origin === of.origin);
  return (peer?.keys ?? []).filter(({ retiredAt }) => retiredAt === null).map(({ kid }) => kid);
}

interface ListedCrossing {
  readonly transferId: string;
  readonly receipt: string;
  readonly verdict: string;
  readonly digest: string | null;
}

async function crossingsOf(server: ServerProcess, subject: string): Promise<ListedCrossing[]> {
  const answer = await commandAnswer<{ crossings: ListedCrossing[] }>(server, "crossings", subject);
  return answer.crossings;
}

function kidOf(receipt: string): string {
  const [header = ""] = receipt.split(".");
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string }).kid;
}
