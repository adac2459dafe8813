/** A clock that goes from timer to timer: what is due at very many moments is measured without waiting for them. */
import type { Clock, TimerHandle } from "../../src/ports.ts";
import { systemClock } from "../../src/ports.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  /** Undefined once it was cleared. */
  callback: (() => void) | undefined;
}

/** Sets and fires a timer in logarithmic time, so that ten thousand of them cost the bench little. */
export class QueueClock implements Clock {
  readonly #startedAt = systemClock.now();
  /** A heap: the one that is due first in front. */
  readonly #timers: Timer[] = [];
  #now = 0;
  #order = 0;

  now(): number {
    return this.#startedAt + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, milliseconds: number): TimerHandle {
    const timer: Timer = {
      ...{ at: this.#now + Math.max(0, milliseconds), order: (this.#order += 1), callback },
    };
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(timer, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = timer;
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    (handle as Timer).callback = undefined;
  }

  /**
   * Goes on for so long. What is due in one millisecond is fired in one turn of the event loop, as Node does; then
   * what that began goes on until `isIdle` says so.
   */
  async pass(milliseconds: number, isIdle: () => boolean = () => true): Promise<void> {
    const end = this.#now + milliseconds;
    for (
      let first = this.#timers[0];
      first !== undefined && first.at <= end;
      [first] = this.#timers
    ) {
      const until = Math.floor(first.at) + 1;
      for (
        let next = this.#timers[0];
        next !== undefined && next.at < until && next.at <= end;
        [next] = this.#timers
      ) {
        this.#removeFirst();
        this.#now = Math.max(this.#now, next.at);
        next.callback?.();
      }
      do await new Promise<void>((resolve) => setImmediate(resolve));
      while (!isIdle());
    }
    this.#now = end;
  }

  #removeFirst(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (isBefore(heap[below + 1], heap[below])) below += 1;
      const child = heap[below];
      if (child === undefined || !isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore(one: Timer | undefined, other: Timer | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
