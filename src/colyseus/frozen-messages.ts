/**
 * Messages of frozen players: the room does not get them, so that nothing a client sends can change
 * a player whom nobody may simulate.
 */
import type { Client, Room } from "@colyseus/core";
import { roomPrototype } from "./internals.ts";
import type { RoomSessions } from "./room-sessions.ts";

const ROOM_DATA_CODES = new Set([13, 17, 19, 20, 21]);
const FEDERATION_PREFIX = "federation:";

/** Wraps `Room._onMessage`, once for the process. */
export function holdBackFrozenMessages(sessions: RoomSessions): void {
  const message = roomPrototype._onMessage;
  roomPrototype._onMessage = function (client, buffer) {
    if (isHeldBack(sessions, this, client, buffer)) return;
    message.call(this, client, buffer);
  };
}

/** While a player is frozen, what its client sends has no effect; the federation's own may pass. */
function isHeldBack(
  sessions: RoomSessions,
  room: Room,
  client: Client,
  buffer: Uint8Array,
): boolean {
  if (sessions.get(room, client.sessionId)?.frozen !== true) return false;
  const code = (buffer[0] ?? 0) & 0x1f;
  if (!ROOM_DATA_CODES.has(code)) return false;
  const type = Buffer.from(buffer.subarray(2, 2 + FEDERATION_PREFIX.length)).toString("latin1");
  return type !== FEDERATION_PREFIX;
}
