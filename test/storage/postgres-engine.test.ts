import assert from "node:assert/strict";
import type { Pool } from "pg";
import { Keyv } from "keyv";
import type { TableSpec } from "../../src/ports.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { PostgresEngine, type PostgresEngineOptions } from "../../src/storage/postgres-engine.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { type MovableClock, storeConformance } from "../../src/testing/store-conformance.ts";
import { coded } from "../support/coded.ts";
import { eventually } from "../support/eventually.ts";
import { PostgresServer } from "../support/postgres.ts";
import { requireProgram } from "../support/requirements.ts";

const SPEC: TableSpec = {
  name: "things",
  columns: { name: "text", count: "integer", mark: "integer" },
  listed: "mark",
};
const UNAVAILABLE = coded("ERR_FED_STORE_UNAVAILABLE");

/** PostgreSQL counts by its own clock: moving time on means bringing every expiry nearer. */
function postgresClock(pool: Pool, schema: string): MovableClock {
  const clock = new ManualClock();
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimeout: (callback, milliseconds) => clock.setTimeout(callback, milliseconds),
    clearTimeout: (handle) => {
      clock.clearTimeout(handle);
    },
    advance: async (milliseconds) => {
      clock.advance(milliseconds);
      await pool.query(
        `UPDATE ${schema}.entries SET expires = expires - $1 * interval '1 millisecond'`,
        [milliseconds],
      );
    },
  };
}

