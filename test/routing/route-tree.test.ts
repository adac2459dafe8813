import assert from "node:assert/strict";
import { parsePattern } from "../../src/routing/pattern.ts";
import { RouteTree } from "../../src/routing/route-tree.ts";
import { hashOf } from "../../src/routing/text-table.ts";

const SEED = 42;

/** Of so many authorities that nothing was said of, how many the tree cannot tell. */
function strangersTaken(tree: RouteTree<string>): number {
  let taken = 0;
  for (let n = 0; n < 10_000; n += 1) {
    if (tree.mayMatchPath(hashOf(SEED, `nobody${n}.example`))) taken += 1;
  }
  return taken;
}

describe("routing/route-tree", () => {
  it("tells most authorities that have no path and no prefix, and none of those that have", () => {
    const tree = new RouteTree<string>(SEED);
    for (let n = 0; n < 20_000; n += 1) {
      const path = n % 2 === 0 ? "plaza" : n % 4 === 1 ? "plaza/*" : "*";
      tree.set(parsePattern(`aether://x${n}.example/${path}`), "there");
    }
    for (let n = 0; n < 20_000; n += 1) {
      assert.ok(tree.mayMatchPath(hashOf(SEED, `x${n}.example`)), `x${n}`);
    }
    const taken = strangersTaken(tree);
    assert.ok(taken < 200, `${taken} of 10,000`);
  });

  it("forgets authorities whose patterns are gone", () => {
    const tree = new RouteTree<string>(SEED);
    tree.set(parsePattern("aether://stays.example/plaza"), "there");
    for (let n = 0; n < 20_000; n += 1) {
      const pattern = parsePattern(`aether://x${n}.example/plaza`);
      tree.set(pattern, "there");
      tree.delete(pattern);
    }
    assert.ok(tree.mayMatchPath(hashOf(SEED, "stays.example")));
    const taken = strangersTaken(tree);
    assert.ok(taken < 2_000, `${taken} of 10,000`);
  });
});
