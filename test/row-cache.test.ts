import assert from "node:assert/strict";
import { RowCache } from "../src/rows/row-cache.ts";

describe("rows/row-cache", () => {
  it("keeps so many rows, those that were written last", () => {
    const cache = new RowCache<number>({ maxRows: 2 });
    for (const [key, row] of [
      ["a", 1],
      ["b", 2],
      ["a", 3],
      ["c", 4],
    ] as const) {
      cache.set(key, row, 10);
    }
    assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], [3, undefined, 4]);
    assert.deepEqual(cache.size, { rows: 2, characters: 20 });
  });

  it("keeps so much text, and nothing that is larger alone", () => {
    const cache = new RowCache<number>({ maxCharacters: 100 });
    cache.set("a", 1, 60);
    cache.set("b", 2, 40);
    cache.set("c", 3, 1);
    assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], [undefined, 2, 3]);
    cache.set("b", 4, 101);
    assert.equal(cache.get("b"), undefined, "nor what was there before");
    assert.deepEqual(cache.size, { rows: 1, characters: 1 });
    cache.drop("c");
    cache.drop("c");
    assert.deepEqual(cache.size, { rows: 0, characters: 0 });
  });
});
