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
import type { RoomQuota, SeatClaim, SeatHost } from "../custody/destination/seat-host.ts";
import type { FederationErrorCode } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import { authorityOf } from "../identity/origin.ts";
import { signSeatAddress } from "../identity/seat-address.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { Clock } from "../ports.ts";
import { SEAL_MEMBER, type Seal, type Sealer } from "./seal.ts";

const DEFAULT_SEAT_SECONDS = 15;
/** How often a room is looked for while others take the last places, as Colyseus itself does. */
const ATTEMPTS = 5;

type Listing = Awaited<ReturnType<typeof matchMaker.createRoom>>;

/** World name → Colyseus room name. */
export type Worlds = Readonly<Record<string, string>>;

/** A seat, or why there is none. */
export type SeatResult =
  | { readonly ok: true; readonly reservation: JsonValue; readonly expiresAt: number }
  | {
      readonly ok: false;
      readonly code: FederationErrorCode;
      readonly reason: string;
      readonly retryAfterSeconds?: number;
    };

/** The seats of one Colyseus server. */
export class ColyseusSeats implements SeatHost {
  readonly #worlds: Worlds;
  readonly #sealer: () => Sealer;
  readonly #clock: Clock;
  readonly #origin: string;
  /** Where Colyseus names no address of its own; undefined: at the origin. */
  readonly #address: string | undefined;
  readonly #signingKey: () => SigningKey;
  readonly #turns = new Map<string, Promise<void>>();

  constructor(options: {
    origin: string;
    /** Its host is where players connect. */
    endpoint: string;
    worlds: Worlds;
    sealer: () => Sealer;
    signingKey: () => SigningKey;
    clock: Clock;
  }) {
    const { host } = new URL(options.endpoint);
    this.#origin = options.origin;
    this.#address = host === authorityOf(options.origin) ? undefined : host;
    this.#signingKey = options.signingKey;
    this.#worlds = options.worlds;
    this.#sealer = options.sealer;
    this.#clock = options.clock;
  }

