import assert from "node:assert/strict";
import { Repeating } from "../../src/runtime/repeating.ts";
import { ManualClock } from "../support/manual-clock.ts";

describe("runtime/repeating", () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("runs again only after the last run has ended", async () => {
    const clock = new ManualClock();
    let runs = 0;
    let end: () => void = () => undefined;
    const work = (): Promise<void> => {
      runs += 1;
      return new Promise((resolve) => (end = resolve));
    };
    const repeating = new Repeating({
      work,
      everyMilliseconds: 10,
      onFailure: (cause) => assert.fail(String(cause)),
      clock,
    });
    repeating.start();
    clock.advance(1_000);
    await turn();
    assert.equal(runs, 1);
    end();
    await turn();
    clock.advance(10);
    assert.equal(runs, 2);
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
    const clock = new ManualClock();
    let runs = 0;
    let end: () => void = () => undefined;
    const work = (): Promise<void> => {
      runs += 1;
      return new Promise((resolve) => (end = resolve));
    };
    const repeating = new Repeating({
      work,
      everyMilliseconds: 10,
      onFailure: (cause) => assert.fail(String(cause)),
      clock,
    });
    repeating.start();
    clock.advance(10);
    repeating.stop();
    end();
    await turn();
    clock.advance(1_000);
    assert.equal(runs, 1);
  });
});
