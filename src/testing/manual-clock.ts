import type { Clock, TimerHandle } from "../ports.ts";

interface ManualTimer {
  readonly dueAt: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A {@link Clock} that stands still until a test moves it.
 *
 * Wall and monotonic time advance together; {@link ManualClock.jumpWall} moves the wall alone, as
 * an operator or NTP would. Timers fire in order of their due time, those due together in the
 * order they were set.
 */
export class ManualClock implements Clock {
  #wallMilliseconds: number;
  #monotonicMilliseconds = 0;
  #timers = new Map<number, ManualTimer>();
  #nextTimer = 1;

  /** @param startMilliseconds - The wall clock at the start; default 2026-01-01T00:00:00Z. */
  constructor(startMilliseconds = 1_767_225_600_000) {
    this.#wallMilliseconds = startMilliseconds;
  }

  now(): number {
    return this.#wallMilliseconds;
  }

  monotonic(): number {
    return this.#monotonicMilliseconds;
  }

  setTimeout(callback: () => void, milliseconds: number): TimerHandle {
    const order = this.#nextTimer++;
    const delay = Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : 0;
    this.#timers.set(order, { dueAt: this.#monotonicMilliseconds + delay, order, callback });
    return order;
  }

  clearTimeout(handle: TimerHandle): void {
    if (typeof handle === "number") this.#timers.delete(handle);
  }

  /** How many timers are waiting. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves both clocks forward, firing on the way every timer that falls due, at its due time. */
  advance(milliseconds: number): void {
    const end = this.#monotonicMilliseconds + milliseconds;
    for (let due = this.#nextDue(end); due !== undefined; due = this.#nextDue(end)) {
      this.#timers.delete(due.order);
      this.#moveTo(due.dueAt);
      due.callback();
    }
    this.#moveTo(end);
  }

  /**
   * As {@link ManualClock.advance}, but lets promise callbacks run before, between and after the
   * timers, so that code which awaits between two timers sees each of them at its own time.
   */
  async advanceAsync(milliseconds: number): Promise<void> {
    const end = this.#monotonicMilliseconds + milliseconds;
    await settle();
    for (let due = this.#nextDue(end); due !== undefined; due = this.#nextDue(end)) {
      this.#timers.delete(due.order);
      this.#moveTo(due.dueAt);
      due.callback();
      await settle();
    }
    this.#moveTo(end);
  }

  /** Moves the wall clock alone, forward or back; no timer fires. */
  jumpWall(milliseconds: number): void {
    this.#wallMilliseconds += milliseconds;
  }

  #nextDue(end: number): ManualTimer | undefined {
    let next: ManualTimer | undefined;
    for (const timer of this.#timers.values()) {
      if (timer.dueAt > end) continue;
      if (next === undefined || timer.dueAt < next.dueAt) next = timer;
    }
    return next;
  }

  #moveTo(monotonicMilliseconds: number): void {
    // A callback may itself have advanced the clock past this point.
    const step = Math.max(0, monotonicMilliseconds - this.#monotonicMilliseconds);
    this.#monotonicMilliseconds += step;
    this.#wallMilliseconds += step;
  }
}

/** Lets everything that is ready to run, run. */
async function settle(): Promise<void> {
  for (let times = 0; times < 3; times += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
