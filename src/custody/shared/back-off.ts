/** Waiting between tries of what has to succeed in the end: longer each time, never without limit. */
import type { Clock, Random } from "../../ports.ts";

const FIRST_MILLISECONDS = 250;
const LONGEST_MILLISECONDS = 15_000;

/** Waits, each under a name, that can be cut short. */
export class BackOff {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #waiting = new Map<string, () => void>();
  /** Names of those that wait, by their group. */
  readonly #groups = new Map<string, Set<string>>();
  #stopped = false;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether nobody shall try any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * Waits after the `failures`th failure in a row (from 1): a quarter of a second at first, 15 s at most.
   * `group`: with whom it is woken by {@link wakeGroup}, such as all that wait for one server.
   */
  wait(name: string, failures: number, group?: string): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    const longest = Math.min(
      LONGEST_MILLISECONDS,
      FIRST_MILLISECONDS * 2 ** Math.min(failures - 1, 10),
    );
    return new Promise((resolve) => {
      const done = (): void => {
        this.#clock.clearTimeout(timer);
        this.#waiting.delete(name);
        if (group !== undefined) this.#leave(group, name);
        resolve();
      };
      const timer = this.#clock.setTimeout(done, longest * (0.5 + this.#random.fraction() / 2));
      this.#waiting.set(name, done);
      if (group !== undefined) this.#groups.set(group, this.#ofGroup(group).add(name));
    });
  }

  /** Cuts one wait short, or all: whatever failed may succeed now. */
  wake(name?: string): void {
    if (name !== undefined) this.#waiting.get(name)?.();
    else for (const done of [...this.#waiting.values()]) done();
  }

  /** Cuts short the waits of one group: what it costs does not grow with the others. */
  wakeGroup(group: string): void {
    for (const name of [...this.#ofGroup(group)]) this.#waiting.get(name)?.();
  }

  /** Ends every wait, and every later one at once. */
  stop(): void {
    this.#stopped = true;
    this.wake();
  }

  #ofGroup(group: string): Set<string> {
    return this.#groups.get(group) ?? new Set();
  }

  #leave(group: string, name: string): void {
    const names = this.#ofGroup(group);
    names.delete(name);
    if (names.size === 0) this.#groups.delete(group);
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
