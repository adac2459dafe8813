/**
 * The destination's side of a crossing (PROTOCOL 5, 6 and 7): passes, seats, claims.
 *
 * A seat is promised to a pass; the session behind it starts only after home has said that this
 * server holds the player now.
 */
import { z } from "zod";
import type { FederationErrorCode } from "../../errors.ts";
import type { VerifyKey } from "../../identity/ed25519.ts";
import { type PassClaims, verifyPass } from "../../identity/pass.ts";
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger, Random, Store } from "../../ports.ts";
import { type Home, isDecidedElsewhere } from "../shared/home.ts";
import { transferIdSchema, worldSchema } from "../shared/messages.ts";
import type { Settlement } from "../holder/settlement.ts";
import {
  type HeldCustody,
  MAX_SEATS_PER_PLAYER,
  type SeatRecord,
  type VisitorBook,
} from "../holder/visitors.ts";

/** A player as the destination's admission policy sees it. */
export interface AdmissionRequest {
  /** `<local id>@<home authority>`. */
  readonly player: string;
  readonly name: string;
  /** Origin of the player's home. */
  readonly home: string;
  /** Origin the player comes from. */
  readonly from: string;
  readonly world: string;
  readonly options: Readonly<Record<string, string>>;
}

/** Yes, or no with a reason the player is shown. */
export type AdmissionDecision = true | { readonly admit: false; readonly reason: string };

/** Decides who may come in; asked after the pass is verified and before a seat is taken. */
export type AdmissionPolicy = (
  request: AdmissionRequest,
) => AdmissionDecision | Promise<AdmissionDecision>;

/** Seats in worlds: what the destination asks of its matchmaker. */
export interface SeatHost {
  /** Whether this server has a world of that name. */
  hasWorld(world: string): boolean;
  /** Reserves a seat under `sessionId`; `claim` is what its connection will be held against. */
  reserve(request: {
    readonly world: string;
    readonly sessionId: string;
    readonly options: Readonly<Record<string, string>>;
    readonly claim: SeatClaim;
  }): Promise<
    | { readonly ok: true; readonly reservation: JsonValue; readonly expiresAt: number }
    | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string }
  >;
  /** Whether the seat is still reserved and nobody took it. */
  isReserved(reservation: JsonValue): Promise<boolean>;
  /** Gives a seat free. */
  release(reservation: JsonValue): Promise<void>;
}

/** Which promise a seat keeps. */
export interface SeatClaim {
  readonly player: string;
  readonly caller: string;
  readonly transferId: string;
}

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
  /** Home's signed receipt of the crossing. */
  readonly receipt: string;
}

interface Refused {
  readonly ok: false;
  readonly code: FederationErrorCode;
  readonly reason: string;
}

type SeatAnswer = { readonly ok: true; readonly seat: SeatRecord } | Refused;

const reservationSchema = z.strictObject({
  transferId: transferIdSchema,
  pass: z.string().max(4096),
  world: worldSchema,
  options: z
    .record(z.string().max(64), z.string().max(256))
    .refine((options) => Object.keys(options).length <= 16, "more than 16 options")
    .optional(),
});
const reservationCancelSchema = z.strictObject({ transferId: transferIdSchema });

/** How long a used pass is remembered: its life plus the clock skew either way. */
const PASS_MEMORY_MILLISECONDS = (120 + 60) * 1000;
const SETTLE_BEFORE_CLAIM_MILLISECONDS = 3_000;

/** Options of {@link Arrivals}. */
export interface ArrivalsOptions {
  readonly origin: string;
  readonly store: Store;
  readonly visitors: VisitorBook;
  readonly settlement: Settlement;
  readonly homeAt: (origin: string) => Home;
  /** A trusted issuer's key (this server's own included), or undefined. */
  readonly issuerKey: (issuer: string, kid: string) => VerifyKey | undefined;
  readonly seats: SeatHost;
  /** This process's life, where several processes are this server. */
  readonly life?: () => string | undefined;
  /** Default: everybody with a valid pass. */
  readonly admit?: AdmissionPolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Players on their way into this server. */
export class Arrivals {
  readonly #options: ArrivalsOptions;
  /** Players whose claim is under way. */
  readonly #busy = new Set<string>();
  /** Seats being reserved, by caller and transfer: whoever asks again gets the same answer. */
  readonly #reserving = new Map<string, Promise<SeatAnswer>>();

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /** `POST /reservations` (PROTOCOL 7): the checks in its order, then one seat per transfer. */
  async reserve(
    caller: string,
    body: unknown,
  ): Promise<
    | {
        readonly ok: true;
        readonly body: { reservation: JsonValue; origin: string; expiresAt: number };
      }
    | Refused
  > {
    const parsed = reservationSchema.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const { transferId, pass, world, options } = parsed.data;
    const verified = verifyPassFor(
      await verifyPass(pass, {
        now: this.#options.clock.now(),
        audience: this.#options.origin,
        keyFor: this.#options.issuerKey,
      }),
    );
    if (!verified.ok) return verified;
    const { claims } = verified;
    if (claims.xfer.toLowerCase() !== transferId.toLowerCase()) {
      return refused("ERR_FED_PASS_TRANSFER", "the pass is for another transfer");
    }
    if (claims.src !== caller) {
      return refused("ERR_FED_PASS_SOURCE", "the pass names another source than the caller");
    }
    if (claims.world !== world) {
      return refused("ERR_FED_PASS_WORLD", "the pass is for another world");
    }
    const seat = await this.seat(claims, caller, options ?? {});
    return seat.ok
      ? {
          ok: true,
          body: {
            reservation: seat.seat.reservation,
            origin: this.#options.origin,
            expiresAt: seat.seat.expiresAt,
          },
        }
      : seat;
  }

