/** What a player's client needs: browser-safe, no server code. */
export { Traveler } from "./traveler.ts";
export type { Arrived } from "./traveler.ts";
export type { TravelerOptions } from "./traveler-options.ts";
export type { ArriveOptions } from "./hand-over/arrive.ts";
export type {
  Arrival,
  CrossingAhead,
  Departure,
  Failure,
  Forecast,
  Freeze,
  HandOver,
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
export type { Destination, DestinationPicture } from "./later/destinations.ts";
export { onGift } from "./gift.ts";
export type { GiftProposal } from "./gift.ts";
export { onParty } from "./party.ts";
export type { PartyMemberProgress, PartyProgress } from "./party.ts";
export { PlayerKey } from "./player-key.ts";
export type { ProofUse, ProvingKey, PublicKeyJwk, SeatDelegation } from "./player-key.ts";
export type { KeyStorage } from "./storage.ts";
