import assert from "node:assert/strict";
import { CrossingsUnderWay } from "../../src/operator/crossings-under-way.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

describe("operator/crossings-under-way", () => {
  it("knows how far each is, and since when, until it has ended", () => {
    const clock = new ManualClock();
    const crossings = new CrossingsUnderWay(clock);
    const since = clock.now();
    crossings.progressed({ transferId: "t", player: "p", to: "aether://x/y", stage: "departing" });
    clock.advance(5);
    crossings.progressed({ transferId: "t", player: "p", to: "aether://x/y", stage: "transit" });
    assert.deepEqual(
      crossings.list().map((each) => [each.stage, each.since]),
      [["transit", since]],
    );
    crossings.ended("t");
    assert.deepEqual(crossings.list(), []);
  });

  it("knows a thousand, the latest", () => {
    const crossings = new CrossingsUnderWay(new ManualClock());
    for (let index = 0; index < 1_500; index += 1) {
      crossings.progressed({ transferId: `u${index}`, player: "p", to: "", stage: "transit" });
    }
    assert.equal(crossings.list().length, 1_000);
    assert.equal(crossings.list().at(-1)?.transferId, "u1499");
  });
});