  /** `POST /reservations/cancel` (PROTOCOL 7): also fine when there is nothing to free. */
  async cancel(caller: string, body: unknown): Promise<{ ok: true; body: object } | Refused> {
    const parsed = reservationCancelSchema.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const player = await this.#options.visitors.playerOfSeat(caller, parsed.data.transferId);
    if (player !== undefined) await this.#drop(player, caller, parsed.data.transferId, true);
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
    const { clock, store, visitors, seats, random } = this.#options;
    const player = `${claims.sub}@${new URL(claims.iss).host}`;
    const passKey = `pass/${claims.iss}/${claims.jti}`;
    const usedFor = await store.get(passKey);
    if (usedFor !== undefined && usedFor !== claims.xfer) return reused("for another transfer");
    // Directly, there is no telling the same client from another.
    if (usedFor !== undefined && direct !== undefined) return reused("for a seat");
    if (!seats.hasWorld(claims.world)) {
      return refused("ERR_FED_WORLD_UNKNOWN", `this server has no world "${claims.world}"`);
    }
    const existing = await this.#find(player, caller, claims.xfer);
    if (existing !== undefined) {
      if (
        existing.expiresAt * 1000 > clock.now() &&
        (await seats.isReserved(existing.reservation))
      ) {
        return { ok: true, seat: existing };
      }
      await this.#drop(player, caller, claims.xfer, false);
    }
    const admitted = await this.#admitted(claims, player, caller, options);
    if (admitted !== true) return refused("ERR_FED_ADMISSION_REFUSED", admitted.reason);
    const sessionId = Buffer.from(random.bytes(15)).toString("base64url");
    const claim: SeatClaim = { player, caller, transferId: claims.xfer };
    const request = { world: claims.world, sessionId, options, claim };
    const reserved = await (direct === undefined ? seats.reserve(request) : direct(request));
    if (!reserved.ok) return reserved;
    const seat: SeatRecord = {
      caller,
      transferId: claims.xfer,
      world: claims.world,
      name: claims.name,
      ...(claims.cnf === undefined ? {} : { jkt: claims.cnf.jkt }),
      sessionId,
      reservation: reserved.reservation,
      expiresAt: reserved.expiresAt,
    };
    let same: SeatRecord | undefined;
    // Asked for together, so that an engine with group commit makes them durable as one.
    const [first] = await Promise.all([
      store.compareAndSet(passKey, undefined, claims.xfer, PASS_MEMORY_MILLISECONDS),
      visitors.indexSeat(caller, claims.xfer, player, PASS_MEMORY_MILLISECONDS),
      visitors.update(player, (row) => {
        // Another process of this server may have been asked for it at the same time.
        same = row?.seats.find((other) => isSeatOf(other, caller, claims.xfer));
        if (same !== undefined) return row;
        return {
          player,
          home: claims.iss,
          ...(row?.held === undefined ? {} : { held: row.held }),
          seats: [...(row?.seats ?? []), seat]
            .filter((other) => other === seat || other.expiresAt * 1000 > clock.now() - 60_000)
            .slice(-MAX_SEATS_PER_PLAYER),
        };
      }),
    ]);
    // Nobody has heard of this seat yet: the pass went to another transfer in the meantime.
    if (!first && (await store.get(passKey)) !== claims.xfer) {
      await this.#drop(player, caller, claims.xfer, true);
      return reused("for another transfer");
    }
    if (same === undefined) return { ok: true, seat };
    await seats.release(seat.reservation);
    return { ok: true, seat: same };
  }

  /** The promise a connecting client's seat keeps, or undefined when it is gone. */
  async find(claim: SeatClaim, sessionId: string): Promise<SeatRecord | undefined> {
    const seat = await this.#find(claim.player, claim.caller, claim.transferId);
    return seat?.sessionId === sessionId ? seat : undefined;
  }

