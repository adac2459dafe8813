import assert from "node:assert/strict";
import { basketOf, withCatch } from "../../../example-server/harbour/carried.ts";
import { readCarried } from "../../../src/carried/well-known.ts";

const PERCH = { kind: "fish", name: "Perch, 31 cm", centimetres: 31 } as const;
const BOOT = { kind: "boot", name: "Old boot, size 42", centimetres: 0 } as const;
const HERE = "localhost:2570";
const STAMP = { id: `stamp:${HERE}/harbour`, kind: "stamp", name: "Stamp of harbour", count: 1 };

const items = (count: number, kind: string) =>
  Array.from({ length: count }, (_, index) => ({ id: `i${index}`, kind, name: `Thing ${index}` }));

describe("what the harbour adds to what a player carries", () => {
  it("is the catch, and a stamp with the first one, beside all that was there", () => {
    const brought = {
      coins: ["plaza-1", "arena-2"],
      hat: { deep: [1, null] },
      inventory: [{ id: "s1", kind: "sword", name: "Sting", sharp: true }, { unreadable: 7 }],
    };
    const first = withCatch(brought, PERCH, HERE);
    assert.equal(first.isKept && first.isStamped, true);
    const { inventory, ...rest } = first.carried as typeof brought;
    assert.deepEqual(rest, { coins: brought.coins, hat: brought.hat });
    assert.deepEqual(inventory.slice(0, 1), brought.inventory.slice(0, 1));
    assert.deepEqual(inventory.at(-1), { unreadable: 7 });
    const second = withCatch(first.carried, BOOT, HERE);
    assert.equal(second.isStamped, false);
    const read = readCarried(second.carried).inventory;
    assert.deepEqual(
      read.map(({ kind }) => kind),
      ["sword", "fish", "stamp", "boot"],
    );
    assert.deepEqual(read[2], STAMP);
    assert.match(read[1]?.id ?? "", /^[\da-f-]{36}$/u);
  });

  it("begins with nothing for one that never carried", () => {
    const { carried } = withCatch(undefined, PERCH, HERE);
    assert.deepEqual(basketOf(carried).fish, ["Perch, 31 cm"]);
  });

  it("is twenty catches at most; the stamp comes all the same", () => {
    const full = { inventory: items(20, "fish") };
    const { carried, isKept, isStamped } = withCatch(full, PERCH, HERE);
    assert.deepEqual([isKept, isStamped], [false, true]);
    assert.equal(readCarried(carried).inventory.length, 21);
    assert.equal(withCatch({ inventory: items(19, "fish") }, PERCH, HERE).isKept, true);
  });

  it("is nothing where no more can be carried, and nothing is lost by that", () => {
    for (const brought of [
      { inventory: items(256, "thing") },
      { inventory: items(255, "thing") },
      { diary: "x".repeat(31 * 1024) },
      ["not", "a", "bag"],
      "a text",
      7,
    ]) {
      const before = structuredClone(brought);
      const { carried, isKept, isStamped } = withCatch(brought, PERCH, HERE);
      assert.deepEqual([carried, isKept, isStamped], [before, false, false]);
    }
  });
});

describe("what the harbour shows of what a player carries", () => {
  it("is what it understands, and the names of what it only keeps", () => {
    const carried = {
      displayName: "Ada",
      coins: ["a", "b", "c"],
      hat: {},
      flowers: 2,
      "<script>": 1,
      inventory: [
        { id: "1", kind: "fish", name: "Pike, 80 cm" },
        { id: "2", kind: "stamp", name: "Stamp of plaza" },
        { id: "3", kind: "sword", name: "Sting", count: 2 },
        { id: "4" },
      ],
    };
    assert.deepEqual(basketOf(carried), {
      fish: ["Pike, 80 cm"],
      stamps: ["Stamp of plaza"],
      things: ["Sting × 2", "something"],
      coins: 3,
      unknown: ["hat", "flowers"],
    });
  });

  it("is nothing of what makes no sense, and never much", () => {
    const nothing = { fish: [], stamps: [], things: [], coins: 0, unknown: [] };
    for (const carried of [undefined, null, 7, "x", [], { coins: "many", inventory: {} }]) {
      assert.deepEqual(basketOf(carried), nothing);
    }
    const members = Object.fromEntries(Array.from({ length: 99 }, (_, index) => [`m${index}`, 1]));
    assert.equal(basketOf(members).unknown.length, 12);
    assert.equal(basketOf({ coins: Array<string>(20_000).fill("c") }).coins, 9_999);
  });
});
