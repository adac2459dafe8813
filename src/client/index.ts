/** What a player's client needs: browser-safe, no server code. */
export { Traveler } from "./traveler.ts";
export type { TravelerOptions } from "./traveler.ts";
export type {
  Arrival,
  Departure,
  Failure,
  Forecast,
  Freeze,
  Kept,
  Leave,
  Progress,
  Recall,
} from "./events.ts";
export type { HostToken, StorageTrouble } from "./identity.ts";
export type {
  JoinOptions,
  RoomName,
  RoomOf,
  RoomTypeOf,
  RoomTypes,
  ServerTypes,
} from "./server-types.ts";
export type { Destination, DestinationPicture } from "./destinations.ts";
export { onParty } from "./party.ts";
export type { PartyMemberProgress, PartyProgress } from "./party.ts";
export { PlayerKey } from "./player-key.ts";
export type { ProofUse } from "./player-key.ts";
export type { KeyStorage } from "./storage.ts";
