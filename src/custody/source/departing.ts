/**
 * The two questions of a crossing: home is asked to let the player go, the destination for a seat.
 *
 * A refusal of either is a {@link Stay}; anything else that is thrown is this server's own failure.
 */
import {
  type FederationErrorCode,
  failureOf,
  isTrustRefusal,
  refusalSentence,
} from "../../errors.ts";
import type { StateFault } from "../../json.ts";
import type { Clock, Logger } from "../../ports.ts";
import { type VisitorBook, inPhase } from "../holder/visitors.ts";
import type { Home } from "../shared/home.ts";
import type { PeerCalls } from "../../ports.ts";
import { shownText } from "../../words.ts";
import { departSchema } from "../shared/messages.ts";
import type { PlayerSession } from "../shared/player-session.ts";
import { type ReservedSeat, reservationAnswerSchema } from "../shared/reservation.ts";

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

/** A departure that home and the destination are asked about. */
export interface Departure {
  readonly transferId: string;
  readonly session: PlayerSession;
  readonly destination: CrossingDestination;
  /** Default: the player goes alone. */
  readonly party?: object | undefined;
}

/** What asking needs. */
export interface DepartingOptions {
  readonly visitors: VisitorBook;
  readonly homeAt: (origin: string) => Home;
  readonly peers: PeerCalls;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Writes a guest of this home down, before it departs for the first time. */
  readonly enrol: (session: PlayerSession) => Promise<unknown>;
  /** Whether a home gives a player who comes home its seat with the departure. Default: none does. */
  readonly givesSeats?: ((home: string) => boolean) | undefined;
}

/** Why the player stays where it is: said to its client. */
export class Stay extends Error {
  readonly code: FederationErrorCode;
  /** Whether it is about the destination alone: another one may take the player all the same. */
  readonly elsewhere: boolean;
  constructor(code: FederationErrorCode, message: string, elsewhere = false) {
    super(message);
    this.code = code;
    this.elsewhere = elsewhere;
  }
}

/** What a player is told whose belongings cannot travel. */
export function cannotTravel(kind: StateFault["kind"]): string {
  return kind === "not-json"
    ? "This world cannot say what you carry right now, so you stay here. Try again later."
    : "You carry more than can pass through a portal. Put something down and try again.";
}

const CALL_TIMEOUT_MILLISECONDS = 5_000;
/** Where a destination says nothing. */
export const NO_ANSWER = {
  code: "ERR_FED_DESTINATION_DOWN",
  message: "The other server does not answer right now.",
} as const;
const HOME_SILENT = {
  code: "ERR_FED_UNREACHABLE",
  message: "Your home server does not answer.",
} as const;
const HOME_REFUSES =
  "Your home server does not deal with this one right now. The operators can read why.";
/** A player waits no longer for a seat to be taken, whatever the destination says. */
const MAX_SEAT_SECONDS = 60;

/**
 * Freezes the player durably, then asks its home. Returns the pass, and the seat where home is the destination and has
 * given one with it: who goes with a party has it from elsewhere. `ahead`: as {@link Home.depart}.
 *
 * @throws Stay when the player stays.
 */
export async function depart(
  { visitors, homeAt, enrol, clock, givesSeats }: DepartingOptions,
  { session, destination, transferId, party }: Departure,
  ahead: (pass: string) => void,
): Promise<{ readonly pass: string; readonly seat: ReservedSeat | undefined }> {
  const state = session.carry();
  const { origin, options } = destination;
  const asksForSeat =
    party === undefined &&
    !session.atHome &&
    session.home === origin &&
    givesSeats?.(origin) === true;
  const request = {
    transferId,
    player: session.player,
    epoch: session.epoch,
    to: destination.origin,
    world: destination.world,
    ...(state === undefined ? {} : { state }),
    ...(asksForSeat ? { seat: { options } } : {}),
  };
  if (session.atHome && session.guest) await enrol(session);
  const sayable = departSchema.safeParse(request);
  if (!sayable.success) throw unsayable(sayable.error.issues[0]?.path[0] === "state");
  if (!session.atHome) {
    const frozen = await visitors.changeHeld(
      session.player,
      (held) => held.phase === "held" && held.epoch === session.epoch,
      (held) => inPhase(held, "frozen", { transferId, ...(state === undefined ? {} : { state }) }),
    );
    if (!frozen) throw new Stay("ERR_FED_STALE_CUSTODY", "You are not held here any more.");
  }
  const answer = await homeAt(session.home)
    .depart(sayable.data, ahead)
    .catch((cause: unknown) => {
      if (session.atHome) throw cause;
      const { code, message } = failureOf(cause, HOME_SILENT);
      throw new Stay(code, code === HOME_SILENT.code ? message : HOME_REFUSES);
    });
  if (!answer.ok && answer.code === "ERR_FED_STATE_INVALID") throw unsayable(true);
  if (!answer.ok) {
    const refuses = isTrustRefusal(answer.code);
    throw new Stay(
      answer.code,
      refuses ? HOME_REFUSES : "Your home server does not let you go right now.",
      // Home lets nobody go to a server that it does not trust.
      answer.code === "ERR_FED_NOT_TRUSTED",
    );
  }
  const { pass, seat } = answer.body;
  // Home speaks for its own seats alone. One that makes no sense is asked for, as one that home has not given.
  const isHomes = asksForSeat && seat?.origin === origin;
  return { pass, seat: isHomes ? reservedUntil(seat, clock) : undefined };
}

