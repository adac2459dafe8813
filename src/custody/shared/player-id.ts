/** Player ids: `<local id>@<home authority>` (PROTOCOL 1). */

/** Local ids of players without account or key start with this. */
export const GUEST_PREFIX = "guest-";

/** Whether a player has neither account nor key: nobody can log in as it again. */
export function isGuest(player: string): boolean {
  return player.startsWith(GUEST_PREFIX);
}

/** Whether a server is a player's home. */
export function isHomeOf(origin: string, player: string): boolean {
  return new URL(origin).host === player.slice(player.lastIndexOf("@") + 1);
}
