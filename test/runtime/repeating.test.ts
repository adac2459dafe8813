import assert from "node:assert/strict";
import { Repeating } from "../../src/runtime/repeating.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { turn } from "../support/turn.ts";

describe("runtime/repeating", () => {
  /** Work that is under way until the test ends it. */
  function setUp() {
    const clock = new ManualClock();
    const work = { runs: 0, end: (): void => undefined };
    const repeating = new Repeating({
      work: () => {
        work.runs += 1;
        return new Promise((resolve) => (work.end = resolve));
      },
      everyMilliseconds: 10,
      onFailure: (cause) => assert.fail(String(cause)),
      clock,
    });
    return { clock, work, repeating };
  }

  it("runs again only after the last run has ended", async () => {
    const { clock, work, repeating } = setUp();
    repeating.start();
    clock.advance(1_000);
    await turn();
    assert.equal(work.runs, 1);
    work.end();
    await turn();
    clock.advance(10);
    assert.equal(work.runs, 2);
  });

  it("goes on after a failure, which is told", async () => {
    const clock = new ManualClock();
    const failures: unknown[] = [];
    const repeating = new Repeating({
      work: () => Promise.reject(new Error("no store")),
      everyMilliseconds: 10,
      onFailure: (cause) => failures.push(cause),
      clock,
    });
    repeating.start();
    for (let run = 0; run < 3; run += 1) {
      clock.advance(10);
      await turn();
    }
    assert.equal(failures.length, 3);
  });

  it("stops for good, also while a run is under way", async () => {
    const { clock, work, repeating } = setUp();
    repeating.start();
    clock.advance(10);
    repeating.stop();
    work.end();
    await turn();
    clock.advance(1_000);
    assert.equal(work.runs, 1);
  });
});
