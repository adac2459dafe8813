import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { LedgerRows } from "../../src/custody/home/ledger-rows.ts";
import { LateReturns } from "../../src/custody/home/late-returns.ts";
import { VisitorBook } from "../../src/custody/holder/visitors.ts";
import type { HealthCause } from "../../src/health/health-cause.ts";
import { PeerRecord } from "../../src/health/peer-record.ts";
import { systemClock, systemRandom } from "../../src/ports.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { CrossingLog } from "../../src/runtime/crossing-log.ts";
import { Pulse } from "../../src/runtime/pulse.ts";
import { handStoreTo } from "../../src/runtime/store-identity.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { PostgresEngine } from "../../src/storage/postgres-engine.ts";
import { RedisEngine } from "../../src/storage/redis-engine.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { hostsPackage } from "../../src/cli/store-place.ts";
import { width } from "../../src/cli/terminal.ts";
import { CLI, runScript } from "../support/command-line.ts";
import { folderOfTest } from "../support/folders.ts";
import { quietLogger } from "../support/loggers.ts";
import { PostgresServer } from "../support/postgres.ts";
import { RedisServer } from "../support/redis.ts";
import { requireProgram } from "../support/requirements.ts";

const HERE = "https://here.example";
const MINUTE = 60_000;
const LONG = `https://${"a-very-long-label-".repeat(3)}x.of-somebody.example:8443`;

interface Listed {
  readonly peers: readonly {
    readonly origin: string;
    readonly condition: string;
    readonly why: string | null;
    readonly uptime: Record<string, { share: number | null; observedMilliseconds: number }>;
    readonly roundTripMilliseconds: number | null;
  }[];
}

/** Probes of the last minutes, as a running server remembers them. */
function health(origin: string, minutes: number, cause?: HealthCause): string {
  const record = new PeerRecord(origin, {
    ...{ degradedAfterMilliseconds: 1_000, failuresToUnreachable: 2, successesToHealthy: 1 },
  });
  const now = Date.now();
  for (let minute = minutes; minute >= 0; minute -= 1) {
    const isSlow = cause?.code === "slow";
    const ok = cause === undefined || isSlow || minute > 3;
    record.add({
      at: now - minute * MINUTE,
      ok,
      cause: ok && !isSlow ? undefined : cause,
      roundTripMilliseconds: ok ? 12 : undefined,
      reported: ok ? "pass" : undefined,
    });
  }
  return JSON.stringify(record.remembered());
}

/** What a running server with a bad night leaves in its store. */
async function fill(store: KeyvStore): Promise<void> {
  await handStoreTo(store, { kid: "k".repeat(43), origin: HERE });
  const registry = new ServerRegistry({ store, clock: systemClock, maxPeers: 100 });
  await registry.load();
  for (const [host, name, trust] of [
    ["up.example", "漢字の世界👩‍👩‍👧".repeat(4), TrustState.Trusted],
    ["down.example", "Down\u202e under", TrustState.Trusted],
    ["refuses.example", "Refusing", TrustState.Trusted],
    ["never.example", "Never", TrustState.Trusted],
    ["waits.example", "Waiting", TrustState.Pending],
  ] as const) {
    await registry.register({ endpoint: `https://${host}`, name }, { trust });
  }
  await registry.register({ endpoint: LONG, name: "Long" }, { trust: TrustState.Trusted });
  await registry.noteRefusal("https://refuses.example", "ERR_FED_NOT_TRUSTED");
  await store.set("health/https://up.example", health("https://up.example", 90));
  await store.set(`health/${LONG}`, health(LONG, 10, { code: "slow" }));
  await store.set(
    "health/https://down.example",
    health("https://down.example", 60, { code: "connection-refused" }),
  );
  const named = ["https://up.example", "https://named.example"];
  const cause = Object.assign(new Error("no"), { code: "ENOTFOUND" });
  const attempt = () => ({ failures: 1, cause, nextAt: undefined });
  await new Pulse({ store, clock: systemClock, name: "Here", named, attempt }).start();
  const log = new CrossingLog({
    ...{ store, clock: systemClock, random: systemRandom, logger: quietLogger() },
  });
  const to = "aether://down.example/plaza";
  const transferId = "0b5e4f6e-0000-4000-8000-000000000001";
  const message = "It is full.";
  log.add(`key-${"x".repeat(43)}@here.example`, {
    ...{ kind: "stayed", transferId, to, code: "ERR_FED_WORLD_FULL", message },
  });
  log.add("bob@here.example", {
    ...{ kind: "arrived", transferId, to, destination: "https://down.example" },
  });
  await log.stop();
  const rows = new LedgerRows({ store, origin: HERE, random: systemRandom });
  const ada = { localId: "ada", name: "Ada", epoch: 3 };
  await rows.update("ada", () => ({ ...ada, holder: "https://up.example" }));
  await rows.update("bob", () => ({ ...ada, localId: "bob", holder: HERE }));
  const visitors = new VisitorBook(store);
  await visitors.hold("eve@up.example", "https://up.example", { epoch: 4, phase: "held" });
  await visitors.hold("mal@down.example", "https://down.example", { epoch: 4, phase: "returning" });
  await new LateReturns({ store, clock: systemClock }).keep("ada", {
    ...{ player: "ada@here.example", from: "https://down.example", epoch: 2 },
    ...{ state: { coins: 1 }, accepted: { coins: 1 } },
  });
}

