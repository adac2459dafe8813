import assert from "node:assert/strict";
import { ManualClock } from "../../src/testing/manual-clock.ts";

describe("testing/manual-clock", () => {
  it("fires timers at their due time, in order", () => {
    const clock = new ManualClock(0);
    const seen: [string, number][] = [];
    clock.setTimeout(() => seen.push(["b", clock.now()]), 20);
    clock.setTimeout(() => {
      seen.push(["a", clock.now()]);
      clock.setTimeout(() => seen.push(["c", clock.now()]), 5);
    }, 10);
    clock.clearTimeout(clock.setTimeout(() => seen.push(["never", 0]), 12));
    clock.advance(30);
    assert.deepEqual(seen, [["a", 10], ["c", 15], ["b", 20]]); // prettier-ignore
    assert.equal(clock.monotonic(), 30);
    assert.equal(clock.pendingTimers, 0);
  });

  it("moves the wall alone", () => {
    const clock = new ManualClock(1000);
    clock.jumpWall(-500);
    assert.equal(clock.now(), 500);
    assert.equal(clock.monotonic(), 0);
  });
});
