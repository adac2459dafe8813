/**
 * What the probes of one peer have found: round-trip times, uptime, and its status, which one lost
 * probe does not change.
 */
import { z } from "zod";
import { type HealthCause, causeSchema } from "./health-cause.ts";
import {
  type Uptime,
  UptimeHistory,
  mergeUptime,
  uptimeFormSchema,
  type UptimeHistoryOptions,
  type UptimeSlice,
  type UptimeWindow,
} from "./uptime-history.ts";

/** How a peer is. */
export const HealthStatus = {
  /** Not probed yet. */
  Unknown: "unknown",
  Healthy: "healthy",
  /** Answers, but slowly, or is not well by its own word, or by what `cause` says. */
  Degraded: "degraded",
  Unreachable: "unreachable",
} as const;
export type HealthStatus = (typeof HealthStatus)[keyof typeof HealthStatus];

/** One probe. */
export interface HealthSample {
  /** Why the peer is not well; undefined: it is. */
  readonly cause?: HealthCause | undefined;
  /** Something else than probes has found the peer dead, too: one failure is enough. */
  readonly decisive?: boolean | undefined;
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
  /** Since when it has this status, Unix milliseconds; undefined before the first probe. */
  readonly since: number | undefined;
  /** What the last probe that found something wrong has found; undefined while all is well. */
  readonly cause: HealthCause | undefined;
  /** When it is probed next, Unix milliseconds; undefined while no probe is planned. */
  readonly nextCheckAt: number | undefined;
  /** The last 32 changes of status, the oldest first. */
  readonly transitions: readonly HealthTransition[];
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

/** A change of status, as it is remembered. */
export interface HealthTransition extends StatusChange {
  /** Unix milliseconds. */
  readonly at: number;
  /** Undefined where all is well. */
  readonly cause: HealthCause | undefined;
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

const SLOW: HealthCause = { code: "slow" };
const HISTORY_SAMPLES = 240;
const SMOOTHING = 0.3;
const MAX_TRANSITIONS = 32;
/** Who is found as it was left, after no longer than this, has stayed so. */
const RESTART_MILLISECONDS = 60 * 60_000;

const statusSchema = z.enum(HealthStatus);
const momentSchema = z.int().min(0);
/** What is remembered of one peer, as it is stored. */
export const rememberedHealthSchema = z.strictObject({
  status: statusSchema,
  since: momentSchema.optional(),
  lastCheckedAt: momentSchema.optional(),
  lastOkAt: momentSchema.optional(),
  transitions: z
    .array(
      z.strictObject({
        at: momentSchema,
        from: statusSchema,
        to: statusSchema,
        cause: causeSchema.optional(),
      }),
    )
    .max(MAX_TRANSITIONS),
  uptime: uptimeFormSchema,
});
/** What is remembered of one peer beyond a restart, as JSON. */
export type RememberedHealth = z.infer<typeof rememberedHealthSchema>;

/**
 * What two processes remember of the same peer: slices by who has observed more of each, changes of status
 * in their order, without those that the other has seen already; the rest by who has probed last.
 */
export function mergeRemembered(one: RememberedHealth, other: RememberedHealth): RememberedHealth {
  const [former, latter] =
    (one.lastCheckedAt ?? 0) <= (other.lastCheckedAt ?? 0) ? [one, other] : [other, one];
  const transitions: RememberedHealth["transitions"] = [];
  for (const each of [...former.transitions, ...latter.transitions].sort((a, b) => a.at - b.at)) {
    const last = transitions.at(-1);
    if (last?.to !== each.to)
      transitions.push(last === undefined ? each : { ...each, from: last.to });
  }
  return {
    ...latter,
    transitions: transitions.slice(-MAX_TRANSITIONS),
    uptime: mergeUptime(former.uptime, latter.uptime),
  };
}

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
  #since: number | undefined;
  #cause: HealthCause | undefined;
  #transitions: HealthTransition[] = [];
  /** The status that a former run left, until a probe has said what it is. */
  #left: RememberedHealth | undefined;
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

  get status(): HealthStatus {
    return this.#status;
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
    this.#cause = to === HealthStatus.Healthy ? sample.cause : (sample.cause ?? SLOW);
    if (to === from) return undefined;
    this.#status = to;
    this.#remember(sample.at, from, to);
    return { from, to };
  }

  /** Goes on from what a former run has remembered. Of a peer that has not been probed yet. */
  restore(remembered: RememberedHealth, now: number): void {
    const { transitions, uptime, lastCheckedAt, lastOkAt } = remembered;
    this.#uptime.restore(uptime, now);
    this.#transitions = transitions
      .filter(({ at }) => at <= now)
      .map(({ cause, ...change }) => ({ ...change, cause }));
    if (lastCheckedAt !== undefined && lastCheckedAt > now) return;
    this.#lastCheckedAt = lastCheckedAt;
    this.#lastOkAt = lastOkAt;
    this.#left = remembered;
  }

  /** What a later run can go on from; undefined before the first probe. */
  remembered(): RememberedHealth | undefined {
    if (this.#status === HealthStatus.Unknown) return undefined;
    const moment = (at: number | undefined): number | undefined =>
      at === undefined ? undefined : Math.round(at);
    return {
      status: this.#status,
      since: moment(this.#since),
      lastCheckedAt: moment(this.#lastCheckedAt),
      lastOkAt: moment(this.#lastOkAt),
      transitions: this.#transitions.map((each) => ({ ...each, at: Math.round(each.at) })),
      uptime: this.#uptime.toForm(),
    };
  }

  #remember(at: number, from: HealthStatus, to: HealthStatus): void {
    const left = this.#left;
    this.#left = undefined;
    this.#since = at;
    if (
      left?.status === to &&
      left.since !== undefined &&
      at - (left.lastCheckedAt ?? 0) <= RESTART_MILLISECONDS
    ) {
      this.#since = left.since;
      return;
    }
    this.#transitions.push({ at, from, to, cause: this.#cause });
    if (this.#transitions.length > MAX_TRANSITIONS) this.#transitions.shift();
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
  describe(now: number, nextCheckAt?: number): HealthRecord {
    return {
      origin: this.origin,
      status: this.#status,
      since: this.#since,
      cause: this.#cause,
      nextCheckAt,
      transitions: [...this.#transitions],
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
        this.#failures >= failuresToUnreachable ||
        this.#status === HealthStatus.Unknown ||
        sample.decisive === true;
      return decided ? HealthStatus.Unreachable : this.#status;
    }
    const isBack = this.#successes >= successesToHealthy;
    if (this.#status === HealthStatus.Unreachable && !isBack) return this.#status;
    const unwell = sample.reported === "warn" || sample.cause !== undefined;
    const slow = (this.#roundTrip ?? 0) > degradedAfterMilliseconds;
    return unwell || slow ? HealthStatus.Degraded : HealthStatus.Healthy;
  }
}
