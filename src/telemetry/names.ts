/**
 * Every name that telemetry gives away, and what may stand in its attributes; docs/telemetry.md says the same,
 * and a test holds them together.
 *
 * Attributes of metrics have few values each, all of them this server's own words: no player, no URI, no peer.
 * Those of spans name peers and transfers, too, and no player.
 */
import type { ERROR_CODES } from "../errors.ts";

/** Names of attributes. */
export const Attribute = {
  /** This server's own origin: several may be in one process. */
  Server: "aether.server",
  /** How it ended. */
  Outcome: "aether.outcome",
  /** Why, where it did not end well: `ERR_FED_…`. */
  Code: "aether.code",
  /** Which side of a handshake. */
  Role: "aether.handshake.role",
  /** Path of a call below the endpoint. */
  Call: "aether.call",
  /** Condition of peers. */
  State: "aether.peer.state",
  /** Origin of another server; of spans only. */
  Peer: "aether.peer",
  /** Of spans only. */
  Transfer: "aether.transfer.id",
} as const;

/** A name in {@link Attribute}. */
export type AttributeName = (typeof Attribute)[keyof typeof Attribute];

/** Any code that `aether.code` may have. */
export type TelemetryCode = keyof typeof ERROR_CODES;

/** What is done, and how it is told. */
interface OperationNames {
  /** Of its span; with `aether.call` among its labels, a blank and the call follow. */
  readonly span: string;
  /** OpenTelemetry's kind of span. */
  readonly kind: "internal" | "client" | "server";
  /** Counts each end, by outcome and code. */
  readonly counter?: { readonly name: string; readonly unit: string };
  /** How long it took, in seconds, by outcome and code. */
  readonly duration?: string;
  /** Besides outcome and code, of its metrics and its span. */
  readonly labels: readonly AttributeName[];
  /** Of its span alone. */
  readonly details: readonly AttributeName[];
  /** All its outcomes, besides `failed`: it has thrown. */
  readonly outcomes: readonly string[];
  readonly description: string;
}

/** Everything that has a span or is counted. */
export const OPERATIONS = {
  handshake: {
    span: "aether.handshake",
    kind: "client",
    counter: { name: "aether.handshakes", unit: "{handshake}" },
    duration: "aether.handshake.duration",
    labels: [Attribute.Role],
    details: [Attribute.Peer],
    outcomes: ["ok", "refused"],
    description: "Handshakes, on either side",
  },
  crossing: {
    span: "aether.crossing",
    kind: "internal",
    counter: { name: "aether.crossings", unit: "{crossing}" },
    duration: "aether.crossing.duration",
    labels: [],
    details: [Attribute.Peer, Attribute.Transfer],
    outcomes: ["arrived", "stayed", "undecided"],
    description: "Crossings that left this server, until the player is there, or stays",
  },
  depart: {
    span: "aether.crossing.depart",
    kind: "internal",
    labels: [],
    details: [],
    outcomes: ["ok"],
    description: "The player is frozen, and home asked to let it go",
  },
  reserve: {
    span: "aether.crossing.reserve",
    kind: "internal",
    labels: [],
    details: [],
    outcomes: ["ok"],
    description: "The destination is asked for a seat",
  },
  transit: {
    span: "aether.crossing.transit",
    kind: "internal",
    labels: [],
    details: [],
    outcomes: ["departed", "expired", "abandoned", "blocked"],
    description: "The client knows its seat, and goes there",
  },
  settle: {
    span: "aether.crossing.settle",
    kind: "internal",
    labels: [],
    details: [],
    outcomes: ["arrived", "stayed", "undecided"],
    description: "The source lets the player go, or takes it back",
  },
  arrival: {
    span: "aether.arrival",
    kind: "internal",
    counter: { name: "aether.arrivals", unit: "{arrival}" },
    duration: "aether.arrival.duration",
    labels: [],
    details: [Attribute.Peer, Attribute.Transfer],
    outcomes: ["ok", "refused"],
    description: "Clients who came for their seats here: home was asked for the player",
  },
  return: {
    span: "aether.return",
    kind: "internal",
    counter: { name: "aether.returns", unit: "{return}" },
    labels: [],
    details: [Attribute.Peer],
    outcomes: ["returned", "gone", "returning", "nothing", "retry"],
    description: "Tries to give a visitor back to its home",
  },
  assetTransfer: {
    span: "aether.asset.transfer",
    kind: "internal",
    counter: { name: "aether.asset.transfers", unit: "{transfer}" },
    duration: "aether.asset.transfer.duration",
    labels: [],
    details: [Attribute.Peer],
    outcomes: ["ok"],
    description: "Files fetched from other servers",
  },
  call: {
    span: "aether.call",
    kind: "client",
    duration: "aether.call.duration",
    labels: [Attribute.Call],
    details: [Attribute.Peer],
    outcomes: ["ok", "refused"],
    description: "Calls to peers",
  },
  answer: {
    span: "aether.answer",
    kind: "server",
    duration: "aether.answer.duration",
    labels: [Attribute.Call],
    details: [Attribute.Peer],
    outcomes: ["ok", "refused"],
    description: "Calls of peers",
  },
} as const satisfies Record<string, OperationNames>;

/** What is done. */
export type OperationKind = keyof typeof OPERATIONS;

/** What is looked at when metrics are collected. */
export const GAUGES = {
  "aether.players": {
    unit: "{player}",
    attributes: [],
    description: "Players who play on this process",
  },
  "aether.visitors": {
    unit: "{player}",
    attributes: [],
    description: "Those of them who are at home elsewhere",
  },
  "aether.players.abroad": {
    unit: "{player}",
    attributes: [],
    description: "Players of this home whom another server has, of the whole server",
  },
  "aether.peers": {
    unit: "{peer}",
    attributes: [Attribute.State],
    description: "Peers, by how they are",
  },
  "aether.links": {
    unit: "{link}",
    attributes: [],
    description: "Open links with peers, of this process",
  },
} as const satisfies Record<
  string,
  {
    readonly unit: string;
    readonly attributes: readonly AttributeName[];
    readonly description: string;
  }
>;

/** A name in {@link GAUGES}. */
export type GaugeName = keyof typeof GAUGES;

/** Calls between peers that have a span on either side: those of crossings, returns and assets. */
export const TRACED_CALLS: ReadonlySet<string> = new Set([
  "/custody/depart",
  "/custody/claim",
  "/custody/cancel",
  "/custody/return",
  "/custody/returns",
  "/custody/departed",
  "/reservations",
  "/reservations/cancel",
  "/preflight",
  "/assets/prepare",
]);
