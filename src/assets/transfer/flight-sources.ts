/** The peers that may have one asset: whom to ask next, when, and whom no more. */
import type { Clock, Random } from "../../ports.ts";
import { type Pace, Patience } from "./patience.ts";

/** A peer that may have it, and how asking it went. */
export interface Source {
  readonly origin: string;
  readonly patience: Patience;
  /** In a row, without getting on. */
  failures: number;
  /** In all: each cost a stall time. */
  timeouts: number;
  /** Monotonic milliseconds. */
  readyAt: number;
  /** Its last failure. */
  why: string;
  timedOut: boolean;
  isOut: boolean;
}

/** How asking a peer failed. */
export interface SourceFailure {
  /** Whether enough came before it that the peer is not blamed. */
  readonly gotOn: boolean;
  readonly timedOut?: boolean;
  readonly retryAfterSeconds?: number | undefined;
}

/** What is asked of each peer, and how long. */
export interface SourceLimits {
  readonly pace: Pace;
  readonly maxFailuresPerSource: number;
  readonly clock: Clock;
  readonly random: Random;
}

const MAX_SOURCES = 16;
const FIRST_DELAY_MILLISECONDS = 250;
const MAX_DELAY_MILLISECONDS = 8_000;

/** The sources of one flight, the one that answers best first. */
export class Sources {
  readonly #limits: SourceLimits;
  readonly #sources: Source[] = [];
  #oneByOne = false;
  #alone: Source | undefined;

  constructor(limits: SourceLimits) {
    this.#limits = limits;
  }

  /** Whether each peer has to send all of it by itself. */
  get oneByOne(): boolean {
    return this.#oneByOne;
  }

  /** Every peer and its last failure, for people. */
  get tried(): string {
    return this.#sources.map(({ origin, why }) => `${origin}: ${why}`).join("; ");
  }

  /** Whether it was time alone that they all failed for. */
  get allTimedOut(): boolean {
    return this.#sources.length > 0 && this.#sources.every(({ timedOut }) => timedOut);
  }

  /** Takes further peers in, up to a number. */
  add(origins: Iterable<string>): void {
    for (const origin of origins) {
      if (this.#sources.length >= MAX_SOURCES) return;
      if (this.#sources.some((source) => source.origin === origin)) continue;
      this.#sources.push({
        origin,
        patience: new Patience(this.#limits.clock, this.#limits.pace),
        failures: 0,
        timeouts: 0,
        readyAt: 0,
        why: "not asked",
        timedOut: false,
        isOut: false,
      });
    }
  }

  /** The peer to ask next: the one that can be asked soonest, then the one that failed least. */
  next(): Source | undefined {
    if (this.#alone?.isOut === false) return this.#alone;
    const now = this.#limits.clock.monotonic();
    const [first] = this.#sources
      .filter(({ isOut }) => !isOut)
      .sort(
        (a, b) => Math.max(a.readyAt, now) - Math.max(b.readyAt, now) || a.failures - b.failures,
      );
    if (this.#oneByOne) this.#alone = first;
    return first;
  }

  /** Stays with one peer until it is out, then with the next: together they sent wrong bytes. */
  askOneByOne(last: Source, why: string): void {
    last.why = why;
    this.#oneByOne = true;
  }

  /** A peer failed: it is asked again later, unless it has failed too often. */
  failed(source: Source, why: string, { gotOn, timedOut, retryAfterSeconds }: SourceFailure): void {
    const { clock, random, maxFailuresPerSource } = this.#limits;
    source.failures = gotOn ? 0 : source.failures + 1;
    source.why = why;
    source.timedOut = timedOut ?? false;
    const delay = Math.min(FIRST_DELAY_MILLISECONDS * 2 ** source.failures, MAX_DELAY_MILLISECONDS);
    source.readyAt =
      clock.monotonic() +
      Math.max((delay * (1 + random.fraction())) / 2, (retryAfterSeconds ?? 0) * 1000);
    if (source.timedOut) {
      source.timeouts += 1;
      source.patience.renew();
    }
    if (Math.max(source.failures, source.timeouts) >= maxFailuresPerSource) source.isOut = true;
  }

  /** Asks a peer no more. */
  giveUp(source: Source, why: string): void {
    source.why = why;
    source.timedOut = false;
    source.isOut = true;
  }
}
