/** Places for exchanges: so many at once for one peer, so many in all; the others wait in line. */
interface Waiter {
  readonly peer: string;
  readonly go: () => void;
}

/** First come, first served, except that nobody waits behind another peer's queue. */
export class Slots {
  readonly #perPeer: number;
  readonly #overall: number;
  readonly #busy = new Map<string, number>();
  /** In the order they came. */
  readonly #waiting = new Set<Waiter>();
  #total = 0;

  constructor(limits: { readonly perPeer: number; readonly overall: number }) {
    this.#perPeer = limits.perPeer;
    this.#overall = limits.overall;
  }

  /**
   * Waits for a place; call what it resolves to when done, once.
   *
   * Rejects with the signal's reason.
   */
  async acquire(peer: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#isFree(peer)) return this.#take(peer);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        peer,
        go: () => {
          signal.removeEventListener("abort", leave);
          this.#waiting.delete(waiter);
          resolve(this.#take(peer));
        },
      };
      this.#waiting.add(waiter);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #isFree(peer: string): boolean {
    return this.#total < this.#overall && (this.#busy.get(peer) ?? 0) < this.#perPeer;
  }

  #take(peer: string): () => void {
    this.#total += 1;
    this.#busy.set(peer, (this.#busy.get(peer) ?? 0) + 1);
    return () => {
      this.#total -= 1;
      const left = (this.#busy.get(peer) ?? 1) - 1;
      if (left === 0) this.#busy.delete(peer);
      else this.#busy.set(peer, left);
      for (const waiter of this.#waiting) {
        if (this.#total >= this.#overall) return;
        if (this.#isFree(waiter.peer)) waiter.go();
      }
    };
  }
}
