import assert from "node:assert/strict";
import fc from "fast-check";
import { type Imported, importFrom, previewOf } from "../../../src/custody/home/import-policy.ts";
import { type ImportRuleSet, policy } from "../../../src/custody/home/import-rules.ts";
import { type JsonValue, MAX_STATE_BYTES, jsonBytes } from "../../../src/json.ts";

const ARENA = "https://arena.example";
const GALLERY = "https://gallery.example";

function kept(
  rules: ImportRuleSet,
  before: JsonValue | undefined,
  after: JsonValue,
  from = ARENA,
): JsonValue | undefined {
  return importFrom({ state: before, brought: undefined }, after, from, policy(rules)).state;
}

describe("custody/import-rules", () => {
  for (const [rule, before, after, expected] of [
    ["may-change", 3, "x", "x"],
    ["home-only", 3, 4, 3],
    ["home-only", { a: 1 }, { a: 2, b: 3 }, { a: 1 }],
    ["may-spend", 3, 1, 1],
    ["may-spend", 3, 0, 0],
    ["may-spend", 3, 4, 3],
    ["may-spend", 3, -1, 3],
    ["may-spend", 3, "0", 3],
    ["may-spend", ["a", "b", "b"], ["b"], ["b"]],
    ["may-spend", ["a"], ["a", "b"], ["a"]],
    ["may-spend", ["a"], ["b"], []],
    ["may-earn", 3, 7, 7],
    ["may-earn", 3, 1, 3],
    ["may-earn", ["a"], ["b"], ["a", "b"]],
    ["append-only", ["a", "b"], ["b", "c"], ["a", "b", "c"]],
    ["append-only", { a: 1 }, { a: 2, b: 3 }, { a: 1, b: 3 }],
    ["append-only", 3, 4, 3],
    [{ between: [0, 100] }, 50, 70, 70],
    [{ between: [0, 100] }, 50, 170, 100],
    [{ between: [0, 100] }, 50, -1, 0],
    [{ between: [0, 100] }, 50, "1", 50],
    [{ members: { gold: "may-spend" } }, { gold: 3, x: 1 }, { gold: 9, x: 2 }, { gold: 3, x: 2 }],
    [{ members: { "*": "home-only" } }, { gold: 3 }, { gold: 9, x: 2 }, { gold: 3 }],
    [{ members: { a: "may-change" } }, { a: 1 }, 7, { a: 1 }],
    [{ by: { [ARENA]: "may-earn", "*": "home-only" } }, 3, 7, 7],
    [{ by: { [GALLERY]: "may-earn", "*": "may-spend" } }, 3, 7, 3],
    [{ by: { [GALLERY]: "may-earn" } }, 3, 1, 3],
  ] as const) {
    const told = `${JSON.stringify(before)} → ${JSON.stringify(after)}`;
    it(`${JSON.stringify(rule)}: ${told} is ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(kept({ it: rule }, { it: before }, { it: after }), { it: expected });
    });
  }

  it("takes away nothing that may not be taken away", () => {
    for (const rule of ["home-only", "may-spend", "may-earn", "append-only"] as const) {
      assert.deepEqual(kept({ coins: rule }, { coins: 3 }, { coins: null }), { coins: 3 });
    }
    assert.deepEqual(kept({ coins: "may-change" }, { coins: 3 }, { coins: null }), {});
  });

  it("keeps what a visited server leaves out", () => {
    assert.deepEqual(kept({ coins: "may-spend" }, { coins: 3, hat: "red" }, { hat: "blue" }), {
      coins: 3,
      hat: "blue",
    });
  });

  it("begins only what may come from nothing", () => {
    const after = { a: 1, b: 1, c: [1], d: ["x"], e: 300 };
    const rules: ImportRuleSet = {
      a: "home-only",
      b: "may-spend",
      c: "append-only",
      d: "may-earn",
      e: { between: [0, 9] },
    };
    assert.deepEqual(kept(rules, {}, after), { c: [1], d: ["x"], e: 9 });
  });

  it("tells things by their id, whatever order their members have", () => {
    const inventory = [
      { id: "a", name: "Sting", count: 3 },
      { name: "cap", worn: true },
    ];
    const sent = [
      { worn: true, name: "cap" },
      { count: 2, name: "Forged", id: "a" },
    ];
    assert.deepEqual(kept({ inventory: "may-spend" }, { inventory }, { inventory: sent }), {
      inventory: [
        { id: "a", name: "Sting", count: 2 },
        { name: "cap", worn: true },
      ],
    });
  });

  it("lets counts fall or rise as the rule says", () => {
    const before = [{ id: "a", count: 3 }, { id: "b", count: 3 }, { id: "c" }];
    const sent = [
      { id: "a", count: 1 },
      { id: "b", count: 9 },
      { id: "c", count: 0 },
    ];
    const of = (rule: "may-spend" | "may-earn" | "append-only"): JsonValue | undefined =>
      kept({ it: rule }, { it: before }, { it: sent });
    assert.deepEqual(of("may-spend"), {
      it: [
        { id: "a", count: 1 },
        { id: "b", count: 3 },
      ],
    });
    assert.deepEqual(of("may-earn"), {
      it: [{ id: "a", count: 3 }, { id: "b", count: 9 }, { id: "c" }],
    });
    assert.deepEqual(of("append-only"), { it: before });
  });

  it("leaves to each server what it brought, as without rules", () => {
    const rules = policy({ coins: "may-spend" });
    const begin: Imported = { state: { coins: 3 }, brought: undefined };
    const brought = importFrom(begin, { rank: 5 }, ARENA, rules);
    assert.deepEqual(importFrom(brought, { rank: 6 }, GALLERY, rules).state, { coins: 3, rank: 5 });
    assert.deepEqual(importFrom(brought, { rank: 6 }, ARENA, rules).state, { coins: 3, rank: 6 });
  });

  it("has a rule for the members that have none", () => {
    const rules = { coins: "may-spend", "*": "home-only" } as const;
    assert.deepEqual(kept(rules, { coins: 3, hat: "red" }, { coins: 1, hat: "blue", x: 1 }), {
      coins: 1,
      hat: "red",
    });
  });

  it("says which rule kept something as it was", () => {
    const rules = policy({
      coins: "may-spend",
      health: { between: [0, 100] },
      bag: { members: { "a/b": "home-only" } },
      hat: "may-change",
    });
    const before = { coins: 3, health: 5, bag: { "a/b": 1 }, hat: 1 };
    const after = { coins: 9, health: 500, bag: { "a/b": 2 }, hat: 2 };
    const { state, why } = importFrom({ state: before, brought: undefined }, after, ARENA, rules);
    assert.deepEqual(why, {
      "/coins": "may-spend",
      "/health": "between 0 and 100",
      "/bag/a~1b": "home-only",
    });
    const preview = previewOf(after, state, why);
    assert.deepEqual(preview.losses, ["/coins", "/health", "/bag/a~1b"]);
    assert.deepEqual(preview.why, why);
  });

  it("gives reasons for losses only, whatever home says", () => {
    const said = { "/coins": "may-spend", "/other": "home-only" };
    assert.deepEqual(previewOf({ coins: [1] }, { coins: [] }, said), {
      kept: { coins: [] },
      losses: ["/coins/0"],
      why: { "/coins": "may-spend" },
    });
    assert.equal(previewOf({ coins: 1 }, { coins: 1 }, said).why, undefined);
  });

  it("never lets anything be won that may only be spent, and takes no more than travels", () => {
    const counts = fc.dictionary(fc.stringMatching(/^[ab]$/u), fc.nat(9));
    fc.assert(
      fc.property(counts, fc.jsonValue(), fc.nat(9), (had, sent, coins) => {
        const before = { it: Object.keys(had), coins };
        const after = kept({ "*": "may-spend" }, before, { it: sent, coins: sent } as JsonValue);
        const { it: things, coins: left, ...rest } = after as unknown as typeof before;
        assert.ok(things.every((thing) => before.it.includes(thing)));
        assert.ok(left >= 0 && left <= coins);
        assert.deepEqual(rest, {});
      }),
    );
    const big = kept(
      { a: "append-only" },
      { a: ["x".repeat(20_000)] },
      { a: ["y".repeat(20_000)] },
    );
    assert.ok(jsonBytes(big ?? null) <= MAX_STATE_BYTES);
  });

  it("is not fooled by names that objects have by themselves", () => {
    const sent = JSON.parse('{"__proto__":{"coins":9},"constructor":7}') as JsonValue;
    assert.deepEqual(kept({ "*": "home-only" }, { coins: 3 }, sent), { coins: 3 });
  });

  for (const [what, rules, message] of [
    ["no object", 7, /^TypeError: policy: expected an object of rules/u],
    ["an unknown word", { coins: "may-fly" }, /^TypeError: policy\.coins: expected "may-change"/u],
    ["a range the wrong way round", { a: { between: [2, 1] } }, /^TypeError: policy\.a: expected/u],
    ["an endless range", { a: { between: [0, Infinity] } }, /^TypeError: policy\.a: expected/u],
    ["two rules in one", { a: { between: [0, 1], members: {} } }, /^TypeError: policy\.a: exp/u],
    ["a server that is none", { a: { by: { arena: "may-spend" } } }, /origins such as .* "arena"/u],
    [
      "rules without end",
      {
        a: Array.from({ length: 9 }).reduce<object>((members) => ({ members: { a: members } }), {}),
      },
      /^TypeError: policy(?:\.a)+: expected at most 8 levels/u,
    ],
    [
      "more rules than 256",
      Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`r${index}`, "home-only"])),
      /^TypeError: policy: expected at most 256 rules/u,
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => policy(rules as unknown as ImportRuleSet), message);
    });
  }
});
