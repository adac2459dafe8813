import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ImportPolicy,
  type Imported,
  acceptEverything,
  importFrom,
  importFromHome,
  previewOf,
} from "../../../src/custody/home/import-policy.ts";
import { type JsonValue, MAX_STATE_BYTES, checkState } from "../../../src/json.ts";

const HOME = "https://home.example";
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
    const home = importFromHome(brought, { coins: ["z"] }, HOME);
    assert.deepEqual(home.state, { coins: ["z"], rank: 5 });
    assert.deepEqual(home.brought, { rank: ARENA });
  });

  it("gives home a member that its own rooms begin to carry", () => {
    const brought = importFrom(start, { rank: 5 }, ARENA, undefined);
    const home = importFromHome(brought, { coins: [], rank: 1 }, HOME);
    const other = importFrom(home, { rank: 2 }, GALLERY, undefined);
    assert.deepEqual(other.state, { coins: [], rank: 2 });
  });

  it("leaves with its server what home's rooms only hand on", () => {
    const brought = importFrom(start, { rank: 5 }, ARENA, undefined);
    const handed = importFromHome(brought, { coins: [], rank: 5 }, HOME);
    assert.deepEqual(handed.brought, { rank: ARENA });
    const later = importFromHome(handed, { coins: [] }, HOME);
    assert.deepEqual(later.state, { coins: [], rank: 5 });
  });

  it("replaces an object by an object only, whoever says otherwise", () => {
    for (const accept of [undefined, acceptEverything]) {
      for (const said of [null, [], "x", 0, false]) {
        const imported = importFrom(start, said, ARENA, accept);
        assert.deepEqual(imported.state, start.state);
        assert.deepEqual(imported.lost, [""]);
      }
    }
    for (const said of [null, [], "x", 0]) {
      const brought = importFrom(start, { rank: 5 }, ARENA, undefined);
      const home = importFromHome(brought, said, HOME);
      assert.deepEqual(home.state, { ...start.state, rank: 5 });
    }
    for (const quest of [[], "x", 0]) {
      const inside = importFrom(start, { quest, coins: [] }, ARENA, undefined);
      assert.deepEqual(inside.state, { coins: [], quest: { step: 3 } });
      assert.deepEqual(inside.lost, ["/quest"]);
    }
    const deep = { state: { bag: { slots: { left: { id: 1 } } } }, brought: undefined };
    const emptied = importFrom(deep, { bag: { slots: { left: 0 } } }, ARENA, undefined);
    assert.deepEqual(emptied.state, deep.state);
  });

  it("keeps what another server brought into a member of home's", () => {
    const brought = importFrom(
      start,
      { quest: { step: 3, trophy: { of: "arena" } } },
      ARENA,
      undefined,
    );
    assert.deepEqual(brought.within, { "/quest/trophy": ARENA });
    for (const quest of [
      { step: 4 },
      { step: 4, trophy: null },
      { step: 4, trophy: { of: "me" } },
    ]) {
      const other = importFrom(brought, { quest }, GALLERY, undefined);
      assert.deepEqual((other.state as { quest: unknown }).quest, {
        step: 4,
        trophy: { of: "arena" },
      });
    }
    const gone = importFrom(brought, { quest: null }, GALLERY, undefined);
    assert.deepEqual((gone.state as { quest: unknown }).quest, { trophy: { of: "arena" } });
    const home = importFromHome(brought, { coins: [], quest: { step: 9 } }, HOME);
    assert.deepEqual(home.state, { coins: [], quest: { step: 9, trophy: { of: "arena" } } });
    const own = importFrom(brought, { quest: { step: 4 } }, ARENA, undefined);
    assert.deepEqual((own.state as { quest: unknown }).quest, { step: 4 });
    assert.equal(own.within, undefined);
  });

  it("remembers nobody for what is not there any more", () => {
    const brought = importFrom(start, { rank: 5 }, ARENA, undefined);
    const taken = importFrom(brought, { rank: null }, ARENA, undefined);
    assert.equal(taken.brought, undefined);
    const other = importFrom(taken, { rank: 1 }, GALLERY, undefined);
    assert.deepEqual(other.brought, { rank: GALLERY });
  });

  it("takes state that is no object as it is where there is none yet", () => {
    assert.deepEqual(
      importFrom({ state: undefined, brought: undefined }, [1], ARENA, undefined).state,
      [1],
    );
    assert.deepEqual(
      importFrom({ state: 1, brought: undefined }, { a: 1 }, ARENA, undefined).state,
      {
        a: 1,
      },
    );
  });

  it("undoes no spending where what was gained does not fit", () => {
    const before = { state: { book: "b".repeat(20_000), gold: 100 }, brought: undefined };
    const after = { gold: 1, statue: "s".repeat(20_000) };
    const kept = importFrom(before, after, ARENA, undefined);
    assert.deepEqual(kept.state, { book: "b".repeat(20_000), gold: 1 });
    assert.deepEqual(kept.lost, ["/statue"]);
    assert.equal(kept.tooLarge, true);
    assert.deepEqual(kept.untold, [{ from: ARENA, kept: ["/gold"], lost: ["/statue"], more: 0 }]);
    // What is put down makes room, and the notice is over.
    const fits = importFrom(kept, { gold: 0, statue: "s".repeat(9_000) }, ARENA, undefined);
    assert.deepEqual(fits.lost, []);
    assert.equal(fits.untold, undefined);
  });

  it("deletes nothing that a third server brought when home's own rooms carry more", () => {
    const trophy = "t".repeat(12_000);
    const brought = importFrom(start, { trophy }, ARENA, undefined);
    const home = importFromHome(brought, { coins: [], log: "l".repeat(25_000) }, HOME);
    assert.deepEqual(home.state, { coins: [], trophy });
    assert.deepEqual(home.brought, { trophy: ARENA });
    assert.deepEqual(home.lost, ["/log"]);
    assert.equal(home.tooLarge, true);
  });

  it("never keeps more than travels, nor less of what shrinks", () => {
    const members = fc.dictionary(
      fc.string({ minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 20_000 }).map((length) => "x".repeat(length)),
      { maxKeys: 4 },
    );
    fc.assert(
      fc.property(members, members, (before, after) => {
        fc.pre(checkState(before).ok && checkState(after).ok);
        const { state } = importFrom(
          { state: before, brought: undefined },
          after,
          ARENA,
          undefined,
        );
        assert.ok(checkState(state).ok);
        for (const [name, value] of Object.entries(after)) {
          if (Object.hasOwn(before, name) && value.length <= (before[name] ?? "").length) {
            assert.equal((state as Record<string, unknown>)[name], value);
          }
        }
      }),
    );
  });

  it("notes a bounded number of places, of a bounded number of servers", () => {
    let kept: Imported = { state: {}, brought: undefined };
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`m${index}`, index]),
    );
    kept = importFrom(kept, many, HOME, undefined);
    for (let each = 0; each < 10; each += 1) {
      const other = Object.fromEntries(Object.keys(many).map((name) => [name, "mine"]));
      kept = importFrom(kept, other, `https://s${each}.example`, undefined);
    }
    const untold = kept.untold ?? [];
    assert.equal(untold.length, 4);
    assert.equal(untold.at(-1)?.from, "https://s9.example");
    assert.ok(untold.every(({ lost, more }) => lost.length + more === 100));
    assert.ok(untold.reduce((sum, { lost }) => sum + lost.length, 0) <= 32 + 4);
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
    const kept = importFrom(start, { coins: ["b"] }, ARENA, () => {
      throw new Error("bug");
    });
    assert.deepEqual(kept.state, start.state);
    assert.deepEqual(kept.lost, ["/coins/0"]);
  });

  it("keeps what was there when it answers with what cannot be stored", () => {
    const answers = [undefined as unknown as JsonValue, "x".repeat(MAX_STATE_BYTES + 1)];
    for (const answer of answers) {
      const kept = importFrom(start, { coins: ["b"] }, ARENA, () => answer);
      assert.deepEqual(kept.state, start.state);
      assert.deepEqual(kept.lost, ["/coins/0"]);
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

  it("takes null for taken away, not for lost", () => {
    assert.deepEqual(previewOf({ hat: null, a: 1 }, { a: 1 }).losses, []);
  });

  it("names all when nothing is kept", () => {
    assert.deepEqual(previewOf({ a: 1 }, undefined).losses, [""]);
  });

  it("gives a policy of the host's own a state that it may alter", () => {
    const before = { gold: 1 };
    const accept: ImportPolicy = (known) => {
      (known as { gold: number }).gold = 7;
      return { gold: 2 };
    };
    const kept = { state: before, brought: undefined };
    assert.deepEqual(importFrom(kept, { gold: 3 }, "https://far.example", accept).state, {
      gold: 2,
    });
    assert.deepEqual(before, { gold: 1 });
  });
});
