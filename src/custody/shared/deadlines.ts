/** Waits with an end, by a port's clock. */
import type { Clock } from "../../ports.ts";

/** What `work` resolves with; undefined when it takes longer. What comes after that is not waited for. */
export function withinMilliseconds<Result>(
  clock: Clock,
  milliseconds: number,
  work: Promise<Result>,
): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(
      () => {
        resolve(undefined);
      },
      Math.max(0, milliseconds),
    );
    work.then(resolve, reject).finally(() => {
      clock.clearTimeout(timer);
    });
  });
}

/** Until when something is asked again. */
export interface AskingUntil {
  readonly clock: Clock;
  /** Monotonic milliseconds. */
  readonly until: number;
  /** Between two questions. */
  readonly againMilliseconds: number;
  readonly goesOn: () => boolean;
}

/**
 * Asks until there is an answer that counts, or the time is over: then undefined. A rejection is no answer.
 */
export async function untilAnswered<Answer>(
  { clock, until, againMilliseconds, goesOn }: AskingUntil,
  ask: () => Promise<Answer>,
  counts: (answer: Answer) => boolean,
): Promise<Answer | undefined> {
  let last: Answer | undefined;
  for (;;) {
    const left = until - clock.monotonic();
    if (left <= 0 || !goesOn()) return last;
    const answer = await withinMilliseconds(clock, left, ask()).catch(() => undefined);
    if (answer !== undefined && counts(answer)) return answer;
    last = answer ?? last;
    if (!goesOn()) return last;
    await new Promise<void>((resolve) => {
      clock.setTimeout(resolve, againMilliseconds);
    });
  }
}
