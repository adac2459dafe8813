/** Waits with an end: each has its time, and each can be called off. */

/** What was asked for did not come in time. */
export class NoAnswer extends Error {
  constructor() {
    super("ERR_FED_TIMEOUT: The other world did not answer in time.");
  }
}

/**
 * Runs `work` for at most so long; its signal says when it has to let go of what it holds.
 *
 * @throws NoAnswer when the time is up; the outer signal's reason when that calls it off.
 */
export function within<T>(
  milliseconds: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  return new Promise<T>((resolve, reject) => {
    const callOff = (): void => {
      controller.abort(outer?.reason);
    };
    const timer = setTimeout(() => {
      controller.abort(new NoAnswer());
    }, milliseconds);
    // What is called off may never settle: nothing is kept for it.
    const end = (): void => {
      clearTimeout(timer);
      outer?.removeEventListener("abort", callOff);
    };
    signal.addEventListener("abort", () => {
      end();
      reject(signal.reason as Error);
    });
    if (outer?.aborted === true) {
      callOff();
      return;
    }
    outer?.addEventListener("abort", callOff);
    work(signal).then(resolve, reject).finally(end);
  });
}

/** Waits so long; rejects when the signal calls it off. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const callOff = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", callOff);
      resolve();
    }, milliseconds);
    if (signal.aborted) callOff();
    else signal.addEventListener("abort", callOff, { once: true });
  });
}

/** How long to wait after so many failures: twice as long each time, and no two players alike. */
export function backOff(
  failures: number,
  firstMilliseconds: number,
  longestMilliseconds: number,
): number {
  const longest = Math.min(longestMilliseconds, firstMilliseconds * 2 ** Math.min(failures, 16));
  return longest * (0.5 + Math.random() / 2);
}
