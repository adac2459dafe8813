import assert from "node:assert/strict";
import { schema, t } from "@colyseus/schema";
import fc from "fast-check";
import { MAX_STATE_BYTES, MAX_STATE_DEPTH, checkState, stateSchema } from "../src/json.ts";

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let each = 0; each < levels; each += 1) value = { in: value };
  return value;
}

function faultOf(value: unknown): { path: string; kind: string; reason: string } {
  const checked = checkState(value);
  assert.ok(!checked.ok, "it can be carried");
  return checked.fault;
}

class Purse {
  readonly #gold = 5;
  get gold(): number {
    return this.#gold;
  }
}

const Hat = schema({ name: t.string(), pins: t.map("number") }, "Hat");

describe("json", () => {
  it("copies what JSON can say, exactly", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(Buffer.byteLength(text) <= MAX_STATE_BYTES);
        const checked = checkState(value);
        assert.ok(checked.ok);
        assert.equal(JSON.stringify(checked.state), text);
        assert.equal(checked.bytes, Buffer.byteLength(text));
      }),
    );
  });

  it("names the culprit of what JSON would drop or change", () => {
    const cycle: Record<string, unknown> = {};
    cycle["me"] = { again: cycle };
    const cases: [value: unknown, path: string, reason: RegExp][] = [
      [new Map([["sword", 1]]), "", /a Map is no JSON/u],
      [{ a: [1, new Set()] }, "/a/1", /a Set/u],
      [Promise.resolve({}), "", /Promise \(carry must not be async\)/u],
      [{ purse: new Purse() }, "/purse", /a Purse/u],
      [{ gold: Number.NaN }, "/gold", /NaN/u],
      [{ gold: [0, -Infinity] }, "/gold/1", /-Infinity/u],
      [{ "a/b": { "c~d": 1n } }, "/a~1b/c~0d", /bigint/u],
      [{ buy: () => 1 }, "/buy", /function/u],
      [[1, undefined], "/1", /undefined/u],
      [new Array(2), "", /holes/u],
      [Object.assign([1], { extra: 1 }), "", /of its own/u],
      [{ [Symbol("x")]: 1 }, "", /symbols/u],
      [{ at: new Date(Number.NaN) }, "/at", /invalid Date/u],
      [cycle, "/me/again", /contains itself/u],
      [
        {
          get gold() {
            throw new Error("closed");
          },
        },
        "/gold",
        /reading it throws: closed/u,
      ],
      [undefined, "", /undefined/u],
    ];
    for (const [value, path, reason] of cases) {
      const fault = faultOf(value);
      assert.equal(fault.path, path, fault.reason);
      assert.equal(fault.kind, "not-json");
      assert.match(fault.reason, reason);
    }
  });

  it("asks a Schema, and whatever has toJSON, for what it says", () => {
    const hat = new Hat();
    hat.name = "crown";
    hat.pins.set("ruby", 3);
    const checked = checkState({ hats: [hat], at: new Date(0) });
    assert.deepEqual(checked.ok && checked.state, {
      hats: [{ name: "crown", pins: { ruby: 3 } }],
      at: "1970-01-01T00:00:00.000Z",
    });
    assert.equal(faultOf({ x: { toJSON: () => new Map() } }).path, "/x");
  });

  it("takes an undefined member for one that is not there", () => {
    const checked = checkState({ hat: undefined, coins: 1 });
    assert.deepEqual(checked.ok && checked.state, { coins: 1 });
  });

  it("keeps a member called __proto__ a member", () => {
    const checked = checkState(JSON.parse('{"__proto__": {"gold": 1}}'));
    assert.ok(checked.ok);
    assert.equal(JSON.stringify(checked.state), '{"__proto__":{"gold":1}}');
  });

  it(`carries ${MAX_STATE_DEPTH} levels and ${MAX_STATE_BYTES} bytes, and no more`, () => {
    assert.ok(checkState(nested(MAX_STATE_DEPTH)).ok);
    assert.equal(faultOf(nested(MAX_STATE_DEPTH + 1)).kind, "too-deep");
    assert.ok(checkState("x".repeat(MAX_STATE_BYTES - 2)).ok);
    assert.equal(faultOf("x".repeat(MAX_STATE_BYTES - 1)).kind, "too-large");
    assert.equal(faultOf("é".repeat(MAX_STATE_BYTES / 2)).kind, "too-large");
  });

  it("does not unfold what shares its parts without end", () => {
    let value: unknown = 1;
    for (let each = 0; each < MAX_STATE_DEPTH; each += 1) value = [value, value];
    assert.equal(faultOf(value).kind, "too-large");
  });

  it("is the schema's check, too", () => {
    const parsed = stateSchema.safeParse(nested(MAX_STATE_DEPTH + 1));
    assert.match(parsed.error?.issues[0]?.message ?? "", /^\/in\/.*deeper than 32/u);
    assert.deepEqual(stateSchema.parse({ a: [1] }), { a: [1] });
  });
});
