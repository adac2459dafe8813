/**
 * The leases of visiting players, at their holder (PROTOCOL 6, rule 6).
 *
 * A lease runs from the moment the request that won it was sent, on this machine's monotonic
 * clock. Past it nobody simulates the player; a newer request that home answers revives it.
 */
import type { JsonValue } from "../../json.ts";
import { checkState, sameJson } from "../../json.ts";
import type { Clock, Logger, TimerHandle } from "../../ports.ts";
import type { Home } from "../shared/home.ts";
import { MAX_RENEWED_PLAYERS } from "../shared/messages.ts";
import type { PlayerSession, PlayerSessions } from "../shared/player-session.ts";
import { SaidOnce } from "../shared/said-once.ts";
import { type VisitorBook, inPhase } from "./visitors.ts";

interface Lease {
  until: number;
  seconds: number;
  /** Monotonic time at which it is to be renewed. */
  renewAt: number;
  timer: TimerHandle;
  sentState: JsonValue | undefined;
}

/** Heartbeats a lease: two may be lost before it runs out. */
const HEARTBEATS_PER_LEASE = 3;
/** By how much homes' beats differ, so that those which fell together come apart again. */
const SPREAD = 0.2;
/** Home is not asked more often, however short its leases are. */
const SHORTEST_HEARTBEAT_MILLISECONDS = 1_000;
/** Room for the players in one `renew`, so that its body stays below 64 KiB. */
const MAX_RENEW_BYTES = 60 * 1024;

/** Options of {@link Leases}. */
export interface LeasesOptions {
  readonly sessions: PlayerSessions;
  readonly visitors: VisitorBook;
  readonly homeAt: (origin: string) => Home;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps the leases of all visiting players alive, in batches per home. */
export class Leases {
  readonly #options: LeasesOptions;
  /** Sessions with a lease, by home: a beat costs what its own home's players cost. */
  readonly #homes = new Map<string, Set<PlayerSession>>();
  readonly #leases = new Map<PlayerSession, Lease>();
  readonly #said = new SaidOnce();
  readonly #heartbeats = new Map<string, { readonly at: number; readonly timer: TimerHandle }>();
  readonly #beating = new Set<string>();
  readonly #lostListeners = new Set<(player: string) => void>();
  #stopped = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
    options.sessions.onRemoved((session) => {
      this.#lost(session);
    });
  }

  /** Hears of each visitor that home says is not held any more. Returns how to stop hearing. */
  onLost(listener: (player: string) => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  /** Home answered a request sent at `sentAt` (monotonic) with a lease for this session's epoch. */
  won(session: PlayerSession, sentAt: number, seconds: number): void {
    const { clock } = this.#options;
    if (session.ended) return;
    const until = sentAt + seconds * 1000;
    const old = this.#leases.get(session);
    if (old !== undefined) clock.clearTimeout(old.timer);
    else this.#ofHome(session.home).add(session);
    const timer = clock.setTimeout(
      () => session.freeze("lease"),
      Math.max(0, until - clock.monotonic()),
    );
    const renewAt = clock.monotonic() + heartbeatOf(seconds, session.home);
    this.#leases.set(session, { until, seconds, renewAt, timer, sentState: old?.sentState });
    session.leaseEnds(() => clock.monotonic() >= until);
    if (until > clock.monotonic()) session.thaw("lease");
    this.#schedule(session.home, renewAt);
  }

  /** The session is over: its lease needs no more heartbeats. */
  #lost(session: PlayerSession): void {
    const lease = this.#leases.get(session);
    if (lease === undefined) return;
    this.#options.clock.clearTimeout(lease.timer);
    this.#leases.delete(session);
    const mine = this.#homes.get(session.home);
    mine?.delete(session);
    if (mine?.size === 0) this.#homes.delete(session.home);
  }

