/**
 * The source's side of a crossing (PROTOCOL 6 and 7): freeze, depart, reserve, tell the client,
 * then let go or take back.
 *
 * Every crossing ends in exactly one outcome, *arrived* or *stayed*. The source lets go only when
 * home has said that the destination claimed the player, and takes back only when home has
 * answered a cancel: never on a timer alone.
 */
import { z } from "zod";
import { FederationError, type FederationErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger, PeerCalls, Random, TimerHandle } from "../../ports.ts";
import { type Home, isDecidedElsewhere } from "../shared/home.ts";
import type { Leases } from "../holder/leases.ts";
import type { CancelRequest, DepartRequest } from "../shared/messages.ts";
import type { PlayerSession, PlayerSessions } from "../shared/player-session.ts";
import type { CancelOutcome, Settlement } from "../holder/settlement.ts";
import { type VisitorBook, inPhase } from "../holder/visitors.ts";

/** Where a crossing goes. */
export interface CrossingDestination {
  /** The portal URI as the player named it. */
  readonly uri: string;
  /** Destination server. */
  readonly origin: string;
  readonly world: string;
  /** Portal options for the destination room. */
  readonly options: Readonly<Record<string, string>>;
}

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
      /** What kept the player here; a client can show {@link message} to it. */
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

type Verdict = "departed" | "expired" | "abandoned";

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
  /** How settling has ended the departure, when it has. */
  settled: CancelOutcome | undefined;
}

/** Options of {@link Crossings}. */
export interface CrossingsOptions {
  readonly sessions: PlayerSessions;
  readonly visitors: VisitorBook;
  readonly settlement: Settlement;
  readonly leases: Leases;
  readonly homeAt: (origin: string) => Home;
  readonly peers: PeerCalls;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Writes a guest of this home down, before it departs for the first time. */
  readonly enrol: (session: PlayerSession) => Promise<unknown>;
  readonly onProgress?: (progress: CrossingProgress) => void;
  readonly onOutcome?: (outcome: CrossingOutcome, session: PlayerSession) => void;
}

const CALL_TIMEOUT_MILLISECONDS = 5_000;
/** A claim made in the last moment still has to reach home and come back as `departed`. */
const CLAIM_GRACE_MILLISECONDS = 1_500;

const reservationAnswerSchema = z.strictObject({
  reservation: z.strictObject({
    name: z.string().max(128),
    sessionId: z.string().min(1).max(128),
    roomId: z.string().min(1).max(128),
    processId: z.string().min(1).max(128),
    publicAddress: z.string().max(256).optional(),
    protocol: z.string().max(32).optional(),
    fingerprint: z.string().max(256).optional(),
    devMode: z.boolean().optional(),
  }),
  origin: z.string().max(300),
  expiresAt: z.int().nonnegative(),
});

