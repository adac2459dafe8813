/** How long a peer may take: no longer than it must, however it spreads its bytes. */
import type { Clock } from "../../ports.ts";

/** What a peer must keep up with. */
export interface Pace {
  /** Without a byte for this long it has stalled. */
  readonly stallMilliseconds: number;
  /** Bytes a second it must have sent on average, once the first stall time is over. */
  readonly minBytesPerSecond: number;
}

/**
 * Counts the time spent waiting for one peer, over all exchanges with it; time in which this server
 * writes to its disk is its own.
 */
export class Patience {
  readonly #clock: Clock;
  readonly #pace: Pace;
  #spent = 0;
  #received = 0;

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock;
    this.#pace = pace;
  }

  /** Bytes came in. */
  credit(bytes: number): void {
    this.#received += bytes;
  }

  /** After a peer took too long: another chance, with a stall time of its own. */
  renew(): void {
    this.#spent = Math.min(this.#spent, this.#earned());
  }

  /** Waits for the peer, and calls `expire` when it has taken too long. */
  async wait<T>(work: () => Promise<T>, expire: (why: string) => void): Promise<T> {
    const { stallMilliseconds, minBytesPerSecond } = this.#pace;
    const allowed = stallMilliseconds + this.#earned() - this.#spent;
    const began = this.#clock.monotonic();
    const timer = this.#clock.setTimeout(
      () => {
        expire(
          allowed < stallMilliseconds
            ? `slower than ${minBytesPerSecond} bytes a second`
            : `no bytes for ${stallMilliseconds / 1000} s`,
        );
      },
      Math.max(0, Math.min(stallMilliseconds, allowed)),
    );
    try {
      return await work();
    } finally {
      this.#clock.clearTimeout(timer);
      this.#spent += this.#clock.monotonic() - began;
    }
  }

  /** Milliseconds that what was received may have taken. */
  #earned(): number {
    return (this.#received * 1000) / this.#pace.minBytesPerSecond;
  }
}
