/** What is asked for again after a while, so often, and no more of it at once than a bound. */
import type { Clock, TimerHandle } from "../../ports.ts";

/** Options of {@link AskedLater}. */
export interface AskedLaterOptions<Item> {
  readonly clock: Pick<Clock, "setTimeout" | "clearTimeout">;
  /** Before the first time, the second, and so on; after the last of them, none. */
  readonly afterSeconds: readonly number[];
  /** So many wait; for more there is no next time. */
  readonly most: number;
  readonly again: (items: readonly Item[]) => void;
}

/** Items of which nobody has heard yet what becomes of them. */
export class AskedLater<Item extends { retries: number }> {
  readonly #options: AskedLaterOptions<Item>;
  readonly #waiting = new Map<TimerHandle, readonly Item[]>();
  #count = 0;
  #stopped = false;

  constructor(options: AskedLaterOptions<Item>) {
    this.#options = options;
  }

  /** Has items wait. Returns those that do not. */
  add(items: readonly Item[]): readonly Item[] {
    const { afterSeconds, most } = this.#options;
    const over: Item[] = [];
    const waiting = new Map<number, Item[]>();
    for (const item of items) {
      const seconds = afterSeconds[item.retries];
      if (this.#stopped || seconds === undefined || this.#count >= most) {
        over.push(item);
        continue;
      }
      this.#count += 1;
      const others = waiting.get(seconds);
      if (others === undefined) waiting.set(seconds, [item]);
      else others.push(item);
    }
    for (const [seconds, some] of waiting) this.#wait(some, seconds);
    return over;
  }

  #wait(items: readonly Item[], seconds: number): void {
    const { clock, again } = this.#options;
    const timer = clock.setTimeout(() => {
      this.#waiting.delete(timer);
      this.#count -= items.length;
      for (const item of items) item.retries += 1;
      again(items);
    }, seconds * 1000);
    this.#waiting.set(timer, items);
  }

  /** Nothing waits any more. Returns what did. */
  stop(): readonly Item[] {
    this.#stopped = true;
    const items = [...this.#waiting.values()].flat();
    for (const timer of this.#waiting.keys()) this.#options.clock.clearTimeout(timer);
    this.#waiting.clear();
    return items;
  }
}
