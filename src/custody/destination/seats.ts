/**
 * Seats promised to passes (PROTOCOL 5 and 7). The session behind one starts only after home has
 * said that this server holds the player now: that is `arrivals.ts`.
 */
import { z } from "zod";
import type { VerifyKey } from "../../identity/ed25519.ts";
import { PASS_MEMORY_MILLISECONDS, type PassClaims, verifyPass } from "../../identity/pass.ts";
import type { JsonValue } from "../../json.ts";
import { Quota } from "../../limits/quota.ts";
import type { Clock, Logger, Random, Store } from "../../ports.ts";
import type { CallAnswer } from "../../errors.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import { malformed, refusal } from "../shared/calls.ts";
import { transferIdSchema, worldSchema } from "../shared/messages.ts";
import { type Moves, NOBODY_MOVED, idsOf } from "../shared/moves.ts";
import { portalOptionsSchema } from "../shared/reservation.ts";
import { type AdmissionPolicy, admitted } from "./admission.ts";
import type { Crowd } from "./crowd.ts";
import { SeatBook, type SeatRecord, type SeatedParty } from "./seat-book.ts";
import type { SeatClaim, SeatHost } from "./seat-host.ts";

type Refused = Exclude<CallAnswer, { ok: true }>;

type SeatAnswer = { readonly ok: true; readonly seat: SeatRecord } | Refused;

/** A seat as its source is told of it (PROTOCOL 7). */
export interface ToldSeat {
  readonly reservation: JsonValue;
  readonly origin: string;
  readonly expiresAt: number;
  readonly seat?: string;
}

/** Whether a pass may have a seat: one it has already, or none yet. */
export type Judged =
  | { readonly ok: true; readonly named: NamedPlayer; readonly seat: SeatRecord | undefined }
  | Refused;

/** A player as it is known here, and the origin of its home. */
export interface NamedPlayer {
  readonly player: string;
  readonly home: string;
}

const reservationSchema = z.strictObject({
  transferId: transferIdSchema,
  pass: z.string().max(4096),
  world: worldSchema,
  options: portalOptionsSchema.optional(),
});
const reservationCancelSchema = z.strictObject({ transferId: transferIdSchema });

/** Options of {@link Seats}. */
export interface SeatsOptions {
  readonly origin: string;
  /**
   * Where seats are kept, and the passes used up for them: in memory where this process is the whole
   * server, since the matchmaker's own reservations are; else what its processes share.
   */
  readonly transient: Store;
  /** Where a pass that its client brings by itself is used up: a restart must not forget it. */
  readonly store: Store;
  /** A trusted issuer's key (this server's own included), or undefined. */
  readonly issuerKey: (issuer: string, kid: string) => VerifyKey | undefined;
  readonly seats: SeatHost;
  /** Default: everybody with a valid pass. */
  readonly admit?: AdmissionPolicy | undefined;
  /** Whether anybody is let in; not while the server stops. */
  readonly isOpen?: () => boolean;
  /** New seats, and rooms made for them, that each other server may have in a minute. Default: any number. */
  readonly perMinute?: { readonly seats: number; readonly rooms: number } | undefined;
  /** How many of one source may be here at once. Default: any number. */
  readonly crowd?: Crowd | undefined;
  /** The source of a seat gives it back. */
  readonly onCancelled?: ((caller: string, transferId: string) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
  /** The id that a player is known by here, of all that it has. Default: the one that it comes with. */
  readonly nameHere?: ((player: string, home: string) => Promise<string>) | undefined;
}

/** The seats of players on their way into this server. */
export class Seats {
  readonly #options: SeatsOptions;
  readonly #book: SeatBook;
  /** Seats being reserved, by caller and transfer: whoever asks again gets the same answer. */
  readonly #reserving = new Map<string, Promise<SeatAnswer>>();

  readonly #seatQuota: Quota;
  readonly #roomQuota: Quota;

