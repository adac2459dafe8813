import type { Clock } from "../ports.ts";

/** Who failed longest ago is forgotten first, and may begin anew. */
const MAX_KEYS = 10_000;
/** So many failures in a row cost nothing. */
const FREE_FAILURES = 3;
const FIRST_MILLISECONDS = 2_000;
const LONGEST_MILLISECONDS = 30_000;
/** Failures in a row are those with less than this between two of them. */
const FORGOTTEN_AFTER_MILLISECONDS = 10 * 60_000;

/**
 * How long each of many waits that fails again and again: after the fourth failure in a row 2 s, then 4 s, and twice
 * as long each time, up to 30 s. Counted in this process, in bounded memory.
 */
export class CoolDown {
  readonly #clock: Clock;
  readonly #failed = new Map<string, { readonly times: number; readonly at: number }>();

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** In how many whole seconds it may try again; 0: now. */
  wait(key: string): number {
    const { times = 0, at = 0 } = this.#failed.get(key) ?? {};
    const left = at + pauseAfter(times) - this.#clock.monotonic();
    return Math.max(0, Math.ceil(left / 1000));
  }

  /** It has failed once more. */
  failed(key: string): void {
    const now = this.#clock.monotonic();
    const former = this.#failed.get(key);
    const inARow = former !== undefined && now - former.at < FORGOTTEN_AFTER_MILLISECONDS;
    this.#failed.delete(key);
    this.#failed.set(key, { times: inARow ? former.times + 1 : 1, at: now });
    if (this.#failed.size > MAX_KEYS) {
      const [oldest = ""] = this.#failed.keys();
      this.#failed.delete(oldest);
    }
  }

  /** It did not fail: what was before does not count any more. */
  succeeded(key: string): void {
    this.#failed.delete(key);
  }
}

function pauseAfter(times: number): number {
  if (times <= FREE_FAILURES) return 0;
  return Math.min(LONGEST_MILLISECONDS, FIRST_MILLISECONDS * 2 ** (times - FREE_FAILURES - 1));
}
