/** So many pieces of work at once; the others wait in line, and nobody waits without end. */
import { FederationError } from "../errors.ts";

const MAX_WAITING = 256;

/** First come, first served. */
export class Slots {
  readonly #places: number;
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** @throws FederationError `ERR_FED_UNAVAILABLE` where too many wait already. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#busy >= this.#places) {
      if (this.#waiting.length >= MAX_WAITING) throw new FederationError("ERR_FED_UNAVAILABLE");
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    } else this.#busy += 1;
    try {
      return await work();
    } finally {
      // Whoever waits takes over the place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy -= 1;
      else next();
    }
  }
}

/** Does the same with each item, so many at once, until all are done or `ends` is aborted. Rejects as `work` does. */
export async function eachOf<Item>(
  items: readonly Item[],
  atOnce: number,
  ends: AbortSignal,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) {
      if (ends.aborted) return;
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