  constructor(options: SeatsOptions) {
    this.#options = options;
    const { clock, logger, perMinute = { seats: Infinity, rooms: Infinity } } = options;
    this.#book = new SeatBook({
      ...{ store: options.transient, logger, now: () => clock.now() },
      memoryMilliseconds: PASS_MEMORY_MILLISECONDS,
    });
    this.#seatQuota = new Quota({ clock, perMinute: perMinute.seats });
    this.#roomQuota = new Quota({ clock, perMinute: perMinute.rooms });
  }

  /** `POST /reservations` (PROTOCOL 7): the checks in its order, then one seat per transfer. */
  async reserve(
    caller: string,
    body: unknown,
  ): Promise<{ readonly ok: true; readonly body: ToldSeat } | Refused> {
    const parsed = reservationSchema.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const { transferId, pass, world, options } = parsed.data;
    const verified = await this.verify(caller, { transferId, pass, world });
    if (!verified.ok) return verified;
    const { claims } = verified;
    const made = await this.seat(claims, caller, options ?? {});
    if (!made.ok) return made;
    return { ok: true, body: await this.told(made.seat) };
  }

  /** What the source is told of a seat. */
  async told({ reservation, expiresAt }: SeatRecord): Promise<ToldSeat> {
    const seat = await this.#options.seats.vouch?.(reservation);
    const { origin } = this.#options;
    return { reservation, origin, expiresAt, ...(seat === undefined ? {} : { seat }) };
  }

  /** A pass, held against the call it came with. */
  async verify(
    caller: string,
    {
      transferId,
      pass,
      world,
    }: { readonly transferId: string; readonly pass: string; readonly world: string },
  ): Promise<{ readonly ok: true; readonly claims: PassClaims } | Refused> {
    const verified = verifyPassFor(
      await verifyPass(pass, {
        now: this.#options.clock.now(),
        audience: this.#options.origin,
        keyFor: this.#options.issuerKey,
        caller,
      }),
    );
    if (!verified.ok) return verified;
    const { claims } = verified;
    if (claims.xfer.toLowerCase() !== transferId.toLowerCase()) {
      return refusal("ERR_FED_PASS_TRANSFER", "the pass is for another transfer");
    }
    const { moves = NOBODY_MOVED } = this.#options;
    if (moves.currentOrigin(claims.src) !== caller) {
      return refusal("ERR_FED_PASS_SOURCE", "the pass names another source than the caller");
    }
    if (claims.world !== world) {
      return refusal("ERR_FED_PASS_WORLD", "the pass is for another world");
    }
    return verified;
  }

  /** `POST /reservations/cancel` (PROTOCOL 7): also fine when there is nothing to free. */
  async cancel(caller: string, body: unknown): Promise<{ ok: true; body: object } | Refused> {
    const parsed = reservationCancelSchema.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const player = await this.#book.playerOf(caller, parsed.data.transferId);
    this.#options.onCancelled?.(caller, parsed.data.transferId);
    if (player !== undefined) await this.drop(player, caller, parsed.data.transferId, true);
    return { ok: true, body: {} };
  }

  /**
   * Finds or makes the seat of a verified pass; the same (caller, transfer) gets the same seat.
   * `direct` stands in for the seat host where the matchmaker reserves by itself: each pass is then
   * good for one seat, as there is no telling the same client from another.
   */
  seat(
    claims: PassClaims,
    caller: string,
    options: Readonly<Record<string, string>>,
    direct?: SeatHost["reserve"],
  ): Promise<SeatAnswer> {
    const asked = `${caller} ${claims.xfer}`;
    const running = this.#reserving.get(asked);
    if (running !== undefined) {
      return direct === undefined ? running : Promise.resolve(reused("for a seat"));
    }
    const answer = this.#seat(claims, caller, options, direct).finally(() =>
      this.#reserving.delete(asked),
    );
    this.#reserving.set(asked, answer);
    return answer;
  }

  async #seat(
    claims: PassClaims,
    caller: string,
    options: Readonly<Record<string, string>>,
    direct: SeatHost["reserve"] | undefined,
  ): Promise<SeatAnswer> {
    const { seats } = this.#options;
    const judged = await this.judge(claims, caller, options, direct !== undefined);
    if (!judged.ok) return judged;
    if (judged.seat !== undefined) return { ok: true, seat: judged.seat };
    const sessionId = this.newSessionId();
    const { player } = judged.named;
    const claim: SeatClaim = { player, caller, transferId: claims.xfer };
    const opensRoom = (): number => this.opensRoom(caller);
    const request = { world: claims.world, sessionId, options, claim, opensRoom };
    const { named } = judged;
    let made: SeatAnswer | undefined;
    try {
      const reserved = await (direct === undefined ? seats.reserve(request) : direct(request));
      made = reserved.ok
        ? await this.keep(claims, caller, { ...reserved, named, sessionId }, direct !== undefined)
        : reserved;
    } finally {
      if (made?.ok !== true) this.getsNone(claim);
    }
    return made;
  }

  /** No seat came of a pass that {@link judge} has let through: its player is not counted as one that comes. */
  getsNone(claim: SeatClaim): void {
    this.#options.crowd?.refused(claim);
  }

  /** The player of a seat that was taken plays here, or does not come: it is not counted as one that comes. */
  isHere(claim: SeatClaim): void {
    this.#options.crowd?.left(claim);
  }

  /**
   * Who a pass is of: one that was on its way when its issuer moved is of the player that comes from there by now, under
   * the name that it is known by here.
   */
  async #named(claims: PassClaims, caller: string): Promise<NamedPlayer> {
    const { moves = NOBODY_MOVED, nameHere } = this.#options;
    const home = moves.currentOrigin(claims.iss);
    const named = `${claims.sub}@${new URL(home).host}`;
    const player =
      (await this.#seatedAs(named, home, { caller, transferId: claims.xfer })) ??
      (await nameHere?.(named, home)) ??
      named;
    return { player, home };
  }

  /** A session id for a seat. */
  newSessionId(): string {
    return Buffer.from(this.#options.random.bytes(15)).toString("base64url");
  }

  /** Asked before a room is made for a caller's seats. */
  opensRoom(caller: string): number {
    return caller === this.#options.origin ? 0 : this.#roomQuota.take(caller);
  }

  /**
   * The checks of PROTOCOL 7 from a pass's single use to admission, and the seat that its transfer has already. One
   * that may have a seat is counted as who comes: until {@link getsNone}, where {@link keep} does not follow.
   */
  async judge(
    claims: PassClaims,
    caller: string,
    options: Readonly<Record<string, string>>,
    isDirect = false,
  ): Promise<Judged> {
    const { clock, store, seats } = this.#options;
    const named = await this.#named(claims, caller);
    const { player, home } = named;
    if (this.#options.isOpen?.() === false) {
      return { ...refusal("ERR_FED_UNAVAILABLE", "this server is closing"), retryAfterSeconds: 5 };
    }
    const usedFor =
      (await this.#book.usedFor(passKeyOf(claims))) ??
      (isDirect ? await store.get(directKeyOf(claims)) : undefined);
    if (usedFor !== undefined && usedFor !== claims.xfer) return reused("for another transfer");
    // Directly, there is no telling the same client from another.
    if (usedFor !== undefined && isDirect) return reused("for a seat");
    if (!seats.hasWorld(claims.world)) {
      return refusal("ERR_FED_WORLD_UNKNOWN", `this server has no world "${claims.world}"`);
    }
    const existing = await this.#book.find(player, caller, claims.xfer);
    if (existing !== undefined) {
      if (
        existing.expiresAt * 1000 > clock.now() &&
        (await seats.isReserved(existing.reservation))
      ) {
        return { ok: true, named, seat: existing };
      }
      await this.drop(player, caller, claims.xfer, true);
    }
    const { admit, logger, origin, crowd } = this.#options;
    // Home's own come home however many they are: their passes are home's.
    const claim: SeatClaim = { player, caller, transferId: claims.xfer };
    const tooMany = crowd?.asks(claim, home);
    if (tooMany !== undefined) return tooMany;
    const wait = caller === origin || home === origin ? 0 : this.#seatQuota.take(caller);
    if (wait > 0) {
      this.getsNone(claim);
      const reason = "your server has had as many seats here as it may for now";
      return { ...refusal("ERR_FED_RATE_LIMITED", reason), retryAfterSeconds: wait };
    }
    const asked = { player, name: claims.name, home, from: caller };
    const admission = await admitted(admit, { ...asked, world: claims.world, options }, logger);
    if (admission === true) return { ok: true, named, seat: undefined };
    this.getsNone(claim);
    return refusal("ERR_FED_ADMISSION_REFUSED", admission.reason);
  }

  /** Writes down a seat that the matchmaker has made, and uses its pass up. One that cannot be kept is given free. */
  async keep(
    claims: PassClaims,
    caller: string,
    reserved: {
      readonly named: NamedPlayer;
      readonly sessionId: string;
      readonly reservation: JsonValue;
      readonly expiresAt: number;
      readonly party?: SeatedParty;
    },
    isDirect = false,
  ): Promise<SeatAnswer> {
    const { store, seats } = this.#options;
    const { player, home } = reserved.named;
    const passKey = passKeyOf(claims);
    const trace = this.#options.telemetry?.outgoing()?.traceparent;
    const { sessionId, reservation, expiresAt, party } = reserved;
    const seat: SeatRecord = {
      home,
      caller,
      transferId: claims.xfer,
      world: claims.world,
      name: claims.name,
      ...(claims.cnf === undefined ? {} : { jkt: claims.cnf.jkt }),
      ...{ sessionId, reservation, expiresAt },
      ...(trace === undefined ? {} : { trace }),
      ...(party === undefined ? {} : { party }),
    };
    // Asked for together, so that an engine with group commit makes them durable as one.
    const written = Promise.all([
      this.#book.use(passKey, claims.xfer),
      this.#book.add(player, seat),
      !isDirect ||
        store.compareAndSet(directKeyOf(claims), undefined, claims.xfer, PASS_MEMORY_MILLISECONDS),
    ]);
    const [first, { same, forgotten }, firstDirect] = await written.catch(
      async (cause: unknown) => {
        // Nobody has heard of this seat: whoever asks again gets another.
        await seats.release(seat.reservation);
        throw cause;
      },
    );
    for (const left of forgotten) {
      this.#options.crowd?.left({ player, ...left });
      await seats.release(left.reservation);
    }
    // Nobody has heard of this seat yet: the pass went to another transfer in the meantime.
    if (!first && (await this.#book.usedFor(passKey)) !== claims.xfer) {
      await this.drop(player, caller, claims.xfer, true);
      return reused("for another transfer");
    }
    if (!firstDirect) {
      await this.drop(player, caller, claims.xfer, true);
      return reused("for a seat");
    }
    const claim: SeatClaim = { player, caller, transferId: claims.xfer };
    this.#options.crowd?.waits(claim, home, (same ?? seat).expiresAt);
    if (same === undefined) return { ok: true, seat };
    await seats.release(seat.reservation);
    return { ok: true, seat: same };
  }

  /** The id by which a player has a seat already: its home may have moved since. */
  async #seatedAs(
    named: string,
    home: string,
    { caller, transferId }: { readonly caller: string; readonly transferId: string },
  ): Promise<string | undefined> {
    const { moves = NOBODY_MOVED } = this.#options;
    const ids = idsOf(moves, named, home);
    for (const id of ids.length === 1 ? [] : ids) {
      if ((await this.#book.find(id, caller, transferId)) !== undefined) return id;
    }
    return undefined;
  }

  /** The promise a connecting client's seat keeps, or undefined when it is gone. */
  async find(claim: SeatClaim, sessionId: string): Promise<SeatRecord | undefined> {
    if (this.#options.isOpen?.() === false) return undefined;
    const seat = await this.#book.find(claim.player, claim.caller, claim.transferId);
    return seat?.sessionId === sessionId ? seat : undefined;
  }

  /** All that a player has been promised here, the oldest first. */
  of(player: string): Promise<readonly SeatRecord[]> {
    return this.#book.of(player);
  }

  /** Whether this is who takes the seat: of several who try, one does. */
  async take(player: string, { sessionId, caller, transferId }: SeatRecord): Promise<boolean> {
    const taken = (await this.#book.take(player, sessionId)) !== undefined;
    if (taken) this.#options.crowd?.comes({ player, caller, transferId });
    return taken;
  }

  /** A seat that is in the book no more, or perhaps not: its client has to ask for another. */
  async giveFree(player: string, { reservation, caller, transferId }: SeatRecord): Promise<void> {
    this.#options.crowd?.left({ player, caller, transferId });
    await this.#options.seats.release(reservation);
  }

  /** Takes a seat back; `release`: also from the matchmaker. */
  async drop(player: string, caller: string, transferId: string, release: boolean): Promise<void> {
    const seat = await this.#book.find(player, caller, transferId);
    if (seat === undefined) return;
    let dropped: SeatRecord | undefined = seat;
    try {
      dropped = await this.#book.take(player, seat.sessionId);
      if (dropped !== undefined) this.#options.crowd?.left({ player, caller, transferId });
    } finally {
      // Also when nobody knows whether it was written: a seat that is in no book would be nobody's.
      if (release && dropped !== undefined) await this.#options.seats.release(dropped.reservation);
    }
  }
}

function passKeyOf({ iss, jti }: PassClaims): string {
  return `pass/${iss}/${jti}`;
}

function directKeyOf(claims: PassClaims): string {
  return `direct-${passKeyOf(claims)}`;
}

function reused(how: string): Refused {
  return refusal("ERR_FED_PASS_REUSED", `the pass has been used ${how}`);
}

function verifyPassFor(
  result: Awaited<ReturnType<typeof verifyPass>>,
): { ok: true; claims: PassClaims } | Refused {
  return result.verified
    ? { ok: true, claims: result.claims }
    : refusal(result.code, result.reason);
}