describe("storage/postgres-engine", function () {
  this.timeout(60_000);
  let program: string;
  let postgres: PostgresServer;
  let pool: Pool;
  let suite = 0;

  before(async function () {
    program = requireProgram(this, "postgres");
    postgres = await PostgresServer.start(program);
    pool = postgres.pool();
  });
  after(() => postgres?.stop());
  beforeEach(() => {
    suite += 1;
  });

  const engine = (options: Partial<PostgresEngineOptions> = {}): PostgresEngine =>
    new PostgresEngine({ client: pool, schema: `suite_${suite}`, ...options });
  const store = (options: Partial<PostgresEngineOptions> = {}): KeyvStore =>
    new KeyvStore(engine(options));

  for (const isolation of ["read committed", "serializable"]) {
    let isolated: Pool;
    before(() => {
      const setting = `-c default_transaction_isolation=${isolation.replace(" ", "\\ ")}`;
      isolated = postgres.pool({ options: setting });
    });
    storeConformance({
      name: `PostgreSQL, where transactions are ${isolation},`,
      open: (clock) => new KeyvStore(engine({ client: isolated, clock }), { clock }),
      makeClock: () => postgresClock(pool, `suite_${suite}`),
    });
  }

  describe("apart from others", () => {
    it("keeps servers with schemas and prefixes of their own apart, and Keyv's namespaces too", async () => {
      const stores = [
        store(),
        store({ schema: `other_${suite}` }),
        store({ tablePrefix: "one_" }),
        new KeyvStore(new Keyv({ store: engine({ tablePrefix: "one_" }), namespace: "n" })),
      ];
      for (const [index, each] of stores.entries()) await each.set("key", `of ${index}`);
      for (const [index, each] of stores.entries()) {
        assert.equal(await each.get("key"), `of ${index}`);
        const entries: unknown[] = [];
        for await (const entry of each.entries("key")) entries.push(entry);
        assert.deepEqual(entries, [["key", `of ${index}`]]);
      }
    });

    it("clears its own namespace only", async () => {
      const [one, two] = [engine(), engine()];
      one.namespace = "one";
      two.namespace = "two";
      await Promise.all([one.set("a", "1"), two.set("a", "2")]);
      await one.clear();
      assert.equal(await one.get("a"), undefined);
      assert.equal(await two.get("a"), "2");
    });

    it("leaves a table of the host's alone that has the name of one of its own", async () => {
      await pool.query(`CREATE SCHEMA suite_${suite}`);
      await pool.query(`CREATE TABLE suite_${suite}.entries (key text PRIMARY KEY, value text)`);
      await pool.query(`INSERT INTO suite_${suite}.entries VALUES ('a', 'of the host')`);
      await assert.rejects(store().set("a", "1"), /choose another schema or tablePrefix/u);
      await assert.rejects(store().get("a"), UNAVAILABLE);
      const beside = store({ tablePrefix: "aether_" });
      await beside.set("a", "1");
      assert.equal(await beside.get("a"), "1");
      const { rows } = await pool.query(`SELECT * FROM suite_${suite}.entries`);
      assert.deepEqual(rows, [{ key: "a", value: "of the host" }]);
    });

    it("needs no right to make anything where everything is there", async () => {
      const before = store();
      await before.set("a", "1");
      await before.table(SPEC).insert("a", 1, { name: "a" });
      await pool.query(`
        CREATE ROLE modest_${suite} LOGIN PASSWORD 'modest';
        GRANT USAGE ON SCHEMA suite_${suite} TO modest_${suite};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA suite_${suite} TO modest_${suite};
      `);
      const { port } = postgres;
      const modest = postgres.pool({
        connectionString: `postgres://modest_${suite}:modest@localhost:${port}/postgres`,
      });
      const after = store({ client: modest });
      assert.equal(await after.compareAndSet("a", "1", "2"), true);
      assert.equal(await after.table(SPEC).update("a", 1, { count: 1 }), true);
      await assert.rejects(after.table({ ...SPEC, name: "more" }).get("a"), UNAVAILABLE);
    });
  });

  describe("keys and texts", () => {
    it("keeps keys and columns with U+0000 and U+0001, in order and by their prefix", async () => {
      const keys = ["k/\u0000", "k/\u0000\u0001", "k/\u00001", "k/\u0001", "k/\u00010", "k/\u0002"];
      const one = store();
      const table = one.table(SPEC);
      for (const key of [...keys].reverse()) {
        await one.set(key, key);
        await table.insert(key, 1, { name: key, mark: 1 });
      }
      const found: string[] = [];
      for await (const [key, value] of one.entries("k/")) {
        assert.equal(key, value);
        found.push(key);
      }
      assert.deepEqual(found, keys);
      const rows: string[] = [];
      for await (const { key, values } of table.listed("k/\u0000")) {
        assert.equal(values["name"], key);
        rows.push(key);
      }
      assert.deepEqual(rows, keys.slice(0, 3));
    });

    it("lists by code points, whatever the language of the database", async () => {
      const keys = ["K/Z", "K/a", "K/é", "K/\uFFFD", "K/\u{1FA99}"];
      const one = store();
      for (const key of [...keys].reverse()) await one.set(key, "1");
      const found: string[] = [];
      for await (const [key] of one.entries("K/")) found.push(key);
      assert.deepEqual(found, keys);
    });

    it("takes long keys that nothing makes shorter, and refuses longer ones with a reason", async () => {
      const noise = Array.from({ length: 2600 }, (_, index) =>
        String.fromCharCode(33 + ((index * index * 31 + index * 17) % 90)),
      ).join("");
      const one = store();
      await one.set(noise, "1");
      assert.equal(await one.get(noise), "1");
      await assert.rejects(one.set(`${noise}x`, "1"), /2601 bytes/u);
      await assert.rejects(one.compareAndSet(`${noise}x`, undefined, "1"), UNAVAILABLE);
      await assert.rejects(one.table(SPEC).insert(`${noise}x`, 1, {}), UNAVAILABLE);
      assert.equal(await one.get(`${noise}x`), undefined);
    });

    it("reads whole numbers however the host has told pg to", async () => {
      const types = {
        getTypeParser: () => (text: string) => (/^\d+$/u.test(text) ? BigInt(text) : text),
      };
      const table = store({ client: postgres.pool({ types }) }).table(SPEC);
      await table.insert("a", 2 ** 48, { count: 2 ** 40 });
      assert.deepEqual(await table.get("a"), {
        ...{ key: "a", version: 2 ** 48, values: { count: 2 ** 40 } },
      });
    });
  });

  describe("several at once", () => {
    it("lets one of two processes win, a thousand times", async () => {
      const stores = [store({ client: postgres.pool() }), store({ client: postgres.pool() })];
      await Promise.all(
        Array.from({ length: 1_000 }, async (_, nonce) => {
          const won = await Promise.all(
            stores.map((each) => each.compareAndSet(`nonce/${nonce}`, undefined, "1", 60_000)),
          );
          assert.deepEqual(won.sort(), [false, true]);
        }),
      );
    });

    it("makes schema and tables once, however many begin at the same moment", async () => {
      for (let round = 0; round < 10; round += 1) {
        const schema = `round_${suite}_${round}`;
        const pools = Array.from({ length: 6 }, () => postgres.pool({ max: 2 }));
        await Promise.all(pools.map((each) => each.query("SELECT 1")));
        const stores = pools.map((client) => store({ client, schema }));
        const won = await Promise.all(
          stores.flatMap((each) => [
            each.compareAndSet("a", undefined, "1"),
            each.table(SPEC).insert("a", 1, {}),
          ]),
        );
        assert.equal(won.filter(Boolean).length, 2);
        await Promise.all(pools.map((each) => each.end()));
      }
    });

    it("adds the columns that a former version had not, however many do at the same moment", async () => {
      await store().table(SPEC).insert("a", 1, { name: "one" });
      const columns = { ...SPEC.columns, more: "text", and_more: "real" } as const;
      const tables = Array.from({ length: 4 }, () => store().table({ ...SPEC, columns }));
      const rows = await Promise.all(tables.map((table) => table.get("a")));
      assert.deepEqual(
        rows.map((row) => row?.values),
        Array.from({ length: 4 }, () => ({ name: "one" })),
      );
      assert.ok(await tables[0]?.update("a", rows[0]?.version ?? 0, { more: "x", and_more: 1 }));
      assert.deepEqual((await tables[1]?.get("a"))?.values, {
        name: "one",
        more: "x",
        and_more: 1,
      });
    });

    it("removes what has expired, and nothing else", async () => {
      const one = store();
      for (let each = 0; each < 40; each += 1) await one.set(`short/${each}`, "1", 60_000);
      await one.set("long", "1", 3_600_000);
      await postgresClock(pool, `suite_${suite}`).advance(60_001);
      for (let each = 0; each < 512; each += 1) await one.set("ever", "1");
      await eventually(async () => {
        const { rows } = await pool.query(`SELECT key FROM suite_${suite}.entries ORDER BY key`);
        assert.deepEqual(rows, [{ key: "ever" }, { key: "long" }]);
      });
    });
  });

  describe("when something is wrong", () => {
    it("rejects when PostgreSQL is gone, and works again when it is back, with what was there", async () => {
      const own = await PostgresServer.start(program);
      try {
        const one = store({ client: own.pool(), timeoutSeconds: 0.5 });
        await one.set("a", "1");
        await own.kill();
        await assert.rejects(one.get("a"), UNAVAILABLE);
        await assert.rejects(one.compareAndSet("nonce", undefined, "1"), UNAVAILABLE);
        await own.resume();
        assert.equal(await one.get("a"), "1");
        assert.equal(await one.compareAndSet("nonce", undefined, "1"), true);
      } finally {
        await own.stop();
      }
    });

    it("has every write that it has confirmed, however often PostgreSQL is killed meanwhile", async () => {
      const own = await PostgresServer.start(program);
      try {
        const one = store({ client: own.pool(), timeoutSeconds: 0.5 });
        const table = one.table(SPEC);
        await table.insert("n", 0, { count: 0 });
        let confirmed = 0;
        let unknown = 0;
        let on = true;
        const writing = (async () => {
          while (on) {
            try {
              const row = await table.get("n");
              const count = Number(row?.values["count"]) + 1;
              if (await table.update("n", row?.version ?? -1, { count })) confirmed += 1;
            } catch {
              unknown += 1;
            }
          }
        })();
        for (let kill = 0; kill < 3; kill += 1) {
          const before = confirmed;
          await eventually(() => assert.ok(confirmed > before + 20));
          await own.kill();
          await own.resume();
        }
        on = false;
        await writing;
        const count = Number((await table.get("n"))?.values["count"]);
        assert.ok(count >= confirmed && count <= confirmed + unknown, `${count}, ${confirmed}`);
      } finally {
        await own.stop();
      }
    });

    it("waits no longer than it is told for a server that hangs, and finds out afterwards", async () => {
      const own = await PostgresServer.start(program);
      try {
        const hung = own.pool();
        const one = store({ client: hung, timeoutSeconds: 0.3 });
        await one.set("a", "1");
        own.freeze();
        const began = performance.now();
        await assert.rejects(one.get("a"), UNAVAILABLE);
        // Nobody else is given a connection that has an answer to come.
        assert.equal(hung.totalCount, 0);
        await Promise.all([
          assert.rejects(one.compareAndSet("a", "1", "2"), UNAVAILABLE),
          assert.rejects(one.table(SPEC).get("a"), UNAVAILABLE),
        ]);
        assert.ok(performance.now() - began < 5_000);
        own.thaw();
        // What was given up may have been made: whoever writes under a condition learns which.
        const now = await eventually(() => one.get("a"));
        assert.ok(now === "1" || now === "2");
        assert.equal(await one.compareAndSet("a", "0", "3"), false);
      } finally {
        own.thaw();
        await own.stop();
      }
    });

    it("sends no write that it has given up for want of a connection", async () => {
      const small = postgres.pool({ max: 1 });
      const one = store({ client: small, timeoutSeconds: 0.2 });
      await one.set("a", "1");
      const held = await small.connect();
      await assert.rejects(one.set("a", "late"), UNAVAILABLE);
      await assert.rejects(one.compareAndSet("a", "1", "late"), UNAVAILABLE);
      held.release();
      assert.equal(await one.compareAndSet("a", "1", "2"), true);
      assert.equal(await one.get("a"), "2");
      assert.deepEqual([small.waitingCount, small.idleCount], [0, 1]);
    });

    it("bounds who waits for a connection", async () => {
      const small = postgres.pool({ max: 1 });
      const one = store({ client: small, timeoutSeconds: 1 });
      await one.set("a", "1");
      const held = await small.connect();
      const all = await Promise.allSettled(Array.from({ length: 10_050 }, () => one.get("a")));
      assert.ok(all.every(({ status }) => status === "rejected"));
      assert.equal(small.waitingCount, 10_000);
      held.release();
      await eventually(() => assert.equal(small.waitingCount, 0));
      assert.equal(await one.get("a"), "1");
    });

    it("does not make a write twice whose answer is lost", async () => {
      const cutting = postgres.pool({ max: 1 });
      const one = store({ client: cutting });
      await one.set("a", "1");
      const slow = `CREATE FUNCTION suite_${suite}.slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(20); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE UPDATE ON suite_${suite}.entries
        FOR EACH ROW EXECUTE FUNCTION suite_${suite}.slow()`;
      await pool.query(slow);
      const lost = assert.rejects(one.compareAndSet("a", "1", "2"), UNAVAILABLE);
      await eventually(async () => {
        const { rows } = await pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`,
        );
        assert.equal(rows.length, 1);
      });
      const asked = performance.now();
      await lost;
      // A second try would have slept until the time limit.
      assert.ok(performance.now() - asked < 2_000);
      assert.equal(await one.get("a"), "1");
    });

    it("reads again over another connection when one is cut", async () => {
      const cut = postgres.pool({ max: 1 });
      const one = store({ client: cut });
      await one.set("a", "1");
      const connection = await cut.connect();
      const { rows } = await connection.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      connection.release();
      // Asked at once: the pool has not heard of it yet.
      await pool.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid]);
      assert.equal(await one.get("a"), "1");
    });

    it("goes on when an idle connection is cut, where the host does not listen", async () => {
      const bare = postgres.pool();
      bare.removeAllListeners("error");
      const one = store({ client: bare });
      await one.set("a", "1");
      await pool
        .query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )
        .catch(() => undefined);
      await eventually(async () => assert.equal(await one.get("a"), "1"));
      await one.close();
      assert.equal(bare.listenerCount("error"), 0);
      // Nobody listens to it any more.
      await bare.end();
    });

    for (const [what, url, timeoutSeconds] of [
      [
        "the password is wrong",
        (port: number) => `postgres://tester:wrong@localhost:${port}/postgres`,
        10,
      ],
      [
        "there is no such database",
        (port: number) => `postgres://tester:secret%20of%20the%20tests@localhost:${port}/none`,
        10,
      ],
      ["nobody listens", () => "postgres://tester:wrong@localhost:1/postgres", 1],
    ] as const) {
      it(`rejects when ${what}`, async () => {
        const connectionString = url(postgres.port);
        const one = store({ client: postgres.pool({ connectionString }), timeoutSeconds });
        const began = performance.now();
        await assert.rejects(one.get("a"), UNAVAILABLE);
        // What no moment makes better is not asked again until the time is over.
        assert.ok(performance.now() - began < 5_000);
      });
    }

    it("refuses a database of another encoding, with a reason", async () => {
      await pool.query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
      const latin = postgres.url.replace(/postgres$/u, "latin");
      await assert.rejects(
        store({ client: postgres.pool({ connectionString: latin }) }).get("a"),
        /not encoded in UTF8, but in LATIN1/u,
      );
    });

    it("tells when PostgreSQL is not told to be durable", async () => {
      assert.equal(await engine().durability(), undefined);
      const hasty = engine({ client: postgres.pool({ options: "-c synchronous_commit=off" }) });
      assert.match((await hasty.durability()) ?? "", /synchronous_commit on/u);
      for (const setting of ["fsync", "full_page_writes"]) {
        const careless = await PostgresServer.start(program, { settings: [`${setting}=off`] });
        try {
          const warning = await engine({ client: careless.pool() }).durability();
          assert.match(warning ?? "", new RegExp(`Set ${setting} on`, "u"));
        } finally {
          await careless.stop();
        }
      }
      const nobody = postgres.pool({ connectionString: "postgres://localhost:1/postgres" });
      assert.equal(await engine({ client: nobody, timeoutSeconds: 0.1 }).durability(), undefined);
    });

    it("ends the pool where it is told to, and asks nothing afterwards", async () => {
      const own = postgres.pool();
      const closing = store({ client: own, closesClient: true });
      await closing.set("a", "1");
      await closing.close();
      await closing.close();
      assert.equal(own.ended, true);
      const open = store();
      await open.close();
      await assert.rejects(open.get("a"), UNAVAILABLE);
      assert.equal(pool.ended, false);
    });

    for (const [what, options] of [
      ["client", { client: {} as never }],
      ["schema", { schema: 'a"; DROP TABLE x' }],
      ["schema", { schema: "pg_toast" }],
      ["tablePrefix", { tablePrefix: "A" }],
      ["tablePrefix", { tablePrefix: "a".repeat(21) }],
      ["timeoutSeconds", { timeoutSeconds: Number.NaN }],
      ["timeoutSeconds", { timeoutSeconds: 61 }],
    ] as const) {
      it(`refuses ${what} ${JSON.stringify(Object.values(options)[0])}`, () => {
        assert.throws(
          () => engine(options),
          (error: unknown) =>
            error instanceof TypeError && error.message.startsWith(`${what} must be`),
        );
      });
    }
  });
});
