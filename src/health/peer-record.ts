/**
 * What the probes of one peer have found: round-trip times, uptime, and its status, which one lost
 * probe does not change.
 */
import {
  type Uptime,
  UptimeHistory,
  type UptimeHistoryOptions,
  type UptimeSlice,
  type UptimeWindow,
} from "./uptime-history.ts";

/** How a peer is. */
export const HealthStatus = {
  /** Not probed yet. */
  Unknown: "unknown",
  Healthy: "healthy",
  /** Answers, but slowly, or says of itself that it is not well. */
  Degraded: "degraded",
  Unreachable: "unreachable",
} as const;
export type HealthStatus = (typeof HealthStatus)[keyof typeof HealthStatus];

/** One probe. */
export interface HealthSample {
  /** Unix milliseconds. */
  readonly at: number;
  readonly ok: boolean;
  readonly roundTripMilliseconds: number | undefined;
  /** What the peer said of itself. */
  readonly reported: "pass" | "warn" | "fail" | undefined;
}

/** What is known of one peer. */
export interface HealthRecord {
  readonly origin: string;
  readonly status: HealthStatus;
  /** Smoothed over the last probes. */
  readonly roundTripMilliseconds: number | undefined;
  /** Unix milliseconds. */
  readonly lastCheckedAt: number | undefined;
  /** Unix milliseconds. */
  readonly lastOkAt: number | undefined;
  readonly uptime: Uptime;
  readonly consecutiveFailures: number;
}

/** A change of status. */
export interface StatusChange {
  readonly from: HealthStatus;
  readonly to: HealthStatus;
}

/** What decides about a status. */
export interface StatusRules extends UptimeHistoryOptions {
  /** Slower than this is degraded. */
  readonly degradedAfterMilliseconds: number;
  /** Failures in a row until a peer counts as unreachable. */
  readonly failuresToUnreachable: number;
  /** Successes in a row until it counts as up again. */
  readonly successesToHealthy: number;
}

const HISTORY_SAMPLES = 240;
const SMOOTHING = 0.3;

/** The record of one peer, of bounded size. */
export class PeerRecord {
  readonly origin: string;
  readonly #rules: StatusRules;
  readonly #uptime: UptimeHistory;
  readonly #samples: HealthSample[] = [];
  #status: HealthStatus = HealthStatus.Unknown;
  #roundTrip: number | undefined;
  #lastCheckedAt: number | undefined;
  #lastOkAt: number | undefined;
  #failures = 0;
  #successes = 0;

  constructor(origin: string, rules: StatusRules) {
    this.origin = origin;
    this.#rules = rules;
    this.#uptime = new UptimeHistory(rules);
  }

  /** The last probes, oldest first. */
  get samples(): readonly HealthSample[] {
    return this.#samples;
  }

  /** Failures in a row until now. */
  get failures(): number {
    return this.#failures;
  }

  /** Takes a probe in; tells of the change of status that it made, if any. */
  add(sample: HealthSample): StatusChange | undefined {
    this.#samples.push(sample);
    if (this.#samples.length > HISTORY_SAMPLES) this.#samples.shift();
    this.#uptime.record(sample.at, sample.ok, sample.roundTripMilliseconds);
    this.#lastCheckedAt = sample.at;
    if (sample.roundTripMilliseconds !== undefined) {
      this.#roundTrip =
        this.#roundTrip === undefined
          ? sample.roundTripMilliseconds
          : this.#roundTrip + SMOOTHING * (sample.roundTripMilliseconds - this.#roundTrip);
    }
    if (sample.ok) {
      this.#lastOkAt = sample.at;
      this.#failures = 0;
      this.#successes += 1;
    } else {
      this.#failures += 1;
      this.#successes = 0;
    }
    const from = this.#status;
    const to = this.#judge(sample);
    if (to === from) return undefined;
    this.#status = to;
    return { from, to };
  }

  /** What was observed in a window, slice by slice: see {@link UptimeHistory.slices}. */
  slices(window: UptimeWindow, now: number): UptimeSlice[] {
    return this.#uptime.slices(window, now);
  }

  /** Nobody probes it from `now` on, Unix milliseconds. */
  pause(now: number): void {
    this.#uptime.pause(now);
  }

  /** What is known of the peer at `now`, Unix milliseconds. */
  describe(now: number): HealthRecord {
    return {
      origin: this.origin,
      status: this.#status,
      roundTripMilliseconds: this.#roundTrip,
      lastCheckedAt: this.#lastCheckedAt,
      lastOkAt: this.#lastOkAt,
      uptime: this.#uptime.uptime(now),
      consecutiveFailures: this.#failures,
    };
  }

  /** The status after a probe that has been counted. */
  #judge(sample: HealthSample): HealthStatus {
    const { failuresToUnreachable, successesToHealthy, degradedAfterMilliseconds } = this.#rules;
    if (!sample.ok) {
      const decided =
        this.#failures >= failuresToUnreachable || this.#status === HealthStatus.Unknown;
      return decided ? HealthStatus.Unreachable : this.#status;
    }
    const isBack = this.#successes >= successesToHealthy;
    if (this.#status === HealthStatus.Unreachable && !isBack) return this.#status;
    const slow = sample.reported === "warn" || (this.#roundTrip ?? 0) > degradedAfterMilliseconds;
    return slow ? HealthStatus.Degraded : HealthStatus.Healthy;
  }
}
