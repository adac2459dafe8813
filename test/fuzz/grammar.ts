/** A good message for every call there is: what is sent is made of these, and of what becomes of them. */
import { randomBytes } from "node:crypto";
import type { Random } from "../../src/ports.ts";
import { anything, below, chance, latin, pick, text } from "./chance.ts";

/** What the sender of a message knows of the world. */
export interface Facts {
  readonly target: string;
  readonly sender: string;
  readonly world: string;
  /** A pass that is fine, and other tokens. */
  readonly tokens: readonly string[];
  /** Ids of players that are at home there, or nobody. */
  readonly players: readonly string[];
  readonly descriptor: string;
}

/** One call: method, path below the origin, and the body that is right. */
export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
}

type Maker = (facts: Facts, random: Random) => unknown;

const transferId: Maker = (_, random) => random.uuid();
const player: Maker = ({ players, sender }, random) =>
  chance(random, 0.7) ? pick(random, players) : `${text(random, 6)}@${new URL(sender).host}`;
const epoch: Maker = (_, random) => below(random, 4);
const state: Maker = (_, random) => anything(random, 4);
const to: Maker = ({ target, sender }, random) =>
  pick(random, [target, sender, "http://localhost:9"]);
const world: Maker = (facts, random) => pick(random, [facts.world, facts.world, "cellar"]);
const held: Maker = (facts, random) => ({
  player: player(facts, random),
  epoch: epoch(facts, random),
  ...(chance(random, 0.5) ? { state: state(facts, random) } : {}),
});
const many: Maker = (facts, random) => ({
  players: Array.from({ length: below(random, 12) }, () => held(facts, random)),
});
const asset: Maker = ({ sender }, random) => ({
  originServer: pick(random, [sender, "http://localhost:1"]),
  assetHash: `sha256-${Buffer.from(random.bytes(32)).toString("base64")}`,
  size: below(random, 2e6),
  mediaType: pick(random, ["image/svg+xml", "image/png", "text/html"]),
});

