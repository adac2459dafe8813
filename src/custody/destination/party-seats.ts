/** Seats for a party (PROTOCOL 7): all of them in one room, or none. Each pass is judged as that of one player is. */
import { z } from "zod";
import type { CallAnswer, FederationErrorCode } from "../../errors.ts";
import type { PassClaims } from "../../identity/pass.ts";
import { malformed, refusal } from "../shared/calls.ts";
import { transferIdSchema, worldSchema } from "../shared/messages.ts";
import { MAX_PARTY_MEMBERS } from "../shared/party.ts";
import type { SeatRecord, SeatedParty } from "./seat-book.ts";
import type { SeatHost } from "./seat-host.ts";
import { portalOptionsSchema } from "../shared/reservation.ts";
import { type NamedPlayer, type Seats, type ToldSeat } from "./seats.ts";

type Refused = Exclude<CallAnswer, { ok: true }>;

const partySchema = z.strictObject({
  partyId: transferIdSchema,
  world: worldSchema,
  options: portalOptionsSchema.optional(),
  ifSomeCannot: z.enum(["nobody", "others"]),
  members: z
    .array(z.strictObject({ transferId: transferIdSchema, pass: z.string().max(4096) }))
    .min(2)
    .max(MAX_PARTY_MEMBERS),
});

/** What a source is told of one member: its seat, or why it has none. */
export type ToldMember =
  | ({ readonly transferId: string } & Omit<ToldSeat, "origin">)
  | { readonly transferId: string; readonly code: FederationErrorCode; readonly detail: string };

type PartyAnswer =
  | {
      readonly ok: true;
      readonly body: { readonly origin: string; readonly members: readonly ToldMember[] };
    }
  | Refused;

interface Judged {
  readonly transferId: string;
  readonly claims: PassClaims;
  readonly named: NamedPlayer;
  readonly seat: SeatRecord | undefined;
}

/** Answers `POST /parties`. */
export class PartySeats {
  readonly #seats: Seats;
  readonly #host: SeatHost;
  readonly #origin: string;
  /** Parties that are being seated, by caller and id: whoever asks again gets the same answer. */
  readonly #seating = new Map<string, Promise<PartyAnswer>>();

  constructor(options: {
    readonly origin: string;
    readonly seats: Seats;
    readonly host: SeatHost;
  }) {
    this.#seats = options.seats;
    this.#host = options.host;
    this.#origin = options.origin;
  }

  /** Repeated while the seats are there, it gets the same ones. */
  async reserve(caller: string, body: unknown): Promise<PartyAnswer> {
    const parsed = partySchema.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const { partyId, members } = parsed.data;
    const transfers = new Set(members.map(({ transferId }) => transferId.toLowerCase()));
    if (transfers.size < members.length) {
      return refusal("ERR_FED_MALFORMED", "members: one transfer twice");
    }
    if (this.#host.reserveTogether === undefined || caller === this.#origin) {
      return refusal("ERR_FED_PARTY_UNSUPPORTED", "this server takes no parties");
    }
    const asked = `${caller} ${partyId.toLowerCase()}`;
    const running = this.#seating.get(asked);
    if (running !== undefined) return running;
    const answer = this.#reserve(caller, parsed.data).finally(() => this.#seating.delete(asked));
    this.#seating.set(asked, answer);
    return answer;
  }