describe("cli beside a store in SQLite, Redis or PostgreSQL", function () {
  this.timeout(60_000);
  const folder = folderOfTest();
  let redis: RedisServer;
  let postgres: PostgresServer;

  before(async function () {
    redis = await RedisServer.start(requireProgram(this, "redis-server"));
    postgres = await PostgresServer.start(requireProgram(this, "postgres"));
  });
  after(async () => {
    await redis?.stop();
    await postgres?.stop();
  });

  let suite = 0;
  beforeEach(() => {
    suite += 1;
  });
  const kinds = {
    SQLite: () => ({
      engine: new SqliteEngine({ path: join(folder.path, "federation.sqlite") }) as unknown,
      store: [] as readonly string[],
    }),
    Redis: () => ({
      engine: new RedisEngine({ client: redis.client(), keyPrefix: `aether:${suite}` }),
      store: ["--store", `${redis.url}/0?keyPrefix=aether:${suite}`],
    }),
    PostgreSQL: () => ({
      engine: new PostgresEngine({ client: postgres.pool(), schema: `here_${suite}` }),
      store: ["--store", `${postgres.url}?schema=here_${suite}`],
    }),
  };

  for (const [name, kind] of Object.entries(kinds)) {
    describe(name, () => {
      let store: readonly string[] = [];
      beforeEach(async () => {
        const place = kind();
        ({ store } = place);
        const opened = new KeyvStore(place.engine);
        await fill(opened);
        await opened.close();
      });
      const cli = (...args: readonly string[]) =>
        runScript(CLI, ...args, ...store, "--data", folder.path);

      it("lists peers as they are, the worst first, and those nobody measured as unknown", async () => {
        const { peers } = (await cli("peers", "list", "--json")).json<Listed>();
        assert.deepEqual(
          peers.map(({ origin, condition, why }) => [origin, condition, why]),
          [
            ["https://down.example", "down", "connection refused"],
            [
              "https://refuses.example",
              "refused",
              "pending there: its operator has to approve this server",
            ],
            ["https://named.example", "unmet", "no such host"],
            ["https://waits.example", "pending", "waits for your decision"],
            [LONG, "degraded", "answers slowly"],
            ["https://never.example", "unknown", "never looked at"],
            ["https://up.example", "up", null],
          ],
        );
        const up = peers.at(-1);
        assert.equal(up?.roundTripMilliseconds, 12);
        assert.equal(up?.uptime["day"]?.share, 1);
        assert.equal(peers[5]?.uptime["day"]?.share, null);
        assert.equal(peers[5]?.uptime["day"]?.observedMilliseconds, 0);
      });

      it("shows the trouble first, with what mends it, and exits with 1", async () => {
        const { code, out, err } = await cli("status");
        assert.equal(code, 1, err);
        assert.match(out, /down https:\/\/down\.example/u);
        assert.match(out, /connection refused/u);
        assert.match(out, /> npx aether-federation doctor https:\/\/down\.example$/mu);
        assert.match(out, /peers approve https:\/\/here\.example$/mu, "what its operator does");
        assert.match(out, /peers retry https:\/\/refuses\.example$/mu);
        assert.match(out, /1 crossing failed.*\n.*1 × ERR_FED_WORLD_FULL/u);
        assert.match(out, /1 visitor cannot be given back yet/u);
        assert.match(out, /1 state came back too late/u);
        assert.match(out, /server +Here at https:\/\/here\.example/u);
        assert.match(
          out,
          /peers +1 down, 1 refused, 1 unmet, 1 pending, 1 degraded, 1 unknown, 1/u,
        );
        assert.match(out, /1 abroad; visitors: 1 here, 0 leaving, 1 returning/u);
        assert.doesNotMatch(out, /secret|tester/u, "who may use the store is nobody's business");
        const told = out.indexOf("down.example") < out.indexOf("peers ");
        assert.ok(told, "trouble stands first");
      });

      it("lists the latest crossings, and of them those that failed, with what the code means", async () => {
        const { out } = await cli("crossings", "--recent");
        assert.match(out, /arrived +bob → down\.example\/plaza/u);
        const failed = await cli("crossings", "--failed");
        assert.match(failed.out, /WORLD_FULL +key-x+…x+ → down\.example\/plaza/u);
        assert.match(failed.out, /^ERR_FED_WORLD_FULL: /mu);
        assert.doesNotMatch(failed.out, /bob/u);
      });

      it("finds players: at home, abroad and visiting", async () => {
        assert.match((await cli("players", "where", "bob")).out, /bob@here\.example is at home/u);
        const ada = await cli("players", "where", "ada@here.example");
        assert.match(ada.out, /is at https:\/\/up\.example/u);
        assert.match((await cli("players", "where", "eve@up.example")).out, /visitor: plays here/u);
        assert.equal((await cli("players", "where", "nobody")).code, 1);
        const { out } = await cli("players", "visitors");
        assert.match(out, /eve@up\.example +plays here/u);
        assert.match(out, /ada@here\.example +at https:\/\/up\.example/u);
        assert.match((await cli("players", "late")).out, /ada@here\.example/u);
      });

      it("leaves a wish for the running server where a player is called home", async () => {
        const { code, err } = await cli("players", "recall", "ada");
        assert.equal(code, 0, err);
        const opened = new KeyvStore(kind().engine);
        assert.equal(await opened.get("recall/ada"), "1");
        await opened.close();
        assert.equal((await cli("players", "recall", "bob")).code, 1, "at home");
        assert.equal((await cli("players", "recall", "eve@up.example")).code, 2, "not ours");
      });

      it("calls nobody home where no server runs", async () => {
        const opened = new KeyvStore(kind().engine);
        const pulse = new Pulse({ store: opened, clock: systemClock, name: "Here" });
        await pulse.start();
        await pulse.stop();
        await opened.delete("recall/ada");
        const { code, err } = await cli("players", "recall", "ada");
        assert.equal(code, 1);
        assert.match(err, /does not run/u);
        assert.equal(await opened.get("recall/ada"), undefined);
        await opened.close();
        assert.match((await cli("status")).out, /this server does not run/u);
      });

      for (const columns of [80, 120]) {
        it(`fits ${columns} columns, whatever peers are called`, async () => {
          for (const args of [["peers", "list"], ["status"], ["crossings", "--recent"]]) {
            const { out } = await runIn({ COLUMNS: String(columns), LANG: "C.UTF-8" }, [
              ...args,
              ...store,
              "--data",
              folder.path,
            ]);
            for (const line of out.split("\n")) {
              // A command and an address are there to be copied, in one piece.
              if (/^ *> |https?:|redis:|postgres:/u.test(line) && args[0] === "status") continue;
              assert.ok(width(line) <= columns, `${width(line)}: ${line}`);
            }
            assert.doesNotMatch(out, /\u202e/u);
          }
        });
      }
    });
  }

  it("has plain letters for a terminal that knows no others, and no colours in a pipe", async () => {
    const place = kinds.SQLite();
    const opened = new KeyvStore(place.engine);
    await fill(opened);
    await opened.close();
    for (const env of [{ LANG: "C" }, { LANG: "C.UTF-8", TERM: "dumb" }]) {
      const { out } = await runIn(env, ["peers", "list", "--data", folder.path]);
      assert.match(out, /^[\n -~]+$/u);
      assert.match(out, /^\+ up/mu);
    }
    const { out } = await runIn({ LANG: "C.UTF-8" }, ["peers", "list", "--data", folder.path]);
    assert.match(out, /^● up/mu);
    assert.equal(stripVTControlCharacters(out), out);
  });

  it("says which package is missing", () => {
    assert.throws(() => hostsPackage("no-such-client", "Redis"), {
      message: /npm install no-such-client/u,
      exitCode: 1,
    });
  });

  it("says what is wrong with a URL, and never a password", async () => {
    const secret = "hunter2hunter2";
    for (const [url, code, message] of [
      [`redis://:${secret}@localhost:1/0`, 1, /Redis does not answer/u],
      [`postgres://u:${secret}@localhost:1/db`, 1, /PostgreSQL/u],
      [`mysql://u:${secret}@localhost/db`, 2, /--store begins with mysql:/u],
      [`not a url ${secret}`, 2, /no URL/u],
      [`postgres://u:${secret}@localhost:1/db?schema=No-Schema`, 2, /schema must be/u],
    ] as const) {
      const { code: exit, out, err } = await runScript(CLI, "status", "--store", url);
      assert.equal(exit, code, err);
      assert.match(err, message);
      assert.ok(!(out + err).includes(secret), "a password is printed");
    }
    const { code, err } = await runScript(CLI, "status", "--store", `${redis.url}/0?keyPrefix=no`);
    assert.equal(code, 1);
    assert.match(err, /no server has its data in .*keyPrefix=no/u);
  });

  it("takes the store from the environment", async () => {
    const place = kinds.Redis();
    const opened = new KeyvStore(place.engine);
    await fill(opened);
    await opened.close();
    const env = { AETHER_STORE: place.store[1] ?? "" };
    const { out, code } = await runIn(env, ["peers", "list", "--json"]);
    assert.equal(code, 0);
    assert.equal((JSON.parse(out) as Listed).peers.length, 7);
  });

  it("decides nothing where no audit log can say so", async () => {
    const place = kinds.Redis();
    const opened = new KeyvStore(place.engine);
    await fill(opened);
    const nowhere = join(folder.path, "nowhere");
    const args = ["peers", "block", "down.example", ...place.store, "--data", nowhere];
    const { code, err } = await runScript(CLI, ...args);
    assert.equal(code, 1);
    assert.match(err, /audit log/u);
    const registry = new ServerRegistry({ store: opened, clock: systemClock, maxPeers: 100 });
    await registry.load();
    assert.deepEqual(registry.blocks(), []);
    await opened.close();
  });

  it("says in a few lines that all is well, and exits with 0", async () => {
    const path = join(folder.path, "federation.sqlite");
    const opened = new KeyvStore(new SqliteEngine({ path }));
    await handStoreTo(opened, { kid: "k".repeat(43), origin: HERE });
    await new Pulse({ store: opened, clock: systemClock, name: "Here" }).start();
    await opened.close();
    await writeFile(join(folder.path, "audit.jsonl"), "");
    const { code, out } = await runScript(CLI, "status", "--data", folder.path);
    assert.equal(code, 0);
    assert.match(out, /all is well/u);
    assert.ok(out.trim().split("\n").length <= 8, out);
  });
});

/** Runs the command line with other variables of the environment. */
function runIn(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly out: string }> {
  return new Promise((resolve) => {
    const { LANG: _lang, LC_ALL: _all, LC_CTYPE: _type, TERM: _term, ...rest } = process.env;
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", CLI, ...args], {
      env: { ...rest, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.once("close", (code) => {
      resolve({ code, out });
    });
  });
}
