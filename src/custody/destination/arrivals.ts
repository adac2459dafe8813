/**
 * Arrivals: a seat's client has come, home is asked for the player, and the session starts
 * (PROTOCOL 6, rules 2 and 3).
 */
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { Leases } from "../holder/leases.ts";
import type { Settlement } from "../holder/settlement.ts";
import type { Stays } from "../holder/stays.ts";
import { type HeldCustody, type VisitorBook } from "../holder/visitors.ts";
import { type CallAnswer, FederationError, isTrustRefusal } from "../../errors.ts";
import { Attribute } from "../../telemetry/names.ts";
import { NO_TELEMETRY, type Telemetry, endingOf } from "../../telemetry/telemetry.ts";
import { readTrace } from "../../telemetry/trace-context.ts";
import { refusal } from "../shared/calls.ts";
import { type Home, isDecidedElsewhere } from "../shared/home.ts";
import type { WonClaim } from "../shared/messages.ts";
import type { EndReceipts } from "../shared/end-receipts.ts";
import { type Moves, NOBODY_MOVED, currentPlayer } from "../shared/moves.ts";
import { isGuest } from "../shared/player-id.ts";
import { type PlayerBody, PlayerSession, type PlayerSessions } from "../shared/player-session.ts";
import type { SeatRecord } from "./seat-book.ts";
import type { SeatClaim } from "./seat-host.ts";
import type { Seats } from "./seats.ts";

/** A player whose custody this server has won and whose session may start. */
export interface Arrival {
  readonly player: string;
  readonly home: string;
  readonly name: string;
  readonly epoch: number;
  readonly state: JsonValue | undefined;
  /** Origin the player came from. */
  readonly from: string;
  readonly transferId: string;
  /** Monotonic time at which the claim that won it was sent. */
  readonly sentAt: number;
  readonly leaseSeconds: number;
  /** Home's signed receipt of the crossing, where it came with the claim. */
  readonly receipt: string | undefined;
  /** The same, where home is this very server. */
  readonly issued: Promise<string> | undefined;
  /** Whether the player has neither account nor key. */
  readonly guest: boolean;
  /** As of `PlayerSession`. */
  readonly orphanOf?: readonly string[] | undefined;
  /**
   * Where the session may start before the disk has it: false, or a rejection, when it never will, and the
   * session is over.
   */
  readonly recorded?: Promise<boolean>;
}

const SETTLE_BEFORE_CLAIM_MILLISECONDS = 3_000;

/** Options of {@link Arrivals}. */
export interface ArrivalsOptions {
  readonly origin: string;
  readonly seats: Seats;
  readonly visitors: VisitorBook;
  readonly sessions: PlayerSessions;
  readonly leases: Leases;
  readonly settlement: Settlement;
  readonly stays: Stays;
  readonly receipts: EndReceipts;
  readonly homeAt: (origin: string) => Home;
  /** Whether no other process has this server's store. */
  readonly alone: boolean;
  /** This process's life, where several processes are this server. */
  readonly life?: () => string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A session has started. */
  readonly onArrival?: ((arrival: Arrival) => void) | undefined;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

type Claimed = { readonly ok: true; readonly arrival: Arrival } | Exclude<CallAnswer, { ok: true }>;

/** Players who come into this server. */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  /** Players whose claim is under way. */
  readonly #busy = new Set<string>();

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /**
   * Claims custody for a seat whose client has come (rules 2 and 3). The seat is used up before
   * custody is recorded, or when home refuses; it stays when nobody knows, so that the client may
   * try again.
   */
  claim(claim: SeatClaim, seat: SeatRecord): Promise<Claimed> {
    const { telemetry = NO_TELEMETRY } = this.#options;
    const details = { [Attribute.Peer]: claim.caller, [Attribute.Transfer]: claim.transferId };
    const parent = readTrace(seat.trace);
    return telemetry.run({ kind: "arrival", details, parent, ended: endingOf }, () =>
      this.#claim(claim, seat),
    );
  }

