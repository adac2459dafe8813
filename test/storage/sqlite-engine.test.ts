import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Keyv } from "keyv";
import { FederationError } from "../../src/errors.ts";
import { LEDGER_TABLE } from "../../src/custody/home/ledger-columns.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { coded } from "../support/coded.ts";
import { folderOfTest } from "../support/folders.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { storeConformance } from "../../src/testing/store-conformance.ts";

describe("storage/sqlite-engine", () => {
  const folder = folderOfTest();

  storeConformance({
    name: "SQLite",
    open: (clock) =>
      new KeyvStore(new SqliteEngine({ path: join(folder.path, "s.sqlite"), clock }), { clock }),
  });

  it("removes what has expired a little at a time, and goes on with it", async () => {
    const clock = new ManualClock();
    const path = join(folder.path, "swept.sqlite");
    const store = new KeyvStore(new SqliteEngine({ path, clock }), { clock });
    const many = Array.from({ length: 2_500 }, (_, each) => `old/${each}`);
    await Promise.all(many.map((key) => store.set(key, "x", 1_000)));
    const database = new DatabaseSync(path, { readOnly: true });
    const count = (): number =>
      Number(database.prepare("SELECT count(*) AS n FROM entries").get()?.["n"]);
    clock.advance(1_001);
    const counts: number[] = [];
    for (let write = 0; write < 600 && count() > 1; write += 1) {
      await store.set("live", `${write}`);
      if (counts.at(-1) !== count()) counts.push(count());
    }
    database.close();
    assert.equal(counts.at(-1), 1);
    const steps = counts.map((each, index) => (counts[index - 1] ?? 2_501) - each);
    assert.ok(Math.max(...steps) <= 1_100, steps.join());
    await store.close();
  });

  it("uses the room again of what has expired", async () => {
    const clock = new ManualClock();
    const path = join(folder.path, "reused.sqlite");
    const store = new KeyvStore(new SqliteEngine({ path, clock }), { clock });
    const sizes: number[] = [];
    for (let day = 0; day < 8; day += 1) {
      await Promise.all(
        Array.from({ length: 4_096 }, (_, each) =>
          store.set(`history/${day}/${each}`, "x".repeat(400), 2 * 86_400_000),
        ),
      );
      clock.advance(86_400_000);
      sizes.push((await stat(path)).size);
    }
    await store.close();
    assert.ok((sizes.at(-1) ?? 0) < 1.2 * (sizes[4] ?? 0), sizes.join());
  });

  it("has two rows in a page that are each longer than a quarter of it", async () => {
    const path = join(folder.path, "long.sqlite");
    const store = new KeyvStore(new SqliteEngine({ path }));
    const rows = Array.from({ length: 200 }, (_, each) => `receipt/${each}`);
    await Promise.all(rows.map((key) => store.set(key, "x".repeat(1_800))));
    await store.close();
    const database = new DatabaseSync(path, { readOnly: true });
    const pages = Number(database.prepare("PRAGMA page_count").get()?.["page_count"]);
    database.close();
    assert.ok(pages < 150, `${pages} pages`);
  });

  it("goes on with a file whose rows are in the tree of their keys", async () => {
    const path = join(folder.path, "former.sqlite");
    const database = new DatabaseSync(path);
    database.exec(`
      CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires INTEGER) WITHOUT ROWID;
      INSERT INTO entries VALUES ('kept', 'as it was', NULL);
    `);
    database.close();
    const store = new KeyvStore(new SqliteEngine({ path }));
    assert.equal(await store.get("kept"), "as it was");
    assert.ok(await store.compareAndSet("kept", "as it was", "changed"));
    assert.ok(await store.compareAndSet("new", undefined, "here"));
    const entries: (readonly [string, string])[] = [];
    for await (const entry of store.entries("")) entries.push(entry);
    assert.deepEqual(entries, [
      ["kept", "changed"],
      ["new", "here"],
    ]);
    await store.close();
  });

  it("finds what is listed by its index, and a row by its key", async () => {
    const path = join(folder.path, "plans.sqlite");
    const store = new KeyvStore(new SqliteEngine({ path }));
    await store.table(LEDGER_TABLE).insert("a", 1, {});
    await store.close();
    const database = new DatabaseSync(path);
    const plan = (query: string): string =>
      database
        .prepare(`EXPLAIN QUERY PLAN ${query}`)
        .all()
        .map((row) => String(row["detail"]))
        .join();
    const listed = "SELECT * FROM custody WHERE listed IS NOT NULL AND key >= '' AND key < 'x'";
    assert.match(plan(`${listed} ORDER BY key`), /SEARCH custody USING INDEX custody_listed/u);
    assert.match(plan("UPDATE custody SET epoch = 1 WHERE key = 'a' AND version = 1"), /SEARCH/u);
    database.close();
  });

  it("adds the columns that a former version had not", async () => {
    const path = join(folder.path, "grown.sqlite");
    const opened = () => new KeyvStore(new SqliteEngine({ path }));
    const former = opened();
    const spec = {
      name: "things",
      columns: { name: "text", mark: "integer" },
      listed: "mark",
    } as const;
    await former.table(spec).insert("a", 1, { name: "one" });
    await former.close();
    for (let start = 0; start < 2; start += 1) {
      const store = opened();
      const table = store.table({ ...spec, columns: { ...spec.columns, more: "text" } });
      const row = await table.get("a");
      assert.equal(row?.values["name"], "one");
      assert.ok(await table.update("a", row.version, { more: `${start}` }));
      assert.equal((await table.get("a"))?.values["more"], `${start}`);
      await store.close();
    }
  });

  it("lets others have their turn while many rows are read", async () => {
    const store = new KeyvStore(new SqliteEngine({ path: join(folder.path, "turns.sqlite") }));
    const table = store.table(LEDGER_TABLE);
    await Promise.all(
      Array.from({ length: 1_000 }, (_, each) => table.insert(`p${each}`, 1, { listed: 1 })),
    );
    for (const rows of [table.rows(""), table.listed("")]) {
      let turns = 0;
      const count = (): void => {
        turns += 1;
        timer = setImmediate(count);
      };
      let timer = setImmediate(count);
      let found = 0;
      for await (const _ of rows) found += 1;
      clearImmediate(timer);
      assert.equal(found, 1_000);
      assert.ok(turns >= 5, `${turns} turns`);
    }
    await store.close();
  });

  it("serves through a Keyv with a namespace, apart from others", async () => {
    const engine = () => new SqliteEngine({ path: join(folder.path, "shared.sqlite") });
    const [a, b] = ["a", "b"].map(
      (namespace) => new KeyvStore(new Keyv({ store: engine(), namespace })),
    );
    await a?.set("key", "of a");
    assert.equal(await b?.get("key"), undefined);
    await b?.set("key", "of b");
    assert.equal(await a?.get("key"), "of a");
    await Promise.all([a?.close(), b?.close()]);
  });

  it("lets one of two processes use a nonce up", async () => {
    const path = join(folder.path, "nonces.sqlite");
    const one = new KeyvStore(new SqliteEngine({ path }));
    const two = new KeyvStore(new SqliteEngine({ path }));
    for (let nonce = 0; nonce < 20; nonce += 1) {
      const won = await Promise.all(
        [one, two].map((store) => store.compareAndSet(`nonce/${nonce}`, undefined, "1", 60_000)),
      );
      assert.deepEqual(won.sort(), [false, true]);
    }
    await Promise.all([one.close(), two.close()]);
  });

  it("refuses a store without compare-and-set", () => {
    assert.throws(() => new KeyvStore(new Keyv()), coded("ERR_FED_STORE_WITHOUT_CAS"));
  });

  it("rejects, and never answers absent, once it is closed", async () => {
    const store = new KeyvStore(new SqliteEngine({ path: join(folder.path, "closed.sqlite") }));
    await store.close();
    await assert.rejects(store.get("a"), /store does not answer/u);
    await assert.rejects(store.set("a", "1"), /store does not answer/u);
    await assert.rejects(store.compareAndSet("a", undefined, "1"), /store does not answer/u);
  });

  it("makes no file of a name that means no file", () => {
    for (const path of [":memory:", ""]) {
      assert.throws(() => new SqliteEngine({ path }), {
        name: "TypeError",
        message: /MemoryStore/u,
      });
    }
  });

  it("says what to check when the file is no database", async () => {
    const path = join(folder.path, "text.sqlite");
    await writeFile(path, "this is not a database, however long it may be".repeat(100));
    assert.throws(
      () => new SqliteEngine({ path }),
      (error) =>
        error instanceof FederationError &&
        error.code === "ERR_FED_STORE_UNAVAILABLE" &&
        error.message.includes(path),
    );
  });

  it("keeps its file to its owner", async () => {
    const path = join(folder.path, "deep", "own.sqlite");
    const store = new KeyvStore(new SqliteEngine({ path }));
    await store.set("a", "1");
    const own: { mode: number } = await stat(path);
    assert.equal(own.mode & 0o777, 0o600);
    const above: { mode: number } = await stat(join(folder.path, "deep"));
    assert.equal(above.mode & 0o777, 0o700);
    await store.close();
  });

  describe("while another program has the file locked", () => {
    let path: string;
    let other: DatabaseSync;
    let ticks: Ticks;
    beforeEach(() => {
      path = join(folder.path, "locked.sqlite");
    });
    afterEach(() => {
      ticks?.stop();
      if (other?.isOpen) other.close();
    });

    const lock = (statement = "BEGIN EXCLUSIVE"): void => {
      other = new DatabaseSync(path);
      other.exec(statement);
    };

    it("waits without holding up the process, and writes once the lock is gone", async () => {
      const store = new KeyvStore(new SqliteEngine({ path }));
      await store.set("a", "1");
      lock();
      ticks = new Ticks();
      const writes = [
        store.set("a", "2"),
        store.compareAndSet("b", undefined, "1"),
        store.compareAndSet("b", undefined, "2"),
      ];
      await ticks.reach(80);
      other.exec("ROLLBACK");
      assert.deepEqual(await Promise.all(writes), [undefined, true, false]);
      assert.equal(await store.get("a"), "2");
      assert.ok(ticks.longestGap < 500, `the event loop stood still for ${ticks.longestGap} ms`);
      await store.close();
    });

    it("fails with a code when the lock stays, and writes again when it is gone", async () => {
      const store = new KeyvStore(new SqliteEngine({ path, busySeconds: 1 }));
      await store.set("a", "1");
      lock();
      ticks = new Ticks();
      await assert.rejects(store.set("a", "2"), coded("ERR_FED_STORE_UNAVAILABLE"));
      assert.ok(ticks.longestGap < 500, `the event loop stood still for ${ticks.longestGap} ms`);
      other.exec("ROLLBACK");
      assert.equal(await store.get("a"), "1", "what was refused was not written");
      await store.set("a", "3");
      assert.equal(await store.get("a"), "3");
      await store.close();
    });

    it("reads as patiently as it writes", async () => {
      const store = new KeyvStore(new SqliteEngine({ path, busySeconds: 0.5 }));
      await store.set("a", "1");
      await store.close();
      // In this mode the lock keeps readers out, too.
      lock("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM entries WHERE key = 'x'");
      ticks = new Ticks();
      const again = new KeyvStore(new SqliteEngine({ path, busySeconds: 0.3 }));
      const patient = new KeyvStore(new SqliteEngine({ path }));
      const read = patient.get("a");
      const listed = entriesOf(patient);
      await assert.rejects(again.get("a"), coded("ERR_FED_STORE_UNAVAILABLE"));
      await assert.rejects(entriesOf(again), coded("ERR_FED_STORE_UNAVAILABLE"));
      other.exec("ROLLBACK");
      other.close();
      assert.equal(await read, "1");
      assert.deepEqual(await listed, [["a", "1"]]);
      assert.ok(ticks.longestGap < 500, `the event loop stood still for ${ticks.longestGap} ms`);
      await Promise.all([again.close(), patient.close()]);
    });

    it("opens a new file that another program has just made and locked", async () => {
      lock();
      ticks = new Ticks();
      const store = new KeyvStore(new SqliteEngine({ path }));
      const written = store.set("a", "1");
      await ticks.reach(20);
      other.exec("ROLLBACK");
      await written;
      assert.equal(await store.get("a"), "1");
      assert.ok(ticks.longestGap < 500, `the event loop stood still for ${ticks.longestGap} ms`);
      await store.close();
    });

    it("writes what was asked for before it is closed", async () => {
      const store = new KeyvStore(new SqliteEngine({ path }));
      await store.set("a", "1");
      lock();
      const written = store.set("a", "2");
      const closed = store.close();
      await assert.rejects(store.set("a", "3"), coded("ERR_FED_STORE_UNAVAILABLE"));
      other.exec("ROLLBACK");
      await written;
      await closed;
      const again = new KeyvStore(new SqliteEngine({ path }));
      assert.equal(await again.get("a"), "2");
      await again.close();
    });
  });
});

/** Counts how the event loop turns. */
class Ticks {
  longestGap = 0;
  #count = 0;
  #last = performance.now();
  readonly #timer: NodeJS.Timeout;
  #waiting: { readonly count: number; readonly resolve: () => void } | undefined;

  constructor() {
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.longestGap = Math.max(this.longestGap, now - this.#last);
      this.#last = now;
      this.#count += 1;
      if (this.#waiting !== undefined && this.#count >= this.#waiting.count) {
        this.#waiting.resolve();
      }
    }, 10);
  }

  /** Resolves once the loop has turned so often. */
  reach(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = { count, resolve };
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

async function entriesOf(store: KeyvStore): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const entry of store.entries("")) all.push(entry);
  return all;
}
