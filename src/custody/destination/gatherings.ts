/**
 * Parties on their way into this server (PROTOCOL 7): each client that has come waits for the others; then all homes
 * pledge, then all claims are sent, and only when all of them are won does any session start.
 *
 * What is decided here is in memory alone: sessions never survive a restart, and whoever finds nobody here any more is
 * as one whose client never came. So a restart presumes that nobody goes; what had been claimed goes home.
 */
import type { CallAnswer, FederationErrorCode } from "../../errors.ts";
import { untilAnswered, withinMilliseconds } from "../shared/deadlines.ts";
import type { Clock, Logger, PeerCalls, TimerHandle } from "../../ports.ts";
import type { Stays } from "../holder/stays.ts";
import { refusal } from "../shared/calls.ts";
import type { Home } from "../shared/home.ts";
import { type Moves, NOBODY_MOVED, currentPlayer } from "../shared/moves.ts";
import type { PlayerSessions } from "../shared/player-session.ts";
import type { Arrival, Arrivals } from "./arrivals.ts";
import type { SeatRecord, SeatedParty } from "./seat-book.ts";
import type { SeatClaim } from "./seat-host.ts";
import type { Seats } from "./seats.ts";

/** A client's connection, which waits while its party gathers. */
export interface WaitingConnection {
  readonly isOpen: () => boolean;
  /** Hears when it closes. Returns how to stop hearing. */
  onClose(listener: () => void): () => void;
}

type Refused = Exclude<CallAnswer, { ok: true }>;
type Claimed = { readonly ok: true; readonly arrival: Arrival } | Refused;

/** Options of {@link Gatherings}. */
export interface GatheringsOptions {
  readonly origin: string;
  readonly seats: Seats;
  readonly arrivals: Arrivals;
  readonly stays: Stays;
  readonly sessions: PlayerSessions;
  readonly homeAt: (origin: string) => Home;
  readonly peers: PeerCalls;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Before the seats lapse, this much is kept for pledges and claims. */
const DECIDING_MILLISECONDS = 5_000;
/** Of it, for the claims. */
const CLAIMING_MILLISECONDS = 3_000;
/** The seats themselves have to be taken in time. */
const TAKING_MILLISECONDS = 500;
/** Homes have so long for all of their pledges, and for all of their claims. */
const PHASE_MILLISECONDS = 5_000;
/** A client that has lost its connection may come again for so long. */
const COMING_AGAIN_MILLISECONDS = 3_000;
/** A pledge that is over by the time its claim arrives is worth nothing. */
const PLEDGE_LEFT_MILLISECONDS = 2_000 + CLAIMING_MILLISECONDS;
const AGAIN_MILLISECONDS = 250;
/** Nobody waits for these: a pledge runs out by itself. */
const UNPLEDGING_MILLISECONDS = 30_000;
/** Whoever comes after its party was broken off is told why, for so long. */
const REMEMBERED_MILLISECONDS = 60_000;

/** Refusals, and failures, after which the same question may be answered in another way. */
const PASSING: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_RATE_LIMITED",
  "ERR_FED_SEAT_BUSY",
  "ERR_FED_STORE_UNAVAILABLE",
  "ERR_FED_UNAVAILABLE",
  "ERR_FED_UNREACHABLE",
]);

/** Whether home, or this server, would say the same again. */
function isFinal(
  said: { readonly ok: true } | { readonly ok: false; readonly code: FederationErrorCode },
): boolean {
  return said.ok || !PASSING.has(said.code);
}

const broken = (reason: string): Refused => refusal("ERR_FED_PARTY_BROKEN", reason);

/** All parties that gather here. */
export class Gatherings {
  readonly #options: GatheringsOptions;
  readonly #open = new Map<string, Gathering>();
  /** Why parties were broken off, by caller and id. */
  readonly #over = new Map<string, { readonly at: number; readonly refused: Refused }>();

