/** Player ids: `<local id>@<home authority>` (PROTOCOL 1). */

const LOCAL_ID = /^[A-Za-z0-9_-]{1,64}$/u;

/** Whether a value can be a local id. */
export function isLocalId(value: unknown): value is string {
  return typeof value === "string" && LOCAL_ID.test(value);
}

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
