import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { z } from "zod";
import { readCarried, writeCarried } from "../../src/carried/well-known.ts";
import { checkState } from "../../src/json.ts";

const PICTURE = "https://worlds.example.com/sword.webp";
const ASSET = {
  originServer: "https://worlds.example.com",
  assetHash: `sha256-${"A".repeat(43)}=`,
  size: 12,
  mediaType: "image/png",
};
const SWORD = { id: "s1", kind: "sword", name: "Sting", picture: PICTURE, count: 1 };

describe("carried/well-known: what is read", () => {
  it("is what the convention says", () => {
    const carried = { displayName: "Ada", avatar: ASSET, inventory: [SWORD], coins: 3 };
    const read = { displayName: "Ada", avatar: ASSET, inventory: [SWORD] };
    assert.deepEqual(readCarried(carried), read);
  });

  it("is nothing where nothing of it is there", () => {
    for (const carried of [undefined, null, 7, "x", [], { coins: 3 }]) {
      assert.deepEqual(readCarried(carried), { inventory: [] });
    }
  });

  it("has texts as they can be shown", () => {
    const { displayName, inventory } = readCarried({
      displayName: "A\u202eda\n",
      inventory: [{ id: "a", name: "n".repeat(70), kind: "\u0000" }],
    });
    assert.equal(displayName, "Ada");
    assert.deepEqual(inventory, [{ id: "a", name: "n".repeat(64), count: 1 }]);
  });

  it("has no picture that leads elsewhere than https", () => {
    for (const picture of ["javascript:alert(1)", "http://a.example/x.png", {}, 7]) {
      const read = readCarried({ avatar: picture, inventory: [{ id: "a", picture }] });
      assert.deepEqual(read, { inventory: [{ id: "a", count: 1 }] });
    }
  });

  it("has counts within bounds", () => {
    const inventory = [-1, 0, 1.5, "9", 4, 5e9].map((count, id) => ({ id: `i${id}`, count }));
    const counts = readCarried({ inventory }).inventory.map(({ count }) => count);
    assert.deepEqual(counts, [1, 1, 1, 1, 4, 1_000_000_000]);
  });

  it("leaves out an item without an id, and a second one of the same", () => {
    const inventory = [{ name: "?" }, "x", { id: "" }, { id: "a", kind: "one" }, { id: "a" }];
    assert.deepEqual(readCarried({ inventory }).inventory, [{ id: "a", kind: "one", count: 1 }]);
  });

  it("is 256 items at most", () => {
    const inventory = Array.from({ length: 300 }, (_, index) => ({ id: `i${index}` }));
    assert.equal(readCarried({ inventory }).inventory.length, 256);
  });

  it("never throws, and is what can be written", () => {
    fc.assert(
      fc.property(fc.anything(), fc.array(fc.anything()), (any, inventory) => {
        const read = readCarried({ displayName: any, avatar: any, inventory });
        writeCarried({}, read);
        readCarried(any);
      }),
    );
  });
});

describe("carried/well-known: what is written", () => {
  it("is read again", () => {
    const changes = { displayName: "Ada", avatar: PICTURE, inventory: [SWORD] };
    assert.deepEqual(readCarried(writeCarried(undefined, changes)), changes);
  });

  it("leaves alone what is not well known, in items, too", () => {
    const before = {
      coins: 3,
      avatar: PICTURE,
      inventory: [{ id: "s1", level: 9 }, { nobody: "reads this" }, { id: "old" }],
    };
    assert.deepEqual(writeCarried(before, { inventory: [{ id: "s1", name: "Sting" }] }), {
      coins: 3,
      avatar: PICTURE,
      inventory: [{ id: "s1", level: 9, name: "Sting" }, { nobody: "reads this" }],
    });
  });

  it("takes away what is null", () => {
    const before = { displayName: "Ada", avatar: PICTURE, coins: 3 };
    assert.deepEqual(writeCarried(before, { displayName: null, avatar: null }), { coins: 3 });
  });

  it("does not begin anew where what is carried cannot travel", () => {
    for (const carried of [7, [], { big: "x".repeat(40_000) }]) {
      assert.throws(() => writeCarried(carried, {}), /^TypeError: carried: expected an object/u);
    }
  });

  for (const [what, changes, message] of [
    [
      "a name in two lines",
      { displayName: "A\nda" },
      /^TypeError: displayName: expected one line/u,
    ],
    ["a picture that is none", { avatar: "http://a.example/" }, /^TypeError: avatar: expected/u],
    ["an item without an id", { inventory: [{ id: "" }] }, /inventory\[0\]\.id: expected/u],
    ["an id twice", { inventory: [{ id: "a" }, { id: "a" }] }, /inventory\[1\]\.id: expected/u],
    ["none of an item", { inventory: [{ id: "a", count: 0 }] }, /inventory\[0\]\.count: expected/u],
  ] as const) {
    it(`is refused: ${what}`, () => {
      assert.throws(() => writeCarried({}, changes), message);
    });
  }
});

describe("carried/well-known: docs/carried.schema.json", () => {
  let schema: z.ZodType;
  before(async () => {
    const text = await readFile(new URL("../../docs/carried.schema.json", import.meta.url), "utf8");
    schema = z.fromJSONSchema(JSON.parse(text) as Parameters<typeof z.fromJSONSchema>[0]);
  });

  it("fits whatever is written", () => {
    const item = fc.record(
      {
        id: fc.stringMatching(/^[a-z]{1,64}$/u),
        kind: fc.stringMatching(/^[a-z]{1,32}$/u),
        name: fc.stringMatching(/^[a-z]{1,64}$/u),
        picture: fc.constantFrom(PICTURE, ASSET),
        count: fc.integer({ min: 1, max: 1_000_000_000 }),
      },
      { requiredKeys: ["id"] },
    );
    const inventory = fc.uniqueArray(item, { selector: ({ id }) => id, maxLength: 20 });
    fc.assert(
      fc.property(fc.constantFrom(PICTURE, ASSET), inventory, (avatar, items) => {
        const written = writeCarried(
          { coins: 3 },
          { displayName: "Ada", avatar, inventory: items },
        );
        assert.equal(checkState(written).ok, true);
        assert.equal(schema.safeParse(written).success, true);
      }),
      { numRuns: 50 },
    );
  });

  for (const [what, carried] of [
    ["a name too long", { displayName: "n".repeat(65) }],
    ["a picture over http", { avatar: "http://a.example/" }],
    ["an item without an id", { inventory: [{}] }],
    ["a count of nothing", { inventory: [{ id: "a", count: 0 }] }],
  ] as const) {
    it(`does not fit ${what}`, () => {
      assert.equal(schema.safeParse(carried).success, false);
    });
  }
});