  async #claim(claim: SeatClaim, seat: SeatRecord): Promise<Claimed> {
    const { clock, origin, homeAt, logger, moves = NOBODY_MOVED } = this.#options;
    const { player, transferId } = claim;
    if (this.#options.stays.isEnding(player)) {
      return refusal("ERR_FED_SEAT_BUSY", "the player's former stay here is not settled yet");
    }
    if (this.#busy.has(player)) {
      return refusal("ERR_FED_SEAT_BUSY", "the player is arriving already");
    }
    this.#busy.add(player);
    try {
      if (!(await this.#letGoOfFormerStay(player))) {
        return refusal("ERR_FED_SEAT_BUSY", "the player's former stay here is not settled yet");
      }
      const home = moves.currentOrigin(seat.home);
      const sentAt = clock.monotonic();
      let answer: Awaited<ReturnType<Home["claim"]>>;
      try {
        answer = await homeAt(home).claim(transferId);
      } catch (cause) {
        logger.debug(
          `${home} did not answer a claim: ${cause instanceof Error ? cause.message : "unknown"}`,
          { peer: home },
        );
        return cause instanceof FederationError && isTrustRefusal(cause.code)
          ? refusal(cause.code, "the player's home does not deal with this server right now")
          : refusal("ERR_FED_UNREACHABLE", "the player's home does not answer; try again");
      }
      if (!answer.ok) {
        if (isDecidedElsewhere(answer.code)) {
          await this.#options.seats.drop(player, claim.caller, transferId, true);
        }
        return refusal(answer.code, answer.reason);
      }
      const { body } = answer;
      if (currentPlayer(moves, body.player) !== currentPlayer(moves, player)) {
        return refusal("ERR_FED_BAD_RESPONSE", "home answered for another player");
      }
      // Alone, the session need not wait for the disk: a crash before it costs what one before this line does,
      // the wait for a lease, and whatever comes after waits for it. Among several, another may have been first.
      const isBehind = body.stateFault === undefined && this.#options.alone;
      let recorded: Promise<boolean> | undefined;
      try {
        const taken = await this.#options.seats.take(player, seat);
        if (taken && home !== origin) recorded = this.#record(player, home, body, seat.jkt);
        if (!taken || (!isBehind && (await recorded) === false)) {
          return refusal("ERR_FED_SEAT_BUSY", "the player arrived through another seat");
        }
      } catch (cause) {
        // Whether it was written or not: nobody plays the player here, so it goes home again.
        if (home !== origin) this.#giveUp(player, body.epoch);
        await this.#options.seats.giveFree(player, seat);
        throw cause;
      }
      if (body.stateFault !== undefined) {
        // Playing on without its belongings would put nothing in their place: it goes straight home.
        logger.warn(
          `${home} says of ${player} what cannot be carried: ${body.stateFault.path} ${body.stateFault.reason}`,
          { peer: home, player },
        );
        this.#options.settlement.settleInBackground(player);
        await this.#options.seats.giveFree(player, seat);
        return refusal(
          "ERR_FED_STATE_INVALID",
          "home says what cannot be carried; it has the player",
        );
      }
      return {
        ok: true,
        arrival: {
          player,
          home,
          name: body.name,
          epoch: body.epoch,
          state: body.state,
          from: claim.caller,
          transferId,
          sentAt,
          leaseSeconds: body.leaseSeconds,
          receipt: body.receipt,
          issued: body.issued,
          guest: isGuest(player) && seat.jkt === undefined,
          ...(body.orphanOf === undefined ? {} : { orphanOf: body.orphanOf }),
          ...(isBehind && recorded !== undefined ? { recorded } : {}),
        },
      };
    } finally {
      this.#busy.delete(player);
    }
  }

