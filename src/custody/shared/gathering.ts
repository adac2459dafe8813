/** What waits for others of its kind, so that one piece of work is done for many. */
import type { Clock, TimerHandle } from "../../ports.ts";

/** Options of {@link Gathering}. */
export interface GatheringOptions<Item> {
  /** Default: nothing waits. */
  readonly clock?: Pick<Clock, "setTimeout" | "clearTimeout"> | undefined;
  /** How long the first of them waits for others. */
  readonly milliseconds: number;
  /** So many wait for no others. */
  readonly most: number;
  /** Never rejects. */
  readonly work: (items: readonly Item[]) => Promise<void>;
}

/** Items that are worked off together: after a while, once there are many, or when somebody needs them done. */
export class Gathering<Item> {
  readonly #options: GatheringOptions<Item>;
  readonly #underWay = new Set<Promise<void>>();
  #items: Item[] = [];
  #timer: TimerHandle | undefined;
  #stopped = false;

  constructor(options: GatheringOptions<Item>) {
    this.#options = options;
  }

  add(item: Item): void {
    const { clock, milliseconds, most } = this.#options;
    this.#items.push(item);
    if (clock === undefined || this.#stopped || this.#items.length >= most) {
      this.start();
    } else {
      this.#timer ??= clock.setTimeout(() => {
        this.start();
      }, milliseconds);
    }
  }

  /** Begins with what is gathered. */
  start(): void {
    if (this.#timer !== undefined) this.#options.clock?.clearTimeout(this.#timer);
    this.#timer = undefined;
    const items = this.#items.splice(0);
    if (items.length === 0) return;
    const work = this.#options.work(items).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** {@link start}. Resolves once all that was added is done. */
  async flush(): Promise<void> {
    this.start();
    await Promise.all(this.#underWay);
  }

  /** {@link start}, and nothing is gathered any more. */
  stop(): void {
    this.#stopped = true;
    this.start();
  }
}
