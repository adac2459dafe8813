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
import { CoolDown } from "../../limits/cool-down.ts";
import { Quota } from "../../limits/quota.ts";
import type { Clock, Logger, Random, TimerHandle } from "../../ports.ts";
import { Attribute } from "../../telemetry/names.ts";
import { type Ending, NO_TELEMETRY, type Telemetry } from "../../telemetry/telemetry.ts";
import { BackOff, untilDone } from "../shared/back-off.ts";
import { type Home, isDecidedElsewhere } from "../shared/home.ts";
import type { PeerCalls } from "../../ports.ts";
import type { CancelRequest } from "../shared/messages.ts";
import type { PlayerSession, PlayerSessions } from "../shared/player-session.ts";
import { orderedId } from "../shared/ordered-id.ts";
import type { ReservedSeat } from "../shared/reservation.ts";
import type { CrossingsUnderWay } from "../shared/under-way.ts";
import type { CancelOutcome, SettledDeparture, Settlement } from "../holder/settlement.ts";
import type { VisitorBook } from "../holder/visitors.ts";
import { type CrossingDestination, Stay, depart, reserve } from "./departing.ts";
import { Failover, type OtherWays, type TriedDestination } from "./failover.ts";

/** How a crossing ended. */
export type CrossingOutcome =
  | {
      readonly kind: "arrived";
      readonly transferId: string;
      /** The portal URI. */
      readonly to: string;
      /** Origin of the server the player is on now. */
      readonly destination: string;
      /** Servers that did not take the player before this one did, in the order they were asked. */
      readonly tried?: readonly TriedDestination[];
    }
  | {
      readonly kind: "stayed";
      /** Of the last departure. */
      readonly transferId: string;
      readonly to: string;
      /** What kept the player here; a client can show `message` to it. */
      readonly code: FederationErrorCode;
      readonly message: string;
      /** Servers that did not take the player before the last one did not, either. */
      readonly tried?: readonly TriedDestination[];
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

/** Of a crossing that is one of several: all have their seats together (PROTOCOL 7). */
export interface PartyTicket {
  /** Why nobody of the party goes; undefined: nothing is known that speaks against it. */
  readonly broken: { readonly code: FederationErrorCode; readonly message: string } | undefined;
  /** The seat, once all of the party have their passes. @throws Stay */
  seat(transferId: string, pass: string): Promise<ReservedSeat>;
  /** This one does not go, for all that is known here: it is being taken back. */
  stays(
    transferId: string,
    refused: { readonly code: FederationErrorCode; readonly message: string },
  ): void;
}

/** Where else a crossing may go. */
export interface CrossingWays extends OtherWays {
  /** The party that the player goes with. Default: it goes alone. */
  readonly party?: PartyTicket;
  /**
   * What is left when no server takes the player, which plays here again by then: how going to a room of
   * this very server ended. Undefined: that, too, came to nothing.
   */
  readonly here?: () => Promise<CrossingOutcome | undefined>;
}

type Verdict = "departed" | "expired" | "abandoned" | "blocked" | "broken";

/** Why a crossing comes to nothing. */
interface Refused {
  readonly code: FederationErrorCode;
  readonly message: string;
  /** Whether another destination may take the player. */
  readonly elsewhere?: boolean;
}

interface OpenCrossing {
  /** Of the departure that is open, or was last. */
  transferId: string;
  /** The first one's: by it the client knows the crossing until it is told of a seat. */
  readonly firstTransferId: string;
  readonly session: PlayerSession;
  destination: CrossingDestination;
  readonly failover: Failover;
  readonly party: PartyTicket | undefined;
  /** Tells the waiting crossing what happened. */
  readonly decide: (verdict: Verdict) => void;
  /** Whether anybody has told it. */
  decided: boolean;
  /** Resolves once the crossing is over. */
  readonly over: Promise<void>;
  /** Whether the client has been told of its seat: before that nobody can have claimed the player. */
  told: boolean;
  /** Whether the client has been told that nobody knows. */
  undecided: boolean;
  /** How settling has ended the departure, when it has. */
  settled: CancelOutcome | undefined;
  /** Whether it has the departure cancelled itself, in order to depart for another server. */
  turning: boolean;
  /** Whether home has cancelled the last departure of a player of its own. */
  cancelled: boolean;
  /** The seat that was asked for, perhaps while home's decision went to disk. */
  asked: { readonly pass: string; readonly seat: Promise<ReservedSeat> } | undefined;
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
  /** As of asking to depart: whether a home gives its player's seat with the departure. */
  readonly givesSeats?: ((home: string) => boolean) | undefined;
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
/** How a crossing ends that was told of a seat. */
const REFUSED_AS: Readonly<Record<Exclude<Verdict, "departed">, Refused>> = {
  broken: {
    code: "ERR_FED_PARTY_BROKEN",
    message: "Somebody of your party could not come.",
  },
  blocked: {
    code: "ERR_FED_BLOCKED",
    message: "This server does not deal with that one any more.",
  },
  abandoned: {
    code: "ERR_FED_CROSSING_ABANDONED",
    message: "You did not get into the other world.",
  },
  expired: {
    code: "ERR_FED_CROSSING_EXPIRED",
    message: "The other world waited, but you did not arrive in time.",
  },
};
/** A claim made in the last moment still has to reach home and come back as `departed`. */
const CLAIM_GRACE_MILLISECONDS = 1_500;
/** Home's answer to a cancel while a party's destination has its pledge. */
const PLEDGED = "ERR_FED_PARTY_UNDECIDED";
/** Failures that are nobody else's: they say nothing against trying again. */
const PLAYERS_OWN: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_CROSSING_ABANDONED",
  "ERR_FED_CROSSING_BUSY",
  "ERR_FED_NOT_A_PLAYER",
  "ERR_FED_RATE_LIMITED",
  "ERR_FED_STALE_CUSTODY",
  "ERR_FED_STATE_INVALID",
]);
/** How often a player is told that it may not cross yet. */
const TELLINGS_PER_MINUTE = 6;

