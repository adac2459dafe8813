/**
 * The floors of the house, the lowest first. A room imports only from floors below it: never from a
 * room beside it, never upwards. The rules and the picture in docs/DESIGN.md are made of this list.
 */
export const FLOORS = [
  ["errors.ts", "words.ts", "options.ts", "node-version.ts"],
  ["ports.ts", "json.ts"],
  ["rows", "limits", "telemetry"],
  ["identity", "routing", "health", "link"],
  ["storage"],
  ["registry"],
  ["handshake", "discovery", "assets/verify", "custody/shared", "carried"],
  ["assets/store", "custody/holder", "custody/home"],
  ["assets/transfer", "custody/source", "custody/destination"],
  ["assets", "custody"],
  ["http/link"],
  ["http/outbound", "http/inbound"],
  ["doctor"],
  ["runtime", "operator"],
  ["colyseus", "admin/page"],
  ["admin"],
  ["federation", "cli"],
  ["index.ts", "testing"],
];

/** Rooms that stand apart: they import nothing of the house. */
export const APART = ["client", "client/hand-over", "client/keys", "client/later"];

/** What those apart may import all the same: it knows nothing of any server. */
export const FOR_ALL = ["words.ts"];

/** A regular expression for what lies in a room itself, not in the rooms within it. */
export function inside(room) {
  return room.endsWith(".ts") ? `^src/${room.replace(".", "\\.")}$` : `^src/${room}/[^/]+$`;
}
