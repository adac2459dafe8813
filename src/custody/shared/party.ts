/** Parties (PROTOCOL 7): several players who go to one place together, or not at all. */
import type { FederationErrorCode } from "../../errors.ts";

/** What a descriptor's `protocols` has where a server knows parties: as source, as destination and as home. */
export const PARTY_CAPABILITY = "aether-party/1";

/** Members of a party, at most. */
export const MAX_PARTY_MEMBERS = 8;

/** What becomes of the others when one cannot go: nobody goes, or they do. */
export type IfSomeCannot = "nobody" | "others";

/** Why somebody does not go. */
export interface PartyRefusal {
  readonly code: FederationErrorCode;
  /** A sentence for the player. */
  readonly message: string;
}

/** How far one member of a party is. */
export interface PartyMemberProgress {
  /** `<local id>@<home authority>`. */
  readonly player: string;
  readonly name: string;
  /**
   * `departing`: its home is asked; `reserved`: its seat is there, and its client on the way; `waiting`: its client is
   * connected there, and waits for the others.
   */
  readonly stage: "departing" | "reserved" | "waiting" | "arrived" | "stayed";
}

/** Message of PROTOCOL 8: how far a party is, the same for all of its members. */
export interface PartyMessage {
  readonly partyId: string;
  /** The portal URI. */
  readonly to: string;
  readonly members: readonly PartyMemberProgress[];
}
