/**
 * Whether peers are up: probes on an interval with jitter, hysteresis, round-trip times, uptime.
 *
 * What it costs: one request per peer and interval, never two of one peer at once, at most
 * {@link HealthMonitorOptions.maxConcurrentProbes} at a time. A peer that is down is probed less and
 * less often, up to four intervals apart; {@link HealthMonitor.wake} ends that at once.
 */
import type { Clock, Random, TimerHandle } from "../ports.ts";
import { type Uptime, UptimeHistory } from "./uptime-history.ts";

/** How a peer is. */
export const HealthStatus = {
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
export interface PeerHealth {
  readonly origin: string;
  /** Undefined before the first probe. */
  readonly status: HealthStatus | undefined;
  /** Smoothed over the last probes. */
  readonly roundTripMilliseconds: number | undefined;
  /** Unix milliseconds. */
  readonly lastCheckedAt: number | undefined;
  /** Unix milliseconds. */
  readonly lastOkAt: number | undefined;
  readonly uptime: Uptime;
  readonly consecutiveFailures: number;
}

/** Options of {@link HealthMonitor}. */
export interface HealthMonitorOptions {
  /** Asks a peer; rejects when it does not answer. */
  readonly probe: (origin: string) => Promise<{ readonly status: "pass" | "warn" | "fail" }>;
  readonly clock: Clock;
  readonly random: Random;
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

/** A change of status. */
export interface HealthEvent {
  readonly origin: string;
  readonly from: HealthStatus | undefined;
  readonly to: HealthStatus;
  readonly health: PeerHealth;
}

interface Watched {
  readonly origin: string;
  readonly uptime: UptimeHistory;
  readonly samples: HealthSample[];
  status: HealthStatus | undefined;
  roundTrip: number | undefined;
  lastCheckedAt: number | undefined;
  lastOkAt: number | undefined;
  failures: number;
  successes: number;
  timer: TimerHandle | undefined;
  running: Promise<PeerHealth> | undefined;
}

const HISTORY_SAMPLES = 240;
const JITTER = 0.1;
const LONGEST_BACK_OFF_INTERVALS = 4;
const BACK_OFF_AFTER_FAILURES = 10;
const SMOOTHING = 0.3;
/** A second look soon after the first failure decides faster than a whole interval. */
const RECHECK_SHARE = 0.4;

/** Watches peers. */
export class HealthMonitor {
  readonly #options: Required<HealthMonitorOptions>;
  readonly #watched = new Map<string, Watched>();
  readonly #listeners = new Set<(event: HealthEvent) => void>();
  readonly #queue: (() => void)[] = [];
  #probing = 0;
  #started = false;

  constructor(options: HealthMonitorOptions) {
    const intervalSeconds = options.intervalSeconds ?? 15;
    if (!(intervalSeconds > 0)) throw new TypeError("intervalSeconds must be more than 0");
    this.#options = {
      ...options,
      intervalSeconds,
      timeoutSeconds: options.timeoutSeconds ?? Math.min(5, intervalSeconds),
      degradedAfterMilliseconds: options.degradedAfterMilliseconds ?? 1_000,
      failuresToUnreachable: options.failuresToUnreachable ?? 2,
      successesToHealthy: options.successesToHealthy ?? 1,
      maxConcurrentProbes: options.maxConcurrentProbes ?? 32,
    };
  }

  /** Begins to watch a peer; its first probe comes at once. */
  watch(origin: string): void {
    if (this.#watched.has(origin)) return;
    const peer: Watched = {
      origin,
      uptime: new UptimeHistory(),
      samples: [],
      status: undefined,
      roundTrip: undefined,
      lastCheckedAt: undefined,
      lastOkAt: undefined,
      failures: 0,
      successes: 0,
      timer: undefined,
      running: undefined,
    };
    this.#watched.set(origin, peer);
    if (this.#started) this.#schedule(peer, 0);
  }

  /** Stops watching a peer and forgets its history. */
  unwatch(origin: string): void {
    const peer = this.#watched.get(origin);
    if (peer?.timer !== undefined) this.#options.clock.clearTimeout(peer.timer);
    this.#watched.delete(origin);
  }

  /** Probes a peer now; a probe under way is shared. @throws TypeError for one not watched. */
  check(origin: string): Promise<PeerHealth> {
    const peer = this.#watched.get(origin);
    if (peer === undefined) throw new TypeError(`"${origin}" is not watched`);
    peer.running ??= this.#probe(peer).finally(() => {
      peer.running = undefined;
    });
    return peer.running;
  }

  /** What is known of a peer; undefined for one not watched. */
  status(origin: string): PeerHealth | undefined {
    const peer = this.#watched.get(origin);
    return peer === undefined ? undefined : this.#describe(peer);
  }

  /** What is known of every peer. */
  list(): PeerHealth[] {
    return [...this.#watched.values()].map((peer) => this.#describe(peer));
  }

  /** The last {@link HISTORY_SAMPLES} probes of a peer, oldest first. */
  history(origin: string): readonly HealthSample[] {
    return [...(this.#watched.get(origin)?.samples ?? [])];
  }

  /** A verified call came from this peer: if it counted as down, it is probed at once. */
  wake(origin: string): void {
    const peer = this.#watched.get(origin);
    if (peer === undefined || peer.failures === 0 || !this.#started) return;
    this.#schedule(peer, 0);
  }

  /** Begins probing. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const peer of this.#watched.values()) this.#schedule(peer, 0);
  }

  /** Stops probing and waits for the probes under way. */
  async stop(): Promise<void> {
    this.#started = false;
    for (const peer of this.#watched.values()) {
      if (peer.timer !== undefined) this.#options.clock.clearTimeout(peer.timer);
      peer.timer = undefined;
    }
    for (const start of this.#queue.splice(0)) start();
    await Promise.allSettled([...this.#watched.values()].flatMap((peer) => peer.running ?? []));
  }

  /** Hears every change of status. Returns how to stop. */
  on(listener: (event: HealthEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #schedule(peer: Watched, milliseconds: number): void {
    const { clock } = this.#options;
    if (peer.timer !== undefined) clock.clearTimeout(peer.timer);
    peer.timer = clock.setTimeout(() => {
      peer.timer = undefined;
      void this.check(peer.origin).then(() => {
        if (this.#started && this.#watched.get(peer.origin) === peer && peer.timer === undefined) {
          this.#schedule(peer, this.#nextDelay(peer));
        }
      });
    }, milliseconds);
  }

  #nextDelay(peer: Watched): number {
    const { intervalSeconds, random, failuresToUnreachable } = this.#options;
    const interval = intervalSeconds * 1000;
    const jitter = 1 + JITTER * (2 * random.fraction() - 1);
    if (peer.failures > 0 && peer.failures < failuresToUnreachable) {
      return interval * RECHECK_SHARE * jitter;
    }
    const doublings = Math.max(0, peer.failures - BACK_OFF_AFTER_FAILURES);
    return interval * Math.min(LONGEST_BACK_OFF_INTERVALS, 2 ** Math.min(doublings, 8)) * jitter;
  }

  async #probe(peer: Watched): Promise<PeerHealth> {
    const { clock } = this.#options;
    await this.#slot();
    const startedAt = clock.monotonic();
    let reported: HealthSample["reported"];
    try {
      reported = (await this.#ask(peer.origin)).status;
    } catch {
      reported = undefined;
    } finally {
      this.#probing -= 1;
      this.#queue.shift()?.();
    }
    const roundTrip = clock.monotonic() - startedAt;
    const ok = reported !== undefined && reported !== "fail";
    this.#record(peer, {
      at: clock.now(),
      ok,
      roundTripMilliseconds: reported === undefined ? undefined : roundTrip,
      reported,
    });
    return this.#describe(peer);
  }

  async #ask(origin: string): Promise<{ readonly status: "pass" | "warn" | "fail" }> {
    const { clock, probe, timeoutSeconds } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        reject(new Error("no answer in time"));
      }, timeoutSeconds * 1000);
      probe(origin)
        .then(resolve, reject)
        .finally(() => {
          clock.clearTimeout(timer);
        });
    });
  }

  async #slot(): Promise<void> {
    if (this.#probing >= this.#options.maxConcurrentProbes) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    this.#probing += 1;
  }

  #record(peer: Watched, sample: HealthSample): void {
    const { failuresToUnreachable, successesToHealthy, degradedAfterMilliseconds } = this.#options;
    peer.samples.push(sample);
    if (peer.samples.length > HISTORY_SAMPLES) peer.samples.shift();
    peer.uptime.record(sample.at, sample.ok);
    peer.lastCheckedAt = sample.at;
    if (sample.roundTripMilliseconds !== undefined) {
      peer.roundTrip =
        peer.roundTrip === undefined
          ? sample.roundTripMilliseconds
          : peer.roundTrip + SMOOTHING * (sample.roundTripMilliseconds - peer.roundTrip);
    }
    if (sample.ok) {
      peer.lastOkAt = sample.at;
      peer.failures = 0;
      peer.successes += 1;
    } else {
      peer.failures += 1;
      peer.successes = 0;
    }
    const slow = sample.reported === "warn" || (peer.roundTrip ?? 0) > degradedAfterMilliseconds;
    const up = slow ? HealthStatus.Degraded : HealthStatus.Healthy;
    let next = peer.status;
    if (!sample.ok) {
      const decided = peer.failures >= failuresToUnreachable || peer.status === undefined;
      if (decided) next = HealthStatus.Unreachable;
    } else if (peer.status !== HealthStatus.Unreachable || peer.successes >= successesToHealthy) {
      next = up;
    }
    if (next === undefined || next === peer.status) return;
    const from = peer.status;
    peer.status = next;
    const event = { origin: peer.origin, from, to: next, health: this.#describe(peer) };
    for (const listener of this.#listeners) listener(event);
  }

  #describe(peer: Watched): PeerHealth {
    return {
      origin: peer.origin,
      status: peer.status,
      roundTripMilliseconds: peer.roundTrip,
      lastCheckedAt: peer.lastCheckedAt,
      lastOkAt: peer.lastOkAt,
      uptime: peer.uptime.uptime(this.#options.clock.now()),
      consecutiveFailures: peer.failures,
    };
  }
}
