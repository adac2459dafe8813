/**
 * How long a peer has been up, and how quickly it answered, over an hour, a day and 90 days, in constant
 * memory.
 *
 * Time-weighted. Two probes that found the same speak for the time between them; where they differ, each
 * speaks for its half. A longer pause than {@link UptimeHistoryOptions.longestGapMilliseconds} was observed by
 * nobody: it is unknown, neither up nor down. Kept as totals per slice of time (1 minute × 60, 1 hour × 24,
 * 1 day × 90, of UTC), so that a year of probes costs no more than an hour of them.
 */
import { z } from "zod";

/** Lengths of time that are told of: the last hour, the last day, the last 90 days. */
export type UptimeWindow = "hour" | "day" | "ninetyDays";

/** What is known of one length of time. */
export interface ObservedShare {
  /** Of the observed time, 0–1, that the peer was up; undefined where nothing was observed. */
  readonly share: number | undefined;
  /** How much of that time was observed. */
  readonly observedMilliseconds: number;
}

/** How long a peer was up. */
export type Uptime = Readonly<Record<UptimeWindow, ObservedShare>>;

const NOTHING: ObservedShare = { share: undefined, observedMilliseconds: 0 };
/** The uptime of whom nobody has looked at. */
export const NOTHING_OBSERVED: Uptime = { hour: NOTHING, day: NOTHING, ninetyDays: NOTHING };

/** One slice of time. */
export interface UptimeSlice {
  /** Its begin, Unix milliseconds. */
  readonly at: number;
  readonly lengthMilliseconds: number;
  /** How much of it was observed; 0: a gap. */
  readonly observedMilliseconds: number;
  readonly upMilliseconds: number;
  /** Answers that came in it. */
  readonly roundTrips: number;
  /** Undefined where none came. */
  readonly meanRoundTripMilliseconds: number | undefined;
  /** Undefined where none came. */
  readonly maxRoundTripMilliseconds: number | undefined;
}

/** Options of {@link UptimeHistory}. */
export interface UptimeHistoryOptions {
  /** Between two findings that are farther apart nothing is known. Default 120 000. */
  readonly longestGapMilliseconds?: number;
}

/** Totals of one slice. */
interface Totals {
  known: number;
  up: number;
  count: number;
  sum: number;
  max: number;
}

interface WindowTotals {
  readonly sliceMilliseconds: number;
  readonly slices: number;
  /** Slice number (Unix milliseconds / length) → totals. */
  readonly totals: Map<number, Totals>;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WINDOWS: Readonly<
  Record<UptimeWindow, readonly [sliceMilliseconds: number, slices: number]>
> = {
  hour: [MINUTE, 60],
  day: [HOUR, 24],
  ninetyDays: [DAY, 90],
};
const NAMES = Object.keys(WINDOWS) as readonly UptimeWindow[];
const LONGEST_GAP_MILLISECONDS = 120_000;
/** Answers counted in one slice; more than any probing brings. */
const MAX_COUNT = 1_000_000;
/** Of one round trip; longer ones count as this. */
const MAX_ROUND_TRIP_MILLISECONDS = 600_000;

const windowSchema = (window: UptimeWindow) => {
  const [length, slices] = WINDOWS[window];
  return z
    .array(
      z
        .tuple([
          z
            .int()
            .min(0)
            .max(Number.MAX_SAFE_INTEGER / length),
          z.int().min(0).max(length),
          z.int().min(0).max(length),
          z.int().min(0).max(MAX_COUNT),
          z
            .number()
            .min(0)
            .max(MAX_COUNT * MAX_ROUND_TRIP_MILLISECONDS),
          z.number().min(0).max(MAX_ROUND_TRIP_MILLISECONDS),
        ])
        .refine(([, known, up]) => up <= known),
    )
    .max(slices + 1);
};

/**
 * A history as it is stored: per window the slices `[number, observed, up, answers, sum of round trips,
 * longest]`, milliseconds; a slice's number is its begin in Unix milliseconds divided by its length.
 */
export const uptimeFormSchema = z.strictObject({
  hour: windowSchema("hour"),
  day: windowSchema("day"),
  ninetyDays: windowSchema("ninetyDays"),
});
/** What {@link uptimeFormSchema} takes. */
export type UptimeForm = z.infer<typeof uptimeFormSchema>;

/** The uptime of one peer. */
export class UptimeHistory {
  readonly #longestGap: number;
  readonly #windows = {
    hour: emptyWindow("hour"),
    day: emptyWindow("day"),
    ninetyDays: emptyWindow("ninetyDays"),
  };

