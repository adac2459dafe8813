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
  /** Leases after which none is given. */
  readonly #last = new Set<string>();

  constructor(options: { clock: Clock; leaseSeconds: number }) {
    this.#clock = options.clock;
    this.leaseSeconds = options.leaseSeconds;
    this.#startedAt = options.clock.monotonic();
  }

  /** A lease was answered for this player and epoch. */
  answered(localId: string, epoch: number): void {
    const key = `${localId}@${epoch}`;
    if (this.#last.has(key)) return;
    this.#answeredAt.set(key, this.#clock.monotonic());
  }

  /** The epoch is over: whoever held it cannot renew it any more. */
  forget(localId: string, epoch: number): void {
    const key = `${localId}@${epoch}`;
    this.#answeredAt.delete(key);
    this.#last.delete(key);
  }

  /** Whatever has been answered is the last lease of this epoch: it runs out once, counted from now. */
  last(localId: string, epoch: number): void {
    this.answered(localId, epoch);
    this.#last.add(`${localId}@${epoch}`);
  }

  /** The next epoch has what is left of the last lease of this one. */
  carryOver(localId: string, epoch: number, next: number): void {
    const at = this.#answeredAt.get(`${localId}@${epoch}`);
    if (at !== undefined) this.#answeredAt.set(`${localId}@${next}`, at);
    this.#last.add(`${localId}@${next}`);
  }

  /** Seconds of the last lease that its holder may still count on; 0 when it is over. */
  remainder(localId: string, epoch: number): number {
    const margin = this.leaseSeconds * CLOCK_RATE_MARGIN;
    return Math.max(0, this.secondsLeft(localId, epoch) - margin);
  }

  /** Seconds until every lease answered for this epoch has surely run out; 0 when it has. */
  secondsLeft(localId: string, epoch: number): number {
    const from = this.#answeredAt.get(`${localId}@${epoch}`) ?? this.#startedAt;
    const until =
      Math.max(from, this.#startedAt) + this.leaseSeconds * 1000 * (1 + CLOCK_RATE_MARGIN);
    return Math.max(0, (until - this.#clock.monotonic()) / 1000);
  }
}
