import type { FederationErrorCode } from "../errors.ts";

/** Whether a player would get through a portal now, as far as can be known without moving it. */
export interface EntryForecast {
  /** The portal URI. */
  readonly to: string;
  /**
   * `unknown`: nothing speaks against it, and the destination does not say. It does not of players whose
   * home is another server than this one, nor where it does not know the question.
   */
  readonly mayEnter: "yes" | "no" | "unknown";
  /** Why not; a client can show `message` to its player. */
  readonly code?: FederationErrorCode;
  readonly message?: string;
  /** Origin and world that the portal leads to now; undefined: nowhere. */
  readonly destination?: string;
  readonly world?: string;
  /** Whether a room there has a place; `unknown` where one would have to be made, or nobody says. */
  readonly room: "free" | "unknown";
  /** What home would not keep of what the player carries now, as JSON Pointers; undefined: home does not say. */
  readonly losses?: readonly string[];
  /** How many of its assets are not there yet; undefined: the destination does not say. */
  readonly missingAssets?: number;
}