  constructor(options: GatheringsOptions) {
    this.#options = options;
    options.stays.onEnding((player, epoch) => {
      for (const gathering of this.#open.values()) gathering.takenBack(player, epoch);
    });
    options.sessions.onAdded(({ player }) => {
      for (const gathering of this.#open.values()) gathering.takenBack(player, undefined);
    });
  }

  /**
   * A seat's client has come. Whoever comes alone is claimed at once; a member of a party waits until all have come,
   * and are claimed. Resolves as {@link Arrivals.claim}, for a party that is broken off with `ERR_FED_PARTY_BROKEN`.
   */
  async arrive(
    claim: SeatClaim,
    seat: SeatRecord,
    connection: WaitingConnection,
  ): Promise<Claimed> {
    const { party } = seat;
    if (party === undefined) return this.#options.arrivals.claim(claim, seat);
    const key = keyOf(claim.caller, party.id);
    const over = this.#over.get(key);
    if (over !== undefined) return over.refused;
    let gathering = this.#open.get(key);
    if (gathering === undefined) {
      const opened: Gathering = new Gathering(
        this.#options,
        claim.caller,
        seat,
        party,
        (refused) => {
          if (this.#open.get(key) === opened) this.#open.delete(key);
          if (refused !== undefined) this.#remember(key, refused);
        },
      );
      this.#open.set(key, opened);
      gathering = opened;
    }
    return gathering.come(claim, seat, connection);
  }

  /** The source takes a member back: it turned round, or its party was broken off there. */
  left(caller: string, transferId: string): void {
    for (const gathering of this.#open.values()) gathering.left(caller, transferId);
  }

  /** Breaks off all parties: this server is stopping. Of one server: its players do not come any more. */
  callOff(origin?: string): void {
    for (const gathering of this.#open.values()) {
      if (origin === undefined || gathering.concerns(origin)) {
        gathering.breakOff("The other server does not take the party any more.");
      }
    }
  }

  #remember(key: string, refused: Refused): void {
    const { clock } = this.#options;
    for (const [known, { at }] of this.#over) {
      if (clock.monotonic() - at < REMEMBERED_MILLISECONDS) break;
      this.#over.delete(known);
    }
    this.#over.set(key, { at: clock.monotonic(), refused });
  }
}

interface Member {
  readonly transferId: string;
  readonly player: string;
  readonly name: string;
  /** While its client waits. */
  waiting:
    | {
        readonly claim: SeatClaim;
        readonly seat: SeatRecord;
        readonly connection: WaitingConnection;
        readonly answer: (claimed: Claimed) => void;
      }
    | undefined;
  /** Whether home was asked for a pledge: it has to be ended then. */
  asked: Home | undefined;
  /** It does not come any more. */
  out: boolean;
  arrival: Arrival | undefined;
  /** Whether somebody else has the player since it was claimed. */
  takenBack: boolean;
}

/** One party. */
class Gathering {
  readonly #options: GatheringsOptions;
  readonly #caller: string;
  readonly #party: SeatedParty;
  readonly #members: readonly Member[];
  readonly #onOver: (refused: Refused | undefined) => void;
  /** Monotonic time at which the seats lapse. */
  readonly #seatsEnd: number;
  #phase: "gathering" | "pledging" | "claiming" | "over" = "gathering";
  #timer: TimerHandle | undefined;

  constructor(
    options: GatheringsOptions,
    caller: string,
    { expiresAt }: SeatRecord,
    party: SeatedParty,
    onOver: (refused: Refused | undefined) => void,
  ) {
    const { clock } = options;
    this.#options = options;
    this.#caller = caller;
    this.#party = party;
    this.#onOver = onOver;
    this.#members = party.members.map((member) => ({
      ...member,
      ...{ waiting: undefined, asked: undefined, out: false },
      ...{ arrival: undefined, takenBack: false },
    }));
    this.#seatsEnd = clock.monotonic() + expiresAt * 1000 - clock.now();
    this.#waitUntil(this.#seatsEnd - DECIDING_MILLISECONDS);
  }

  concerns(origin: string): boolean {
    return this.#caller === origin;
  }

