/**
 * Seats in this server's worlds, reserved through Colyseus' own matchmaker.
 *
 * What it costs: one matchmaker query and one reservation for each arriving player; a room is
 * created when none is free. Race window: two reservations in one process share one new room, two
 * in different processes may create one each. It does not give a Colyseus seat free before its
 * time: a cancelled seat cannot be used any more and lapses within the room's
 * `seatReservationTimeout`.
 */
import { matchMaker } from "@colyseus/core";
import type { SeatClaim, SeatHost } from "../custody/arrival.ts";
import type { FederationErrorCode } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import type { Clock } from "../ports.ts";
import type { Seal, Sealer } from "./seal.ts";

/** Member of a seat's auth data that carries the seal. */
export const SEAL_MEMBER = "aetherFederationSeal";

const DEFAULT_SEAT_SECONDS = 15;

/** World name → Colyseus room name. */
export type Worlds = Readonly<Record<string, string>>;

/** A seat, or why there is none. */
export type SeatResult =
  | { readonly ok: true; readonly reservation: JsonValue; readonly expiresAt: number }
  | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string };

/** The seats of one Colyseus server. */
export class ColyseusSeats implements SeatHost {
  readonly #worlds: Worlds;
  readonly #sealer: () => Sealer;
  readonly #clock: Clock;
  readonly #creating = new Map<string, Promise<void>>();

  constructor(options: { worlds: Worlds; sealer: () => Sealer; clock: Clock }) {
    this.#worlds = options.worlds;
    this.#sealer = options.sealer;
    this.#clock = options.clock;
  }

  hasWorld(world: string): boolean {
    const name = Object.hasOwn(this.#worlds, world) ? this.#worlds[world] : undefined;
    return name !== undefined && matchMaker.getAllHandlers()[name] !== undefined;
  }

  reserve(request: {
    readonly world: string;
    readonly sessionId: string;
    readonly options: Readonly<Record<string, string>>;
    readonly claim: SeatClaim;
  }): Promise<SeatResult> {
    return this.reserveSealed(request.world, request.options, {
      kind: "arrival",
      ...request.claim,
      sessionId: request.sessionId,
    });
  }

  /** Reserves a seat whose connection will be held against `seal`. */
  async reserveSealed(
    world: string,
    options: Readonly<Record<string, string>>,
    seal: Seal,
  ): Promise<SeatResult> {
    const roomName = this.#worlds[world];
    if (roomName === undefined || !this.hasWorld(world)) {
      return { ok: false, code: "ERR_FED_WORLD_UNKNOWN", reason: `there is no world "${world}"` };
    }
    try {
      const room = await this.#roomFor(roomName, options);
      if (room.locked === true) {
        return { ok: false, code: "ERR_FED_WORLD_LOCKED", reason: `"${world}" is locked` };
      }
      const local = matchMaker.getLocalRoomById(room.roomId) as
        { seatReservationTimeout: number } | undefined;
      const seconds = local?.seatReservationTimeout ?? DEFAULT_SEAT_SECONDS;
      const expiresAt = Math.floor(this.#clock.now() / 1000 + seconds);
      const reservation = await matchMaker.reserveSeatFor(room, options, {
        sessionId: seal.sessionId,
        [SEAL_MEMBER]: this.#sealer().seal(seal),
      });
      return {
        ok: true,
        reservation: JSON.parse(JSON.stringify(reservation)) as JsonValue,
        expiresAt,
      };
    } catch (cause) {
      const full = cause instanceof Error && /full|not available/u.test(cause.message);
      return full
        ? { ok: false, code: "ERR_FED_WORLD_FULL", reason: `"${world}" is full` }
        : {
            ok: false,
            code: "ERR_FED_UNAVAILABLE",
            reason: `no room for "${world}" could be made`,
          };
    }
  }

  async isReserved(reservation: JsonValue): Promise<boolean> {
    const { roomId, sessionId } = reservation as { roomId: string; sessionId: string };
    try {
      const reserved: unknown = await matchMaker.remoteRoomCall(
        roomId,
        "hasReservedSeat" as never,
        [sessionId],
      );
      return reserved === true;
    } catch {
      return false;
    }
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  async #roomFor(
    roomName: string,
    options: Readonly<Record<string, string>>,
  ): Promise<Awaited<ReturnType<typeof matchMaker.createRoom>>> {
    const key = `${roomName} ${JSON.stringify(options)}`;
    const creating = this.#creating.get(key);
    if (creating !== undefined) await creating.catch(() => undefined);
    const free = (await matchMaker.findOneRoomAvailable(roomName, options)) as
      Awaited<ReturnType<typeof matchMaker.createRoom>> | undefined;
    if (free !== undefined) return free;
    const created = matchMaker.createRoom(roomName, { ...options });
    const done = created.then(() => undefined);
    this.#creating.set(key, done);
    try {
      return await created;
    } finally {
      if (this.#creating.get(key) === done) this.#creating.delete(key);
    }
  }
}
