import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PeerRecord } from "../../src/health/peer-record.ts";
import { systemClock, systemRandom } from "../../src/ports.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { KeptRoutes } from "../../src/routing/kept-routes.ts";
import { RoutingTable } from "../../src/routing/routing-table.ts";
import { Pulse } from "../../src/runtime/pulse.ts";
import { handStoreTo } from "../../src/runtime/store-identity.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { width } from "../../src/cli/terminal.ts";
import { CLI, runScript } from "../support/command-line.ts";
import { folderOfTest } from "../support/folders.ts";
import { quietLogger } from "../support/loggers.ts";

const HERE = "https://here.example";
const UP = "https://up.example";
const DOWN = "https://down.example";
const REFUSES = "https://refuses.example";
const LONG = `https://${"a-very-long-label-".repeat(3)}x.of-somebody.example:8443`;
const MINUTE = 60_000;

interface Explained {
  readonly ways: readonly {
    readonly origin: string;
    readonly state: string;
    readonly why: string | null;
    readonly peer: string | null;
  }[];
}

/** One probe a minute, the last of them now. */
function health(origin: string, ok: boolean): string {
  const record = new PeerRecord(origin, {
    ...{ degradedAfterMilliseconds: 1_000, failuresToUnreachable: 2, successesToHealthy: 1 },
  });
  for (const ago of [2, 1, 0]) {
    record.add({
      ...{ at: Date.now() - ago * MINUTE, ok, reported: ok ? "pass" : undefined },
      roundTripMilliseconds: ok ? 12 : undefined,
      cause: ok ? undefined : { code: "connection-refused" },
    });
  }
  return JSON.stringify(record.remembered());
}

