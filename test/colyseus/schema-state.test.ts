import assert from "node:assert/strict";
import {
  type ArraySchema,
  Encoder,
  MapSchema,
  Schema,
  type SetSchema,
  defineTypes,
  schema,
  t,
} from "@colyseus/schema";
import { carrySchema, restoreSchema } from "aether-federation";
import fc from "fast-check";

const Item = schema({ name: t.string(), level: t.uint8() }, "Item");
const Bag = schema({ gold: t.number(), items: t.map(Item) }, "Bag");
const Player = schema(
  {
    x: t.float32(),
    y: t.float32(),
    name: t.string(),
    alive: t.boolean(),
    bag: Bag,
    badges: t.set("string"),
    scores: t.collection("int16"),
    trail: t.array("int8"),
    stash: t.array(Item),
    counts: t.map("number"),
    born: t.bigint64(),
    mood: t.quantized({ min: 0, max: 1, bits: 8 }),
  },
  "Player",
);
type Player = InstanceType<typeof Player>;

const FULL = {
  x: 1.5,
  y: -2,
  name: "Ada",
  alive: true,
  bag: { gold: 12, items: { sword: { name: "Sword", level: 3 } } },
  badges: ["first", "second"],
  scores: [7, 7, -7],
  trail: [1, -1],
  stash: [{ name: "Hat", level: 1 }],
  counts: { kills: 2 },
  born: "-9007199254740993",
  mood: 1,
};

