import assert from "node:assert/strict";
import { type FormatStep, openFormat } from "../../src/storage/store-format.ts";
import { coded } from "../support/coded.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";

describe("storage/store-format", () => {
  const steps: FormatStep[] = [
    async (store) => store.set("one", "1"),
    async (store) => store.set("two", (await store.get("one")) ?? "too early"),
  ];
  const version = async (store: MemoryStore): Promise<unknown> =>
    JSON.parse((await store.get("format")) ?? "null");

  it("is the first of a new store", async () => {
    const store = new MemoryStore(new ManualClock());
    await openFormat(store, { steps: [] });
    assert.deepEqual(await version(store), { version: 1 });
  });

  it("goes forward step by step, from wherever it was", async () => {
    for (const from of [undefined, '{"version":1}', '{"version":2}']) {
      const store = new MemoryStore(new ManualClock());
      await store.set("one", "1");
      if (from !== undefined) await store.set("format", from);
      await Promise.all([openFormat(store, { steps }), openFormat(store, { steps })]);
      assert.equal(await store.get("two"), "1");
      assert.deepEqual(await version(store), { version: 3 });
    }
  });

  it("goes on where a step failed", async () => {
    const store = new MemoryStore(new ManualClock());
    const failing = [steps[0], () => Promise.reject(new Error("no"))] as FormatStep[];
    await assert.rejects(openFormat(store, { steps: failing }), /no/u);
    assert.deepEqual(await version(store), { version: 2 });
    await openFormat(store, { steps });
    assert.equal(await store.get("two"), "1");
  });

  it("is only looked at by whoever works beside a server", async () => {
    const store = new MemoryStore(new ManualClock());
    await openFormat(store, { steps, readOnly: true });
    assert.equal(await store.get("format"), undefined);
    await store.set("format", '{"version":9}');
    await assert.rejects(
      openFormat(store, { steps, readOnly: true }),
      coded("ERR_FED_STORE_NEWER"),
    );
  });
});
