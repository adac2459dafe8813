import assert from "node:assert/strict";
import fc from "fast-check";
import {
  acceptEverything,
  importFrom,
  importFromHome,
  previewOf,
} from "../../../src/custody/home/import-policy.ts";
import { type JsonValue, MAX_STATE_BYTES } from "../../../src/json.ts";

const ARENA = "https://arena.example";
const GALLERY = "https://gallery.example";
const start = { state: { coins: ["a"], quest: { step: 3 } }, brought: undefined };

describe("custody/import-policy, by default", () => {
  it("lets a visited server change what home's rooms carry", () => {
    const kept = importFrom(start, { coins: ["a", "b"], quest: { step: 3 } }, ARENA, undefined);
    assert.deepEqual(kept.state, { coins: ["a", "b"], quest: { step: 3 } });
  });

  it("keeps a member that a visited server leaves out", () => {
    const kept = importFrom(start, { coins: [] }, ARENA, undefined);
    assert.deepEqual(kept.state, { coins: [], quest: { step: 3 } });
  });

  it("takes a member away for null", () => {
    const kept = importFrom(start, { coins: null }, ARENA, undefined);
    assert.deepEqual(kept.state, { quest: { step: 3 } });
  });

  it("keeps what one visited server brought from being altered by another", () => {
    const brought = importFrom(start, { rank: 5 }, ARENA, undefined);
    assert.deepEqual(brought.state, { ...start.state, rank: 5 });
    for (const rank of [6, null]) {
      const other = importFrom(brought, { coins: ["c"], rank }, GALLERY, undefined);
      assert.deepEqual(other.state, { ...start.state, coins: ["c"], rank: 5 });
    }
    const own = importFrom(brought, { rank: 6 }, ARENA, undefined);
    assert.deepEqual(own.state, { ...start.state, rank: 6 });
  });

  it("keeps what visited servers brought when home's own rooms leave it out", () => {
    const brought = importFrom(start, { rank: 5 }, ARENA, undefined);
    const home = importFromHome(brought, { coins: ["z"] });
    assert.deepEqual(home.state, { coins: ["z"], rank: 5 });
    assert.deepEqual(home.brought, { rank: ARENA });
  });

  it("gives home a member that its own rooms begin to carry", () => {
    const brought = importFrom(start, { rank: 5 }, ARENA, undefined);
    const home = importFromHome(brought, { coins: [], rank: 1 });
    const other = importFrom(home, { rank: 2 }, GALLERY, undefined);
    assert.deepEqual(other.state, { coins: [], rank: 2 });
  });

  it("takes state that is no object as it is", () => {
    assert.deepEqual(importFrom(start, [1], ARENA, undefined).state, [1]);
    assert.deepEqual(
      importFrom({ state: 1, brought: undefined }, { a: 1 }, ARENA, undefined).state,
      {
        a: 1,
      },
    );
  });

  it("keeps what was there when both together would be too large", () => {
    const big = { state: { a: "x".repeat(MAX_STATE_BYTES - 100) }, brought: undefined };
    const kept = importFrom(big, { b: "y".repeat(MAX_STATE_BYTES - 100) }, ARENA, undefined);
    assert.deepEqual(kept, big);
  });

  it("is not led astray by a member called __proto__", () => {
    const after = JSON.parse('{"__proto__": {"coins": ["forged"]}}') as JsonValue;
    const kept = importFrom(start, after, ARENA, undefined);
    assert.deepEqual((kept.state as { coins: unknown }).coins, ["a"]);
    assert.equal(Object.getPrototypeOf(kept.state), Object.prototype);
  });

  it("never loses a member that was left out, whatever comes", () => {
    const members = fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 2 }), {
      maxKeys: 6,
    });
    fc.assert(
      fc.property(members, members, (before, after) => {
        const { state } = importFrom(
          { state: before as JsonValue, brought: undefined },
          after as JsonValue,
          ARENA,
          undefined,
        );
        for (const name of Object.keys(before)) {
          if (!Object.hasOwn(after, name)) {
            assert.ok(Object.hasOwn(state as object, name), name);
          }
        }
      }),
    );
  });
});

describe("custody/import-policy, the operator's own", () => {
  it("decides", () => {
    const kept = importFrom(start, { coins: ["forged"] }, ARENA, (before) => before ?? null);
    assert.deepEqual(kept.state, start.state);
    assert.deepEqual(importFrom(start, { x: 1 }, ARENA, acceptEverything).state, { x: 1 });
  });

  it("keeps what was there when it throws", () => {
    const kept = importFrom(start, { coins: [] }, ARENA, () => {
      throw new Error("bug");
    });
    assert.deepEqual(kept, start);
  });

  it("keeps what was there when it answers with what cannot be stored", () => {
    const answers = [undefined as unknown as JsonValue, "x".repeat(MAX_STATE_BYTES + 1)];
    for (const answer of answers) {
      assert.deepEqual(
        importFrom(start, { coins: [] }, ARENA, () => answer),
        start,
      );
    }
  });
});

describe("custody/import-policy, preview", () => {
  it("names nothing when nothing is lost", () => {
    assert.deepEqual(previewOf({ a: 1 }, { a: 1, b: 2 }).losses, []);
    assert.deepEqual(previewOf(undefined, undefined).losses, []);
  });

  it("names items of a list, members and values by JSON Pointer", () => {
    const now = { coins: ["a", "b", "a"], hat: "crown", "a/b~c": 1, deep: { x: 1, y: 2 } };
    const kept = { coins: ["a"], hat: "cap", deep: { x: 1 } };
    assert.deepEqual(previewOf(now, kept).losses, [
      "/coins/1",
      "/coins/2",
      "/hat",
      "/a~1b~0c",
      "/deep/y",
    ]);
  });

  it("names all when nothing is kept", () => {
    assert.deepEqual(previewOf({ a: 1 }, undefined).losses, [""]);
  });
});
