/**
 * Several processes are one server, and one of them probes its peers: the holder of the {@link LeaderLease}. The
 * others ask it every two seconds what it has found since, and take that as if they had probed themselves: status,
 * history and changes are the same everywhere.
 *
 * What can go wrong, and what is done: the holder is gone, hangs or is not heard, for whatever reason (whoever has not
 * heard of one for six seconds probes for itself, until it does); two hold the lease for a moment (both probe, each
 * says what it finds); a call in any process finds a peer dead (that process looks at once, and has the holder look);
 * clocks differ (what was found is told by its age); answers are lost (what is asked for is whatever is newer than what
 * has come).
 */
import { z } from "zod";
import type { SiblingRequest } from "../custody/shared/siblings.ts";
import { causeSchema } from "../health/health-cause.ts";
import type { HealthMonitor } from "../health/health-monitor.ts";
import { type HealthSample, HealthStatus } from "../health/peer-record.ts";
import type { JsonValue } from "../json.ts";
import type { Clock, Logger, Store, TimerHandle } from "../ports.ts";
import { BEAT_MILLISECONDS, LeaderLease } from "./leader-lease.ts";
import type { Part } from "./part.ts";

/** What one process asks another about peers. */
export type ProbingRequest =
  /** What has been found since; 0: the last finding of every peer. */
  | { readonly kind: "findings"; readonly since: number }
  /** The asking process has found that a peer's state has changed. */
  | { readonly kind: "look"; readonly origin: string; readonly isUp: boolean };

/** All that one process asks another. */
export type ProcessRequest = SiblingRequest | ProbingRequest;

/** Options of {@link SharedProbing}. */
export interface SharedProbingOptions {
  readonly health: HealthMonitor;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "debug">;
  readonly processes: {
    readonly life: string;
    ask(life: string, request: ProbingRequest): Promise<JsonValue | undefined>;
  };
}

/** Whoever was not heard for so long is not waited for. */
const SILENCE_MILLISECONDS = 6_000;
/** A start does not wait longer for what another process has found. */
const FIRST_MILLISECONDS = 1_000;
/** Nor is an answer waited for any longer: the next beat has to come. */
const ANSWER_MILLISECONDS = 3_000;
/** Findings in one answer: about 100 KiB. */
const FINDINGS_AT_ONCE = 1_000;
/** In a first answer, what is as old as what is known already is the same finding. */
const SAME_MILLISECONDS = 1_000;
const MAX_AGE_MILLISECONDS = 3_600_000;

const answerSchema = z.object({
  upTo: z.int().min(0),
  more: z.boolean(),
  found: z
    .array(
      z.object({
        origin: z.string().max(300),
        ageMilliseconds: z.number().min(0).max(MAX_AGE_MILLISECONDS),
        nextMilliseconds: z.number().min(0).max(MAX_AGE_MILLISECONDS).optional(),
        ok: z.boolean(),
        decisive: z.boolean().optional(),
        roundTripMilliseconds: z.number().min(0).optional(),
        reported: z.enum(["pass", "warn", "fail"]).optional(),
        cause: causeSchema.optional(),
      }),
    )
    .max(FINDINGS_AT_ONCE),
});

/** This process's part in it. */
export class SharedProbing implements Part {
  readonly #options: SharedProbingOptions;
  readonly #lease: LeaderLease;
  /** The last finding of each peer, the oldest first. */
  readonly #found = new Map<string, { readonly serial: number; readonly sample: HealthSample }>();
  readonly #whenLeading = new Set<() => void>();
  #serial = 0;
  /** Whose findings are followed, and up to where. */
  #from: { readonly life: string; readonly since: number } | undefined;
  #heardAt = -Infinity;
  #leads = false;
  #timer: TimerHandle | undefined;
  #stopped = false;

