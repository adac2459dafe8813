import type { ManualClock } from "../../src/testing/manual-clock.ts";
import { turn } from "./turn.ts";

/** What a promise comes to while a clock goes on by itself, 100 ms a turn; at most an hour of it. */
export async function quickly<Result>(clock: ManualClock, work: Promise<Result>): Promise<Result> {
  let settled = false;
  const done = (): void => {
    settled = true;
  };
  work.then(done, done);
  for (let step = 0; step < 36_000 && !settled; step += 1) {
    clock.advance(100);
    await turn();
  }
  if (!settled) throw new Error("it did not end within an hour");
  return work;
}
