/**
 * Keeps a live session with every peer that should have one: first handshakes, retries after
 * failure, renewal before a session lapses (PROTOCOL 4).
 */
import type { Clock, Logger, Random, TimerHandle } from "../ports.ts";

/** What the keeper asks of the rest. */
export interface SessionKeeperOptions {
  /** Origins that should have a live session. Asked before every round. */
  readonly wanted: () => Iterable<string>;
  /** Unix seconds at which the session lapses, or undefined without one. */
  readonly expiresAt: (origin: string) => number | undefined;
  /** Whether the peer should hear of us though its session lives, such as of a new key. */
  readonly hasNews?: (origin: string) => boolean;
  readonly connect: (origin: string) => Promise<unknown>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Waiting {
  failures: number;
  nextAt: number;
  busy: boolean;
  /** Its news has been tried to tell: from then on there is no hurry. */
  told: boolean;
}

const ROUND_MILLISECONDS = 500;
const FIRST_RETRY_MILLISECONDS = 1_000;
const LONGEST_RETRY_MILLISECONDS = 60_000;
/** A session shorter than the renewal's lead is not renewed more often than this. */
const SHORTEST_RENEWAL_MILLISECONDS = 60_000;
/** Renew when this much of a day is left. */
const RENEW_BEFORE_SECONDS = 2 * 3600;

/** Keeps sessions alive; any verified call from a peer resets its back-off. */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  readonly #waiting = new Map<string, Waiting>();
  #timer: TimerHandle | undefined;
  #running = false;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
  }

  /** Begins; the first round runs at once. */
  start(): void {
    this.#running = true;
    this.#round();
  }

  /** Stops; a handshake under way still ends by itself. */
  stop(): void {
    this.#running = false;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  /** The peer was heard of: try again at once if it was waited for. */
  wake(origin: string): void {
    const waiting = this.#waiting.get(origin);
    if (waiting === undefined || waiting.failures === 0) return;
    waiting.failures = 0;
    waiting.nextAt = 0;
  }

  #round(): void {
    if (!this.#running) return;
    const { clock, wanted } = this.#options;
    const now = clock.monotonic();
    const origins = new Set(wanted());
    for (const origin of this.#waiting.keys()) {
      if (!origins.has(origin)) this.#waiting.delete(origin);
    }
    for (const origin of origins) {
      const hasNews = this.#options.hasNews?.(origin) === true;
      if (!hasNews && this.#isFresh(origin)) {
        const idle = this.#waiting.get(origin);
        if (idle !== undefined) idle.told = false;
        continue;
      }
      const fresh = { failures: 0, nextAt: 0, busy: false, told: false };
      const waiting = this.#waiting.get(origin) ?? fresh;
      this.#waiting.set(origin, waiting);
      const lapsed = waiting.failures === 0 && this.#options.expiresAt(origin) === undefined;
      const due = lapsed || (hasNews && !waiting.told) || waiting.nextAt <= now;
      if (waiting.busy || !due) continue;
      waiting.told = hasNews;
      void this.#connect(origin, waiting);
    }
    this.#timer = clock.setTimeout(() => {
      this.#round();
    }, ROUND_MILLISECONDS);
  }

  #isFresh(origin: string): boolean {
    const expiresAt = this.#options.expiresAt(origin);
    return (
      expiresAt !== undefined && expiresAt - this.#options.clock.now() / 1000 > RENEW_BEFORE_SECONDS
    );
  }

  async #connect(origin: string, waiting: Waiting): Promise<void> {
    const { clock, random, logger, connect } = this.#options;
    waiting.busy = true;
    try {
      await connect(origin);
      waiting.failures = 0;
      waiting.nextAt = clock.monotonic() + SHORTEST_RENEWAL_MILLISECONDS;
    } catch (cause) {
      waiting.failures += 1;
      const longest = Math.min(
        LONGEST_RETRY_MILLISECONDS,
        FIRST_RETRY_MILLISECONDS * 2 ** Math.min(waiting.failures - 1, 10),
      );
      waiting.nextAt = clock.monotonic() + longest * (0.5 + random.fraction() / 2);
      logger.debug(
        `no handshake with ${origin} yet: ${cause instanceof Error ? cause.message : "unknown"}`,
        { peer: origin },
      );
    } finally {
      waiting.busy = false;
    }
  }
}
