/** What the destination asks of its matchmaker. */
import type { FederationErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";

/** Seats in worlds: what the destination asks of its matchmaker. */
export interface SeatHost {
  /** Whether this server has a world of that name. */
  hasWorld(world: string): boolean;
  /** Whether a room of the world has a place now, without one being made. Default: nobody knows. */
  hasRoom?(world: string, options: Readonly<Record<string, string>>): Promise<boolean>;
  /** Reserves a seat under `sessionId`; `claim` is what its connection will be held against. */
  reserve(request: {
    readonly world: string;
    readonly sessionId: string;
    readonly options: Readonly<Record<string, string>>;
    readonly claim: SeatClaim;
    /** Asked before a room is made for the seat; when it answers 0, one may be. Default: always. */
    readonly opensRoom?: RoomQuota | undefined;
  }): Promise<
    | { readonly ok: true; readonly reservation: JsonValue; readonly expiresAt: number }
    | {
        readonly ok: false;
        readonly code: FederationErrorCode;
        readonly reason: string;
        readonly retryAfterSeconds?: number;
      }
  >;
  /**
   * Reserves seats for all of a party in one room, or none. Each is as {@link reserve} would make it. Default: this
   * server takes no parties.
   */
  reserveTogether?(request: {
    readonly world: string;
    readonly options: Readonly<Record<string, string>>;
    readonly members: readonly { readonly sessionId: string; readonly claim: SeatClaim }[];
    readonly opensRoom?: RoomQuota | undefined;
  }): Promise<
    | {
        readonly ok: true;
        /** In the order of the members. */
        readonly reservations: readonly JsonValue[];
        readonly expiresAt: number;
      }
    | {
        readonly ok: false;
        readonly code: FederationErrorCode;
        readonly reason: string;
        readonly retryAfterSeconds?: number;
      }
  >;
  /** Whether the seat is still reserved and nobody took it. */
  isReserved(reservation: JsonValue): Promise<boolean>;
  /**
   * This server's signed word on where the seat's client connects; undefined where that is its own
   * origin. Without it no seat is anywhere else.
   */
  vouch?(reservation: JsonValue): Promise<string | undefined>;
  /** Gives a seat free. */
  release(reservation: JsonValue): Promise<void>;
}

/** 0 when a room may be made now, else in how many seconds one may. */
export type RoomQuota = () => number;

/** Which promise a seat keeps. */
export interface SeatClaim {
  readonly player: string;
  readonly caller: string;
  readonly transferId: string;
}

/** A place where nobody comes. */
export const NO_SEATS: SeatHost = {
  hasWorld: () => false,
  reserve: () =>
    Promise.resolve({
      ok: false,
      code: "ERR_FED_WORLD_UNKNOWN",
      reason: "nobody plays on this server",
    }),
  isReserved: () => Promise.resolve(false),
  release: () => Promise.resolve(),
};
