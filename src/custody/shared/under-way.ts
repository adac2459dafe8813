import type { PlayerSession } from "./player-session.ts";

/** Crossings that leave this server, as the other sides know them. */
export interface CrossingsUnderWay {
  /** The transfer a player is leaving with, if it is. */
  transferOf(player: string): string | undefined;
  /** The session that a player is leaving from, also when its client has gone meanwhile. */
  sessionOf(player: string): PlayerSession | undefined;
  /** Whether this very session is leaving. */
  isCrossing(session: PlayerSession): boolean;
  /** Ends a crossing whose client could not get in, or whose player has to stay. */
  abandon(player: string, transferId: string): void;
  /** Gives up whatever crossing the player is on and waits until it is over. */
  giveUp(player: string): Promise<void>;
}