  constructor(options: SharedProbingOptions) {
    this.#options = options;
    const { health, store, clock, processes } = options;
    this.#lease = new LeaderLease({ store, clock, life: () => processes.life });
    health.onSample((origin, sample, { isOwn, changed }) => {
      this.#found.delete(origin);
      this.#found.set(origin, { serial: (this.#serial += 1), sample });
      const to = this.#lease.holder;
      if (!isOwn || !changed || this.#leads || to === undefined) return;
      void this.#ask(to, { kind: "look", origin, isUp: sample.ok });
    });
  }

  /** Whether this process does what one is enough for. False before the start. */
  get leads(): boolean {
    return this.#leads;
  }

  /** Calls `listener` whenever this process begins to lead. */
  onLead(listener: () => void): void {
    this.#whenLeading.add(listener);
  }

  /** Resolves once it is known who probes, in a second at most: until somebody else is heard, this process does. */
  async start(): Promise<void> {
    const { clock } = this.#options;
    let timer: TimerHandle | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, FIRST_MILLISECONDS);
    });
    await Promise.race([this.#turn(), late]);
    if (timer !== undefined) clock.clearTimeout(timer);
    this.#decide();
  }

  /** Lets another process have the lease at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#leads = false;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    await this.#lease.release();
  }

  /** Answers another process; null: there is nothing to be said. */
  answer(request: ProbingRequest): JsonValue {
    const { health } = this.#options;
    if (request.kind === "findings") {
      return this.#lease.isHeld ? this.#findings(request.since) : null;
    }
    if (request.isUp) health.wake(request.origin);
    else health.suspect(request.origin);
    return {};
  }

  /** One beat, and what the holder has found since; then the next one. */
  async #turn(): Promise<void> {
    const { clock, logger } = this.#options;
    await this.#lease.beat().catch((cause: unknown) => {
      logger.debug("who probes peers is not known now: the store does not answer", { cause });
    });
    const { holder } = this.#lease;
    if (holder !== undefined) await this.#follow(holder);
    if (this.#stopped) {
      await this.#lease.release();
      return;
    }
    this.#decide();
    this.#timer = clock.setTimeout(() => void this.#turn(), BEAT_MILLISECONDS);
  }

  #decide(): void {
    if (this.#stopped) return;
    const { clock, health } = this.#options;
    const isFollowing =
      !this.#lease.isHeld && clock.monotonic() - this.#heardAt < SILENCE_MILLISECONDS;
    health.follow(isFollowing);
    const began = !isFollowing && !this.#leads;
    this.#leads = !isFollowing;
    if (began) for (const listener of this.#whenLeading) listener();
  }

  async #follow(holder: string): Promise<void> {
    const { clock } = this.#options;
    if (this.#from?.life !== holder) this.#from = { life: holder, since: 0 };
    let isMore = true;
    while (isMore && !this.#stopped) {
      const { since }: { readonly since: number } = this.#from;
      const askedAt = clock.monotonic();
      const said = answerSchema.safeParse(await this.#ask(holder, { kind: "findings", since }));
      if (!said.success) return;
      const { found, upTo, more } = said.data;
      this.#take(found, since === 0);
      this.#heardAt = askedAt;
      this.#from = { life: holder, since: upTo };
      isMore = more && upTo > since;
    }
  }

  #take(found: z.infer<typeof answerSchema>["found"], isFirst: boolean): void {
    const { health, clock } = this.#options;
    const now = clock.now();
    for (const { origin, ageMilliseconds, nextMilliseconds, ...sample } of found) {
      const { roundTripMilliseconds, reported } = sample;
      health.take(
        origin,
        { ...sample, roundTripMilliseconds, reported, at: now - ageMilliseconds },
        {
          newerByMilliseconds: isFirst ? SAME_MILLISECONDS : 0,
          nextCheckAt: nextMilliseconds === undefined ? undefined : now + nextMilliseconds,
        },
      );
    }
  }

  #findings(since: number): JsonValue {
    const { health, clock } = this.#options;
    const now = clock.now();
    const found: Record<string, JsonValue>[] = [];
    let [upTo, more] = [since, false];
    for (const [origin, { serial, sample }] of this.#found) {
      if (serial <= since) continue;
      if (found.length >= FINDINGS_AT_ONCE) {
        more = true;
        break;
      }
      upTo = serial;
      const glance = health.glance(origin);
      if (glance === undefined) {
        this.#found.delete(origin);
        continue;
      }
      const { at, ok, roundTripMilliseconds, reported, cause } = sample;
      const bounded = (milliseconds: number): number =>
        Math.min(MAX_AGE_MILLISECONDS, Math.max(0, milliseconds));
      found.push({
        ...{ origin, ok, ageMilliseconds: bounded(now - at) },
        ...(glance.status === HealthStatus.Unreachable ? { decisive: true } : {}),
        ...(glance.nextCheckAt === undefined
          ? {}
          : { nextMilliseconds: bounded(glance.nextCheckAt - now) }),
        ...(roundTripMilliseconds === undefined ? {} : { roundTripMilliseconds }),
        ...(reported === undefined ? {} : { reported }),
        ...(cause === undefined ? {} : { cause: JSON.parse(JSON.stringify(cause)) as JsonValue }),
      });
    }
    return { found, upTo, more };
  }

  /** Undefined: no answer in time. Presence that is away is the same as silence. */
  #ask(life: string, request: ProbingRequest): Promise<JsonValue | undefined> {
    const { clock, processes } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.setTimeout(() => {
        resolve(undefined);
      }, ANSWER_MILLISECONDS);
      const done = (answer?: JsonValue): void => {
        clock.clearTimeout(timer);
        resolve(answer);
      };
      processes.ask(life, request).then(done, () => {
        done();
      });
    });
  }
}
