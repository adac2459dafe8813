/**
 * Parties that leave this server (PROTOCOL 7): each member departs as ever; then the destination is asked for the seats
 * of all of them at once. What becomes of each is decided by its home, as of anybody who leaves alone.
 */
import { z } from "zod";
import {
  type CallAnswer,
  type FederationErrorCode,
  failureOf,
  isFederationErrorCode,
} from "../../errors.ts";
import type { Clock, Logger, PeerCalls, Random } from "../../ports.ts";
import { malformed, refusal } from "../shared/calls.ts";
import { transferIdSchema } from "../shared/messages.ts";
import {
  type IfSomeCannot,
  MAX_PARTY_MEMBERS,
  type PartyMemberProgress,
  type PartyRefusal,
} from "../shared/party.ts";
import { orderedId } from "../shared/ordered-id.ts";
import type { PlayerSession } from "../shared/player-session.ts";
import { type ReservedSeat, reservationAnswerSchema } from "../shared/reservation.ts";
import type { CrossingOutcome, Crossings, PartyTicket } from "./crossings.ts";
import {
  type CrossingDestination,
  NO_ANSWER,
  Stay,
  reserve,
  reservedUntil,
  seatRefusal,
} from "./departing.ts";

/** How a party's crossing ended. */
export interface PartyOutcome {
  readonly partyId: string;
  /** The portal URI. */
  readonly to: string;
  /**
   * `arrived`: all have; `stayed`: all play on where they were; `parted`: some are there and some are not, as was
   * chosen, or because a claim was lost after others were won (they are at home then); `undecided`: this server stopped
   * before anybody knew.
   */
  readonly kind: "arrived" | "stayed" | "parted" | "undecided";
  /** Why somebody stayed: of `stayed` with `ifSomeCannot: "nobody"`, the same for all. */
  readonly reason?: PartyRefusal;
  /** In the order in which they were named. */
  readonly members: readonly { readonly player: string; readonly outcome: CrossingOutcome }[];
}

/** Options of {@link Parties}. */
export interface PartiesOptions {
  readonly origin: string;
  readonly crossings: Crossings;
  readonly peers: PeerCalls;
  /** Whether a server, or a home, knows parties. Default: every one does. */
  readonly knowsParties?: ((origin: string) => boolean) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How long members may take to depart, until none of them waits for the others any more. */
const DEPARTING_MILLISECONDS = 15_000;
const CALL_TIMEOUT_MILLISECONDS = 5_000;

/** How a client, or its absence, ends a crossing: of a party, it is told by whom. */
const LEFT_OUT: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_CROSSING_ABANDONED",
  "ERR_FED_CROSSING_EXPIRED",
  "ERR_FED_PARTY_BROKEN",
]);
const OVER: PartyRefusal = {
  code: "ERR_FED_PARTY_BROKEN",
  message: "The other world does not take your party right now.",
};

const answerSchema = z.strictObject({
  origin: z.string().max(300),
  members: z
    .array(
      z.union([
        reservationAnswerSchema.omit({ origin: true }).extend({ transferId: transferIdSchema }),
        z.strictObject({
          transferId: transferIdSchema,
          code: z.string().max(64),
          detail: z.string().max(2_000).optional(),
        }),
      ]),
    )
    .max(MAX_PARTY_MEMBERS),
});

const progressSchema = z.strictObject({
  partyId: transferIdSchema,
  waiting: z.array(transferIdSchema).max(MAX_PARTY_MEMBERS),
  cannot: z.array(transferIdSchema).max(MAX_PARTY_MEMBERS).optional(),
  over: z.boolean().optional(),
});

/** All parties that leave this server. */
export class Parties {
  readonly #options: PartiesOptions;
  readonly #open = new Map<string, PartyCrossing>();

  constructor(options: PartiesOptions) {
    this.#options = options;
  }