/** What home could not read is not sent to it. */
function unsayable(isState: boolean): Stay {
  return isState
    ? new Stay("ERR_FED_STATE_INVALID", cannotTravel("too-large"))
    : new Stay("ERR_FED_MALFORMED", "This portal cannot be passed: its server has a fault.");
}

const SEAT_REFUSALS: Partial<Record<FederationErrorCode, string>> = {
  ERR_FED_WORLD_UNKNOWN: "The other server has no such world.",
  ERR_FED_WORLD_FULL: "The other world is full right now.",
  ERR_FED_WORLD_LOCKED: "The other world is locked right now.",
  ERR_FED_TOO_MANY_VISITORS: "The other server takes no more visitors from there right now.",
};
const MAX_REASON_LENGTH = 200;

/** What a player is told of a refusal: this server's own words, but for whom the other one admits. */
export function seatRefusal({
  code,
  detail,
}: {
  code: FederationErrorCode;
  detail?: string;
}): string {
  if (code !== "ERR_FED_ADMISSION_REFUSED") {
    return refusalSentence(code) ?? SEAT_REFUSALS[code] ?? "The other server refuses.";
  }
  const reason = shownText(detail, MAX_REASON_LENGTH);
  return `The other server does not admit you${reason === undefined ? "." : `; it says: “${reason}”`}`;
}

/**
 * Asks the destination for a seat.
 *
 * @param patienceMilliseconds how long the destination may take to answer, 5 s at most
 * @throws Stay when there is none.
 */
export async function reserve(
  { peers, clock, logger }: Pick<DepartingOptions, "peers" | "clock" | "logger">,
  { destination, transferId }: Omit<Departure, "session">,
  pass: string,
  patienceMilliseconds = CALL_TIMEOUT_MILLISECONDS,
): Promise<ReservedSeat> {
  const answer = await peers
    .call(
      destination.origin,
      "/reservations",
      { transferId, pass, world: destination.world, options: destination.options },
      { timeoutMilliseconds: Math.min(CALL_TIMEOUT_MILLISECONDS, patienceMilliseconds) },
    )
    .catch((cause: unknown) => {
      logger.debug(
        `${destination.origin} did not reserve: ${cause instanceof Error ? cause.message : "unknown"}`,
        { peer: destination.origin },
      );
      const { code, message } = failureOf(cause, NO_ANSWER);
      throw new Stay(code, message, true);
    });
  if (!answer.ok) throw new Stay(answer.code, seatRefusal(answer), true);
  const parsed = reservationAnswerSchema.safeParse(answer.body);
  if (!parsed.success || parsed.data.origin !== destination.origin) {
    throw new Stay("ERR_FED_BAD_RESPONSE", "The other server's answer makes no sense.", true);
  }
  return reservedUntil(parsed.data, clock);
}

/** A seat as a source takes it: one that waits for longer is read as one that waits for 60 s. */
export function reservedUntil(seat: ReservedSeat, clock: Clock): ReservedSeat {
  const latest = Math.floor(clock.now() / 1000) + MAX_SEAT_SECONDS;
  return { ...seat, expiresAt: Math.min(seat.expiresAt, latest) };
}
