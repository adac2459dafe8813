/** Waiting between tries of what has to succeed in the end: longer each time, never without limit. */
import type { Clock, Random } from "../../ports.ts";

const FIRST_MILLISECONDS = 250;
const LONGEST_MILLISECONDS = 15_000;

/** Waits, each under a name, that can be cut short. */
export class BackOff {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #waiting = new Map<string, () => void>();
  #stopped = false;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether nobody shall try any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Waits after the `failures`th failure in a row (from 1): a quarter of a second at first, 15 s at most. */
  wait(name: string, failures: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    const longest = Math.min(
      LONGEST_MILLISECONDS,
      FIRST_MILLISECONDS * 2 ** Math.min(failures - 1, 10),
    );
    return new Promise((resolve) => {
      const done = (): void => {
        this.#clock.clearTimeout(timer);
        this.#waiting.delete(name);
        resolve();
      };
      const timer = this.#clock.setTimeout(done, longest * (0.5 + this.#random.fraction() / 2));
      this.#waiting.set(name, done);
    });
  }

  /** Cuts one wait short, or all: whatever failed may succeed now. */
  wake(name?: string): void {
    if (name !== undefined) this.#waiting.get(name)?.();
    else for (const done of [...this.#waiting.values()]) done();
  }

  /** Ends every wait, and every later one at once. */
  stop(): void {
    this.#stopped = true;
    this.wake();
  }
}

/**
 * Tries `work` until it succeeds; undefined when it was stopped before. Who calls it keeps what is to
 * be stored in memory until then.
 */
export async function untilDone<Result>(
  backOff: BackOff,
  name: string,
  work: () => Promise<Result>,
  onFailure: (cause: unknown, failures: number) => void,
): Promise<Result | undefined> {
  for (let failures = 1; !backOff.stopped; failures += 1) {
    try {
      return await work();
    } catch (cause) {
      onFailure(cause, failures);
    }
    await backOff.wait(name, failures);
  }
  return undefined;
}