class Stay extends Error {
  readonly code: FederationErrorCode;
  constructor(code: FederationErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** All crossings that leave this server. */
export class Crossings {
  readonly #options: CrossingsOptions;
  readonly #open = new Map<string, OpenCrossing>();

  constructor(options: CrossingsOptions) {
    this.#options = options;
  }

  /** The transfer a player is leaving with, if it is. */
  transferOf(player: string): string | undefined {
    return this.#open.get(player)?.transferId;
  }

  /**
   * Takes a player out of this server into another one. Resolves with the outcome, never rejects
   * for what peers or the network do. `transferId` is made here when not given.
   */
  async cross(
    session: PlayerSession,
    destination: CrossingDestination,
    transferId: string = this.#options.random.uuid(),
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
      settled: undefined,
    };
    this.#open.set(session.player, crossing);
    session.freeze("crossing");
    let outcome: CrossingOutcome;
    try {
      const reserved = await this.#leave(crossing, verdict);
      outcome =
        reserved === "departed"
          ? await this.#letGo(crossing)
          : await this.#takeBack(crossing, stayed(...reserved));
    } catch (cause) {
      // Our own store failed: what is on disk decides after the next start, and until then the
      // player stays frozen.
      this.#options.logger.error(`the crossing of ${session.player} cannot be settled`, cause);
      outcome = stayed("ERR_FED_UNAVAILABLE", "This server cannot settle the crossing right now.");
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
    this.#options.onOutcome?.(outcome, session);
    return outcome;
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
  settled(player: string, transferId: string, outcome: CancelOutcome): void {
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
      const pass = await this.#depart(crossing);
      this.#progress(crossing, "reserving");
      const seat = await this.#reserve(crossing, pass);
      this.#progress(crossing, "transit");
      crossing.told = true;
      crossing.session.body.transit({
        transferId: crossing.transferId,
        to: crossing.destination.uri,
        origin: seat.origin,
        reservation: seat.reservation as unknown as JsonValue,
        expiresAt: seat.expiresAt,
      });
      const waitMilliseconds =
        Math.max(0, seat.expiresAt * 1000 - clock.now()) + CLAIM_GRACE_MILLISECONDS;
      const timer: TimerHandle = clock.setTimeout(
        () => crossing.decide("expired"),
        waitMilliseconds,
      );
      const what = await verdict;
      clock.clearTimeout(timer);
      if (what === "departed") return "departed";
      return what === "abandoned"
        ? ["ERR_FED_CROSSING_ABANDONED", "You did not get into the other world."]
        : ["ERR_FED_CROSSING_EXPIRED", "The other world waited, but you did not arrive in time."];
    } catch (cause) {
      if (cause instanceof Stay) return [cause.code, cause.message];
      throw cause;
    }
  }

  async #depart(crossing: OpenCrossing): Promise<string> {
    const { session, destination, transferId } = crossing;
    const { visitors } = this.#options;
    const state = session.body.carry();
    if (session.atHome && session.guest) await this.#options.enrol(session);
    if (!session.atHome) {
      const frozen = await visitors.changeHeld(
        session.player,
        (held) => held.phase === "held" && held.epoch === session.epoch,
        (held) => inPhase(held, "frozen", { transferId }),
      );
      if (!frozen) throw new Stay("ERR_FED_STALE_CUSTODY", "You are not held here any more.");
    }
    const request: DepartRequest = {
      transferId,
      player: session.player,
      epoch: session.epoch,
      to: destination.origin,
      world: destination.world,
      ...(state === undefined ? {} : { state }),
    };
    const answer = await this.#options
      .homeAt(session.home)
      .depart(request)
      .catch((cause: unknown) => {
        if (session.atHome) throw cause;
        throw new Stay("ERR_FED_UNREACHABLE", "Your home server does not answer.");
      });
    if (!answer.ok) throw new Stay(answer.code, "Your home server does not let you go right now.");
    return answer.body.pass;
  }

  async #reserve(
    crossing: OpenCrossing,
    pass: string,
  ): Promise<z.infer<typeof reservationAnswerSchema>> {
    const { destination, transferId } = crossing;
    const answer = await this.#options.peers
      .call(
        destination.origin,
        "/reservations",
        { transferId, pass, world: destination.world, options: destination.options },
        { timeoutMilliseconds: CALL_TIMEOUT_MILLISECONDS },
      )
      .catch((cause: unknown) => {
        this.#options.logger.debug(
          `${destination.origin} did not reserve: ${cause instanceof Error ? cause.message : "unknown"}`,
        );
        throw new Stay(
          cause instanceof FederationError && cause.code === "ERR_FED_NOT_TRUSTED"
            ? cause.code
            : "ERR_FED_DESTINATION_DOWN",
          "The other server does not answer right now.",
        );
      });
    if (!answer.ok) throw new Stay(answer.code, answer.detail ?? "The other server refuses.");
    const parsed = reservationAnswerSchema.safeParse(answer.body);
    if (!parsed.success || parsed.data.origin !== destination.origin) {
      throw new Stay("ERR_FED_BAD_RESPONSE", "The other server's answer makes no sense.");
    }
    return parsed.data;
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
    this.#freeSeat(crossing);
    if (!session.atHome) {
      await this.#options.settlement.settle(session.player);
      const resumed =
        crossing.settled === "resumed" ||
        // The freeze itself had failed: home was never asked.
        (crossing.settled === undefined && (await this.#stillHeld(session)));
      if (resumed) session.thaw("crossing");
      return crossing.settled === "gone" || (crossing.settled === undefined && !resumed)
        ? left
        : stayed;
    }
    const request: CancelRequest = { transferId, player: session.player, epoch: session.epoch };
    const answer = await this.#options.homeAt(session.home).cancel(request);
    if (answer.ok) {
      session.epoch = answer.body.epoch;
      if (session.body.connected) session.thaw("crossing");
      else this.#end(session);
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

  /** Best effort: the seat lapses by itself anyway. */
  #freeSeat({ transferId, destination }: OpenCrossing): void {
    this.#options.peers
      .call(destination.origin, "/reservations/cancel", { transferId })
      .catch(() => undefined);
  }

  #end(session: PlayerSession): void {
    if (session.ended) return;
    this.#options.sessions.remove(session);
    this.#options.leases.lost(session);
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
