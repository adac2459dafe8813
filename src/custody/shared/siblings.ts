/**
 * Several processes that are one server: whose life goes on, and how one asks another.
 *
 * Each process has a life, registered in the shared store and renewed. What a player's row says is
 * durable and shared; the session itself lives in one process, which the row names. Who needs
 * something done to a session of another process asks that process; when its life is over, the row
 * alone decides, as after a restart.
 */
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger, Random, Store, TimerHandle } from "../../ports.ts";

/** What one process asks another to do with a player's session there. */
export type SiblingRequest =
  /** The player logged in elsewhere on this server: end the session, what it carries is stored. */
  | { readonly kind: "end"; readonly player: string }
  /** The player walks into a room of the asking process, which takes the session over. */
  | { readonly kind: "move"; readonly player: string; readonly to: string }
  | { readonly kind: "departed"; readonly player: string; readonly transferId: string }
  | {
      readonly kind: "revoke";
      readonly player: string;
      readonly epoch: number;
      readonly caller: string;
    };

/** The other processes of this server. */
export interface Siblings {
  /** This process's life. Another one once it has been out of touch with the store for too long. */
  readonly life: string;
  /** Whether a life goes on. Rejects when the store does not say. */
  isAlive(life: string): Promise<boolean>;
  /** Asks a process; undefined when it does not answer in time. */
  ask(life: string, request: SiblingRequest): Promise<JsonValue | undefined>;
}

/** What another process answered; `silent` when its life goes on and it did not. */
export type SiblingWord =
  { readonly silent: false; readonly answer: JsonValue } | { readonly silent: true };

/** Asks the process of `life`, if that is another one and its life goes on; undefined otherwise. */
export async function askTo(
  siblings: Siblings | undefined,
  life: string | undefined,
  request: SiblingRequest,
): Promise<SiblingWord | undefined> {
  if (siblings === undefined || life === undefined || life === siblings.life) return undefined;
  if (!(await siblings.isAlive(life))) return undefined;
  const answer = await siblings.ask(life, request);
  return answer === undefined ? { silent: true } : { silent: false, answer };
}

/** Options of {@link ProcessRegister}. */
export interface ProcessRegisterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Out of touch for so long that others may think this life is over: simulate nobody. */
  readonly onLapse: () => void;
  /** In touch again, under a new life: what the former one played is over. */
  readonly onReborn: () => void;
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
  #beat: TimerHandle | undefined;
  #lapse: TimerHandle | undefined;
  #stopped = false;

  constructor(options: ProcessRegisterOptions) {
    this.#options = options;
    this.#life = options.random.uuid();
  }

  /** This process's life. */
  get life(): string {
    return this.#life;
  }

  /** Registers this life. Rejects when the store does not take it. */
  async start(): Promise<void> {
    await this.#register();
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
    const { logger, onReborn, onDeaths, random } = this.#options;
    try {
      if (this.#lapsed) {
        this.#life = random.uuid();
        await this.#register();
        this.#lapsed = false;
        logger.warn("in touch with the store again: whoever played in this process is sent home");
        onReborn();
      } else await this.#register();
      const living = await this.#living();
      const deaths = [...this.#known].some((life) => !living.has(life));
      this.#known = living;
      if (deaths) onDeaths();
    } catch (cause) {
      logger.debug(
        `this process's life could not be renewed: ${cause instanceof Error ? cause.message : "unknown"}`,
      );
    }
  }

  async #register(): Promise<void> {
    const { clock, store } = this.#options;
    const sentAt = clock.monotonic();
    await store.set(`${PREFIX}${this.#life}`, "1", LIFE_MILLISECONDS);
    if (this.#stopped) return;
    if (this.#lapse !== undefined) clock.clearTimeout(this.#lapse);
    const left = sentAt + LIFE_MILLISECONDS * MARGIN - clock.monotonic();
    this.#lapse = clock.setTimeout(
      () => {
        this.#lapsed = true;
        this.#options.onLapse();
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