  /**
   * Claims custody for a seat whose client has come (rules 2 and 3). The seat is dropped in the
   * write that records custody, or when home refuses; it stays when nobody knows, so that the
   * client may try again.
   */
  async claim(
    claim: SeatClaim,
    seat: SeatRecord,
  ): Promise<{ readonly ok: true; readonly arrival: Arrival } | Refused> {
    const { visitors, clock, origin, homeAt, logger } = this.#options;
    const { player, transferId } = claim;
    if (this.#busy.has(player)) {
      return refused("ERR_FED_SEAT_BUSY", "the player is arriving already");
    }
    this.#busy.add(player);
    try {
      if (!(await this.#letGoOfFormerStay(player))) {
        return refused("ERR_FED_SEAT_BUSY", "the player's former stay here is not settled yet");
      }
      const home = (await visitors.get(player))?.home;
      if (home === undefined) return refused("ERR_FED_SEAT_UNKNOWN", "the seat is gone");
      const sentAt = clock.monotonic();
      let answer: Awaited<ReturnType<Home["claim"]>>;
      try {
        answer = await homeAt(home).claim(transferId);
      } catch (cause) {
        logger.debug(
          `${home} did not answer a claim: ${cause instanceof Error ? cause.message : "unknown"}`,
        );
        return refused("ERR_FED_UNREACHABLE", "the player's home does not answer; try again");
      }
      if (!answer.ok) {
        if (isDecidedElsewhere(answer.code)) {
          await this.#drop(player, claim.caller, transferId, true);
        }
        return refused(answer.code, answer.reason);
      }
      const { body } = answer;
      if (body.player !== player) {
        return refused("ERR_FED_BAD_RESPONSE", "home answered for another player");
      }
      let won = false;
      await visitors.update(player, (row) => {
        won = row !== undefined && row.held === undefined;
        if (row === undefined || !won) return row;
        const seats = row.seats.filter((other) => other.sessionId !== seat.sessionId);
        const life = this.#options.life?.();
        const held: HeldCustody = {
          epoch: body.epoch,
          phase: "held",
          ...(life === undefined ? {} : { life }),
        };
        return {
          player,
          home,
          seats,
          ...(home === origin ? {} : { held }),
        };
      });
      if (!won) return refused("ERR_FED_SEAT_BUSY", "the player arrived through another seat");
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
        },
      };
    } finally {
      this.#busy.delete(player);
    }
  }

  /** Rule 3: no claim while the player is held already; a stay that is ending gets a moment. */
  async #letGoOfFormerStay(player: string): Promise<boolean> {
    const { visitors, settlement, clock } = this.#options;
    if ((await visitors.get(player))?.held === undefined) return true;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, SETTLE_BEFORE_CLAIM_MILLISECONDS);
      void settlement.settle(player).finally(() => {
        clock.clearTimeout(timer);
        resolve();
      });
    });
    return (await visitors.get(player))?.held === undefined;
  }

  async #admitted(
    claims: PassClaims,
    player: string,
    from: string,
    options: Readonly<Record<string, string>>,
  ): Promise<AdmissionDecision> {
    const { admit, logger } = this.#options;
    if (admit === undefined) return true;
    try {
      return await admit({
        player,
        name: claims.name,
        home: claims.iss,
        from,
        world: claims.world,
        options,
      });
    } catch (cause) {
      logger.error("the admission policy failed; the player was refused", cause);
      return { admit: false, reason: "the admission policy failed" };
    }
  }

  async #find(player: string, caller: string, transferId: string): Promise<SeatRecord | undefined> {
    const row = await this.#options.visitors.get(player);
    return row?.seats.find((seat) => isSeatOf(seat, caller, transferId));
  }

  async #drop(player: string, caller: string, transferId: string, release: boolean): Promise<void> {
    let dropped: SeatRecord | undefined;
    await this.#options.visitors.update(player, (row) => {
      dropped = row?.seats.find((seat) => isSeatOf(seat, caller, transferId));
      if (row === undefined || dropped === undefined) return row;
      const gone = dropped;
      return { ...row, seats: row.seats.filter((seat) => seat !== gone) };
    });
    if (release && dropped !== undefined) await this.#options.seats.release(dropped.reservation);
  }
}

function isSeatOf(seat: SeatRecord, caller: string, transferId: string): boolean {
  return seat.caller === caller && seat.transferId === transferId;
}

function refused(code: FederationErrorCode, reason: string): Refused {
  return { ok: false, code, reason };
}

function reused(how: string): Refused {
  return refused("ERR_FED_PASS_REUSED", `the pass has been used ${how}`);
}

function malformed(error: z.ZodError): Refused {
  const first = error.issues[0];
  const where = first?.path.join(".") ?? "";
  return refused("ERR_FED_MALFORMED", `${where === "" ? "body" : where}: ${first?.message ?? ""}`);
}

function verifyPassFor(
  result: Awaited<ReturnType<typeof verifyPass>>,
): { ok: true; claims: PassClaims } | Refused {
  return result.verified
    ? { ok: true, claims: result.claims }
    : refused(result.code, result.reason);
}
