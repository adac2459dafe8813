/**
 * The source's side of a crossing (PROTOCOL 6 and 7): freeze, depart, reserve, tell the client,
 * then let go or take back.
 *
 * Every crossing ends in exactly one outcome, *arrived* or *stayed*. The source lets go only when
 * home has said that the destination claimed the player, and takes back only when home has
 * answered a cancel: never on a timer alone.
 */
import { FederationError, type FederationErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import { Quota } from "../../limits/quota.ts";
import type { Clock, Logger, Random, TimerHandle } from "../../ports.ts";
import { Attribute } from "../../telemetry/names.ts";
import { type Ending, NO_TELEMETRY, type Telemetry } from "../../telemetry/telemetry.ts";
import { BackOff, untilDone } from "../shared/back-off.ts";
import { type Home, isDecidedElsewhere } from "../shared/home.ts";
import type { PeerCalls } from "../../ports.ts";
import type { CancelRequest } from "../shared/messages.ts";
import type { PlayerSession, PlayerSessions } from "../shared/player-session.ts";
import type { CrossingsUnderWay } from "../shared/under-way.ts";
import type { CancelOutcome, SettledDeparture, Settlement } from "../holder/settlement.ts";
import type { VisitorBook } from "../holder/visitors.ts";
import { type CrossingDestination, type ReservedSeat, Stay, depart, reserve } from "./departing.ts";

/** How a crossing ended. */
export type CrossingOutcome =
  | {
      readonly kind: "arrived";
      readonly transferId: string;
      /** The portal URI. */
      readonly to: string;
      /** Origin of the server the player is on now. */
      readonly destination: string;
    }
  | {
      readonly kind: "stayed";
      readonly transferId: string;
      readonly to: string;
      /** What kept the player here; a client can show `message` to it. */
      readonly code: FederationErrorCode;
      readonly message: string;
    }
  | {
      /** This server stopped before anybody knew: its next start settles it. */
      readonly kind: "undecided";
      readonly transferId: string;
      readonly to: string;
      readonly code: FederationErrorCode;
      readonly message: string;
    };

/** What a player or an operator is told while a crossing is under way. */
export interface CrossingProgress {
  readonly transferId: string;
  readonly player: string;
  readonly to: string;
  readonly stage: "departing" | "reserving" | "transit";
}

type Verdict = "departed" | "expired" | "abandoned" | "blocked";

interface OpenCrossing {
  readonly transferId: string;
  readonly session: PlayerSession;
  readonly destination: CrossingDestination;
  /** Tells the waiting crossing what happened. */
  readonly decide: (verdict: Verdict) => void;
  /** Resolves once the crossing is over. */
  readonly over: Promise<void>;
  /** Whether the client has been told of its seat: before that nobody can have claimed the player. */
  told: boolean;
  /** Whether the client has been told that nobody knows. */
  undecided: boolean;
  /** How settling has ended the departure, when it has. */
  settled: CancelOutcome | undefined;
  /** The seat that was asked for while home's decision went to disk. */
  early: { readonly pass: string; readonly seat: Promise<ReservedSeat> } | undefined;
}

/** Options of {@link Crossings}. */
export interface CrossingsOptions {
  readonly sessions: PlayerSessions;
  readonly visitors: VisitorBook;
  readonly settlement: Settlement;
  readonly homeAt: (origin: string) => Home;
  readonly peers: PeerCalls;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Writes a guest of this home down, before it departs for the first time. */
  readonly enrol: (session: PlayerSession) => Promise<unknown>;
  /** Ends the stay of a visitor whose client has gone. What the store does not take goes on by itself. */
  readonly giveBack: (session: PlayerSession) => Promise<unknown>;
  /** Stores what a player at home carries. */
  readonly store: (session: PlayerSession) => Promise<unknown>;
  readonly onProgress?: ((progress: CrossingProgress) => void) | undefined;
  /** How often one player may begin to cross in a minute. Default: as often as it likes. */
  readonly perMinutePerPlayer?: number | undefined;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

const UNDECIDED = {
  code: "ERR_FED_UNAVAILABLE",
  message: "This server cannot tell yet whether you are on your way. Please wait.",
} as const;
const BLOCKED_MESSAGE = "This server does not deal with that one any more.";
/** A claim made in the last moment still has to reach home and come back as `departed`. */
const CLAIM_GRACE_MILLISECONDS = 1_500;
/** How often a player is told that it crosses too often. */
const TELLINGS_PER_MINUTE = 6;

/** All crossings that leave this server. */
export class Crossings implements CrossingsUnderWay {
  readonly #options: CrossingsOptions;
  readonly #open = new Map<string, OpenCrossing>();
  readonly #listeners = new Set<(outcome: CrossingOutcome, session: PlayerSession) => void>();

  readonly #backOff: BackOff;
  readonly #quota: Quota;
  readonly #tellings: Quota;

  constructor(options: CrossingsOptions) {
    const { clock, perMinutePerPlayer = Infinity } = options;
    this.#options = options;
    this.#quota = new Quota({ clock, perMinute: perMinutePerPlayer });
    this.#tellings = new Quota({ clock, perMinute: TELLINGS_PER_MINUTE });
    this.#backOff = new BackOff(options);
    options.settlement.onCancelled((settled) => {
      this.#settled(settled);
    });
  }

  get #telemetry(): Telemetry {
    return this.#options.telemetry ?? NO_TELEMETRY;
  }

  /** Hears how each crossing ended. Returns how to stop hearing. */
  onOutcome(listener: (outcome: CrossingOutcome, session: PlayerSession) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether this very session is leaving. */
  isCrossing(session: PlayerSession): boolean {
    return this.#open.get(session.player)?.session === session;
  }

  /** The transfer a player is leaving with, if it is. */
  transferOf(player: string): string | undefined {
    return this.#open.get(player)?.transferId;
  }

  /** The session that a player is leaving from, also when its client has gone meanwhile. */
  sessionOf(player: string): PlayerSession | undefined {
    return this.#open.get(player)?.session;
  }

  /**
   * Takes a player out of this server into another one. Resolves with the outcome, never rejects
   * for what peers or the network do. `transferId` is made here when not given.
   */
  cross(
    session: PlayerSession,
    destination: CrossingDestination,
    transferId: string = this.#options.random.uuid(),
  ): Promise<CrossingOutcome> {
    const details = { [Attribute.Peer]: destination.origin, [Attribute.Transfer]: transferId };
    return this.#telemetry.run({ kind: "crossing", details, ended: endingOf }, () =>
      this.#cross(session, destination, transferId),
    );
  }

  async #cross(
    session: PlayerSession,
    destination: CrossingDestination,
    transferId: string,
  ): Promise<CrossingOutcome> {
    const stayed = (code: FederationErrorCode, message: string): CrossingOutcome => ({
      kind: "stayed",
      transferId,
      to: destination.uri,
      code,
      message,
    });
    if (session.ended) return stayed("ERR_FED_NOT_A_PLAYER", "You are not here any more.");
    if (this.#open.has(session.player) || session.frozen) {
      return stayed("ERR_FED_CROSSING_BUSY", "You are on your way already.");
    }
    const wait = this.#quota.take(session.player);
    if (wait > 0) {
      const code = "ERR_FED_RATE_LIMITED";
      const message = `You have crossed very often. You can again in ${wait} s.`;
      // A room may ask at every step of a player who stands in a portal.
      if (this.#tellings.take(session.player) === 0) {
        session.body.failed({ transferId, to: destination.uri, code, message });
      }
      return stayed(code, message);
    }
    let decide: OpenCrossing["decide"] = () => undefined;
    const verdict = new Promise<Verdict>((resolve) => {
      decide = resolve;
    });
    let finish: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const crossing: OpenCrossing = {
      transferId,
      session,
      destination,
      decide,
      over,
      told: false,
      undecided: false,
      settled: undefined,
      early: undefined,
    };
    this.#open.set(session.player, crossing);
    session.freeze("crossing");
    let outcome: CrossingOutcome;
    try {
      const reserved = await this.#leave(crossing, verdict).catch((cause: unknown) => {
        this.#undecided(crossing, cause);
        return ["ERR_FED_UNAVAILABLE", "This server cannot send you there right now."] as const;
      });
      outcome = await this.#telemetry.run({ kind: "settle", ended: endingOf }, () =>
        this.#settle(crossing, reserved, stayed),
      );
    } finally {
      this.#open.delete(session.player);
      finish();
    }
    if (outcome.kind === "stayed" && !session.ended) {
      session.body.failed({
        transferId,
        to: destination.uri,
        code: outcome.code,
        message: outcome.message,
      });
    }
    for (const listener of this.#listeners) listener(outcome, session);
    return outcome;
  }

  /** Ends a crossing, however long the store takes to answer: until then it is undecided. */
  async #settle(
    crossing: OpenCrossing,
    reserved: "departed" | readonly [code: FederationErrorCode, message: string],
    stayed: (code: FederationErrorCode, message: string) => CrossingOutcome,
  ): Promise<CrossingOutcome> {
    const { session, transferId, destination } = crossing;
    if (reserved !== "departed") void this.#freeSeat(crossing);
    const outcome = await untilDone(
      this.#backOff,
      session.player,
      () =>
        reserved === "departed"
          ? this.#letGo(crossing)
          : this.#takeBack(crossing, stayed(...reserved)),
      (cause) => {
        this.#undecided(crossing, cause);
      },
    );
    return outcome ?? { kind: "undecided", transferId, to: destination.uri, ...UNDECIDED };
  }

  /** The store did not answer: the client and the operator hear of it, once for each crossing. */
  #undecided(crossing: OpenCrossing, cause: unknown): void {
    if (crossing.undecided) return;
    crossing.undecided = true;
    const { session, transferId, destination } = crossing;
    this.#options.logger.error(
      `the crossing of ${session.player} cannot be settled yet: it is tried again until it can`,
      cause,
      { player: session.player, transferId, peer: destination.origin },
    );
    if (!session.ended) {
      session.body.undecided({ transferId, to: destination.uri, ...UNDECIDED });
    }
  }

  /** The store may answer again. */
  wake(): void {
    this.#backOff.wake();
  }

  /** Tries no more: what is open is settled by the next start. */
  stop(): void {
    this.#backOff.stop();
    this.abandonAll();
  }

  /** Gives up every crossing; each ends by itself. */
  abandonAll(): void {
    for (const crossing of this.#open.values()) crossing.decide("abandoned");
  }

  /** Nobody goes to a server any more: who is on the way there stays, unless it has arrived. */
  callOff(destination: string): void {
    for (const crossing of this.#open.values()) {
      if (crossing.destination.origin === destination) crossing.decide("blocked");
    }
  }

  /**
   * Home says that the destination claimed the player (`departed`, or home's own ledger).
   * True when it was frozen here for that very transfer.
   */
  async departed(player: string, transferId: string): Promise<boolean> {
    const crossing = this.#open.get(player);
    if (crossing !== undefined && crossing.transferId === transferId) {
      crossing.decide("departed");
      return true;
    }
    const session = this.#options.sessions.get(player);
    const dropped = await this.#options.visitors.changeHeld(
      player,
      (held) => held.phase === "frozen" && held.transferId === transferId,
      () => undefined,
    );
    if (dropped && session !== undefined) this.#end(session);
    return dropped;
  }

  /** The client could not get into the other world, or the player changed its mind. */
  abandon(player: string, transferId: string): void {
    const crossing = this.#open.get(player);
    if (crossing?.transferId === transferId) crossing.decide("abandoned");
  }

  /** Settling has ended a departure, perhaps for another reason than its crossing's. */
  #settled({ player, transferId, outcome }: SettledDeparture): void {
    const crossing = this.#open.get(player);
    if (crossing?.transferId !== transferId) return;
    crossing.settled = outcome;
    crossing.decide("abandoned");
  }

  /** Gives up whatever crossing the player is on and waits until it is over. */
  async giveUp(player: string): Promise<void> {
    const crossing = this.#open.get(player);
    if (crossing === undefined) return;
    crossing.decide("abandoned");
    await crossing.over;
  }

  async #leave(
    crossing: OpenCrossing,
    verdict: Promise<Verdict>,
  ): Promise<"departed" | [code: FederationErrorCode, message: string]> {
    const { clock } = this.#options;
    try {
      this.#progress(crossing, "departing");
      const ahead = (early: string): void => {
        const seat = this.#reserve(crossing, early);
        crossing.early = { pass: early, seat };
        // Whoever waits for it hears of it: first of all it has to be decided.
        seat.catch(() => undefined);
      };
      const pass = await this.#telemetry.run({ kind: "depart" }, () =>
        depart(this.#options, crossing, ahead),
      );
      this.#progress(crossing, "reserving");
      const seat = await this.#seat(crossing, pass);
      this.#progress(crossing, "transit");
      crossing.told = true;
      crossing.session.body.transit({
        transferId: crossing.transferId,
        to: crossing.destination.uri,
        origin: seat.origin,
        reservation: seat.reservation as unknown as JsonValue,
        expiresAt: seat.expiresAt,
        ...(seat.seat === undefined ? {} : { seat: seat.seat }),
      });
      const waitMilliseconds =
        Math.max(0, seat.expiresAt * 1000 - clock.now()) + CLAIM_GRACE_MILLISECONDS;
      const timer: TimerHandle = clock.setTimeout(
        () => crossing.decide("expired"),
        waitMilliseconds,
      );
      const what = await this.#telemetry.run(
        { kind: "transit", ended: (outcome) => ({ outcome }) },
        () => verdict,
      );
      clock.clearTimeout(timer);
      if (what === "departed") return "departed";
      if (what === "blocked") return ["ERR_FED_BLOCKED", BLOCKED_MESSAGE];
      return what === "abandoned"
        ? ["ERR_FED_CROSSING_ABANDONED", "You did not get into the other world."]
        : ["ERR_FED_CROSSING_EXPIRED", "The other world waited, but you did not arrive in time."];
    } catch (cause) {
      if (cause instanceof Stay) return [cause.code, cause.message];
      throw cause;
    }
  }

  /** Told of nobody before the departure is on disk: a claim of it would not be heard after a crash. */
  async #seat(crossing: OpenCrossing, pass: string): Promise<ReservedSeat> {
    if (crossing.early?.pass === pass) return crossing.early.seat;
    // One transfer has one seat: that of the other pass goes first.
    if (crossing.early !== undefined) await this.#freeSeat(crossing);
    return this.#reserve(crossing, pass);
  }

  #reserve(crossing: OpenCrossing, pass: string): Promise<ReservedSeat> {
    return this.#telemetry.run({ kind: "reserve" }, () => reserve(this.#options, crossing, pass));
  }

  async #letGo(crossing: OpenCrossing): Promise<CrossingOutcome> {
    const { session, transferId, destination } = crossing;
    if (!session.atHome) {
      await this.#options.visitors.changeHeld(
        session.player,
        (held) => held.phase === "frozen" && held.transferId === transferId,
        () => undefined,
      );
    }
    this.#end(session);
    return {
      kind: "arrived",
      transferId,
      to: destination.uri,
      destination: destination.origin,
    };
  }

  async #takeBack(crossing: OpenCrossing, stayed: CrossingOutcome): Promise<CrossingOutcome> {
    const { session, transferId, destination } = crossing;
    // Decided elsewhere: by the destination's claim, unless nobody could have claimed yet.
    const left: CrossingOutcome = crossing.told
      ? {
          kind: "arrived",
          transferId,
          to: destination.uri,
          destination: destination.origin,
        }
      : {
          kind: "stayed",
          transferId,
          to: destination.uri,
          code: "ERR_FED_STALE_CUSTODY",
          message: "Your home server has taken you back.",
        };
    if (!session.atHome) {
      await this.#options.settlement.settle(session.player);
      const resumed =
        crossing.settled === "resumed" ||
        // The freeze itself had failed: home was never asked.
        (crossing.settled === undefined && (await this.#stillHeld(session)));
      if (resumed && (session.ended || !session.body.connected)) {
        // Its client went meanwhile, and left the player to this crossing.
        this.#options.sessions.remove(session);
        await this.#options.giveBack(session).catch(() => undefined);
      } else if (resumed) session.thaw("crossing");
      return crossing.settled === "gone" || (crossing.settled === undefined && !resumed)
        ? left
        : stayed;
    }
    const request: CancelRequest = { transferId, player: session.player, epoch: session.epoch };
    const answer = await this.#options.homeAt(session.home).cancel(request);
    if (answer.ok) {
      session.epoch = answer.body.epoch;
      if (session.body.connected) session.thaw("crossing");
      else {
        // The departure may have failed before home had what it carries.
        await this.#options.store(session);
        this.#end(session);
      }
      return stayed;
    }
    if (!isDecidedElsewhere(answer.code)) {
      throw new FederationError("ERR_FED_UNAVAILABLE", answer.reason);
    }
    this.#end(session);
    return left;
  }

  async #stillHeld(session: PlayerSession): Promise<boolean> {
    const held = (await this.#options.visitors.get(session.player))?.held;
    return held?.phase === "held" && held.epoch === session.epoch;
  }

  /** Best effort: the seat lapses by itself anyway. Never rejects. */
  async #freeSeat({ transferId, destination, early }: OpenCrossing): Promise<void> {
    // While it is being asked for, there is nothing to free yet.
    await early?.seat.catch(() => undefined);
    await this.#options.peers
      .call(destination.origin, "/reservations/cancel", { transferId })
      .catch(() => undefined);
  }

  #end(session: PlayerSession): void {
    if (session.ended) return;
    this.#options.sessions.remove(session);
    session.body.end(undefined, "You are in the other world now.");
  }

  #progress(crossing: OpenCrossing, stage: CrossingProgress["stage"]): void {
    this.#options.onProgress?.({
      transferId: crossing.transferId,
      player: crossing.session.player,
      to: crossing.destination.uri,
      stage,
    });
  }
}

function endingOf(outcome: CrossingOutcome): Ending {
  return outcome.kind === "arrived"
    ? { outcome: "arrived" }
    : { outcome: outcome.kind, code: outcome.code };
}