  #ofHome(home: string): Set<PlayerSession> {
    const mine = this.#homes.get(home) ?? new Set<PlayerSession>();
    this.#homes.set(home, mine);
    return mine;
  }

  /** Takes a lease off one session, to give it to another of the same player and epoch. */
  handOver(session: PlayerSession): { sentAt: number; seconds: number } | undefined {
    const lease = this.#leases.get(session);
    this.#lost(session);
    return lease === undefined
      ? undefined
      : { sentAt: lease.until - lease.seconds * 1000, seconds: lease.seconds };
  }

  /** Stops all heartbeats. */
  stop(): void {
    this.#stopped = true;
    for (const { timer } of this.#heartbeats.values()) this.#options.clock.clearTimeout(timer);
    this.#heartbeats.clear();
    for (const session of [...this.#leases.keys()]) this.#lost(session);
  }

  /** A home's next heartbeat is due when the first of its leases is. */
  #schedule(home: string, at: number): void {
    if (this.#stopped || this.#beating.has(home)) return;
    const { clock } = this.#options;
    const planned = this.#heartbeats.get(home);
    if (planned !== undefined && planned.at <= at) return;
    if (planned !== undefined) clock.clearTimeout(planned.timer);
    const timer = clock.setTimeout(
      () => {
        this.#heartbeats.delete(home);
        this.#beating.add(home);
        void this.#beat(home).finally(() => {
          this.#beating.delete(home);
          let due = Infinity;
          for (const session of this.#homes.get(home) ?? []) {
            due = Math.min(due, this.#leases.get(session)?.renewAt ?? Infinity);
          }
          if (due < Infinity) this.#schedule(home, due);
        });
      },
      Math.max(0, at - clock.monotonic()),
    );
    this.#heartbeats.set(home, { at, timer });
  }

  async #beat(home: string): Promise<void> {
    const { clock } = this.#options;
    const mine = [...(this.#homes.get(home) ?? [])];
    for (const session of mine) {
      const lease = this.#leases.get(session);
      // Unless home answers, it is asked again a third later.
      if (lease !== undefined) {
        lease.renewAt = clock.monotonic() + heartbeatOf(lease.seconds, home);
      }
    }
    for (let batch: PlayerSession[] = mine; batch.length > 0;) {
      batch = await this.#renew(home, batch);
    }
  }

  /** Renews as many as fit one message and returns the others. */
  async #renew(home: string, sessions: PlayerSession[]): Promise<PlayerSession[]> {
    const { clock, logger } = this.#options;
    const players: { player: string; epoch: number; state?: JsonValue }[] = [];
    const sent: { session: PlayerSession; epoch: number; state: JsonValue | undefined }[] = [];
    let bytes = 0;
    for (const session of sessions) {
      if (players.length === MAX_RENEWED_PLAYERS) break;
      const state = session.frozen ? undefined : this.#changedState(session);
      const { player, epoch } = session;
      const entry = { player, epoch, ...(state === undefined ? {} : { state }) };
      bytes += Buffer.byteLength(JSON.stringify(entry)) + 1;
      if (players.length > 0 && bytes > MAX_RENEW_BYTES) break;
      players.push(entry);
      sent.push({ session, epoch: session.epoch, state });
    }
    const rest = sessions.slice(sent.length);
    const sentAt = clock.monotonic();
    try {
      const answer = await this.#options.homeAt(home).renew({ players });
      if (!answer.ok) {
        logger.warn(`${home} does not renew: ${answer.code}`, { peer: home, code: answer.code });
        return rest;
      }
      const lost = new Set(answer.body.lost.map(({ player, epoch }) => `${player}#${epoch}`));
      for (const { session, epoch, state } of sent) {
        if (session.ended || session.epoch !== epoch) continue;
        if (lost.has(`${session.player}#${epoch}`)) await this.#drop(session, epoch);
        else {
          this.won(session, sentAt, answer.body.leaseSeconds);
          const lease = this.#leases.get(session);
          if (lease !== undefined && state !== undefined) lease.sentState = state;
        }
      }
    } catch (cause) {
      logger.debug(
        `${home} did not answer a renewal: ${cause instanceof Error ? cause.message : "unknown"}`,
        { peer: home },
      );
    }
    return rest;
  }

  #changedState(session: PlayerSession): JsonValue | undefined {
    const carried = session.body.carry();
    if (carried === undefined) return undefined;
    // What home could not read would cost the others in the message their lease.
    const checked = checkState(carried);
    if (!checked.ok) {
      const { path, reason } = checked.fault;
      if (this.#said.isNews(`${session.player} ${path}`)) {
        this.#options.logger.error(
          `${session.player} is renewed without what it carries: ${path} ${reason}`,
          undefined,
          { player: session.player },
        );
      }
      return undefined;
    }
    const { state } = checked;
    return sameJson(state, this.#leases.get(session)?.sentState) ? undefined : state;
  }

  /**
   * Rule 5: a `lost` counts only while held with that epoch. Home decides what becomes of what the
   * player carries here: it is returned under the epoch it was held with (rule 12).
   */
  async #drop(session: PlayerSession, epoch: number): Promise<void> {
    // From here on nothing that happens to it counts, stored or not.
    session.freeze("lease");
    const state = session.carry();
    const dropped = await this.#options.visitors.changeHeld(
      session.player,
      (held) => held.phase === "held" && held.epoch === epoch,
      (held) => (state === undefined ? undefined : inPhase(held, "returning", { state })),
    );
    // A store that failed may have written it all the same.
    const held = dropped ? undefined : (await this.#options.visitors.get(session.player))?.held;
    if (held?.phase === "held" || held?.phase === "frozen" || session.epoch !== epoch) {
      const lease = this.#leases.get(session);
      if (lease !== undefined && lease.until > this.#options.clock.monotonic()) {
        session.thaw("lease");
      }
      return;
    }
    this.#options.sessions.remove(session);
    session.body.end("ERR_FED_STALE_CUSTODY", "Your home server has taken you back.");
    for (const listener of this.#lostListeners) listener(session.player);
  }
}

/** A third of the lease or a little less, by the home's name: no two homes keep step for long. */
function heartbeatOf(leaseSeconds: number, home: string): number {
  let hash = 0;
  for (let at = 0; at < home.length; at += 1) hash = (hash * 31 + home.charCodeAt(at)) >>> 0;
  const share = 1 - (SPREAD * (hash % 1024)) / 1024;
  return Math.max(
    SHORTEST_HEARTBEAT_MILLISECONDS,
    ((leaseSeconds * 1000) / HEARTBEATS_PER_LEASE) * share,
  );
}