describe("cli/routes", function () {
  this.timeout(30_000);
  const folder = folderOfTest();
  const cli = (...args: readonly string[]) => runScript(CLI, ...args, "--data", folder.path);
  const open = (): KeyvStore =>
    new KeyvStore(new SqliteEngine({ path: join(folder.path, "federation.sqlite") }));

  /** What a server with three peers and these routes in its configuration leaves in its store. */
  async function run(routes: ConstructorParameters<typeof Pulse>[0]["routes"] = []): Promise<void> {
    const store = open();
    await handStoreTo(store, { kid: "k".repeat(43), origin: HERE });
    const registry = new ServerRegistry({ store, clock: systemClock, maxPeers: 100 });
    await registry.load();
    for (const origin of [UP, DOWN, REFUSES, LONG]) {
      await registry.register({ endpoint: origin }, { trust: TrustState.Trusted });
    }
    await registry.noteRefusal(REFUSES, "ERR_FED_NOT_TRUSTED");
    for (const origin of [UP, DOWN, REFUSES]) {
      await store.set(`health/${origin}`, health(origin, origin !== DOWN));
    }
    await new Pulse({ store, clock: systemClock, name: "Here", routes }).start();
    await store.close();
  }

  it("lists routes of the configuration, and marks those that are kept", async () => {
    await run([{ pattern: "aether://arena:443/*", server: UP, priority: 2, world: "pit" }]);
    const { code, err } = await cli("routes", "add", "*", `${DOWN}/`, "--weight", "3");
    assert.equal(code, 0, err);
    const { routes } = (await cli("routes", "list", "--json")).json<{ routes: unknown[] }>();
    assert.deepEqual(routes, [
      { pattern: "*", server: DOWN, priority: 0, weight: 3, world: null, kept: true },
      {
        pattern: "aether://arena/*",
        server: UP,
        priority: 2,
        weight: 1,
        world: "pit",
        kept: false,
      },
    ]);
    const { out } = await cli("routes", "list");
    assert.match(out, /^kept +0 +3 +\* → https:\/\/down\.example$/mu);
    assert.match(out, /^configured +2 +1 +aether:\/\/arena\/\* → https:\/\/up\.example "pit"$/mu);
  });

  it("has a running server use and leave what was decided, and writes it into the audit log", async () => {
    await run();
    const store = open();
    const table = new RoutingTable({ self: HERE });
    const kept = new KeptRoutes({
      ...{ store, table, self: HERE, random: systemRandom, logger: quietLogger() },
    });
    await kept.load();
    await cli("routes", "add", "aether://ARENA:443/*", UP);
    await kept.refresh();
    assert.equal(table.resolve("aether://arena/x")?.origin, UP);
    const removed = await cli("routes", "remove", "aether://arena:443/*", `${UP}/`);
    assert.match(removed.out, /aether:\/\/arena\/\* does not lead to https:\/\/up\.example/u);
    await kept.refresh();
    assert.equal(table.resolve("aether://arena/x"), undefined);
    await store.close();
    const log = await readFile(join(folder.path, "audit.jsonl"), "utf8");
    const lines = log.trim().split("\n");
    assert.deepEqual(
      lines.map((line) => {
        const { what, subject } = JSON.parse(line) as { what: string; subject: string };
        return [what, subject];
      }),
      [
        ["route-kept", `aether://arena/* → ${UP}`],
        ["route-removed", `aether://arena/* → ${UP}`],
      ],
    );
  });

  it("says of a new route why nobody goes there yet", async () => {
    await run();
    const strange = await cli("routes", "add", "*", "https://strange.example");
    assert.match(strange.out, /Nobody is sent there now: it is not known yet/u);
    const down = await cli("routes", "add", "*", DOWN);
    assert.match(down.out, /Nobody is sent there now: down: connection refused/u);
    assert.doesNotMatch((await cli("routes", "add", "*", UP)).out, /Nobody/u);
  });

  it("explains every way in order, with its state and why", async () => {
    await run([
      { pattern: "aether://arena/*", server: DOWN },
      { pattern: "aether://arena/*", server: REFUSES, priority: 1 },
      { pattern: "*", server: UP },
      { pattern: "*", server: LONG, priority: 1 },
    ]);
    const { ways } = (
      await cli("routes", "explain", "aether://arena/pit", "--json")
    ).json<Explained>();
    assert.deepEqual(
      ways.map(({ origin, state, why, peer }) => [origin, state, why, peer]),
      [
        [REFUSES, "usable", null, "pending there: its operator has to approve this server"],
        [DOWN, "unusable", "down: connection refused", null],
        [UP, "usable", null, null],
        [LONG, "unusable", "unknown: never looked at", null],
      ],
    );
    const { out } = await cli("routes", "explain", "aether://arena/pit");
    assert.match(out, /^. 1\. refuses\.example "pit"\n.*\n +usable, but pending there/mu);
    assert.match(
      out,
      /^. 2\. down\.example "pit"\n +aether:\/\/arena\/\* .*\n +not used, down: con/mu,
    );
  });

  it("exits with 1 where a URI leads nowhere now, and with 2 where it is none", async () => {
    await run([{ pattern: "aether://arena/*", server: DOWN }]);
    assert.equal((await cli("routes", "explain", "aether://arena/pit")).code, 1);
    const nowhere = await cli("routes", "explain", "aether://other/pit");
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.out, /leads nowhere/u);
    assert.equal((await cli("routes", "explain", "https://arena/pit")).code, 2);
  });

  it("explains its own URIs, and those that name a peer", async () => {
    await run();
    const own = await cli("routes", "explain", "aether://here.example/plaza");
    assert.match(own.out, /1\. here\.example "plaza"\n +this server's own URI/u);
    const peer = await cli("routes", "explain", "aether://up.example/plaza");
    assert.match(peer.out, /1\. up\.example "plaza"\n +a peer that the URI names\n +usable$/mu);
  });

  it("fits 80 columns, whatever is in it", async () => {
    const path = `aether://${"label.".repeat(8)}example/${"segment/".repeat(30)}*`;
    await run([{ pattern: path, server: LONG, world: "w".repeat(64) }]);
    await cli("routes", "add", "*", LONG, "--world", "w".repeat(64));
    const uri = path.replace("*", "world");
    for (const args of [["list"], ["explain", uri], ["explain", "aether://x/y"]]) {
      const { out, err } = await cli("routes", ...args);
      assert.equal(err, "");
      for (const line of out.split("\n")) assert.ok(width(line) <= 80, `${width(line)}: ${line}`);
    }
  });

  for (const [args, code, message] of [
    [["add", "*", "nowhere"], 2, /server must be an origin/u],
    [["add", "https://arena/*", UP], 2, /must begin with aether:/u],
    [["add", `aether://here.example/*`, UP], 2, /lead to this server itself/u],
    [["add", "*", UP, "--priority", "high"], 2, /priority must be a finite number/u],
    [["add", "*", UP, "--weight", "-1"], 2, /weight/u],
    [["add", "*", UP, "--world", "a b"], 2, /world must be/u],
    [["add", "*"], 2, /name the pattern, and the origin/u],
    [["remove", "aether://arena/*"], 1, /is of the configuration/u],
    [["remove", "aether://other/*"], 1, /no route of aether:\/\/other\/\* is kept/u],
    [["remove", "arena"], 2, /must begin with aether:/u],
  ] as const) {
    it(`refuses routes ${args.join(" ")}, and keeps nothing`, async () => {
      await run([{ pattern: "aether://arena/*", server: UP }]);
      const { code: exit, err } = await cli("routes", ...args);
      assert.equal(exit, code, err);
      assert.match(err, message);
      const store = open();
      for await (const [key] of store.entries("route/")) assert.fail(key);
      await store.close();
    });
  }

  it("says so where the server does not run, or never has", async () => {
    assert.match((await cli("routes", "list")).err, /no federation data|never run/u);
    await run();
    const store = open();
    const pulse = new Pulse({ store, clock: systemClock, name: "Here" });
    await pulse.start();
    await pulse.stop();
    await store.close();
    assert.match((await cli("routes", "list")).out, /does not run/u);
  });

  it("names how many routes of the configuration are left out", async () => {
    const routes = Array.from({ length: 3_000 }, (_, index) => ({
      ...{ pattern: `aether://p${index}.example/*`, server: UP },
    }));
    await run(routes);
    const answer = (await cli("routes", "list", "--json")).json<{
      routes: unknown[];
      routesLeftOut: number;
    }>();
    assert.equal(answer.routes.length + answer.routesLeftOut, 3_000);
    assert.ok(answer.routes.length > 500 && answer.routes.length <= 1_000);
    assert.match((await cli("routes", "list")).out, /Left out: \d+ routes of the configuration/u);
  });
});
