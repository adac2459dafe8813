/**
 * When a crossing that its destination has refused may go on to another one (PROTOCOL 6): while nobody was
 * told of a seat, nobody has decided otherwise, and time is left.
 */
import type { FederationErrorCode } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import type { CrossingDestination } from "./departing.ts";

/** Servers that one crossing tries, at most. */
export const MAX_DESTINATIONS = 4;
/** How long the player stands still for all of them together, at most, until it is told of a seat. */
export const FAILOVER_MILLISECONDS = 15_000;
/** With less time left than this, no other one is asked. */
const LEAST_MILLISECONDS = 1_000;

/** A server that a crossing was to lead to, and why it did not. */
export interface TriedDestination {
  /** Origin of the server. */
  readonly destination: string;
  /** Of the departure for it, which home has taken back; undefined: it was known not to take anybody now. */
  readonly transferId?: string;
  readonly code: FederationErrorCode;
  /** The sentence that the player would have been told. */
  readonly message: string;
}

/** Where else a crossing may go. */
export interface OtherWays {
  /** The other servers, in the order in which they are tried. */
  readonly next?: readonly CrossingDestination[];
  /** Those that were left out before it began, as nobody can be sent there now. */
  readonly skipped?: readonly TriedDestination[];
}

/** The destinations of one crossing: the one it goes to, those that are left, those that were tried. */
export class Failover {
  readonly #clock: Clock;
  readonly #until: number;
  readonly #left: CrossingDestination[];
  readonly #tried: TriedDestination[];

  constructor(clock: Clock, { next = [], skipped = [] }: OtherWays) {
    this.#tried = [...skipped];
    this.#clock = clock;
    this.#until = clock.monotonic() + FAILOVER_MILLISECONDS;
    this.#left = next.slice(0, MAX_DESTINATIONS - 1);
  }

  /** What is left of the time for all, in milliseconds. */
  get patienceMilliseconds(): number {
    return Math.max(LEAST_MILLISECONDS, this.#until - this.#clock.monotonic());
  }

  /** Whether there is another one, and the time to ask it. */
  get goesOn(): boolean {
    return this.#left.length > 0 && this.#until - this.#clock.monotonic() >= LEAST_MILLISECONDS;
  }

  /** Those that were tried in vain; undefined: none. */
  get tried(): readonly TriedDestination[] | undefined {
    return this.#tried.length === 0 ? undefined : [...this.#tried];
  }

  /** Takes down why one was left, and names the next. */
  next(tried: TriedDestination): CrossingDestination | undefined {
    this.#tried.push(tried);
    return this.#left.shift();
  }
}