  #last: { readonly at: number; readonly up: boolean } | undefined;

  constructor(options: UptimeHistoryOptions = {}) {
    this.#longestGap = options.longestGapMilliseconds ?? LONGEST_GAP_MILLISECONDS;
  }

  /**
   * A probe at a moment (Unix milliseconds) found the peer up or down; `roundTripMilliseconds` when it answered.
   */
  record(moment: number, up: boolean, roundTripMilliseconds?: number): void {
    const at = Math.round(moment);
    const last = this.#last;
    if (last !== undefined && at < last.at) this.#forgetAfter(at);
    else if (last !== undefined && at - last.at <= this.#longestGap) {
      const middle = up === last.up ? at : last.at + Math.floor((at - last.at) / 2);
      this.#add(last.at, middle, last.up);
      this.#add(middle, at, up);
    }
    this.#last = { at, up };
    if (roundTripMilliseconds !== undefined) this.#count(at, roundTripMilliseconds);
  }

  /** Nobody looks from a moment on: what was found last speaks for the time until then, and no longer. */
  pause(moment: number): void {
    const at = Math.round(moment);
    const last = this.#last;
    if (last !== undefined && at - last.at <= this.#longestGap) this.#add(last.at, at, last.up);
    this.#last = undefined;
  }

  /** The uptime until `now`, Unix milliseconds. */
  uptime(now: number): Uptime {
    return {
      hour: this.#observed("hour", now),
      day: this.#observed("day", now),
      ninetyDays: this.#observed("ninetyDays", now),
    };
  }

  /** The slices of a window until `now`, the oldest first, gaps among them: as many as it has, always. */
  slices(window: UptimeWindow, now: number): UptimeSlice[] {
    const { sliceMilliseconds, slices, totals } = this.#windows[window];
    const newest = Math.floor(now / sliceMilliseconds);
    return Array.from({ length: slices }, (_, index) => {
      const number = newest - slices + 1 + index;
      const at = number * sliceMilliseconds;
      const total = totals.get(number);
      const pending = this.#pending(now, at, at + sliceMilliseconds);
      const answered = (total?.count ?? 0) > 0;
      return {
        at,
        lengthMilliseconds: sliceMilliseconds,
        observedMilliseconds: (total?.known ?? 0) + pending.known,
        upMilliseconds: (total?.up ?? 0) + pending.up,
        roundTrips: total?.count ?? 0,
        meanRoundTripMilliseconds:
          total !== undefined && answered ? total.sum / total.count : undefined,
        maxRoundTripMilliseconds: answered ? total?.max : undefined,
      };
    });
  }

  /** As it is stored; what was found last and not yet confirmed is not in it. */
  toForm(): UptimeForm {
    return {
      hour: formOf(this.#windows.hour),
      day: formOf(this.#windows.day),
      ninetyDays: formOf(this.#windows.ninetyDays),
    };
  }

  /** Goes on from a stored history; slices after `now` are left out: the clock was wrong then, or is. */
  restore(form: UptimeForm, now: number): void {
    for (const name of NAMES) {
      const { sliceMilliseconds, totals } = this.#windows[name];
      totals.clear();
      const newest = Math.floor(now / sliceMilliseconds);
      for (const [number, known, up, count, sum, max] of form[name]) {
        if (number <= newest) totals.set(number, { known, up, count, sum, max });
      }
      prune(this.#windows[name], now);
    }
  }

  /** What is not confirmed by a later finding yet, as far as it lies between two times. */
  #pending(now: number, from: number, to: number): { readonly known: number; readonly up: number } {
    const last = this.#last;
    if (last === undefined || now - last.at > this.#longestGap) return { known: 0, up: 0 };
    const known = Math.max(0, Math.min(now, to) - Math.max(last.at, from));
    return { known, up: last.up ? known : 0 };
  }

  #observed(window: UptimeWindow, now: number): ObservedShare {
    const { sliceMilliseconds, slices, totals } = this.#windows[window];
    const newest = Math.floor(now / sliceMilliseconds);
    const oldest = newest - slices + 1;
    let { known, up } = this.#pending(now, oldest * sliceMilliseconds, now);
    for (const [number, total] of totals) {
      if (number < oldest || number > newest) continue;
      known += total.known;
      up += total.up;
    }
    return { share: known === 0 ? undefined : up / known, observedMilliseconds: known };
  }

  #add(from: number, to: number, up: boolean): void {
    for (const name of NAMES) {
      const window = this.#windows[name];
      const slice = window.sliceMilliseconds;
      let start = from;
      while (start < to) {
        const number = Math.floor(start / slice);
        const end = Math.min(to, (number + 1) * slice);
        const total = totalsAt(window, number);
        // What a clock that was set back has counted already is counted once.
        const added = Math.min(end - start, slice - total.known);
        total.known += added;
        if (up) total.up += added;
        start = end;
      }
      prune(window, to);
    }
  }

  #count(at: number, roundTripMilliseconds: number): void {
    const roundTrip = Math.min(Math.max(0, roundTripMilliseconds), MAX_ROUND_TRIP_MILLISECONDS);
    for (const name of NAMES) {
      const window = this.#windows[name];
      const total = totalsAt(window, Math.floor(at / window.sliceMilliseconds));
      if (total.count < MAX_COUNT) {
        total.count += 1;
        total.sum += roundTrip;
        total.max = Math.max(total.max, roundTrip);
      }
      prune(window, at);
    }
  }

  /** The clock went back: what lies ahead of it will be observed anew. */
  #forgetAfter(at: number): void {
    for (const name of NAMES) {
      const { sliceMilliseconds, totals } = this.#windows[name];
      for (const number of totals.keys()) {
        if (number > Math.floor(at / sliceMilliseconds)) totals.delete(number);
      }
    }
  }
}

/** Of two histories of the same peer, in each slice the one that has observed more of it. */
export function mergeUptime(one: UptimeForm, other: UptimeForm): UptimeForm {
  const merge = (window: UptimeWindow): UptimeForm[UptimeWindow] => {
    const merged = new Map(one[window].map((slice) => [slice[0], slice]));
    for (const slice of other[window]) {
      const had = merged.get(slice[0]);
      if (had === undefined || slice[1] > had[1]) merged.set(slice[0], slice);
    }
    const [, slices] = WINDOWS[window];
    return [...merged.values()].sort(([a], [b]) => a - b).slice(-slices - 1);
  };
  return { hour: merge("hour"), day: merge("day"), ninetyDays: merge("ninetyDays") };
}

function emptyWindow(window: UptimeWindow): WindowTotals {
  const [sliceMilliseconds, slices] = WINDOWS[window];
  return { sliceMilliseconds, slices, totals: new Map() };
}

function totalsAt({ totals }: WindowTotals, number: number): Totals {
  let total = totals.get(number);
  if (total === undefined) {
    total = { known: 0, up: 0, count: 0, sum: 0, max: 0 };
    totals.set(number, total);
  }
  return total;
}

function prune({ sliceMilliseconds, slices, totals }: WindowTotals, now: number): void {
  if (totals.size <= slices) return;
  const newest = Math.floor(now / sliceMilliseconds);
  for (const number of totals.keys()) {
    if (number <= newest - slices || number > newest) totals.delete(number);
  }
}

function formOf({ totals }: WindowTotals): UptimeForm[UptimeWindow] {
  const tenths = (milliseconds: number): number => Math.round(milliseconds * 10) / 10;
  return [...totals]
    .sort(([a], [b]) => a - b)
    .map(([number, { known, up, count, sum, max }]) => {
      const observed = Math.round(known);
      return [
        number,
        observed,
        Math.min(observed, Math.round(up)),
        count,
        tenths(sum),
        tenths(max),
      ];
    });
}
