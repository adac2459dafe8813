import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/eventually.ts";
import { Player } from "../support/player.ts";
import { type ServerProcess, Servers, freePort } from "../support/processes.ts";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

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
  const servers = new Servers();
  let plaza: ServerProcess;
  let arena: ServerProcess;

  beforeEach(async () => {
    [plaza, arena] = (await servers.worlds("plaza", "arena")) as [ServerProcess, ServerProcess];
  });
  afterEach(() => servers.stop());

  it("rotate a key while players cross: nobody notices", async () => {
    const player = new Player(plaza.origin, "Ada");
    await player.join("plaza");
    let crossings = 0;
    let on = true;
    const crossing = (async () => {
      while (on) {
        await player.cross(`aether://${arena.authority}/arena`);
        await player.cross(`aether://${plaza.authority}/plaza`);
        crossings += 2;
      }
    })();

    const { next } = await cli(plaza, "keys", "rotate").then(json<{ next: string }>);
    await eventually(async () => {
      assert.ok((await keysAt(arena, plaza)).includes(next), "the arena knows the next key");
    });
    const before = crossings;
    assert.equal((await cli(plaza, "keys", "rotate", "--switch")).code, 0);
    await eventually(async () => {
      assert.equal(await currentKid(plaza), next);
    });
    await eventually(
      () => {
        assert.ok(crossings > before + 6, "crossings go on with the new key");
      },
      { timeoutMilliseconds: 20_000 },
    );
    on = false;
    await crossing;
    assert.deepEqual(player.failures, []);
    const [peer] = (await list(arena)).peers;
    assert.equal(peer?.trust, "trusted");
    const shown = await cli(plaza, "keys", "show").then(
      json<{ current: string; retired: string[] }>,
    );
    assert.equal(shown.current, next);
    assert.equal(shown.retired.length, 1);
    await player.traveler.leave();
  });

  it("revoke a key that nothing vouches for: quarantined until approved", async () => {
    const player = new Player(plaza.origin, "Grace");
    await player.join("plaza");
    const old = await currentKid(plaza);
    const revoked = await cli(plaza, "keys", "revoke", old).then(json<{ vouched: boolean }>);
    assert.equal(revoked.vouched, false);
    await eventually(
      async () => {
        assert.equal((await list(arena)).peers[0]?.trust, "quarantined");
      },
      { timeoutMilliseconds: 15_000, what: "the arena has quarantined the plaza" },
    );
    player.traveler.enter(`aether://${arena.authority}/arena`);
    await player.failure();
    await player.at.pickUpCoin();

    const current = await currentKid(plaza);
    assert.deepEqual((await list(arena)).peers[0]?.proposedKeys, [current]);
    assert.equal((await cli(arena, "peers", "approve", plaza.origin)).code, 0);
    assert.equal((await cli(arena, "peers", "retry", plaza.origin)).code, 0);
    await eventually(
      async () => {
        player.failures.length = 0;
        await player.cross(`aether://${arena.authority}/arena`);
      },
      { timeoutMilliseconds: 25_000, what: "players cross again" },
    );
    await player.traveler.leave();
  });

  it("block a peer: its players stay out until it is approved again", async () => {
    const player = new Player(plaza.origin, "Edsger");
    await player.join("plaza");
    assert.equal((await cli(arena, "peers", "block", plaza.origin)).code, 0);
    await eventually(async () => {
      assert.equal((await arena.peers())[0]?.trust, "blocked");
    });
    player.traveler.enter(`aether://${arena.authority}/arena`);
    await player.failure();
    await player.at.pickUpCoin();
    const twice = await cli(arena, "peers", "approve", plaza.origin);
    assert.equal(twice.code, 1);
    assert.match(twice.err, /unblock it first/u);
    assert.equal((await cli(arena, "peers", "unblock", plaza.origin)).code, 0);
    assert.equal((await cli(arena, "peers", "approve", plaza.origin)).code, 0);
    await eventually(
      async () => {
        player.failures.length = 0;
        await player.cross(`aether://${arena.authority}/arena`);
      },
      { timeoutMilliseconds: 25_000, what: "players cross again" },
    );
    await player.traveler.leave();
  });

  it("let a peer's players in, but not ours go there", async () => {
    await cli(plaza, "peers", "approve", arena.origin, "--inbound-only");
    await eventually(async () => {
      assert.equal((await plaza.peers())[0]?.roles.outbound, false);
    });
    const ours = new Player(plaza.origin, "Ours");
    await ours.join("plaza");
    ours.traveler.enter(`aether://${arena.authority}/arena`);
    assert.equal((await ours.failure()).code, "ERR_FED_NOT_TRUSTED");
    const theirs = new Player(arena.origin, "Theirs");
    await theirs.join("arena");
    await theirs.cross(`aether://${plaza.authority}/plaza`);
    await theirs.traveler.leave();
    await ours.traveler.leave();
  });

  it("let ours go to a peer, but not its players in", async () => {
    await cli(plaza, "peers", "approve", arena.origin, "--outbound-only");
    await eventually(async () => {
      assert.equal((await plaza.peers())[0]?.roles.inbound, false);
    });
    const theirs = new Player(arena.origin, "Theirs");
    await theirs.join("arena");
    theirs.traveler.enter(`aether://${plaza.authority}/plaza`);
    assert.equal((await theirs.failure()).code, "ERR_FED_PASS_ISSUER");
    const ours = new Player(plaza.origin, "Ours");
    await ours.join("plaza");
    await ours.cross(`aether://${arena.authority}/arena`);
    await ours.cross(`aether://${plaza.authority}/plaza`);
    await theirs.traveler.leave();
    await ours.traveler.leave();
  });

  it("have every decision in the audit log", async () => {
    await cli(arena, "peers", "block", plaza.origin);
    await cli(arena, "peers", "unblock", plaza.origin);
    const text = await readFile(join(arena.spec.data, "audit.jsonl"), "utf8");
    const entries = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { by: string; what: string; subject: string });
    assert.deepEqual(
      entries.map(({ by, what, subject }) => [by, what, subject]),
      [
        ["server", "added", plaza.origin],
        ["operator", "block", plaza.origin],
        ["operator", "unblock", plaza.origin],
      ],
    );
  });

  it("read peers and keys as tables, without a secret in them", async () => {
    const peers = await cli(plaza, "peers", "list", { json: false });
    assert.match(peers.out, new RegExp(`${arena.origin}\\s+arena\\s+trusted\\s+both ways`, "u"));
    const keys = await cli(plaza, "keys", "show", { json: false });
    assert.match(keys.out, /current/u);
    const file = await readFile(join(plaza.spec.data, "keys.json"), "utf8");
    const { current } = JSON.parse(file) as { current: { d: string } };
    assert.ok(!keys.out.includes(current.d) && !plaza.output.includes(current.d));
  });

  describe("doctor", () => {
    it("finds a running server well", async () => {
      const { code, out } = await run(["doctor", plaza.origin, "--allow-insecure", "--json"]);
      const report = JSON.parse(out) as { healthy: boolean; findings: { check: string }[] };
      assert.equal(code, 0, out);
      assert.equal(report.healthy, true);
      assert.deepEqual(
        report.findings.map(({ check }) => check),
        [
          "reach",
          "TLS",
          "descriptor",
          "clock",
          "delegation",
          "protocol",
          "handshake",
          "health",
        ].sort(
          (a, b) =>
            report.findings.findIndex(({ check }) => check === a) -
            report.findings.findIndex(({ check }) => check === b),
        ),
      );
    });

    it("says what to fix about one that is not there", async () => {
      const port = await freePort();
      const { code, out } = await run(["doctor", `http://localhost:${port}`, "--allow-insecure"]);
      assert.equal(code, 1);
      assert.match(out, /FIX\s+reach.*nothing listens there/u);
    });

    it("does not call loopback without being told that it may", async () => {
      const { code, err } = await run(["doctor", plaza.origin]);
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
    [["peers", "list", "--data", "nowhere"], 1, /no federation data in nowhere/u],
  ] as const) {
    it(`answers "${args.join(" ")}" with exit ${code}`, async () => {
      const given = args.includes("--data" as never) ? args : [...args, "--data", plaza.spec.data];
      const result = await run(args.length === 0 ? [] : given);
      assert.equal(result.code, code);
      assert.match(result.out + result.err, message);
      assert.doesNotMatch(result.err, /\n\s+at /u);
    });
  }

  it("refuses a key file that others can read", async () => {
    const path = join(plaza.spec.data, "keys.json");
    await plaza.kill("SIGTERM");
    const { chmod } = await import("node:fs/promises");
    await chmod(path, 0o644);
    const { code, err } = await cli(plaza, "keys", "show");
    assert.equal(code, 1);
    assert.match(err, /chmod 600/u);
    const again = servers.run(plaza.spec);
    await eventually(() => {
      assert.match(again.output, /chmod 600/u);
    });
    await chmod(path, 0o600);
    await writeFile(path, "{}");
    assert.match((await cli(plaza, "keys", "show")).err, /damaged/u);
  });
});

async function list(server: ServerProcess): Promise<Listed> {
  return cli(server, "peers", "list").then(json<Listed>);
}

async function keysAt(server: ServerProcess, of: ServerProcess): Promise<string[]> {
  const peer = (await list(server)).peers.find(({ origin }) => origin === of.origin);
  return (peer?.keys ?? []).filter(({ retiredAt }) => retiredAt === null).map(({ kid }) => kid);
}

async function currentKid(server: ServerProcess): Promise<string> {
  const response = await fetch(`${server.origin}/.well-known/aether-federation`);
  const { jws } = (await response.json()) as { jws: string };
  const [header = ""] = jws.split(".");
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { kid: string }).kid;
}

function json<T>({ out, err }: Run): T {
  assert.equal(err, "");
  return JSON.parse(out) as T;
}

function cli(server: ServerProcess, ...args: (string | { json: boolean })[]): Promise<Run> {
  const words = args.filter((arg) => typeof arg === "string");
  const plain = args.some((arg) => typeof arg === "object" && !arg.json);
  return run([...words, "--data", server.spec.data, ...(plain ? [] : ["--json"])]);
}

function run(args: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", main, ...args],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.once("exit", (code) => {
      resolve({ code, out, err });
    });
  });
}
