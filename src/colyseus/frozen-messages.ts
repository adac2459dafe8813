/**
 * Messages of frozen players: the room does not get them, so that nothing a client sends can change
 * a player whom nobody may simulate.
 *
 * Frames are read as Colyseus itself reads them. What is dropped still counts against the room's
 * `maxMessagesPerSecond`. Inputs say only what has changed since the one before: they are kept until
 * the player thaws and decoded then, but none of them is simulated.
 */
import type { Client, Room } from "@colyseus/core";
import { type Iterator, decode } from "@colyseus/schema";
import { type MessageFunction, inputsOf, roomPrototype } from "./internals.ts";
import { FEDERATION_MESSAGES } from "./portals.ts";
import type { RoomPlayer, RoomSessions } from "./room-sessions.ts";

const JOIN_ROOM = 10;
const LEAVE_ROOM = 12;
const ROOM_DATA = 13;
const PING = 18;
const INPUT_RELIABLE = 19;
const INPUT_UNRELIABLE = 20;
/** The rest of the first byte are modifiers. */
const CODE_MASK = 0x1f;
/** A frame that no room has a meaning for: it is counted and does nothing. */
const NOTHING = Uint8Array.of(0);
const MAX_KEPT_INPUT_BYTES = 16 * 1024;

/** Wraps `Room._onMessage`. Returns how to release it. */
export function holdBackFrozenMessages(sessions: RoomSessions): () => void {
  const message = roomPrototype._onMessage;
  let released = false;
  const wrapper: MessageFunction = function (client, buffer) {
    const entry = released ? undefined : sessions.get(this, client.sessionId);
    if (entry === undefined || !sessions.isFrozen(entry)) {
      message.call(this, client, buffer);
      return;
    }
    const code = codeOf(buffer);
    if (code === INPUT_RELIABLE || code === INPUT_UNRELIABLE) keepInput(entry, client, buffer);
    message.call(this, client, isHeard(sessions, this, buffer) ? buffer : NOTHING);
  };
  roomPrototype._onMessage = wrapper;
  sessions.onFreezing = (entry, client, frozen) => {
    if (!frozen) decodeKeptInputs(entry, client);
    // What came before the freeze is not simulated after it, nor what came meanwhile.
    inputsOf(entry.room)?.freeze(client);
  };
  return () => {
    released = true;
    // Where somebody (simulateLatency) has wrapped it once more, ours stays inside and only hands on.
    if (roomPrototype._onMessage === wrapper) roomPrototype._onMessage = message;
    sessions.onFreezing = undefined;
  };
}

/** Of a frozen player: what keeps its connection up, and the federation's own messages. */
function isHeard(sessions: RoomSessions, room: Room, buffer: Uint8Array): boolean {
  const code = codeOf(buffer);
  if (code === JOIN_ROOM || code === LEAVE_ROOM || code === PING) return true;
  // A room without the plugin would hand them to its own handlers.
  if (code !== ROOM_DATA || sessions.portalsOf(room) === undefined) return false;
  return FEDERATION_MESSAGES.has(typeOf(buffer) ?? "");
}

function codeOf(buffer: Uint8Array): number {
  return (buffer[0] ?? 0) & CODE_MASK;
}

/** The message type of a `ROOM_DATA` frame; undefined for a number, and for one longer than any of ours. */
function typeOf(buffer: Uint8Array): string | undefined {
  const it: Iterator = { offset: 1 };
  if (!decode.stringCheck(buffer, it)) return undefined;
  const head = buffer.subarray(0, MAX_TYPE_BYTES);
  const type = decode.string(head, it);
  return it.offset <= head.length ? type : undefined;
}

/** Prefixes, and more letters than the longest of our types has. */
const MAX_TYPE_BYTES = 64;

function keepInput(entry: RoomPlayer, client: Client, buffer: Uint8Array): void {
  // A connection that was made again begins with a whole input.
  if (entry.keptInputs?.client !== client) entry.keptInputs = { client, bytes: 0, frames: [] };
  const kept = entry.keptInputs;
  // Not the buffer itself: the transport may use it again.
  kept.frames.push(Uint8Array.from(buffer));
  kept.bytes += buffer.length;
  while (kept.bytes > MAX_KEPT_INPUT_BYTES) kept.bytes -= kept.frames.shift()?.length ?? 0;
}

function decodeKeptInputs(entry: RoomPlayer, client: Client): void {
  const frames = entry.keptInputs?.client === client ? entry.keptInputs.frames : [];
  delete entry.keptInputs;
  const inputs = inputsOf(entry.room);
  for (const frame of frames) {
    const modifiers = (frame[0] ?? 0) & ~CODE_MASK;
    const buffer = Buffer.from(frame);
    if (codeOf(frame) === INPUT_UNRELIABLE) inputs?.decodeUnreliable(client, buffer, modifiers);
    else inputs?.decodeReliable(client, buffer, { offset: 1 }, modifiers);
  }
}