/** All crossings that leave this server. */
export class Crossings implements CrossingsUnderWay {
  readonly #options: CrossingsOptions;
  readonly #open = new Map<string, OpenCrossing>();
  readonly #listeners = new Set<(outcome: CrossingOutcome, session: PlayerSession) => void>();

  readonly #backOff: BackOff;
  readonly #quota: Quota;
  readonly #tellings: Quota;
  readonly #coolDown: CoolDown;

  constructor(options: CrossingsOptions) {
    const { clock, perMinutePerPlayer = Infinity } = options;
    this.#options = options;
    this.#quota = new Quota({ clock, perMinute: perMinutePerPlayer });
    this.#tellings = new Quota({ clock, perMinute: TELLINGS_PER_MINUTE });
    this.#coolDown = new CoolDown({ clock });
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
   *
   * Where the destination does not take the player, home cancels the departure and the player departs for
   * the next one of `ways`, under another transfer id: frozen once for all, for four servers and 15 s at most.
   */
  cross(
    session: PlayerSession,
    destination: CrossingDestination,
    transferId: string = orderedId(this.#options.random, this.#options.clock),
    ways: CrossingWays = {},
  ): Promise<CrossingOutcome> {
    const details = { [Attribute.Peer]: destination.origin, [Attribute.Transfer]: transferId };
    return this.#telemetry.run({ kind: "crossing", details, ended: endingOf }, () =>
      this.#cross(session, destination, transferId, ways),
    );
  }

  async #cross(
    session: PlayerSession,
    destination: CrossingDestination,
    transferId: string,
    ways: CrossingWays,
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
    const tooOften = this.#mayNotBegin(session.player, ways);
    if (tooOften !== undefined) {
      const code = "ERR_FED_RATE_LIMITED";
      const message = tooOften;
      // A room may ask at every step of a player who stands in a portal.
      if (this.#tellings.take(session.player) === 0) {
        session.body.failed({ transferId, to: destination.uri, code, message });
      }
      return stayed(code, message);
    }
    let resolveVerdict: (verdict: Verdict) => void = () => undefined;
    const verdict = new Promise<Verdict>((resolve) => {
      resolveVerdict = resolve;
    });
    let finish: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const crossing: OpenCrossing = {
      ...{ transferId, firstTransferId: transferId, session, destination, over },
      failover: new Failover(this.#options.clock, ways),
      party: ways.party,
      decide: (how) => {
        crossing.decided = true;
        resolveVerdict(how);
      },
      decided: false,
      told: false,
      undecided: false,
      settled: undefined,
      turning: false,
      cancelled: false,
      asked: undefined,
    };
    this.#open.set(session.player, crossing);
    session.freeze("crossing");
    let outcome: CrossingOutcome;
    let reserved: "departed" | Refused;
    try {
      reserved = await this.#leave(crossing, verdict);
      while (reserved !== "departed" && (await this.#turn(crossing, reserved))) {
        reserved = await this.#leave(crossing, verdict);
      }
      let left = reserved;
      if (left !== "departed" && ways.party !== undefined) {
        ways.party.stays(crossing.transferId, left);
        left = ways.party.broken ?? left;
      }
      outcome = await this.#telemetry.run({ kind: "settle", ended: endingOf }, () =>
        this.#settle(crossing, left),
      );
    } finally {
      this.#open.delete(session.player);
      finish();
    }
    for (const listener of this.#listeners) listener(outcome, session);
    this.#learn(session.player, outcome, ways);
    if (outcome.kind === "stayed" && !session.ended) {
      const mayStayHere = reserved !== "departed" && reserved.elsewhere && !crossing.decided;
      const here = mayStayHere === true ? await ways.here?.() : undefined;
      if (here !== undefined) {
        this.#coolDown.succeeded(session.player);
        return here;
      }
      session.body.failed({
        transferId: crossing.told ? crossing.transferId : transferId,
        to: destination.uri,
        code: outcome.code,
        message: outcome.message,
      });
    }
    return outcome;
  }

  /** Why a player may not begin to cross yet, if it may not; a party as a whole has its own bounds. */
  #mayNotBegin(player: string, { party }: CrossingWays): string | undefined {
    const pause = party === undefined ? this.#coolDown.wait(player) : 0;
    if (pause > 0) return `You could not get through several times. Try again in ${pause} s.`;
    const wait = this.#quota.take(player);
    return wait > 0 ? `You have crossed very often. You can again in ${wait} s.` : undefined;
  }

  /** Whoever fails again and again for reasons of others waits longer and longer; of a party, nobody does. */
  #learn(player: string, outcome: CrossingOutcome, { party }: CrossingWays): void {
    if (outcome.kind === "arrived") this.#coolDown.succeeded(player);
    else if (party === undefined && outcome.kind === "stayed" && !PLAYERS_OWN.has(outcome.code)) {
      this.#coolDown.failed(player);
    }
  }

