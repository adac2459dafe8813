import assert from "node:assert/strict";
import type { TableSpec } from "../../src/ports.ts";
import { KeyValueTable } from "../../src/storage/key-value-table.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { type MemoryDisk, MemoryStore } from "../../src/storage/memory-store.ts";
import { storeConformance } from "../../src/testing/store-conformance.ts";

const SPEC: TableSpec = {
  name: "things",
  columns: { n: "integer", mark: "integer" },
  listed: "mark",
};

/** An engine of a host's own, without tables. */
function engineOf(store: MemoryStore) {
  return {
    get: (key: string) => store.get(key),
    set: async (key: string, value: string, expires?: number) => {
      await store.set(key, value, ttlOf(store, expires));
      return true;
    },
    delete: async (key: string) => {
      await store.delete(key);
      return true;
    },
    compareAndSet: (
      key: string,
      expected: string | undefined,
      next: string | undefined,
      expires?: number,
    ) => store.compareAndSet(key, expected, next, ttlOf(store, expires)),
    entries: (prefix: string) => store.entries(prefix),
    disconnect: () => store.close(),
  };
}
const clocks = new WeakMap<MemoryStore, { now(): number }>();
const ttlOf = (store: MemoryStore, expires: number | undefined): number | undefined =>
  expires === undefined ? undefined : expires - (clocks.get(store)?.now() ?? 0);

describe("storage/key-value-table", () => {
  let disk: MemoryDisk;
  beforeEach(() => {
    disk = new Map();
  });

  storeConformance({
    name: "an engine without tables",
    open: (clock) => {
      const store = new MemoryStore(clock, disk);
      clocks.set(store, clock);
      return new KeyvStore(engineOf(store), { clock });
    },
  });

  it("lists what was put on the list, whichever of its writes was the last before a crash", async () => {
    for (let last = 1; last < 40; last += 1) {
      const store = new MemoryStore();
      let writes = 0;
      const dying = {
        get: (key: string) => store.get(key),
        entries: (prefix: string) => store.entries(prefix),
        compareAndSet: async (
          key: string,
          before: string | undefined,
          next: string | undefined,
        ) => {
          writes += 1;
          if (writes > last) throw new Error("dead");
          return store.compareAndSet(key, before, next);
        },
      };
      const table = new KeyValueTable(dying, SPEC);
      await (async () => {
        await table.insert("a", 1, { n: 0 });
        for (let n = 1; n < 12; n += 1) {
          await table.update("a", n, { n, mark: n % 2 === 1 ? 1 : undefined });
        }
        await table.remove("a", 12);
      })().catch(() => undefined);
      const after = new KeyValueTable(store, SPEC);
      const row = await after.get("a");
      const listed: string[] = [];
      for await (const { key } of after.listed("")) listed.push(key);
      assert.deepEqual(listed, row?.values["mark"] === undefined ? [] : ["a"], `after ${last}`);
    }
  });
});
