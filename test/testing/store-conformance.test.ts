import assert from "node:assert/strict";
import type { Store, Table } from "../../src/ports.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { type TestRunner, storeConformance } from "../../src/testing/store-conformance.ts";

/** Runs the suite on a store, whatever mocha's own words are; the titles that failed. */
async function failuresOf(open: (store: Store) => Store): Promise<string[]> {
  const cases: { readonly title: string; readonly test: () => Promise<void> }[] = [];
  const runner: TestRunner = {
    describe: (_name, suite) => suite(),
    it: (title, test) => cases.push({ title, test }),
  };
  let disk = new Map();
  storeConformance({
    ...{ name: "a store", runner },
    open: (clock) => open(new MemoryStore(clock, disk)),
  });
  const failed: string[] = [];
  for (const { title, test } of cases) {
    disk = new Map();
    await test().catch(() => failed.push(title));
  }
  assert.ok(cases.length > 8);
  return failed;
}

/** A store with one method changed. */
function with_(store: Store, changes: Partial<Store>): Store {
  return {
    get: (key) => store.get(key),
    set: (...args) => store.set(...args),
    delete: (key) => store.delete(key),
    compareAndSet: (...args) => store.compareAndSet(...args),
    entries: (prefix) => store.entries(prefix),
    table: (spec) => store.table(spec),
    close: () => store.close(),
    ...changes,
  };
}

function tableWith(table: Table): Table {
  return {
    get: (key) => table.get(key),
    insert: (...args) => table.insert(...args),
    update: (...args) => table.update(...args),
    remove: (...args) => table.remove(...args),
    rows: (prefix) => table.rows(prefix),
    listed: (prefix) => table.listed(prefix),
  };
}

describe("testing/store-conformance", () => {
  it("passes a store that is one", async () => {
    assert.deepEqual(await failuresOf((store) => with_(store, {})), []);
  });

  it("fails one that compares first and sets afterwards", async () => {
    const failed = await failuresOf((store) =>
      with_(store, {
        compareAndSet: async (key, expected, next) => {
          if ((await store.get(key)) !== expected) return false;
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (next === undefined) await store.delete(key);
          else await store.set(key, next);
          return true;
        },
      }),
    );
    assert.ok(failed.includes("lets exactly one of many win"), failed.join());
  });

  it("fails one that forgets when values expire", async () => {
    const failed = await failuresOf((store) =>
      with_(store, { set: (key, value) => store.set(key, value) }),
    );
    assert.ok(failed.includes("lets values expire"), failed.join());
  });

  it("fails one that gives each opener a place of its own", async () => {
    const failed = await failuresOf(() => new MemoryStore());
    assert.ok(failed.includes("has everything after a restart, seen by both"), failed.join());
  });

  it("fails one whose tables do not look at the version", async () => {
    const failed = await failuresOf((store) =>
      with_(store, {
        table: (spec) => ({
          ...tableWith(store.table(spec)),
          update: async (key, _version, changes) => {
            const table = store.table(spec);
            const row = await table.get(key);
            return row !== undefined && table.update(key, row.version, changes);
          },
        }),
      }),
    );
    const title = "changes only the columns it is told, of the expected version only";
    assert.ok(failed.includes(title), failed.join());
  });

  it("fails one that lists what is not listed any more", async () => {
    const failed = await failuresOf((store) =>
      with_(store, {
        table: (spec) => ({
          ...tableWith(store.table(spec)),
          listed: (prefix) => store.table(spec).rows(prefix),
        }),
      }),
    );
    const title = "lists rows of a prefix in order, and apart those that are listed";
    assert.ok(failed.includes(title), failed.join());
  });

  it("says what is missing where the runner has no words of its own", () => {
    const runner = { describe: undefined, it: undefined } as unknown as TestRunner;
    const options = { name: "a store", open: () => new MemoryStore(), runner };
    assert.throws(() => storeConformance(options), /runner/u);
  });
});
