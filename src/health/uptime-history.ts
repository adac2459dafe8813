/**
 * How long a peer has been up, over an hour, a day and a month, in constant memory.
 *
 * Time-weighted: between two probes the peer counts as the earlier one found it. Kept as totals per
 * slice of time (1 minute × 60, 1 hour × 24, 1 day × 30), so that a year of probes costs no more
 * than an hour of them.
 */
interface Window {
  readonly sliceMilliseconds: number;
  readonly slices: number;
  /** Slice number → [known, up] milliseconds. */
  readonly totals: Map<number, { known: number; up: number }>;
}

/** Shares of time, 0–1; undefined where nothing is known. */
export interface Uptime {
  readonly hour: number | undefined;
  readonly day: number | undefined;
  readonly month: number | undefined;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The uptime of one peer. */
export class UptimeHistory {
  readonly #hour: Window = window(MINUTE, 60);
  readonly #day: Window = window(HOUR, 24);
  readonly #month: Window = window(DAY, 30);
  #last: { at: number; up: boolean } | undefined;

  /** A probe at `at` (Unix milliseconds) found the peer up or down. */
  record(at: number, up: boolean): void {
    this.#advance(at);
    this.#last = { at, up };
  }

  /** The uptime until `now`. */
  uptime(now: number): Uptime {
    this.#advance(now);
    return {
      hour: share(this.#hour, now),
      day: share(this.#day, now),
      month: share(this.#month, now),
    };
  }

  #advance(to: number): void {
    const last = this.#last;
    if (last === undefined || to <= last.at) return;
    for (const target of [this.#hour, this.#day, this.#month]) add(target, last.at, to, last.up);
    this.#last = { at: to, up: last.up };
  }
}

function window(sliceMilliseconds: number, slices: number): Window {
  return { sliceMilliseconds, slices, totals: new Map() };
}

function add(target: Window, from: number, to: number, up: boolean): void {
  const { sliceMilliseconds: slice, slices, totals } = target;
  // What lies before the window is of no interest, however long the gap.
  let start = Math.max(from, to - slice * (slices + 1));
  while (start < to) {
    const number = Math.floor(start / slice);
    const end = Math.min(to, (number + 1) * slice);
    const total = totals.get(number) ?? { known: 0, up: 0 };
    total.known += end - start;
    if (up) total.up += end - start;
    totals.set(number, total);
    start = end;
  }
  const oldest = Math.floor(to / slice) - slices;
  for (const number of totals.keys()) {
    if (number >= oldest) break;
    totals.delete(number);
  }
}

function share(target: Window, now: number): number | undefined {
  const newest = Math.floor(now / target.sliceMilliseconds);
  let known = 0;
  let up = 0;
  for (const [number, total] of target.totals) {
    if (number <= newest - target.slices) continue;
    known += total.known;
    up += total.up;
  }
  return known === 0 ? undefined : up / known;
}
