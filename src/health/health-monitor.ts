/**
 * Whether peers are up: probes on an interval with jitter, and a record of what each found.
 *
 * What it costs: one request per peer and interval, never two of one peer at once, at most
 * {@link HealthMonitorOptions.maxConcurrentProbes} at a time; those of a start are spread. A peer that is down is probed less and
 * less often, up to four intervals apart; {@link HealthMonitor.wake} ends that at once.
 */
import { FederationError } from "../errors.ts";
import {
  type Clock,
  type Fetch,
  type Random,
  type TimerHandle,
  systemClock,
  systemFetch,
  systemRandom,
} from "../ports.ts";
import { type HealthCause, NoHealthError, causeOf } from "./health-cause.ts";
import {
  type HealthRecord,
  type HealthSample,
  HealthStatus,
  PeerRecord,
  type RememberedHealth,
  type StatusChange,
  type StatusRules,
} from "./peer-record.ts";
import { HEALTH_REQUEST, type ReportedHealth, readHealth } from "./reported-health.ts";
import type { UptimeSlice, UptimeWindow } from "./uptime-history.ts";

/** Asks a peer how it is; rejects when it does not answer. */
export type HealthProbe = (origin: string) => Promise<ReportedHealth>;

/** Options of {@link HealthMonitor}. */
export interface HealthMonitorOptions {
  /** Default: {@link probeByFetch}, which reads `<origin>/federation/health`. */
  readonly probe?: HealthProbe;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: the machine's. */
  readonly random?: Random;
  /** Default 15. */
  readonly intervalSeconds?: number;
  /** A probe without answer fails after this. Default: the smaller of 5 and the interval. */
  readonly timeoutSeconds?: number;
  /** Slower than this is degraded. Default 1000. */
  readonly degradedAfterMilliseconds?: number;
  /** Failures in a row until a peer counts as unreachable. Default 2. */
  readonly failuresToUnreachable?: number;
  /** Successes in a row until it counts as up again. Default 1. */
  readonly successesToHealthy?: number;
  /** Default 32. */
  readonly maxConcurrentProbes?: number;
}

/** Hears what was found of a peer. */
export type SampleListener = (
  origin: string,
  sample: HealthSample,
  how: {
    /** A probe of this monitor; false: it was told ({@link HealthMonitor.take}). */
    readonly isOwn: boolean;
    /** Whether it changed the status. */
    readonly changed: boolean;
  },
) => void;

/** A change of status. */
export interface HealthEvent {
  readonly origin: string;
  readonly from: HealthStatus;
  readonly to: HealthStatus;
  readonly health: HealthRecord;
}

interface Watched {
  readonly record: PeerRecord;
  /** When a verified message of the peer came last, on the monotonic clock. */
  heardAt: number;
  /** When a call found nobody there last, on the monotonic clock, and whether a probe has looked since. */
  suspectedAt: number;
  suspected: boolean;
  timer: TimerHandle | undefined;
  /** When the timer fires, Unix milliseconds. */
  nextCheckAt: number | undefined;
  running: Promise<HealthRecord> | undefined;
}

const SAID = { fail: { code: "says-fail" }, warn: { code: "says-warn" } } as const;
const JITTER = 0.1;
/** At a start, so many peers are probed at once, and as many each time after the pause. */
const FIRST_PROBES_AT_ONCE = 32;
const FIRST_PROBES_PAUSE_MILLISECONDS = 40;
const LONGEST_BACK_OFF_INTERVALS = 4;
const BACK_OFF_AFTER_FAILURES = 10;
/** Between two probes for calls that found nobody. */
const SUSPICION_PAUSE_MILLISECONDS = 1_000;
/** A second look soon after the first failure decides faster than a whole interval. */
const RECHECK_SHARE = 0.4;

/** A probe that reads a peer's health over HTTP; `fetch` default: the machine's, which goes anywhere. */
export function probeByFetch(fetch: Fetch = systemFetch): HealthProbe {
  return async (origin) => {
    const { path, ...request } = HEALTH_REQUEST;
    const { status, body } = await fetch({ ...request, url: `${origin}/federation${path}` });
    // Who is not well says so with 503.
    const health = status === 200 || status === 503 ? readHealth(body) : undefined;
    if (health === undefined) throw new NoHealthError(status);
    return health;
  };
}