  come(claim: SeatClaim, seat: SeatRecord, connection: WaitingConnection): Promise<Claimed> {
    const member = this.#members.find(
      ({ transferId, player, out }) =>
        transferId === claim.transferId && player === claim.player && !out,
    );
    if (member === undefined) {
      return Promise.resolve(refusal("ERR_FED_SEAT_UNKNOWN", "the seat is not of this party"));
    }
    const isBusy = member.waiting?.connection.isOpen() === true;
    if (this.#phase !== "gathering" || isBusy) {
      return Promise.resolve(refusal("ERR_FED_SEAT_BUSY", "the player is arriving already"));
    }
    this.#dismiss(member, refusal("ERR_FED_SEAT_BUSY", "the client came by another connection"));
    return new Promise((resolve) => {
      const stop = connection.onClose(() => {
        this.#gone(member, connection);
      });
      const answer = (claimed: Claimed): void => {
        stop();
        resolve(claimed);
      };
      member.waiting = { claim, seat, connection, answer };
      this.#tell();
      this.#look();
    });
  }

  left(caller: string, transferId: string): void {
    const member = this.#members.find(
      (each) => each.transferId.toLowerCase() === transferId.toLowerCase(),
    );
    if (caller !== this.#caller || member === undefined || member.out) return;
    // Once claims are sent, home decides who was first.
    if (this.#phase === "claiming" || this.#phase === "over") return;
    const reason = `${member.name} does not come along.`;
    if (!this.#party.others) {
      this.breakOff(reason, member);
      return;
    }
    member.out = true;
    this.#dismiss(member, broken(reason));
    this.#endPledge(member);
    this.#look();
  }

  /** Somebody else has the player since it was claimed: under an epoch of ours, or by a login at this home. */
  takenBack(player: string, epoch: number | undefined): void {
    for (const member of this.#members) {
      const { arrival } = member;
      if (arrival?.player !== player) continue;
      const isOurs = epoch === undefined ? arrival.home === this.#options.origin : true;
      if (isOurs && (epoch === undefined || arrival.epoch === epoch)) member.takenBack = true;
    }
  }

  /** Nobody goes; each client that waits is told the same. */
  breakOff(reason: string, because?: Member): void {
    if (this.#phase === "over") return;
    this.#phase = "over";
    this.#stopWaiting();
    this.#tell(because === undefined ? [] : [because], true);
    const refused = broken(reason);
    for (const member of this.#members) {
      const { arrival, takenBack, waiting } = member;
      // Won, and nobody plays it: home has it back.
      if (arrival !== undefined && !takenBack) this.#giveBack(arrival);
      this.#endPledge(member);
      this.#dropSeat(member, waiting?.seat);
      this.#dismiss(member, refused);
    }
    this.#onOver(refused);
  }

  /** A connection has closed. The client may come again, for a moment. */
  #gone(member: Member, connection: WaitingConnection): void {
    if (member.waiting?.connection !== connection) return;
    // Later, whoever has gone is let go of once its claim is decided.
    if (this.#phase !== "gathering") return;
    this.#dismiss(member, refusal("ERR_FED_SEAT_UNKNOWN", "the client has gone"));
    this.#tell();
    const { clock } = this.#options;
    const soon = clock.monotonic() + COMING_AGAIN_MILLISECONDS;
    this.#waitUntil(Math.min(soon, this.#seatsEnd - DECIDING_MILLISECONDS));
  }

  #look(): void {
    const left = this.#members.filter(({ out }) => !out);
    if (this.#phase !== "gathering") return;
    if (left.length === 0) this.breakOff("Nobody comes any more.");
    else if (left.every(({ waiting }) => waiting !== undefined)) void this.#decide();
  }

  /** The time for the others is over. */
  #late(): void {
    if (this.#phase !== "gathering") return;
    const absent = this.#members.filter(({ waiting, out }) => waiting === undefined && !out);
    const [first] = absent;
    if (first !== undefined && !this.#party.others) {
      this.breakOff(`${first.name} did not come in time.`, first);
      return;
    }
    for (const member of absent) this.#leaveOut(member, `${member.name} did not come in time.`);
    this.#look();
  }

  async #decide(): Promise<void> {
    this.#phase = "pledging";
    this.#stopWaiting();
    try {
      const going = await this.#havePledged();
      if (going === undefined) return;
      this.#phase = "claiming";
      await this.#claimAll(going);
    } catch (cause) {
      this.#options.logger.error("a party could not be decided", cause);
      this.breakOff("This server cannot take the party right now.");
    }
  }

  /** All homes have pledged: who goes. Undefined when nobody does. */
  async #havePledged(): Promise<readonly Member[] | undefined> {
    const { clock } = this.#options;
    const coming = this.#members.filter(({ out }) => !out);
    const until = Math.min(
      this.#seatsEnd - CLAIMING_MILLISECONDS,
      clock.monotonic() + PHASE_MILLISECONDS,
    );
    const reasons = await Promise.all(
      coming.map(async (member) => {
        const refused = await this.#pledge(member, until);
        // A member that cannot go ends it for all at once.
        if (refused !== undefined && !this.#party.others) this.breakOff(refused, member);
        return refused;
      }),
    );
    if (this.#isOver) return undefined;
    const going: Member[] = [];
    for (const [at, member] of coming.entries()) {
      const reason = reasons[at] ?? this.#absence(member);
      if (reason === undefined) going.push(member);
      else if (this.#party.others) this.#leaveOut(member, reason);
      else {
        this.breakOff(reason, member);
        return undefined;
      }
    }
    if (going.length > 0) return going;
    this.breakOff("Nobody of the party can come.");
    return undefined;
  }

  get #isOver(): boolean {
    return this.#phase === "over";
  }

  #absence({ waiting, out, name }: Member): string | undefined {
    return out || waiting?.connection.isOpen() !== true ? `${name} has gone.` : undefined;
  }

  /** Why a member cannot go; undefined once its home has pledged it. */
  async #pledge(member: Member, until: number): Promise<string | undefined> {
    const { arrivals, homeAt, clock, seats } = this.#options;
    const { waiting, player, transferId, name } = member;
    if (waiting === undefined) return `${name} has gone.`;
    const { home } = waiting.seat;
    const partyId = this.#party.id;
    // A claim is made only while the player is not held here: what would keep it is settled before anybody is asked.
    const free = await withinMilliseconds(
      clock,
      until - clock.monotonic(),
      arrivals.isFree(player),
    );
    if (free !== true) return `${name} has not left this server yet.`;
    if (this.#isOver) return undefined;
    member.asked = homeAt(home);
    let sentAt = 0;
    const answer = await untilAnswered(
      { clock, until, againMilliseconds: AGAIN_MILLISECONDS, goesOn: () => !this.#isOver },
      () => {
        sentAt = clock.monotonic();
        return homeAt(home).pledge({ transferId, partyId });
      },
      isFinal,
    );
    if (answer === undefined) return `The home of ${name} does not answer.`;
    const { moves = NOBODY_MOVED } = this.#options;
    if (!answer.ok || currentPlayer(moves, answer.body.player) !== currentPlayer(moves, player)) {
      return `The home of ${name} does not let go of it.`;
    }
    const left = sentAt + answer.body.pledgeSeconds * 1000 - clock.monotonic();
    if (left < PLEDGE_LEFT_MILLISECONDS) return `The home of ${name} answers too late.`;
    // The source may have given the seat back, to another process of this server.
    const { claim, seat } = waiting;
    return (await seats.find(claim, seat.sessionId)) === undefined
      ? `${name} does not come along.`
      : undefined;
  }

  /** Nobody's session starts before every claim is decided. */
  async #claimAll(going: readonly Member[]): Promise<void> {
    const { clock, logger } = this.#options;
    const until = Math.min(
      this.#seatsEnd - TAKING_MILLISECONDS,
      clock.monotonic() + PHASE_MILLISECONDS,
    );
    await Promise.all(going.map((member) => this.#claim(member, until)));
    if (this.#isOver) return;
    // In one turn: whoever is let in here begins its session before anything else happens.
    const reasons = going.map((member) => this.#whyNot(member));
    const at = reasons.findIndex((reason) => reason !== undefined);
    const because = going[at];
    if (because !== undefined && !this.#party.others) {
      const { player } = because;
      logger.warn(
        `a party of ${this.#caller} is broken off after its claims: ${player} cannot come; those that were won go home`,
        { peer: this.#caller, player },
      );
      this.breakOff(reasons[at] ?? "", because);
      return;
    }
    this.#phase = "over";
    for (const [each, member] of going.entries()) {
      const { arrival, waiting } = member;
      const reason = reasons[each];
      if (reason === undefined && arrival !== undefined) waiting?.answer({ ok: true, arrival });
      else this.#leaveOut(member, reason ?? "");
    }
    this.#onOver(undefined);
  }

  /** Why a member does not come in whose claim has been decided. */
  #whyNot({ arrival, takenBack, waiting, name }: Member): string | undefined {
    if (arrival === undefined) return `${name} could not be brought along.`;
    if (takenBack) return `${name} was called home.`;
    return waiting?.connection.isOpen() === true ? undefined : `${name} has gone.`;
  }

  async #claim(member: Member, until: number): Promise<void> {
    const { arrivals, clock } = this.#options;
    const { waiting } = member;
    if (waiting === undefined) return;
    const { claim, seat } = waiting;
    const mayBeHad = (): boolean => this.#phase === "claiming" && clock.monotonic() < until;
    const won = await untilAnswered(
      { clock, until, againMilliseconds: AGAIN_MILLISECONDS, goesOn: mayBeHad },
      async () => {
        const claimed = await arrivals.claim(claim, seat);
        // Asked in time, and answered too late: nobody waits for it any more.
        if (claimed.ok && !mayBeHad()) this.#giveBack(claimed.arrival);
        else if (claimed.ok) member.arrival = claimed.arrival;
        return claimed;
      },
      isFinal,
    );
    const { arrival } = member;
    if (won?.ok !== true || arrival?.recorded === undefined) return;
    // Nobody plays before it is written down of all that they are here.
    const left = until - clock.monotonic();
    const isRecorded = await withinMilliseconds(clock, left, arrival.recorded).catch(() => false);
    if (isRecorded === true) return;
    member.arrival = undefined;
    this.#giveBack(arrival);
  }

  #giveBack(arrival: Arrival): void {
    this.#options.arrivals.abort(arrival).catch(() => undefined);
  }

  /** The others go without it. */
  #leaveOut(member: Member, reason: string): void {
    const { arrival, takenBack } = member;
    member.out = true;
    if (arrival !== undefined && !takenBack) this.#giveBack(arrival);
    this.#endPledge(member);
    this.#dropSeat(member, member.waiting?.seat);
    this.#dismiss(member, broken(reason));
    this.#tell([member]);
  }

  #dismiss(member: Member, refused: Refused): void {
    const { waiting } = member;
    member.waiting = undefined;
    waiting?.answer(refused);
  }

  /** Best effort: the seat lapses by itself. */
  #dropSeat({ player, transferId, arrival }: Member, seat: SeatRecord | undefined): void {
    if (arrival !== undefined) return;
    this.#options.seats
      .drop(player, seat?.caller ?? this.#caller, transferId, true)
      .catch(() => undefined);
  }

  /** Until home has heard of it, the source cannot take the player back; nobody waits for that here. */
  #endPledge(member: Member): void {
    const { asked, transferId } = member;
    const partyId = this.#party.id;
    member.asked = undefined;
    if (asked === undefined) return;
    const { clock } = this.#options;
    const until = clock.monotonic() + UNPLEDGING_MILLISECONDS;
    const ends = { clock, until, againMilliseconds: AGAIN_MILLISECONDS, goesOn: () => true };
    void untilAnswered(ends, () => asked.unpledge({ transferId, partyId }), isFinal);
  }

  /** Tells the source who has come, for its players to see, and who cannot. Best effort. */
  #tell(cannot: readonly Member[] = [], over = false): void {
    const waiting = this.#members
      .filter((member) => member.waiting !== undefined)
      .map(({ transferId }) => transferId);
    const told = {
      ...{ partyId: this.#party.id, waiting },
      ...(cannot.length === 0 ? {} : { cannot: cannot.map(({ transferId }) => transferId) }),
      ...(over ? { over } : {}),
    };
    this.#options.peers.call(this.#caller, "/parties/progress", told).catch(() => undefined);
  }

  #waitUntil(at: number): void {
    const { clock } = this.#options;
    this.#stopWaiting();
    this.#timer = clock.setTimeout(
      () => {
        this.#late();
      },
      Math.max(0, at - clock.monotonic()),
    );
  }

  #stopWaiting(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function keyOf(caller: string, partyId: string): string {
  return `${caller} ${partyId.toLowerCase()}`;
}
