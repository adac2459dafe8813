import assert from "node:assert/strict";
import { NoAnswer, backOff, pause, within } from "../../src/client/patience.ts";

const never = <T>(): Promise<T> => new Promise(() => undefined);

describe("a wait with an end", () => {
  it("gives what came in time, and says when nothing did", async () => {
    assert.equal(await within(1_000, undefined, () => Promise.resolve(1)), 1);
    let told: unknown;
    const late = within(1, undefined, (signal) => {
      signal.addEventListener("abort", () => {
        told = signal.reason;
      });
      return never();
    });
    await assert.rejects(late, NoAnswer);
    assert.ok(told instanceof NoAnswer);
  });

  it("is called off, before and after it began", async () => {
    const controller = new AbortController();
    const waits = [within(60_000, controller.signal, never), pause(60_000, controller.signal)];
    const checks = waits.map((wait) => assert.rejects(wait, /enough/u));
    controller.abort(new Error("enough"));
    await Promise.all(checks);
    await assert.rejects(within(60_000, controller.signal, never), /enough/u);
    await assert.rejects(pause(60_000, controller.signal), /enough/u);
  });

  it("keeps no timer for what it called off", async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const controller = new AbortController();
    // Mocha's own comes once the test has given its promise.
    await Promise.resolve();
    const before = timers();
    const wait = within(60_000, controller.signal, never);
    assert.equal(timers(), before + 1);
    controller.abort(new Error("enough"));
    await assert.rejects(wait, /enough/u);
    assert.equal(timers(), before);
  });

  it("grows with the failures, up to a bound", () => {
    for (const [failures, longest] of [
      [0, 500],
      [2, 2_000],
      [40, 10_000],
    ] as const) {
      const wait = backOff(failures, 500, 10_000);
      assert.ok(wait >= longest / 2 && wait <= longest, `${wait}`);
    }
  });
});
