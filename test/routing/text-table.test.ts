import assert from "node:assert/strict";
import fc from "fast-check";
import { TextTable, hashOf } from "../../src/routing/text-table.ts";

describe("routing/text-table", () => {
  it("is a Map, however many keys have one hash", () => {
    const key = fc.integer({ min: 0, max: 60 }).map((n) => `key-${n}`);
    const change = fc.tuple(fc.constantFrom("set", "set", "delete"), key, fc.integer());
    const hashes = fc.constantFrom<(text: string) => number>(
      () => 0,
      () => -1,
      // The last slots, so that what follows them is the first.
      (text) => 0x7ffffffc + (text.length % 3),
      (text) => text.charCodeAt(5),
      (text) => hashOf(7, text),
    );
    fc.assert(
      fc.property(hashes, fc.array(change, { maxLength: 200 }), (hash, changes) => {
        const table = new TextTable<number>(hash);
        const plain = new Map<string, number>();
        for (const [what, text, value] of changes) {
          if (what === "set") {
            table.set(text, value);
            plain.set(text, value);
          } else assert.equal(table.delete(text), plain.delete(text));
          assert.equal(table.size, plain.size);
        }
        for (let n = 0; n <= 60; n += 1) assert.equal(table.get(`key-${n}`), plain.get(`key-${n}`));
        assert.deepEqual([...table.keys()].sort(), [...plain.keys()].sort());
        assert.deepEqual([...table.values()].sort(), [...plain.values()].sort());
      }),
      { numRuns: 500 },
    );
  });

  it("finds a key in a longer text, by where it lies", () => {
    const table = new TextTable<number>((key) => hashOf(1, key));
    table.set("a.example", 1);
    const text = "aether://a.example/a.example";
    const hash = hashOf(1, "a.example");
    assert.equal(table.find(text, 9, 18, hash), 1);
    assert.equal(table.find(text, 19, 28, hash), 1);
    assert.equal(table.find(text, 8, 17, hash), undefined);
    assert.equal(table.find(text, 9, 17, hash), undefined);
  });

  it("gives back the room of what was deleted", () => {
    const table = new TextTable<number>((key) => hashOf(1, key));
    for (let n = 0; n < 10_000; n += 1) table.set(`key-${n}`, n);
    for (let n = 0; n < 9_990; n += 1) assert.equal(table.delete(`key-${n}`), true);
    for (let n = 9_990; n < 10_000; n += 1) assert.equal(table.get(`key-${n}`), n);
    assert.ok(table.slots <= 128, `${table.slots} slots`);
  });
});
