import assert from "node:assert/strict";
import { besiege } from "./siege.ts";

describe("a federation that is besieged", function () {
  this.timeout(90_000);

  it("lets honest players cross, and neither freezes nor refuses one", async () => {
    const { siege, strikes } = await besiege({ seconds: 6 });
    assert.deepEqual([siege.refused, siege.frozen, siege.thrownOut], [[], [], []]);
    assert.ok(siege.crossingMilliseconds.length > 0);
    for (const [what, count] of Object.entries(strikes)) assert.ok(count > 0, what);
  });
});
