/** Player ids: `<local id>@<home authority>` (PROTOCOL 1). */
import { GUEST_PREFIX } from "../../identity/local-id.ts";

/** Whether a player has neither account nor key: nobody can log in as it again. */
export function isGuest(player: string): boolean {
  return player.startsWith(GUEST_PREFIX);
}

/** Whether a server is a player's home. */
export function isHomeOf(origin: string, player: string): boolean {
  return new URL(origin).host === player.slice(player.lastIndexOf("@") + 1);
}