  async #reserve(
    caller: string,
    { partyId, world, options = {}, ifSomeCannot, members }: z.infer<typeof partySchema>,
  ): Promise<PartyAnswer> {
    const others = ifSomeCannot === "others";
    const refused = new Map<string, Refused>();
    const judged: Judged[] = [];
    const nobody = (why: Refused): Refused => {
      // Who has a seat already keeps it.
      for (const { seat, transferId, named } of judged) {
        if (seat === undefined) this.#seats.getsNone({ player: named.player, caller, transferId });
      }
      return why;
    };
    for (const { transferId, pass } of members) {
      const said = await this.#judge(caller, { transferId, pass, world }, options);
      if (said.ok) judged.push(said.judged);
      else if (others) refused.set(transferId, said);
      else return nobody(said);
    }
    const [first] = refused.values();
    if (judged.length === 0 && first !== undefined) return first;
    if (new Set(judged.map(({ named }) => named.player)).size < judged.length) {
      return nobody(refusal("ERR_FED_MALFORMED", "members: one player twice"));
    }
    const party: SeatedParty = {
      ...{ id: partyId, others },
      members: judged.map(({ claims, named }) => ({
        ...{ transferId: claims.xfer, player: named.player, name: claims.name },
      })),
    };
    const made = judged.every(({ seat }) => sameParty(seat?.party, party))
      ? { ok: true as const, seats: judged.flatMap(({ seat }) => seat ?? []) }
      : await this.#seat(caller, { judged, world, options, party });
    if (!made.ok) return nobody(made);
    const told: ToldMember[] = [];
    for (const { transferId } of members) {
      const no = refused.get(transferId);
      const at = judged.findIndex((each) => each.transferId === transferId);
      const seat = made.seats[at];
      if (seat !== undefined) {
        const { origin: _same, ...rest } = await this.#seats.told(seat);
        told.push({ transferId, ...rest });
      } else if (no !== undefined) told.push({ transferId, code: no.code, detail: no.reason });
    }
    return { ok: true, body: { origin: this.#origin, members: told } };
  }

  async #judge(
    caller: string,
    asked: { readonly transferId: string; readonly pass: string; readonly world: string },
    options: Readonly<Record<string, string>>,
  ): Promise<{ readonly ok: true; readonly judged: Judged } | Refused> {
    const verified = await this.#seats.verify(caller, asked);
    if (!verified.ok) return verified;
    const { claims } = verified;
    const may = await this.#seats.judge(claims, caller, options);
    if (!may.ok) return may;
    return {
      ok: true,
      judged: { transferId: asked.transferId, claims, named: may.named, seat: may.seat },
    };
  }

  /** All in one room, and in the book; or nobody has a seat. */
  async #seat(
    caller: string,
    {
      judged,
      world,
      options,
      party,
    }: {
      readonly judged: readonly Judged[];
      readonly world: string;
      readonly options: Readonly<Record<string, string>>;
      readonly party: SeatedParty;
    },
  ): Promise<{ readonly ok: true; readonly seats: readonly SeatRecord[] } | Refused> {
    // A seat of its own, or of another party, that a transfer has already, goes: the room is to be one.
    for (const each of judged) if (each.seat !== undefined) await this.#drop(caller, each);
    const places = judged.map(({ claims, named }) => ({
      sessionId: this.#seats.newSessionId(),
      claim: { player: named.player, caller, transferId: claims.xfer },
    }));
    const reserved = await this.#host.reserveTogether?.({
      ...{ world, options, members: places },
      opensRoom: () => this.#seats.opensRoom(caller),
    });
    if (reserved?.ok !== true) {
      return reserved ?? refusal("ERR_FED_PARTY_UNSUPPORTED", "this server takes no parties");
    }
    const { expiresAt, reservations } = reserved;
    const kept = await Promise.allSettled(
      judged.map(({ claims, named }, at) =>
        this.#seats.keep(claims, caller, {
          named,
          sessionId: places[at]?.sessionId ?? "",
          reservation: reservations[at] ?? null,
          ...{ expiresAt, party },
        }),
      ),
    );
    const seats = kept.flatMap((each) =>
      each.status === "fulfilled" && each.value.ok ? each.value.seat : [],
    );
    if (seats.length === judged.length) return { ok: true, seats };
    for (const each of judged) await this.#drop(caller, each).catch(() => undefined);
    for (const each of kept) {
      if (each.status === "rejected") throw each.reason;
      if (!each.value.ok) return each.value;
    }
    return refusal("ERR_FED_UNAVAILABLE", "not all of the party could be given a seat");
  }

  #drop(caller: string, { claims, named }: Judged): Promise<void> {
    return this.#seats.drop(named.player, caller, claims.xfer, true);
  }
}

function sameParty(one: SeatedParty | undefined, other: SeatedParty): boolean {
  return (
    one?.id === other.id &&
    one.others === other.others &&
    one.members.length === other.members.length &&
    one.members.every(({ transferId }, at) => transferId === other.members[at]?.transferId)
  );
}
