import assert from "node:assert/strict";
import { z } from "zod";
import { RowReader, damagedRows, forgetDamaged } from "../src/rows/rows.ts";
import { recordingLogger } from "./support/loggers.ts";
import { ManualClock } from "../src/testing/manual-clock.ts";
import { MemoryStore } from "../src/storage/memory-store.ts";

describe("rows", () => {
  const kind = (blocks: boolean) => ({
    ...{ what: "row", schema: z.looseObject({ n: z.int() }), blocks, advice: "Look at it" },
  });
  const kept = async (store: MemoryStore): Promise<string[]> => {
    const texts: string[] = [];
    for await (const { text } of damagedRows(store)) texts.push(text);
    return texts;
  };

  it("keeps the texts of one key apart, so many and so long and no more", async () => {
    const store = new MemoryStore(new ManualClock());
    const lines: string[] = [];
    const reader = new RowReader(store, recordingLogger(lines), kind(true));
    for (let each = 0; each < 20; each += 1) {
      const text = `${each}${"x".repeat(2 * 1024 * 1024)}`;
      await store.set("a", text);
      await assert.rejects(reader.read("a", text), { code: "ERR_FED_ROW_DAMAGED" });
    }
    const texts = await kept(store);
    assert.equal(texts.length, 8);
    assert.ok(texts.every((text) => text.length === 1024 * 1024));
    assert.equal(lines.length, 1);
  });

  it("keeps a place that blocks until it is let go, and no other", async () => {
    for (const blocks of [true, false]) {
      const store = new MemoryStore(new ManualClock());
      const reader = new RowReader(store, undefined, kind(blocks));
      await store.set("a", "{");
      await reader.setAside("a", "{");
      assert.equal((await store.get("a")) !== undefined, blocks);
      assert.equal(await forgetDamaged(store, "a"), blocks);
      assert.equal(await store.get("a"), undefined);
      assert.deepEqual(await kept(store), ["{"]);
    }
  });

  it("leaves a row alone that somebody has put right meanwhile", async () => {
    const store = new MemoryStore(new ManualClock());
    const reader = new RowReader(store, undefined, kind(true));
    await store.set("a", '{"n":1}');
    await reader.setAside("a", "{");
    assert.deepEqual(await reader.read("a", (await store.get("a")) ?? ""), { n: 1 });
  });
});