  /** Rule 3: whether a player could be claimed now; a stay of its own that is ending gets a moment. */
  async isFree(player: string): Promise<boolean> {
    if (this.#options.stays.isEnding(player) || this.#busy.has(player)) return false;
    return this.#letGoOfFormerStay(player);
  }

  /** Writes down that the player is held here. A state that nobody can read goes straight home. */
  #record(
    player: string,
    home: string,
    { epoch, stateFault }: WonClaim,
    jkt: string | undefined,
  ): Promise<boolean> {
    const life = this.#options.life?.();
    const held: HeldCustody = {
      epoch,
      phase: stateFault === undefined ? "held" : "returning",
      ...(life === undefined ? {} : { life }),
    };
    const recorded = this.#options.visitors.hold(player, home, held, jkt);
    // Whoever waits for it hears of it; nobody may.
    recorded.catch(() => undefined);
    return recorded;
  }

  /** Rule 3: no claim while the player is held already; a stay that is ending gets a moment. */
  async #letGoOfFormerStay(player: string): Promise<boolean> {
    const { visitors, settlement, clock } = this.#options;
    if ((await visitors.get(player)) === undefined) return true;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, SETTLE_BEFORE_CLAIM_MILLISECONDS);
      void settlement.settle(player).finally(() => {
        clock.clearTimeout(timer);
        resolve();
      });
    });
    return (await visitors.get(player)) === undefined;
  }

  /** Starts the session of a player that arrived, at home or as a visitor. */
  begin(arrival: Arrival, body: PlayerBody): PlayerSession {
    const { origin, sessions, leases, receipts, onArrival } = this.#options;
    const atHome = arrival.home === origin;
    const former = sessions.get(arrival.player);
    if (former !== undefined) {
      sessions.remove(former);
      former.body.end("ERR_FED_SUPERSEDED", "You came back through another door.");
    }
    const session = new PlayerSession({
      player: arrival.player,
      home: arrival.home,
      atHome,
      name: arrival.name,
      guest: atHome && arrival.guest,
      epoch: arrival.epoch,
      from: arrival.from,
      body,
      orphanOf: arrival.orphanOf,
    });
    sessions.add(session);
    this.#options.seats.isHere(comerOf(arrival));
    void arrival.recorded
      ?.catch(() => false)
      .then((held) => (held ? undefined : this.#unrecorded(session)));
    if (atHome) {
      session.receipt = Promise.resolve(arrival.issued).catch(() => undefined);
    } else {
      leases.won(session, arrival.sentAt, arrival.leaseSeconds);
      session.receipt = receipts.keep({ ...arrival, to: origin }, arrival.receipt);
    }
    onArrival?.(arrival);
    return session;
  }

  /** The store would not have it that the player is held here: the session ends, and the player goes home. */
  async #unrecorded(session: PlayerSession): Promise<void> {
    const { sessions, stays, homeAt, logger } = this.#options;
    const { player, home, epoch } = session;
    logger.error(`that ${player} is held here could not be stored: it goes home again`, undefined, {
      player,
      code: "ERR_FED_STORE_UNAVAILABLE",
    });
    const state = session.carry();
    if (!session.ended) {
      sessions.remove(session);
      session.body.end("ERR_FED_STORE_UNAVAILABLE", "This server cannot keep you right now.");
    }
    // There may be nothing here to settle, so home is asked at once; it expires the lease if it does not hear.
    const request = { player, epoch, ...(state === undefined ? {} : { state }) };
    await homeAt(home)
      .giveBack(request)
      .catch(() => undefined);
    // It may have been written all the same.
    await stays.giveBack(player, epoch, state).catch(() => undefined);
  }

  /** A claim was won but no session came of it: the player goes home unchanged. */
  async abort(arrival: Arrival): Promise<void> {
    const { origin, stays, seats } = this.#options;
    seats.isHere(comerOf(arrival));
    if (arrival.home === origin) return;
    await stays.giveBack(arrival.player, arrival.epoch, undefined);
  }

  #giveUp(player: string, epoch: number): void {
    this.#options.stays.giveBack(player, epoch, undefined).catch(() => undefined);
  }
}

function comerOf({ player, from, transferId }: Arrival): SeatClaim {
  return { player, caller: from, transferId };
}
