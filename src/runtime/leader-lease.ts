/**
 * Which of the processes that are one server does what one of them is enough for.
 *
 * One row of the shared store, which its holder writes anew every beat. Nobody's clock is believed: whoever sees the
 * same text for the length of a lease, by a monotonic clock of its own, takes the row by compare-and-set. What can go
 * wrong: the holder dies (taken over after a lease), stops (at once), stands still and goes on (two believe to hold it
 * until the former's next beat); the store is away (nobody's part changes). So the lease is for what is only wasteful
 * when two do it.
 */
import { z } from "zod";
import type { Clock, Store } from "../ports.ts";

const KEY = "lease/leader";
const LEASE_MILLISECONDS = 6_000;
/** How often {@link LeaderLease.beat} is to be called. */
export const BEAT_MILLISECONDS = 2_000;

const rowSchema = z.strictObject({
  life: z.string().max(64),
  beat: z.int().min(0),
});

/** Options of {@link LeaderLease}. */
export interface LeaderLeaseOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** This process's life. */
  readonly life: () => string;
}

/** One process's part in it. */
export class LeaderLease {
  readonly #options: LeaderLeaseOptions;
  /** The row as this process has written it; undefined: it does not hold the lease. */
  #mine: string | undefined;
  #seen: string | undefined;
  #seenAt = -Infinity;
  #holder: string | undefined;

  constructor(options: LeaderLeaseOptions) {
    this.#options = options;
  }

  /** Whether this process holds the lease, as far as it knows. */
  get isHeld(): boolean {
    return this.#mine !== undefined;
  }

  /** Life of the other process that holds it, as of the last beat; undefined: none does, or it is not known. */
  get holder(): string | undefined {
    return this.isHeld ? undefined : this.#holder;
  }

  /** Renews the lease, or takes one that is free. Rejects when the store does not answer. */
  async beat(): Promise<void> {
    const { store, clock, life } = this.#options;
    const text = await store.get(KEY);
    const row = text === undefined ? undefined : rowOf(text);
    if (text !== this.#seen) {
      this.#seen = text;
      this.#seenAt = clock.monotonic();
    }
    // A write of its own of which it has not heard back is its own all the same.
    const isOwn = text !== undefined && (text === this.#mine || row?.life === life());
    const isFree =
      row === undefined || clock.monotonic() - this.#seenAt >= LEASE_MILLISECONDS || isOwn;
    const next = JSON.stringify({ life: life(), beat: ((row?.beat ?? 0) + 1) % 1_000_000_000 });
    if (isFree && (await store.compareAndSet(KEY, text, next))) {
      this.#mine = next;
      this.#holder = undefined;
      return;
    }
    this.#mine = undefined;
    // Whoever was quicker is seen with the next beat.
    this.#holder = isFree ? undefined : row.life;
  }

  /** Gives the lease up, so that another process has it with its next beat. */
  async release(): Promise<void> {
    const mine = this.#mine;
    this.#mine = undefined;
    if (mine === undefined) return;
    await this.#options.store.compareAndSet(KEY, mine, undefined).catch(() => false);
  }
}

function rowOf(text: string): z.infer<typeof rowSchema> | undefined {
  try {
    return rowSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