  /**
   * Why a party with members of these homes cannot go to a server: nobody has been frozen yet. Undefined: it may.
   */
  obstacle(destination: string, homes: readonly string[]): PartyRefusal | undefined {
    const { origin, knowsParties = () => true } = this.#options;
    const code = "ERR_FED_PARTY_UNSUPPORTED";
    if (destination === origin) {
      return { code, message: "A party cannot go to another room of this server." };
    }
    if (!knowsParties(destination)) {
      return { code, message: "The other server takes no parties." };
    }
    return homes.every((home) => home === origin || knowsParties(home))
      ? undefined
      : { code, message: "The home of one of you knows no parties." };
  }

  /**
   * Takes a party out of this server into another one: all or nobody, or, where that was chosen, those who can.
   * Resolves with the outcome, never rejects for what peers or the network do.
   *
   * @param sessions 2 to 8, each of another player; it is for the caller to see to that.
   */
  async enter(
    sessions: readonly PlayerSession[],
    destination: CrossingDestination,
    ifSomeCannot: IfSomeCannot,
  ): Promise<PartyOutcome> {
    const homes = sessions.map(({ home }) => home);
    const obstacle = this.obstacle(destination.origin, homes);
    const { random } = this.#options;
    const partyId = random.uuid();
    if (obstacle !== undefined) {
      return stayed(partyId, destination.uri, sessions, obstacle, random);
    }
    const party = new PartyCrossing(this.#options, {
      ...{ partyId, sessions, destination, others: ifSomeCannot === "others" },
    });
    this.#open.set(partyId, party);
    try {
      return await party.run();
    } finally {
      this.#open.delete(partyId);
    }
  }

  /**
   * `POST /parties/progress`: the destination says whose clients wait there, and who cannot come. It decides nothing:
   * whoever is given up for it is taken back by its home's word alone.
   */
  progress(caller: string, body: unknown): CallAnswer {
    const parsed = progressSchema.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const party = this.#open.get(parsed.data.partyId);
    if (party?.destination !== caller) {
      return refusal("ERR_FED_NOT_FOUND", "no such party leaves for your server");
    }
    party.hear(parsed.data);
    return { ok: true, body: {} };
  }
}

/** A party of which nobody has left. */
export function stayed(
  partyId: string,
  to: string,
  sessions: readonly PlayerSession[],
  reason: PartyRefusal,
  random: Random,
): PartyOutcome {
  return {
    ...{ partyId, to, kind: "stayed", reason },
    members: sessions.map(({ player }) => ({
      player,
      outcome: { kind: "stayed", transferId: random.uuid(), to, ...reason },
    })),
  };
}

interface Member {
  readonly session: PlayerSession;
  readonly transferId: string;
  stage: PartyMemberProgress["stage"];
  pass: string | undefined;
  /** Why it does not go. */
  out: PartyRefusal | undefined;
}

type Seating = ReadonlyMap<string, ReservedSeat | Stay>;

/** One party on its way out. */
class PartyCrossing implements PartyTicket {
  readonly #options: PartiesOptions;
  readonly #id: string;
  readonly #destination: CrossingDestination;
  readonly #others: boolean;
  readonly #members: readonly Member[];
  #broken: PartyRefusal | undefined;
  #asked = false;
  readonly #seating: Promise<Seating>;
  #seat: (seating: Seating) => void = () => undefined;
  #unseat: (stay: Stay) => void = () => undefined;

