/** What a client may send through its WebSocket: Colyseus' frames, the federation's messages in them. */
import type { Room } from "@colyseus/sdk";
import type { Random } from "../../src/ports.ts";
import { anything, below, chance, pick, spoilt, text } from "./chance.ts";

/** Codes of Colyseus' frames, and some that are none. */
const CODES = [10, 12, 13, 13, 13, 14, 17, 17, 18, 19, 20, 21, 21, 22, 0, 31];

/** A frame: a good message, one with something wrong, or bytes that nobody has thought of. */
export function frame(room: Room, destinations: readonly string[], random: Random): Uint8Array {
  const kind = random.fraction();
  if (kind < 0.1) return random.bytes(below(random, 64));
  const [type, good] = message(destinations, random);
  const payload = chance(random, 0.6) ? good : spoilt(good, random);
  const bytes = frameOf(room, chance(random, 0.9) ? type : text(random, 20), payload);
  if (kind < 0.5) return bytes;
  // The same content under another code, with modifiers, cut, or with some bytes changed.
  if (kind < 0.75)
    bytes[0] = pick(random, CODES) | (chance(random, 0.3) ? pick(random, [32, 64, 128]) : 0);
  if (kind > 0.65) return bytes.subarray(0, below(random, bytes.length + 1));
  for (let times = below(random, 4); times > 0; times -= 1) {
    bytes[below(random, bytes.length)] = below(random, 256);
  }
  return bytes;
}

function message(destinations: readonly string[], random: Random): [string, unknown] {
  return pick<() => [string, unknown]>(random, [
    () => ["federation:enter", { to: pick(random, destinations) }],
    () => ["federation:cancel", { transferId: random.uuid() }],
    () => ["federation:preview", undefined],
    () => ["federation:can-enter", { to: "aether://nowhere.example/x" }],
    () => ["federation:receipt", undefined],
    () => ["federation:transit", anything(random, 3)],
    () => ["move", { dx: random.fraction(), dy: random.fraction() }],
    () => ["note", text(random, 30)],
    () => [text(random, 12), anything(random, 3)],
  ])();
}

/** The bytes that the SDK would send. */
function frameOf(room: Room, type: string, payload: unknown): Uint8Array {
  const { connection } = room;
  const send = connection.send.bind(connection);
  let bytes = new Uint8Array();
  connection.send = (data) => {
    bytes = Uint8Array.from(data as Uint8Array);
  };
  try {
    room.send(type, payload);
  } finally {
    connection.send = send;
  }
  return bytes;
}
