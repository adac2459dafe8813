/**
 * Several processes that are one server: whose life goes on.
 *
 * Each process has a life, registered in the shared store and renewed.
 */
import type { Clock, Logger, Random, Store, TimerHandle } from "../../ports.ts";

/** Options of {@link ProcessRegister}. */
export interface ProcessRegisterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Hears what becomes of this life and of the others. */
export interface LifeWatcher {
  /** Out of touch for so long that others may think this life is over: simulate nobody. */
  readonly onLapse: () => void;
  /** In touch again, under a new life: what the former one played is to be stored and ended. */
  readonly onReborn: (formerLife: string) => void;
  /** Other lives have ended: what they held is to be settled. */
  readonly onDeaths: () => void;
}

const LIFE_MILLISECONDS = 12_000;
const BEAT_MILLISECONDS = 3_000;
/** Machines' clocks run apart by no more than this share, and a freeze takes a moment. */
const MARGIN = 0.9;
const PREFIX = "process/";

/** Keeps this process's life in the shared store and watches the others'. */
export class ProcessRegister {
  readonly #options: ProcessRegisterOptions;
  #life: string;
  #known = new Set<string>();
  #lapsed = false;
  /** Monotonic time at which the store last did not answer. */
  #outOfTouchAt = -Infinity;
  #beat: TimerHandle | undefined;
  #lapse: TimerHandle | undefined;
  #stopped = false;
  #watcher: LifeWatcher | undefined;

  constructor(options: ProcessRegisterOptions) {
    this.#options = options;
    this.#life = options.random.uuid();
  }

  /** This process's life. */
  get life(): string {
    return this.#life;
  }

  /** Who hears of it, from the start on. */
  watchedBy(watcher: LifeWatcher): void {
    this.#watcher = watcher;
  }

  /** Registers this life. Rejects when the store does not take it. */
  async start(): Promise<void> {
    await this.#register(this.#life);
    this.#known = await this.#living();
    this.#schedule();
  }

  /** Whether a life goes on. */
  async isAlive(life: string): Promise<boolean> {
    return (await this.#options.store.get(`${PREFIX}${life}`)) !== undefined;
  }

  /** Ends this life. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const { clock, store } = this.#options;
    if (this.#beat !== undefined) clock.clearTimeout(this.#beat);
    if (this.#lapse !== undefined) clock.clearTimeout(this.#lapse);
    await store.delete(`${PREFIX}${this.#life}`).catch(() => undefined);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#beat = this.#options.clock.setTimeout(() => {
      void this.#tick().finally(() => {
        this.#schedule();
      });
    }, BEAT_MILLISECONDS);
  }

  async #tick(): Promise<void> {
    const { logger, random } = this.#options;
    try {
      if (this.#lapsed) {
        const former = this.#life;
        const life = random.uuid();
        await this.#register(life);
        this.#life = life;
        this.#lapsed = false;
        logger.warn("in touch with the store again: whoever played in this process is sent home");
        this.#watcher?.onReborn(former);
      } else await this.#register(this.#life);
      const living = await this.#living();
      const deaths = [...this.#known].some((life) => !living.has(life));
      // After an outage of the store the others have a moment to come back and bring what they played.
      const sinceOutage = this.#options.clock.monotonic() - this.#outOfTouchAt;
      if (deaths && sinceOutage < LIFE_MILLISECONDS) return;
      this.#known = living;
      if (deaths) this.#watcher?.onDeaths();
    } catch (cause) {
      this.#outOfTouchAt = this.#options.clock.monotonic();
      logger.debug(
        `this process's life could not be renewed: ${cause instanceof Error ? cause.message : "unknown"}`,
      );
    }
  }

  async #register(life: string): Promise<void> {
    const { clock, store } = this.#options;
    const sentAt = clock.monotonic();
    await store.set(`${PREFIX}${life}`, "1", LIFE_MILLISECONDS);
    if (this.#stopped) return;
    if (this.#lapse !== undefined) clock.clearTimeout(this.#lapse);
    const left = sentAt + LIFE_MILLISECONDS * MARGIN - clock.monotonic();
    this.#lapse = clock.setTimeout(
      () => {
        this.#lapsed = true;
        this.#watcher?.onLapse();
      },
      Math.max(0, left),
    );
  }

  async #living(): Promise<Set<string>> {
    const lives = new Set<string>();
    for await (const [key] of this.#options.store.entries(PREFIX)) {
      lives.add(key.slice(PREFIX.length));
    }
    return lives;
  }
}