  constructor(
    options: PartiesOptions,
    {
      partyId,
      sessions,
      destination,
      others,
    }: {
      readonly partyId: string;
      readonly sessions: readonly PlayerSession[];
      readonly destination: CrossingDestination;
      readonly others: boolean;
    },
  ) {
    this.#options = options;
    this.#id = partyId;
    this.#destination = destination;
    this.#others = others;
    this.#members = sessions.map((session) => ({
      ...{ session, transferId: orderedId(options.random, options.clock), stage: "departing" },
      ...{ pass: undefined, out: undefined },
    }));
    this.#seating = new Promise((resolve, reject) => {
      this.#seat = resolve;
      this.#unseat = reject;
    });
    // Whoever waits for it hears of it; nobody may.
    this.#seating.catch(() => undefined);
  }

  get destination(): string {
    return this.#destination.origin;
  }

  get broken(): PartyRefusal | undefined {
    return this.#broken;
  }

  async run(): Promise<PartyOutcome> {
    const { crossings, clock } = this.#options;
    this.#tell();
    const timer = clock.setTimeout(() => {
      if (!this.#asked) {
        const message = "One of you could not leave in time.";
        this.#breakOff({ code: "ERR_FED_CROSSING_EXPIRED", message });
      }
    }, DEPARTING_MILLISECONDS);
    const members = await Promise.all(
      this.#members.map(async (member) => {
        const { session, transferId } = member;
        const outcome = await crossings.cross(session, this.#destination, transferId, {
          party: this,
        });
        if (outcome.kind === "stayed") this.stays(transferId, outcome);
        this.#reaches(member, outcome.kind === "arrived" ? "arrived" : "stayed");
        return { player: session.player, outcome };
      }),
    );
    clock.clearTimeout(timer);
    const kinds = new Set(members.map(({ outcome }) => outcome.kind));
    const kind = kinds.has("undecided")
      ? "undecided"
      : kinds.size > 1
        ? "parted"
        : (members[0]?.outcome.kind ?? "stayed");
    const reason = this.#broken ?? this.#members.find(({ out }) => out !== undefined)?.out;
    return {
      ...{ partyId: this.#id, to: this.#destination.uri, kind },
      ...(kind === "arrived" || reason === undefined ? {} : { reason }),
      members,
    };
  }

  /** The seat of one member, once all have their passes. @throws Stay */
  async seat(transferId: string, pass: string): Promise<ReservedSeat> {
    const member = this.#memberOf(transferId);
    if (member !== undefined) member.pass = pass;
    this.#look();
    const seat = (await this.#seating).get(transferId);
    if (seat === undefined || seat instanceof Stay) throw seat ?? senseless();
    if (member !== undefined) this.#reaches(member, "reserved");
    return seat;
  }

  /** One of them does not go: it is being taken back. */
  stays(transferId: string, { code, message }: PartyRefusal): void {
    const member = this.#memberOf(transferId);
    if (member === undefined || member.out !== undefined) return;
    const turned = LEFT_OUT.has(code);
    member.out = turned ? notComing(member) : { code, message };
    if (this.#others) this.#look();
    else this.#breakOff(member.out);
  }

  /** What the destination says. Whoever cannot come is given up here, too. */
  hear({
    waiting,
    cannot = [],
    over = false,
  }: Omit<z.infer<typeof progressSchema>, "partyId">): void {
    const there = new Set(waiting.map((transferId) => transferId.toLowerCase()));
    const lost = new Set(cannot.map((transferId) => transferId.toLowerCase()));
    for (const member of this.#members) {
      const waits = there.has(member.transferId);
      if (member.stage === "reserved" && waits) member.stage = "waiting";
      else if (member.stage === "waiting" && !waits) member.stage = "reserved";
      if (!lost.has(member.transferId) || member.stage === "departing") continue;
      if (this.#others) this.#options.crossings.breakOff(member.session.player, member.transferId);
      else this.#breakOff(notComing(member));
    }
    if (over) this.#breakOff(OVER);
    this.#tell();
  }

  #memberOf(transferId: string): Member | undefined {
    return this.#members.find((member) => member.transferId === transferId);
  }

  /** Whoever still departs is taken back, with the same reason. What a home has decided stands. */
  #breakOff(reason: PartyRefusal): void {
    if (this.#broken !== undefined) return;
    this.#broken = reason;
    this.#asked = true;
    this.#unseat(new Stay(reason.code, reason.message));
    for (const { session, transferId } of this.#members) {
      this.#options.crossings.breakOff(session.player, transferId);
    }
  }

  /** The destination is asked once all have their passes who still go. */
  #look(): void {
    const going = this.#members.filter(({ out }) => out === undefined);
    if (this.#asked || going.length === 0) return;
    if (!going.every(({ pass }) => pass !== undefined)) return;
    this.#asked = true;
    this.#reserve(going).then(this.#seat, (cause: unknown) => {
      const { code, message } = cause instanceof Stay ? cause : failureOf(cause, NO_ANSWER);
      this.#breakOff({ code, message });
    });
  }

  /** @throws Stay when nobody has a seat. */
  async #reserve(going: readonly Member[]): Promise<Seating> {
    const { peers, clock } = this.#options;
    const { origin, world, options } = this.#destination;
    const [only] = going;
    // The others cannot: it goes as one who is alone.
    const members = going.map(({ transferId, pass }) => ({ transferId, pass }));
    if (only?.pass !== undefined && going.length === 1) {
      const { transferId } = only;
      const alone = { destination: this.#destination, transferId };
      return new Map([[transferId, await reserve(this.#options, alone, only.pass)]]);
    }
    const ifSomeCannot: IfSomeCannot = this.#others ? "others" : "nobody";
    const answer = await peers.call(
      origin,
      "/parties",
      { partyId: this.#id, world, options, ifSomeCannot, members },
      { timeoutMilliseconds: CALL_TIMEOUT_MILLISECONDS },
    );
    if (!answer.ok) {
      // A server of an older version: what its descriptor said was true of another one.
      if (answer.code === "ERR_FED_NOT_FOUND") {
        throw new Stay("ERR_FED_PARTY_UNSUPPORTED", "The other server takes no parties.");
      }
      throw new Stay(answer.code, seatRefusal(answer));
    }
    const parsed = answerSchema.safeParse(answer.body);
    if (!parsed.success || parsed.data.origin !== origin) throw senseless();
    const seating = new Map<string, ReservedSeat | Stay>();
    for (const told of parsed.data.members) {
      const said = "code" in told ? refusedOf(told) : undefined;
      if (said !== undefined) seating.set(told.transferId, said);
      else if ("reservation" in told) {
        const { transferId, ...seat } = told;
        seating.set(transferId, reservedUntil({ ...seat, origin }, clock));
      }
    }
    const lacks = going.some(({ transferId }) => !seating.has(transferId));
    const refused = [...seating.values()].find((seat) => seat instanceof Stay);
    if (lacks || (refused !== undefined && !this.#others)) throw refused ?? senseless();
    return seating;
  }

  #reaches(member: Member, stage: PartyMemberProgress["stage"]): void {
    if (member.stage === stage) return;
    member.stage = stage;
    this.#tell();
  }

  #tell(): void {
    const members = this.#members.map(({ session: { player, name }, stage }) => ({
      ...{ player, name, stage },
    }));
    for (const { session } of this.#members) {
      if (session.ended) continue;
      session.body.party?.({ partyId: this.#id, to: this.#destination.uri, members });
    }
  }
}

function notComing({ session: { name } }: Member): PartyRefusal {
  const message = `${name} could not come along to the other world.`;
  return { code: "ERR_FED_PARTY_BROKEN", message };
}

function refusedOf({ code, detail }: { code: string; detail?: string | undefined }): Stay {
  // A code that is not known here is a refusal all the same.
  const known: FederationErrorCode = isFederationErrorCode(code) ? code : "ERR_FED_UNAVAILABLE";
  return new Stay(known, seatRefusal({ code: known, ...(detail === undefined ? {} : { detail }) }));
}

function senseless(): Stay {
  return new Stay("ERR_FED_BAD_RESPONSE", "The other server's answer makes no sense.");
}
