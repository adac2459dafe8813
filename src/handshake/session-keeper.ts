/**
 * Keeps a live session with every peer that should have one: first handshakes, retries after
 * failure, renewal before a session lapses (PROTOCOL 4).
 */
import type { Clock, Logger, Random, TimerHandle } from "../ports.ts";

/** What the keeper asks of the rest. */
export interface SessionKeeperOptions {
  /** Origins that should have a live session. Asked anew for every turn through all of them. */
  readonly wanted: () => Iterable<string>;
  /** Whether an origin is one of {@link wanted}. */
  readonly isWanted: (origin: string) => boolean;
  /** Unix seconds at which the session lapses, or undefined without one. */
  readonly expiresAt: (origin: string) => number | undefined;
  /** Whether the peer should hear of us though its session lives, such as of a new key. */
  readonly hasNews?: (origin: string) => boolean;
  readonly connect: (origin: string) => Promise<unknown>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What the last tries to meet a server came to. */
export interface MeetingAttempt {
  /** In a row. */
  readonly failures: number;
  /** What the last one failed with. */
  readonly cause: unknown;
  /** When it is tried again, Unix milliseconds; undefined: it is being tried. */
  readonly nextAt: number | undefined;
}

interface Waiting {
  failures: number;
  cause?: unknown;
  nextAt: number;
  busy: boolean;
  /** Its news has been tried to tell: from then on there is no hurry. */
  told: boolean;
}

const ROUND_MILLISECONDS = 500;
/** Peers looked at in one round, so that it costs the same however many there are: 10,000 are gone through in 20 s. */
const LOOKED_AT_A_ROUND = 250;
/** Handshakes under way at once: more would only make each of them slower. */
const MAX_CONNECTING = 32;
const FIRST_RETRY_MILLISECONDS = 1_000;
const LONGEST_RETRY_MILLISECONDS = 60_000;
/** A session shorter than the renewal's lead is not renewed more often than this. */
const SHORTEST_RENEWAL_MILLISECONDS = 60_000;
/** Renew when this much of a day is left. */
const RENEW_BEFORE_SECONDS = 2 * 3600;

/**
 * Keeps sessions alive; any verified call from a peer resets its back-off. What it costs a second does not
 * grow with the number of peers: {@link LOOKED_AT_A_ROUND} of them are looked at in a round, besides those
 * that wait for a handshake and those that {@link SessionKeeper.look} names.
 */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  readonly #waiting = new Map<string, Waiting>();
  /** Where the turn through all peers has come to. */
  #turn: Iterator<string> | undefined;
  /** To be looked at in the next round. */
  #named = new Set<string>();
  /** Due, but as many handshakes as may be are under way. */
  readonly #due = new Set<string>();
  /** To be met anew though nothing is due: after all that are. */
  readonly #asked = new Set<string>();
  #connecting = 0;
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
    this.#due.clear();
    this.#asked.clear();
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  /** How meeting a server has failed; undefined where it has not. */
  attempt(origin: string): MeetingAttempt | undefined {
    const waiting = this.#waiting.get(origin);
    if (waiting === undefined || waiting.failures === 0) return undefined;
    const { failures, cause, nextAt, busy } = waiting;
    const { clock } = this.#options;
    return {
      ...{ failures, cause },
      nextAt: busy ? undefined : clock.now() + Math.max(0, nextAt - clock.monotonic()),
    };
  }

  /** Something about this peer has changed: it is looked at in the next round. */
  look(origin: string): void {
    this.#named.add(origin);
  }

  /**
   * Shakes hands with a wanted peer once, though its session lives: in its turn, behind those whose session does
   * not. What fails is not repeated for that.
   */
  renew(origin: string): void {
    if (!this.#running) return;
    this.#asked.add(origin);
    this.#connectDue();
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
    const { clock } = this.#options;
    for (const origin of this.#inTurn()) this.#named.add(origin);
    const named = this.#named;
    this.#named = new Set();
    const now = clock.monotonic();
    for (const [origin, { nextAt, failures }] of this.#waiting) {
      if (failures === 0 || nextAt <= now) named.add(origin);
    }
    for (const origin of named) this.#look(origin, now);
    this.#timer = clock.setTimeout(() => {
      this.#round();
    }, ROUND_MILLISECONDS);
  }

  /** The next peers of all, each at most once. */
  *#inTurn(): Generator<string> {
    this.#turn ??= this.#options.wanted()[Symbol.iterator]();
    for (let count = 0; count < LOOKED_AT_A_ROUND; count += 1) {
      const next = this.#turn.next();
      if (next.done === true) {
        this.#turn = undefined;
        return;
      }
      yield next.value;
    }
  }

  #look(origin: string, now: number): void {
    if (!this.#options.isWanted(origin)) {
      this.#waiting.delete(origin);
      this.#due.delete(origin);
      return;
    }
    const hasNews = this.#options.hasNews?.(origin) === true;
    const known = this.#waiting.get(origin);
    if (!hasNews && this.#isFresh(origin)) {
      if (known?.busy === false) this.#waiting.delete(origin);
      else if (known !== undefined) known.told = false;
      return;
    }
    const waiting = known ?? { failures: 0, nextAt: 0, busy: false, told: false };
    this.#waiting.set(origin, waiting);
    const lapsed = waiting.failures === 0 && this.#options.expiresAt(origin) === undefined;
    const due = lapsed || (hasNews && !waiting.told) || waiting.nextAt <= now;
    if (waiting.busy || !due) return;
    waiting.told = hasNews;
    this.#due.add(origin);
    this.#connectDue();
  }

  #connectDue(): void {
    for (const origins of [this.#due, this.#asked]) {
      for (const origin of origins) {
        if (this.#connecting >= MAX_CONNECTING || !this.#running) return;
        origins.delete(origin);
        const waiting = this.#waiting.get(origin);
        if (waiting?.busy === true) continue;
        if (waiting !== undefined) void this.#connect(origin, waiting);
        else if (origins === this.#asked && this.#options.isWanted(origin)) {
          const asked = { failures: 0, nextAt: 0, busy: false, told: false };
          this.#waiting.set(origin, asked);
          void this.#connect(origin, asked);
        }
      }
    }
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
    this.#asked.delete(origin);
    this.#connecting += 1;
    try {
      await connect(origin);
      waiting.failures = 0;
      waiting.cause = undefined;
      waiting.nextAt = clock.monotonic() + SHORTEST_RENEWAL_MILLISECONDS;
    } catch (cause) {
      waiting.failures += 1;
      waiting.cause = cause;
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
      this.#connecting -= 1;
      this.#connectDue();
    }
  }
}