/** The body of each signed call, by its path below the endpoint. */
const BODIES: Readonly<Record<string, Maker>> = {
  "/handshake": ({ target, descriptor }, random) => ({
    protocols: ["aether/1"],
    responder: target,
    descriptor,
    nonce: Buffer.from(random.bytes(32)).toString("base64url"),
    issuedAt: Math.floor(Date.now() / 1000),
  }),
  "/handshake/complete": () => ({
    handshakeId: crypto.randomUUID(),
    proof: randomBytes(64).toString("base64url"),
  }),
  "/custody/depart": (facts, random) => ({
    transferId: transferId(facts, random),
    player: player(facts, random),
    epoch: epoch(facts, random),
    to: to(facts, random),
    world: world(facts, random),
    state: state(facts, random),
  }),
  "/custody/claim": (facts, random) => ({ transferId: transferId(facts, random) }),
  "/custody/cancel": (facts, random) => ({
    transferId: transferId(facts, random),
    player: player(facts, random),
    epoch: epoch(facts, random),
  }),
  "/custody/return": held,
  "/custody/returns": many,
  "/custody/renew": many,
  "/custody/departed": (facts, random) => ({
    transferId: transferId(facts, random),
    player: player(facts, random),
    epoch: epoch(facts, random),
  }),
  "/custody/revoke": (facts, random) => ({
    player: player(facts, random),
    epoch: epoch(facts, random),
  }),
  "/custody/preview": held,
  "/custody/receipt": (facts, random) => ({ transferId: transferId(facts, random) }),
  "/custody/receipts": (facts, random) => ({
    crossings: [
      { transferId: transferId(facts, random) },
      { transferId: transferId(facts, random) },
    ],
  }),
  "/custody/pledge": (facts, random) => ({
    transferId: transferId(facts, random),
    partyId: transferId(facts, random),
  }),
  "/custody/unpledge": (facts, random) => ({
    transferId: transferId(facts, random),
    partyId: transferId(facts, random),
  }),
  "/parties": (facts, random) => ({
    partyId: transferId(facts, random),
    world: world(facts, random),
    ifSomeCannot: pick(random, ["nobody", "others"]),
    members: Array.from({ length: below(random, 10) }, () => ({
      transferId: transferId(facts, random),
      pass: pick(random, facts.tokens),
    })),
  }),
  "/parties/progress": (facts, random) => ({
    partyId: transferId(facts, random),
    waiting: [transferId(facts, random)],
    over: true,
  }),
  "/reservations": (facts, random) => ({
    transferId: transferId(facts, random),
    pass: pick(random, facts.tokens),
    world: world(facts, random),
    options: { gate: text(random, 8) },
  }),
  "/reservations/cancel": (facts, random) => ({ transferId: transferId(facts, random) }),
  "/travel": (facts, random) => ({
    to: `aether://${new URL(to(facts, random) as string).host}/${String(world(facts, random))}`,
    name: text(random, 20),
  }),
  "/custody/offer": (facts, random) => ({
    ...(held(facts, random) as object),
    tradeId: transferId(facts, random),
    item: text(random, 12),
    to: player(facts, random),
    toHome: to(facts, random),
    proof: pick(random, facts.tokens),
  }),
  "/custody/trade": (facts, random) => ({
    trade: pick(random, facts.tokens),
    ...(chance(random, 0.5) ? { withdraw: true } : {}),
  }),
  "/player/keys": (facts, random) =>
    pick(random, [
      {},
      { add: pick(random, facts.tokens), leaveBehind: true },
      { remove: Buffer.from(random.bytes(32)).toString("base64url") },
    ]),
  "/hand-over": (facts, random) => ({ transferId: transferId(facts, random) }),
  "/assets/prepare": (facts, random) => ({
    assets: Array.from({ length: below(random, 5) }, () => asset(facts, random)),
  }),
};

/** Paths without a body that counts. */
const READS: readonly ((random: Random) => string)[] = [
  () => "/federation/health",
  () => "/federation/servers",
  () => "/.well-known/aether-federation",
  (random) => `/federation/keys/${Buffer.from(random.bytes(32)).toString("base64url")}`,
  (random) => `/federation/keys/${encodeURIComponent(text(random, 12))}`,
  (random) => `/federation/assets/sha256/${Buffer.from(random.bytes(32)).toString("hex")}`,
  (random) => `/federation/assets/sha256/${encodeURIComponent(text(random, 12))}`,
  (random) => `/federation/custody/${encodeURIComponent(text(random, 12))}`,
  () => "/federation",
];

/** Some call of the protocol, or of Colyseus' matchmaker, as it should be. */
export function goodCall(facts: Facts, random: Random): Call {
  const kind = random.fraction();
  if (kind < 0.15) return { method: "GET", path: pick(random, READS)(random) };
  if (kind < 0.25) {
    const method = pick(random, ["joinOrCreate", "join", "joinById", "create", "reconnect"]);
    const path = `/matchmake/${method}/${pick(random, [facts.world, "none", text(random, 5)])}`;
    return { method: "POST", path: encodeURI(path), body: { name: text(random, 10) } };
  }
  const [path, make] = pick(random, Object.entries(BODIES));
  return { method: "POST", path: `/federation${path}`, body: make(facts, random) };
}

/** A token as one may find it, or nearly so. */
export function tokenOf(facts: Facts, random: Random): string {
  const token = pick(random, facts.tokens);
  const kind = random.fraction();
  if (kind < 0.4) return latin(token);
  if (kind < 0.7) {
    const at = below(random, token.length);
    return latin(token.slice(0, at) + text(random, 3) + token.slice(at + 3));
  }
  return latin(kind < 0.85 ? token.split(".").reverse().join(".") : text(random, 300));
}
