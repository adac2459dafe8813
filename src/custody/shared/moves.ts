/**
 * Servers that have moved, as custody sees them (PROTOCOL 6): whoever was known by another origin is the same,
 * and a player of it is one player by whichever of its ids. What is stored keeps the name that it was written
 * with; what is compared is compared by the name of now.
 */

/** Where servers are that were known by another origin, this one included. */
export interface Moves {
  /** Another number whenever anything else is known. 0: nobody has moved. */
  readonly version: number;
  /** The origin that the server of one has now: the same, unless it was left. */
  currentOrigin(origin: string): string;
  /** The origins that a server had before. */
  formerOrigins(origin: string): readonly string[];
}

/** Everybody is where it always was. */
export const NOBODY_MOVED: Moves = Object.freeze({
  version: 0,
  currentOrigin: (origin: string) => origin,
  formerOrigins: () => [],
});

/** A player's id by the origin that its home has now. */
export function currentPlayer(moves: Moves, player: string): string {
  if (moves.version === 0) return player;
  const at = player.lastIndexOf("@") + 1;
  const authority = player.slice(at);
  for (const scheme of ["https", "http"]) {
    const origin = `${scheme}://${authority}`;
    const current = moves.currentOrigin(origin);
    if (current !== origin) return `${player.slice(0, at)}${new URL(current).host}`;
  }
  return player;
}

/** Every id of a player: by the origin that its home has now, then by those that it had. */
export function idsOf(moves: Moves, player: string, home: string): readonly string[] {
  const local = player.slice(0, player.lastIndexOf("@") + 1);
  const current = moves.currentOrigin(home);
  const origins = [current, ...moves.formerOrigins(current)];
  return origins.map((origin) => `${local}${new URL(origin).host}`);
}