/** Watches peers. Stands alone: `new HealthMonitor()` probes over HTTP whomever it is asked about. */
export class HealthMonitor {
  readonly #options: Required<HealthMonitorOptions>;
  readonly #rules: StatusRules;
  readonly #watched = new Map<string, Watched>();
  readonly #listeners = new Set<(event: HealthEvent) => void>();
  /** Probes that wait for others to end, the first in first; each hears whether it may begin. */
  readonly #queue = new Set<(begins: boolean) => void>();
  readonly #sampleListeners = new Set<SampleListener>();
  #probing = 0;
  #started = false;
  #following = false;

  /** @throws TypeError for an `intervalSeconds` of 0 or less. */
  constructor(options: HealthMonitorOptions = {}) {
    const intervalSeconds = options.intervalSeconds ?? 15;
    if (!(intervalSeconds > 0)) throw new TypeError("intervalSeconds must be more than 0");
    this.#options = {
      probe: options.probe ?? probeByFetch(),
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
      intervalSeconds,
      timeoutSeconds: options.timeoutSeconds ?? Math.min(5, intervalSeconds),
      degradedAfterMilliseconds: options.degradedAfterMilliseconds ?? 1_000,
      failuresToUnreachable: options.failuresToUnreachable ?? 2,
      successesToHealthy: options.successesToHealthy ?? 1,
      maxConcurrentProbes: options.maxConcurrentProbes ?? 32,
    };
    const longestInterval = intervalSeconds * 1000 * LONGEST_BACK_OFF_INTERVALS;
    this.#rules = { ...this.#options, longestGapMilliseconds: 2 * longestInterval };
  }

  /** Begins to watch a peer; its first probe comes at once. `past`: what is remembered of it, to go on from. */
  watch(origin: string, past?: RememberedHealth): void {
    if (!this.#watched.has(origin)) this.#add(origin, past);
  }

  /** What there is to remember of a peer; undefined for one not watched, or not probed yet. */
  remembered(origin: string): RememberedHealth | undefined {
    return this.#watched.get(origin)?.record.remembered();
  }

  #add(origin: string, past?: RememberedHealth): Watched {
    const record = new PeerRecord(origin, this.#rules);
    if (past !== undefined) record.restore(past, this.#options.clock.now());
    const peer: Watched = {
      ...{ record, heardAt: -Infinity, suspectedAt: -Infinity, suspected: false },
      ...{ timer: undefined, nextCheckAt: undefined, running: undefined },
    };
    this.#watched.set(origin, peer);
    if (this.#started) this.#schedule(peer, 0);
    return peer;
  }

  /** Stops watching a peer and forgets its history. */
  unwatch(origin: string): void {
    const peer = this.#watched.get(origin);
    if (peer?.timer !== undefined) this.#options.clock.clearTimeout(peer.timer);
    this.#watched.delete(origin);
  }

  /** Probes a peer now, and watches it from now on; a probe under way is shared. Never rejects. */
  check(origin: string): Promise<HealthRecord> {
    const peer = this.#watched.get(origin) ?? this.#add(origin);
    peer.running ??= this.#probe(peer).finally(() => {
      peer.running = undefined;
    });
    return peer.running;
  }

  /** How a peer is; {@link HealthStatus.Unknown} for one that has not been probed, or is not watched. */
  status(origin: string): HealthStatus {
    return this.record(origin)?.status ?? HealthStatus.Unknown;
  }

  /** What is known of a peer; undefined for one not watched. */
  record(origin: string): HealthRecord | undefined {
    const peer = this.#watched.get(origin);
    return peer === undefined ? undefined : this.#describe(peer);
  }

  /** What is known of every peer. */
  list(): HealthRecord[] {
    return [...this.#watched.values()].map((peer) => this.#describe(peer));
  }

  /** The last 240 probes of a peer, oldest first. */
  history(origin: string): readonly HealthSample[] {
    return [...(this.#watched.get(origin)?.record.samples ?? [])];
  }

  /**
   * What was observed of a peer in the last hour (60 slices of a minute), day (24 of an hour) or 90 days (90),
   * the oldest first, gaps among them; empty for one not watched.
   */
  slices(origin: string, window: UptimeWindow): UptimeSlice[] {
    return this.#watched.get(origin)?.record.slices(window, this.#options.clock.now()) ?? [];
  }

  /**
   * A verified call, or answer, came from this peer: if it counted as down, it is probed at once. A probe
   * that fails meanwhile says nothing: who is busy with calls may be late with its health, and is up.
   */
  wake(origin: string): void {
    const peer = this.#watched.get(origin);
    if (peer === undefined) return;
    peer.heardAt = this.#options.clock.monotonic();
    if (peer.record.failures === 0 || !this.#started) return;
    this.#schedule(peer, 0);
  }

  /**
   * A call found nobody at this peer: it is probed at once, and where that probe gets no answer either, it is
   * down. A call that was merely late says nothing of the kind, and is nothing for this.
   */
  suspect(origin: string): void {
    const peer = this.#watched.get(origin);
    if (peer === undefined || !this.#started) return;
    const now = this.#options.clock.monotonic();
    // However many calls fail meanwhile: those whom a probe reaches are not probed for each.
    if (now - peer.suspectedAt < SUSPICION_PAUSE_MILLISECONDS) return;
    if (peer.record.failures >= this.#options.failuresToUnreachable) return;
    peer.suspectedAt = now;
    peer.suspected = true;
    if (peer.running === undefined) this.#schedule(peer, 0);
  }

  /** Begins probing. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    if (!this.#following) this.#scheduleAll();
  }

  /**
   * From now on somebody else probes the peers and tells what it finds ({@link take}), or no longer. Whoever follows
   * probes only a peer that is new, suspected or heard from while it counts as down.
   */
  follow(isFollowing: boolean): void {
    if (this.#following === isFollowing) return;
    this.#following = isFollowing;
    if (!this.#started) return;
    if (isFollowing) this.#unscheduleAll();
    else this.#scheduleAll();
  }

  /**
   * Takes in what somebody else's probe has found, of a peer that is watched and where nothing newer is known.
   * `newerByMilliseconds`: by how much it has to be newer. `nextCheckAt`: when it is probed next, Unix milliseconds.
   */
  take(
    origin: string,
    sample: HealthSample,
    {
      newerByMilliseconds = 0,
      nextCheckAt,
    }: { readonly newerByMilliseconds?: number; readonly nextCheckAt?: number | undefined } = {},
  ): void {
    const peer = this.#watched.get(origin);
    if (peer === undefined) return;
    if (peer.timer === undefined) peer.nextCheckAt = nextCheckAt;
    const last = peer.record.samples.at(-1)?.at ?? -Infinity;
    if (sample.at <= last + newerByMilliseconds) return;
    this.#note(peer, sample, false);
  }

  /** Hears every finding, own and told. */
  onSample(listener: SampleListener): void {
    this.#sampleListeners.add(listener);
  }

  /** As {@link record}, without what takes time to count; undefined for a peer not watched. */
  glance(
    origin: string,
  ): { readonly status: HealthStatus; readonly nextCheckAt: number | undefined } | undefined {
    const peer = this.#watched.get(origin);
    return peer && { status: peer.record.status, nextCheckAt: peer.nextCheckAt };
  }

  #scheduleAll(): void {
    let index = 0;
    for (const peer of this.#watched.values()) {
      const pauses = Math.floor(index / FIRST_PROBES_AT_ONCE);
      this.#schedule(peer, pauses * FIRST_PROBES_PAUSE_MILLISECONDS);
      index += 1;
    }
  }

  /** Stops probing and waits for the probes under way; those that wait for others are not begun. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#unscheduleAll();
    for (const answer of this.#queue) answer(false);
    this.#queue.clear();
    await Promise.allSettled([...this.#watched.values()].flatMap((peer) => peer.running ?? []));
    for (const { record } of this.#watched.values()) record.pause(this.#options.clock.now());
  }

  /** Hears every change of status. Returns how to stop. */
  on(listener: (event: HealthEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #unscheduleAll(): void {
    for (const peer of this.#watched.values()) {
      if (peer.timer !== undefined) this.#options.clock.clearTimeout(peer.timer);
      peer.timer = undefined;
      peer.nextCheckAt = undefined;
    }
  }

  #schedule(peer: Watched, milliseconds: number): void {
    const { clock } = this.#options;
    const { origin } = peer.record;
    if (peer.timer !== undefined) clock.clearTimeout(peer.timer);
    peer.nextCheckAt = clock.now() + milliseconds;
    peer.timer = clock.setTimeout(() => {
      peer.timer = undefined;
      peer.nextCheckAt = undefined;
      void this.check(origin).then(() => {
        const isPlanned = peer.timer !== undefined || this.#following;
        if (this.#started && this.#watched.get(origin) === peer && !isPlanned) {
          this.#schedule(peer, this.#nextDelay(peer.record.failures));
        }
      });
    }, milliseconds);
  }

  #nextDelay(failures: number): number {
    const { intervalSeconds, random, failuresToUnreachable } = this.#options;
    const interval = intervalSeconds * 1000;
    const jitter = 1 + JITTER * (2 * random.fraction() - 1);
    if (failures > 0 && failures < failuresToUnreachable) {
      return interval * RECHECK_SHARE * jitter;
    }
    const doublings = Math.max(0, failures - BACK_OFF_AFTER_FAILURES);
    return interval * Math.min(LONGEST_BACK_OFF_INTERVALS, 2 ** Math.min(doublings, 8)) * jitter;
  }

  async #probe(peer: Watched): Promise<HealthRecord> {
    const { record } = peer;
    const { clock } = this.#options;
    if (!(await this.#slot())) return this.#describe(peer);
    const startedAt = clock.monotonic();
    let reported: HealthSample["reported"];
    let cause: HealthCause | undefined;
    try {
      const said = await this.#ask(record.origin);
      reported = said.status;
      cause = said.status === "pass" ? said.cause : SAID[said.status];
    } catch (failure) {
      cause = causeOf(failure);
    } finally {
      this.#freeSlot();
    }
    const roundTrip = clock.monotonic() - startedAt;
    const heard = reported === undefined && peer.heardAt >= startedAt;
    const ok = heard || (reported !== undefined && reported !== "fail");
    const decisive = peer.suspected;
    peer.suspected = false;
    const sample = {
      ...{ at: clock.now(), ok, reported, decisive },
      cause: heard ? undefined : cause,
      roundTripMilliseconds: reported === undefined ? undefined : roundTrip,
    };
    this.#note(peer, sample, true);
    return this.#describe(peer);
  }

  #note(peer: Watched, sample: HealthSample, isOwn: boolean): void {
    const change = peer.record.add(sample);
    const changed = change !== undefined;
    for (const listener of this.#sampleListeners) {
      listener(peer.record.origin, sample, { isOwn, changed });
    }
    if (changed) this.#tell(peer, change);
  }

  async #ask(origin: string): Promise<ReportedHealth> {
    const { clock, probe, timeoutSeconds } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        reject(new FederationError("ERR_FED_TIMEOUT"));
      }, timeoutSeconds * 1000);
      probe(origin)
        .then(resolve, reject)
        .finally(() => {
          clock.clearTimeout(timer);
        });
    });
  }

  #describe({ record, nextCheckAt }: Watched): HealthRecord {
    return record.describe(this.#options.clock.now(), nextCheckAt);
  }

  #tell(peer: Watched, { from, to }: StatusChange): void {
    const { origin } = peer.record;
    const event = { origin, from, to, health: this.#describe(peer) };
    for (const listener of this.#listeners) listener(event);
  }

  /** Waits for a slot. False: the monitor stopped before there was one. */
  #slot(): boolean | Promise<boolean> {
    if (this.#probing >= this.#options.maxConcurrentProbes) {
      return new Promise((resolve) => this.#queue.add(resolve));
    }
    this.#probing += 1;
    return true;
  }

  /** The slot goes over to who waits longest: nobody who comes meanwhile takes it, too. */
  #freeSlot(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#probing -= 1;
      return;
    }
    this.#queue.delete(next);
    next(true);
  }
}