describe("colyseus/schema-state", () => {
  it("carries all that a schema declares, and restores it", () => {
    const player = new Player();
    assert.deepEqual(restoreSchema(player, FULL), []);
    assert.deepEqual(carrySchema(player), FULL);
    assert.equal(player.bag.items.get("sword")?.level, 3);
    assert.equal(player.born, -9007199254740993n);
    assert.ok(player.badges.has("second"));
    // Clients are sent it as what it is.
    assert.ok(new Encoder(player).encodeAll().length > 0);
  });

  it("carries and restores the fields that are named", () => {
    const fields = ["bag", "badges"] as const;
    const player = new Player();
    restoreSchema(player, FULL);
    assert.deepEqual(carrySchema(player, fields), { bag: FULL.bag, badges: FULL.badges });
    const other = new Player();
    other.name = "Eve";
    restoreSchema(other, FULL, fields);
    assert.deepEqual([other.name, other.bag.gold, other.x], ["Eve", 12, undefined]);
  });

  it("restores nested schemas in place, empties collections, and leaves what is not named", () => {
    const player = new Player();
    restoreSchema(player, FULL);
    const { bag } = player;
    restoreSchema(player, { bag: { items: {} }, trail: [5] });
    assert.equal(player.bag, bag);
    assert.deepEqual([bag.gold, bag.items.size, [...player.trail]], [12, 0, [5]]);
    assert.equal(player.name, "Ada");
  });

  it("takes inherited fields for the schema's own", () => {
    const Mage = Player.extend({ mana: t.uint16() }, "Mage");
    const mage = new Mage();
    assert.deepEqual(restoreSchema(mage, { name: "Ada", mana: 9 }), []);
    assert.deepEqual([mage.name, mage.mana], ["Ada", 9]);
    assert.equal(carrySchema(mage)["mana"], 9);
  });

  it("makes the collections that a class without values of its own has not", () => {
    class Old extends Schema {
      declare items: MapSchema<InstanceType<typeof Item>>;
      declare list: ArraySchema<number>;
      declare tags: SetSchema<string>;
    }
    // Games that are older than `schema()` have it.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    defineTypes(Old, { items: { map: Item }, list: ["uint8"], tags: { set: "string" } });
    const old = new Old();
    const carried = { items: { a: { name: "A", level: 1 } }, list: [1], tags: ["x"] };
    assert.deepEqual(restoreSchema(old, carried), []);
    assert.deepEqual(carrySchema(old), carried);
  });

  it("restores nothing of a player who carries nothing", () => {
    assert.deepEqual(restoreSchema(new Player(), undefined), []);
  });

  const misfits: readonly [string, unknown, string][] = [
    ["a text for a number", { x: "1" }, "/x"],
    ["a number for a text", { name: 7 }, "/name"],
    ["a list for an object", { bag: [] }, "/bag"],
    ["an object for a list", { trail: { 0: 1 } }, "/trail"],
    ["a null", { name: null }, "/name"],
    ["a wide integer", { trail: [200] }, "/trail/0"],
    ["a fraction for an integer", { scores: [1.5] }, "/scores/0"],
    ["a float64 for a float32", { x: 1e300 }, "/x"],
    ["a level below zero", { stash: [{ level: -1 }] }, "/stash/0/level"],
    ["a BigInt out of bounds", { born: "9223372036854775808" }, "/born"],
    ["a BigInt that is none", { born: "1e3" }, "/born"],
    ["a mood past its range", { mood: 2 }, "/mood"],
    ["1 for true", { alive: 1 }, "/alive"],
    ["a text that is too long", { name: "x".repeat(1001) }, "/name"],
    ["a key that is too long", { counts: { ["x".repeat(1001)]: 1 } }, "/counts/"],
    ["a text as a whole", "state", ""],
    ["a list as a whole", [], ""],
    ["a state that is too large", { name: "x".repeat(40_000) }, ""],
  ];
  for (const [what, carried, path] of misfits) {
    it(`leaves out ${what}, and says so`, () => {
      const player = new Player();
      const before = JSON.stringify(carrySchema(player, ["x", "y", "name", "alive", "born"]));
      const [leftOut, ...more] = restoreSchema(player, carried);
      assert.ok(leftOut?.path.startsWith(path), JSON.stringify(leftOut));
      assert.deepEqual(more, []);
      assert.equal(
        JSON.stringify(carrySchema(player, ["x", "y", "name", "alive", "born"])),
        before,
      );
    });
  }

  it("keeps what fits beside what does not", () => {
    const player = new Player();
    const leftOut = restoreSchema(player, { trail: [1, "2", 3], name: 7, alive: true });
    assert.deepEqual([...player.trail], [1, 3]);
    assert.equal(player.alive, true);
    assert.deepEqual(
      leftOut.map(({ path }) => path),
      ["/name", "/trail/1"],
    );
  });

  it("takes no more items than it may", () => {
    const player = new Player();
    const leftOut = restoreSchema(player, { trail: [1, 2, 3] }, { maxItems: 2 });
    assert.deepEqual([...player.trail], [1, 2]);
    assert.match(leftOut[0]?.reason ?? "", /more than 2/u);
  });

  it("passes over what the schema does not declare, prototypes included", () => {
    const player = new Player();
    const hostile: unknown = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toJSON":1,"assign":2,"name":"Ada"}',
    );
    assert.deepEqual(restoreSchema(player, hostile), []);
    assert.equal(player.name, "Ada");
    assert.equal(typeof player.assign, "function");
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  it("takes no key of a map that objects have by nature", () => {
    const player = new Player();
    const carried: unknown = JSON.parse('{"counts":{"__proto__":1,"constructor":2,"kills":3}}');
    const leftOut = restoreSchema(player, carried);
    assert.deepEqual([...player.counts.keys()], ["kills"]);
    assert.equal(leftOut.length, 2);
    assert.ok(new Encoder(player).encodeAll().length > 0);
  });

  it("never throws, and never leaves what cannot be sent", () => {
    const member = fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(FULL)));
    const state = fc.dictionary(
      fc.oneof(fc.constantFrom(...Object.keys(FULL), "__proto__", "$changes"), fc.string()),
      member,
    );
    fc.assert(
      fc.property(fc.oneof(state, fc.anything()), (carried) => {
        const player = new Player();
        restoreSchema(player, carried);
        new Encoder(player).encodeAll();
        const again = new Player();
        assert.deepEqual(restoreSchema(again, carrySchema(player)), []);
      }),
      { numRuns: 300 },
    );
  });

  it("says what is wrong with the host's own words", () => {
    const player = new Player();
    assert.throws(() => carrySchema(player, ["gold" as never]), /"gold" is no field of Player/u);
    assert.throws(() => restoreSchema(player, {}, { maxItems: -1 }), /maxItems/u);
    assert.throws(() => carrySchema(null as unknown as Schema), /must be a Schema/u);
  });

  it("says so when a schema contains itself", () => {
    class Node extends Schema {}
    const Tree = schema({ children: t.map(Node) }, "Tree");
    const tree = new Tree();
    (tree as unknown as { children: MapSchema }).children = new MapSchema();
    // What TypeScript would not let happen.
    (tree.children as unknown as { forEach: unknown }).forEach = (
      each: (value: unknown, key: string) => void,
    ): void => {
      each(tree, "self");
    };
    assert.throws(() => carrySchema(tree), /contains itself/u);
  });

  it("leaves out what a class does not let be made", () => {
    class Guarded extends Schema {
      constructor() {
        super();
        throw new Error("by hand only");
      }
    }
    const Owner = schema({ list: t.array(Guarded) }, "Owner");
    const [leftOut] = restoreSchema(new Owner(), { list: [{}] });
    assert.equal(leftOut?.path, "/list/0");
    assert.match(leftOut.reason, /by hand only/u);
  });
});
