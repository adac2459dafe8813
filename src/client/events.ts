/** What a `Traveler` tells those who listen. */
import type { Room } from "@colyseus/sdk";
import type { RoomName, RoomOf, ServerTypes } from "./server-types.ts";

interface AnyArrival {
  /** Server the room is on. */
  readonly origin: string;
  /** Server the player came from; undefined for a join. */
  readonly from: string | undefined;
  readonly transferId: string | undefined;
}

interface ArrivalIn<World extends string, RoomOfIt, AtHome extends boolean> extends AnyArrival {
  readonly room: RoomOfIt;
  /** Room name on that server. */
  readonly world: World;
  /** Whether that is the player's home: its rooms have the types of its own server. */
  readonly atHome: AtHome;
}

/**
 * The player is in a world now: after `Traveler.join`, or at the end of a crossing. With the type of the
 * home server, `atHome` and `world` tell the type of `room`.
 */
// `any` is the SDK's own default for a server without a type.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Arrival<Server extends ServerTypes = any> =
  string extends RoomName<Server>
    ? ArrivalIn<string, Room, boolean>
    : | {
          [Name in RoomName<Server>]: ArrivalIn<Name, RoomOf<Server, Name>, true>;
        }[RoomName<Server>]
      | ArrivalIn<string, Room, false>;

/** A crossing has begun: a seat is reserved on the other server. */
export interface Departure {
  readonly transferId: string;
  /** The portal's URI. */
  readonly to: string;
  /** Server it leads to. */
  readonly origin: string;
}

/** Another page goes on with the player: it is to be opened. */
export interface HandOver {
  readonly transferId: string;
  /** The portal's URI. */
  readonly to: string;
  /** Server it leads to. */
  readonly origin: string;
  /** World on that server, where the room has said it. */
  readonly world: string | undefined;
  /** The page, with what it needs to know in its fragment. Nothing in it is secret. */
  readonly url: string;
}

/** A crossing that a player may be asked about. */
export interface CrossingAhead {
  /** Server that sends the player. */
  readonly from: string | undefined;
  /** Server it leads to. */
  readonly to: string;
  readonly world: string | undefined;
  /** The page that goes on with the player; undefined: the one that is open. */
  readonly page: string | undefined;
  /** Gives the question up: the seat has lapsed, or somebody has decided. */
  readonly signal: AbortSignal;
}

/** How far a crossing has got. */
export interface Progress {
  readonly transferId: string;
  readonly to: string;
  /** `assets`: the other server fetches what the player wears; nothing has been decided yet. */
  readonly stage: "assets" | "reserved" | "connecting" | "arrived";
  /** Bytes there, in stage `assets`. */
  readonly receivedBytes?: number;
  /** Bytes in all, in stage `assets`. */
  readonly totalBytes?: number;
}

/** The player stayed where it is. */
export interface Failure {
  readonly transferId: string;
  readonly to: string;
  /** `ERR_FED_…`, for programs. */
  readonly code: string;
  /** For the player. */
  readonly message: string;
}

/** Nobody plays the player for the moment, and nothing it sends has an effect. */
export interface Freeze {
  /** `crossing`, `lease` (home does not answer), `process` or `stopping` (the server itself). */
  readonly reason: string;
  /** For the player. */
  readonly message: string;
}

/** The server ends the player's session by its own decision; the connection closes right after. */
export interface Recall {
  /** `ERR_FED_…`, for programs. */
  readonly code: string;
  /** For the player. */
  readonly message: string;
}

/**
 * Home did not keep all of what the player carried at another server. JSON Pointers (RFC 6901) into
 * what that server sent.
 */
export interface Kept {
  /** Origin of that server. */
  readonly from: string;
  /** What it changed, and is kept so. */
  readonly kept: readonly string[];
  /** What was not kept as it was sent. */
  readonly lost: readonly string[];
  /** How many places more than `lost` names were not kept. */
  readonly more: number;
}

/** The connection to the current room has ended, and no crossing was the cause. */
export interface Leave {
  /** WebSocket close code. */
  readonly code: number;
  /** `ERR_FED_…: text` where the federation ended it. */
  readonly reason: string;
  /** Why, for the player. */
  readonly message: string;
  /** Whether the `Traveler` brings the player home by itself: an arrival follows. */
  readonly comesHome: boolean;
}

/** Whether the player would get through a portal now; undefined where nobody says. */
export interface Forecast {
  /** The portal URI. */
  readonly to: string;
  /** `unknown`: nothing speaks against it, and the destination does not say. */
  readonly mayEnter: "yes" | "no" | "unknown";
  /** Why not. */
  readonly code: string | undefined;
  /** The same as a sentence for the player. */
  readonly message: string | undefined;
  /** Origin of the server that the portal leads to now. */
  readonly destination: string | undefined;
  readonly world: string | undefined;
  /** Whether a room there has a place; `unknown` where one would have to be made. */
  readonly room: "free" | "unknown";
  /** What home would not keep of what the player carries now, as JSON Pointers into it. */
  readonly losses: readonly string[] | undefined;
  /** How many of its assets are not there yet. */
  readonly missingAssets: number | undefined;
}