  /** Ends a crossing, however long the store takes to answer: until then it is undecided. */
  async #settle(crossing: OpenCrossing, reserved: "departed" | Refused): Promise<CrossingOutcome> {
    const { session, transferId, destination, failover } = crossing;
    const tried = failover.tried === undefined ? {} : { tried: failover.tried };
    if (reserved !== "departed") void this.#freeSeat(crossing);
    const outcome = await untilDone(
      this.#backOff,
      session.player,
      () =>
        reserved === "departed"
          ? this.#letGo(crossing)
          : this.#takeBack(crossing, {
              ...{ kind: "stayed", transferId, to: destination.uri },
              ...{ code: reserved.code, message: reserved.message },
            }),
      (cause) => {
        this.#undecided(crossing, cause);
      },
    );
    return outcome === undefined
      ? { kind: "undecided", transferId, to: destination.uri, ...UNDECIDED }
      : { ...outcome, ...tried };
  }

  /**
   * Home takes the departure back, and the player is to depart for another server: true. It stays frozen
   * meanwhile. False: there is none, or home has not answered that nobody else has the player.
   */
  async #turn(crossing: OpenCrossing, refused: Refused): Promise<boolean> {
    const { session, transferId, destination, failover } = crossing;
    const mayGoOn = (): boolean =>
      !crossing.decided && !session.ended && !this.#backOff.stopped && failover.goesOn;
    if (refused.elsewhere !== true || crossing.told || !mayGoOn()) return false;
    void this.#freeSeat(crossing);
    try {
      if (!(await this.#cancel(crossing))) return false;
    } catch {
      // Settling asks again, for as long as it takes.
      return false;
    }
    if (!mayGoOn()) return false;
    const { code, message } = refused;
    const next = failover.next({ destination: destination.origin, transferId, code, message });
    if (next === undefined) return false;
    this.#options.logger.info(
      `${destination.origin} does not take ${session.player} to ${destination.uri} (${code}): ${next.origin} is asked`,
      { peer: destination.origin, player: session.player, transferId, code },
    );
    crossing.transferId = orderedId(this.#options.random, this.#options.clock);
    crossing.destination = next;
    crossing.settled = undefined;
    crossing.cancelled = false;
    crossing.asked = undefined;
    return true;
  }

  /** Whether home has cancelled the departure, and the session goes on under its new epoch. */
  async #cancel(crossing: OpenCrossing): Promise<boolean> {
    const { session, transferId } = crossing;
    if (session.atHome) {
      const request: CancelRequest = { transferId, player: session.player, epoch: session.epoch };
      const answer = await this.#options.homeAt(session.home).cancel(request);
      if (!answer.ok) return false;
      session.epoch = answer.body.epoch;
      crossing.cancelled = true;
      return true;
    }
    crossing.turning = true;
    try {
      await this.#options.settlement.settle(session.player);
    } finally {
      crossing.turning = false;
    }
    return crossing.settled === "resumed";
  }

  /** The store did not answer: the client and the operator hear of it, once for each crossing. */
  #undecided(crossing: OpenCrossing, cause: unknown): void {
    if (crossing.undecided) return;
    crossing.undecided = true;
    const { session, transferId, destination } = crossing;
    const what = `the crossing of ${session.player} cannot be settled yet: it is tried again until it can`;
    const about = { player: session.player, transferId, peer: destination.origin };
    // A party that is being broken off: its destination has a moment to say so.
    if (cause instanceof FederationError && cause.code === PLEDGED) {
      this.#options.logger.debug(what, about);
    } else this.#options.logger.error(what, cause, about);
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
    if (crossing === undefined) return;
    const { transferId: present, firstTransferId } = crossing;
    if (transferId === present || transferId === firstTransferId) crossing.decide("abandoned");
  }

  /** The party of this departure does not go. What home has decided of it stands. */
  breakOff(player: string, transferId: string): void {
    const crossing = this.#open.get(player);
    if (crossing?.transferId === transferId) crossing.decide("broken");
  }

  /** Settling has ended a departure, perhaps for another reason than its crossing's. */
  #settled({ player, transferId, outcome }: SettledDeparture): void {
    const crossing = this.#open.get(player);
    if (crossing?.transferId !== transferId) return;
    crossing.settled = outcome;
    if (!crossing.turning) crossing.decide("abandoned");
  }

  /** Gives up whatever crossing the player is on and waits until it is over. */
  async giveUp(player: string): Promise<void> {
    const crossing = this.#open.get(player);
    if (crossing === undefined) return;
    crossing.decide("abandoned");
    await crossing.over;
  }

  async #leave(crossing: OpenCrossing, verdict: Promise<Verdict>): Promise<"departed" | Refused> {
    const { clock } = this.#options;
    try {
      this.#progress(crossing, "departing");
      const ahead = (early: string): void => {
        const seat = this.#reserve(crossing, early);
        crossing.asked = { pass: early, seat };
        // Whoever waits for it hears of it: first of all it has to be decided.
        seat.catch(() => undefined);
      };
      const { pass, seat: given } = await this.#telemetry.run({ kind: "depart" }, () =>
        depart(this.#options, crossing, crossing.party === undefined ? ahead : () => undefined),
      );
      if (given !== undefined) crossing.asked = { pass, seat: Promise.resolve(given) };
      if (crossing.decided) return this.#endedBy(crossing, await verdict);
      this.#progress(crossing, "reserving");
      const seat = await this.#seatUnless(verdict, this.#seat(crossing, pass));
      if (typeof seat === "string") return this.#endedBy(crossing, seat);
      this.#progress(crossing, "transit");
      crossing.told = true;
      crossing.session.body.transit({
        transferId: crossing.transferId,
        to: crossing.destination.uri,
        origin: seat.origin,
        reservation: seat.reservation as unknown as JsonValue,
        world: crossing.destination.world,
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
      return this.#endedBy(crossing, what);
    } catch (cause) {
      if (cause instanceof Stay) return cause;
      this.#undecided(crossing, cause);
      return {
        code: "ERR_FED_UNAVAILABLE",
        message: "This server cannot send you there right now.",
      };
    }
  }

  /** The seat, or what became of the crossing while it was asked for: a player who turns round waits for no server. */
  #seatUnless(
    verdict: Promise<Verdict>,
    seat: Promise<ReservedSeat>,
  ): Promise<ReservedSeat | Verdict> {
    seat.catch(() => undefined);
    return Promise.race([seat, verdict]);
  }

  #endedBy({ party }: OpenCrossing, verdict: Verdict): "departed" | Refused {
    if (verdict === "departed") return "departed";
    return verdict === "broken" ? (party?.broken ?? REFUSED_AS.broken) : REFUSED_AS[verdict];
  }

  /** Told of nobody before the departure is on disk: a claim of it would not be heard after a crash. */
  async #seat(crossing: OpenCrossing, pass: string): Promise<ReservedSeat> {
    if (crossing.party !== undefined) return crossing.party.seat(crossing.transferId, pass);
    if (crossing.asked?.pass === pass) return crossing.asked.seat;
    // One transfer has one seat: that of the other pass goes first.
    if (crossing.asked !== undefined) await this.#freeSeat(crossing);
    const seat = this.#reserve(crossing, pass);
    crossing.asked = { pass, seat };
    return seat;
  }

  #reserve(crossing: OpenCrossing, pass: string): Promise<ReservedSeat> {
    const { patienceMilliseconds } = crossing.failover;
    return this.#telemetry.run({ kind: "reserve" }, () =>
      reserve(this.#options, crossing, pass, patienceMilliseconds),
    );
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
    const answer = crossing.cancelled
      ? ({ ok: true, body: { epoch: session.epoch } } as const)
      : await this.#options.homeAt(session.home).cancel(request);
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
      const isPledged = answer.code === PLEDGED;
      throw new FederationError(isPledged ? PLEDGED : "ERR_FED_UNAVAILABLE", answer.reason);
    }
    this.#end(session);
    return left;
  }

  async #stillHeld(session: PlayerSession): Promise<boolean> {
    const held = (await this.#options.visitors.get(session.player))?.held;
    return held?.phase === "held" && held.epoch === session.epoch;
  }

  /** Best effort: the seat lapses by itself anyway. Never rejects. */
  async #freeSeat({ transferId, destination, asked }: OpenCrossing): Promise<void> {
    // While it is being asked for, there is nothing to free yet.
    await asked?.seat.catch(() => undefined);
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
