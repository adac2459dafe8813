import type { Clock } from "../ports.ts";

/** Who was seen longest ago is forgotten first, and may begin anew. */
const MAX_KEYS = 10_000;
const MINUTE_MILLISECONDS = 60_000;

/**
 * How often each of many (players, peers, addresses) may do something: `perMinute` times at once, and
 * as often again in each minute after that, evenly. Counted in this process, in bounded memory.
 */
export class Quota {
  readonly #clock: Clock;
  readonly #perMinute: number;
  /** What is left to each, and when that was. */
  readonly #left = new Map<string, { readonly count: number; readonly at: number }>();

  /** @param options `perMinute` is at least 1; Infinity is no limit. */
  constructor(options: { readonly clock: Clock; readonly perMinute: number }) {
    this.#clock = options.clock;
    this.#perMinute = options.perMinute;
  }

  /** Takes one. 0 when it is granted; else in how many seconds it will be, and nothing is taken. */
  take(key: string): number {
    if (this.#perMinute === Infinity) return 0;
    const now = this.#clock.monotonic();
    const { count, at } = this.#left.get(key) ?? { count: this.#perMinute, at: now };
    const refilled = Math.min(
      this.#perMinute,
      count + ((now - at) / MINUTE_MILLISECONDS) * this.#perMinute,
    );
    if (refilled < 1) return Math.ceil((1 - refilled) * (60 / this.#perMinute));
    this.#left.delete(key);
    this.#left.set(key, { count: refilled - 1, at: now });
    if (this.#left.size > MAX_KEYS) {
      const [oldest = ""] = this.#left.keys();
      this.#left.delete(oldest);
    }
    return 0;
  }
}