  hasWorld(world: string): boolean {
    const name = Object.hasOwn(this.#worlds, world) ? this.#worlds[world] : undefined;
    return name !== undefined && matchMaker.getAllHandlers()[name] !== undefined;
  }

  async hasRoom(world: string, options: Readonly<Record<string, string>>): Promise<boolean> {
    const roomName = this.#worlds[world];
    if (roomName === undefined || !this.hasWorld(world)) return false;
    return (await available(roomName, options)) !== undefined;
  }

  reserve(request: {
    readonly world: string;
    readonly sessionId: string;
    readonly options: Readonly<Record<string, string>>;
    readonly claim: SeatClaim;
    readonly opensRoom?: RoomQuota | undefined;
  }): Promise<SeatResult> {
    const { world, options, claim, sessionId, opensRoom } = request;
    return this.reserveSealed(world, options, { kind: "arrival", ...claim, sessionId }, opensRoom);
  }

  /** All of a party in one room, or nobody. */
  reserveTogether({
    world,
    options,
    members,
    opensRoom = () => 0,
  }: {
    readonly world: string;
    readonly options: Readonly<Record<string, string>>;
    readonly members: readonly { readonly sessionId: string; readonly claim: SeatClaim }[];
    readonly opensRoom?: RoomQuota | undefined;
  }): ReturnType<NonNullable<SeatHost["reserveTogether"]>> {
    const seals = members.map(({ claim, sessionId }): Seal => ({
      kind: "arrival",
      ...claim,
      sessionId,
    }));
    return this.#reserveAll(world, options, seals, opensRoom);
  }

  async #reserveAll(
    world: string,
    options: Readonly<Record<string, string>>,
    seals: readonly Seal[],
    opensRoom: RoomQuota,
  ): ReturnType<NonNullable<SeatHost["reserveTogether"]>> {
    const taken: { readonly reservation: JsonValue; readonly expiresAt: number }[] = [];
    const roomName = this.#worlds[world];
    if (roomName === undefined || !this.hasWorld(world)) {
      return { ok: false, code: "ERR_FED_WORLD_UNKNOWN", reason: `there is no world "${world}"` };
    }
    try {
      // In turn with whoever looks for a place where none is free: a room that has enough is not halved meanwhile.
      const refused = await this.#inTurn(`${roomName} ${JSON.stringify(options)}`, async () => {
        const found = await this.#roomFor(roomName, options, seals.length, opensRoom);
        if (!found.ok) return found;
        for (const seal of seals) {
          const seat = await this.#take(found.room, options, seal);
          // Those that were taken lapse by themselves.
          if (seat?.ok !== true) {
            const reason = `"${world}" has no room for ${seals.length}`;
            return { ok: false, code: "ERR_FED_WORLD_FULL", reason } as const;
          }
          taken.push(seat);
        }
        return undefined;
      });
      if (refused !== undefined) return refused;
    } catch (cause) {
      if (cause instanceof LockedRoom) {
        return { ok: false, code: "ERR_FED_WORLD_LOCKED", reason: `"${world}" is locked` };
      }
      const reason = `no room for "${world}" could be made`;
      return { ok: false, code: "ERR_FED_UNAVAILABLE", reason };
    }
    return {
      ok: true,
      reservations: taken.map(({ reservation }) => reservation),
      expiresAt: Math.min(...taken.map(({ expiresAt }) => expiresAt)),
    };
  }

  /** A room with so many places: one that is there, else a new one. */
  async #roomFor(
    roomName: string,
    options: Readonly<Record<string, string>>,
    places: number,
    opensRoom: RoomQuota,
  ): Promise<
    | { readonly ok: true; readonly room: Listing }
    | {
        readonly ok: false;
        readonly code: FederationErrorCode;
        readonly reason: string;
        readonly retryAfterSeconds?: number;
      }
  > {
    const filter = matchMaker.getAllHandlers()[roomName]?.getFilterOptions(options) ?? {};
    const rooms = await matchMaker.query({
      ...{ locked: false, name: roomName, private: false },
      ...filter,
    });
    const free = rooms
      .filter((room) => placesIn(room) >= places)
      // The fullest that has enough: small gaps are for those who come alone.
      .sort((one, other) => placesIn(one) - placesIn(other))[0];
    if (free !== undefined) return { ok: true, room: free };
    const retryAfterSeconds = opensRoom();
    if (retryAfterSeconds > 0) {
      const reason = "no more rooms are made for your server for now";
      return { ok: false, code: "ERR_FED_RATE_LIMITED", reason, retryAfterSeconds };
    }
    const room = await matchMaker.createRoom(roomName, { ...options });
    if (room.locked === true && placesIn(room) > 0) throw new LockedRoom();
    if (placesIn(room) >= places) return { ok: true, room };
    const reason = `a room of this world has fewer than ${places} places`;
    return { ok: false, code: "ERR_FED_WORLD_FULL", reason };
  }

  /** Reserves a seat whose connection will be held against `seal`. */
  async reserveSealed(
    world: string,
    options: Readonly<Record<string, string>>,
    seal: Seal,
    opensRoom: RoomQuota = () => 0,
  ): Promise<SeatResult> {
    const roomName = this.#worlds[world];
    if (roomName === undefined || !this.hasWorld(world)) {
      return { ok: false, code: "ERR_FED_WORLD_UNKNOWN", reason: `there is no world "${world}"` };
    }
    try {
      // Most find a room with a place at once; the rest take turns, so that each looks for a place
      // when the one before it has taken its own.
      const free = await available(roomName, options);
      let taken = free === undefined ? undefined : await this.#take(free, options, seal);
      taken ??= await this.#inTurn(`${roomName} ${JSON.stringify(options)}`, () =>
        this.#takeOrCreate(roomName, options, seal, opensRoom),
      );
      if (taken !== undefined) return taken;
      return { ok: false, code: "ERR_FED_WORLD_FULL", reason: `"${world}" is full` };
    } catch (cause) {
      if (cause instanceof LockedRoom) {
        return { ok: false, code: "ERR_FED_WORLD_LOCKED", reason: `"${world}" is locked` };
      }
      const reason = `no room for "${world}" could be made`;
      return { ok: false, code: "ERR_FED_UNAVAILABLE", reason };
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

  async vouch(reservation: JsonValue): Promise<string | undefined> {
    const { sessionId: sid, publicAddress: address } = reservation as {
      sessionId: string;
      publicAddress?: string;
    };
    if (address === undefined || address === authorityOf(this.#origin)) return undefined;
    return signSeatAddress({ iss: this.#origin, sid, address }, this.#signingKey());
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  /** A seat in the room, or `undefined` where its last place went to somebody else. */
  async #take(
    room: Listing,
    options: Readonly<Record<string, string>>,
    seal: Seal,
  ): Promise<SeatResult | undefined> {
    const local = matchMaker.getLocalRoomById(room.roomId) as
      { seatReservationTimeout: number } | undefined;
    const seconds = local?.seatReservationTimeout ?? DEFAULT_SEAT_SECONDS;
    const expiresAt = Math.floor(this.#clock.now() / 1000 + seconds);
    try {
      const reservation = await matchMaker.reserveSeatFor(room, options, {
        sessionId: seal.sessionId,
        [SEAL_MEMBER]: this.#sealer().seal(seal),
      });
      const told = JSON.parse(JSON.stringify(reservation)) as Record<string, JsonValue>;
      if (this.#address !== undefined) told["publicAddress"] ??= this.#address;
      return { ok: true, reservation: told, expiresAt };
    } catch {
      return undefined;
    }
  }

  async #takeOrCreate(
    roomName: string,
    options: Readonly<Record<string, string>>,
    seal: Seal,
    opensRoom: RoomQuota,
  ): Promise<SeatResult | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      let room = await available(roomName, options);
      if (room === undefined) {
        const retryAfterSeconds = opensRoom();
        if (retryAfterSeconds > 0) {
          const reason = "no more rooms are made for your server for now";
          return { ok: false, code: "ERR_FED_RATE_LIMITED", reason, retryAfterSeconds };
        }
        room = await matchMaker.createRoom(roomName, { ...options });
        // A listing from another process says null for a room without a limit.
        const limit = (room.maxClients as number | null) ?? Infinity;
        if (room.locked === true && room.clients < limit) throw new LockedRoom();
      }
      const taken = await this.#take(room, options, seal);
      if (taken !== undefined) return taken;
    }
    return undefined;
  }

  async #inTurn<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(work);
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === settled) this.#turns.delete(key);
    }
  }
}

/** Places that are left. A listing from another process says null for a room without a limit. */
function placesIn({ maxClients, clients }: Listing): number {
  return ((maxClients as number | null) ?? Infinity) - clients;
}

/** A room that locked itself as soon as it was made. */
class LockedRoom extends Error {}

async function available(
  roomName: string,
  options: Readonly<Record<string, string>>,
): Promise<Listing | undefined> {
  return (await matchMaker.findOneRoomAvailable(roomName, options)) as Listing | undefined;
}
