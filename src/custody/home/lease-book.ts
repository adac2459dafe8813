import type { Clock } from "../../ports.ts";

/** Clocks of two machines drift apart by no more than this share of the time that passes. */
const CLOCK_RATE_MARGIN = 0.05;

/**
 * What home remembers of the leases it answered, on its own monotonic clock (PROTOCOL 6, rule 7).
 *
 * A holder counts its lease from the moment it *sent* the request, home from the moment it
 * answered, which is later: so when home says the lease has run out, the holder's own count has.
 * Nothing here survives a restart; instead, a fresh book waits one full lease before it lets
 * anything expire.
 */
export class LeaseBook {
  readonly leaseSeconds: number;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #answeredAt = new Map<string, number>();

  constructor(options: { clock: Clock; leaseSeconds: number }) {
    this.#clock = options.clock;
    this.leaseSeconds = options.leaseSeconds;
    this.#startedAt = options.clock.monotonic();
  }

  /** A lease was answered for this player and epoch. */
  answered(localId: string, epoch: number): void {
    this.#answeredAt.set(`${localId}@${epoch}`, this.#clock.monotonic());
  }

  /** The epoch is over: whoever held it cannot renew it any more. */
  forget(localId: string, epoch: number): void {
    this.#answeredAt.delete(`${localId}@${epoch}`);
  }

  /** Seconds until every lease answered for this epoch has surely run out; 0 when it has. */
  secondsLeft(localId: string, epoch: number): number {
    const from = this.#answeredAt.get(`${localId}@${epoch}`) ?? this.#startedAt;
    const until =
      Math.max(from, this.#startedAt) + this.leaseSeconds * 1000 * (1 + CLOCK_RATE_MARGIN);
    return Math.max(0, (until - this.#clock.monotonic()) / 1000);
  }
}
