/**
 * Every call this server answers, as data: PROTOCOL 3's table of calls, which a test holds against
 * this one. A new endpoint is one entry here.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AssetLibrary } from "../../assets/asset-library.ts";
import type { Custody } from "../../custody/custody.ts";
import type { ServersPage } from "../../discovery/server-pages.ts";
import type { HandshakeAnswer } from "../../handshake/handshake-responder.ts";
import type { HandshakeService } from "../../handshake/handshake-service.ts";
import { takeTrustWord, trustWordFor } from "../../handshake/trust-words.ts";
import type { DescriptorDocument } from "../../identity/descriptor.ts";
import type { SignedMessageParts } from "../../identity/http-signatures.ts";
import type { ServerRegistry } from "../../registry/server-registry.ts";
import { type Answer, type Verdict, answerOf, refusal } from "./answers.ts";
import { type AssetServer, isAssetPath } from "./asset-server.ts";
import type { Peer } from "./caller.ts";
import { type PlayerKeysRequest, answerPlayerKeys } from "./player-keys.ts";
import { type HandOverAnswer, type HandOverRequest, answerHandOver } from "./hand-over.ts";
import { type TravelAnswer, type TravelRequest, answerTravel } from "./travel.ts";

/** What the calls ask of the server. */
export interface RouteParts {
  readonly descriptor: () => Promise<DescriptorDocument>;
  /** This server's signed word on one of its keys; undefined when it is none. */
  readonly keyWord: (kid: string) => Promise<string | undefined>;
  /** How this server is (PROTOCOL 10); as JSON at most 1 KiB, since pongs carry it. Answers at once. */
  readonly health: () => {
    readonly status: "pass" | "warn" | "fail";
    readonly version: string;
    readonly checks?: Readonly<Record<string, readonly object[]>>;
  };
  readonly registry: Pick<ServerRegistry, "get" | "noteTheirTrust">;
  /** A page of the servers that are listed, from the cursor on. */
  readonly servers: (cursor: string | undefined) => Promise<ServersPage>;
  readonly handshake: Pick<HandshakeService, "handleChallenge" | "handleCompletion">;
  readonly custody: Pick<Custody, "answer" | "parties" | "partySeats" | "preflight" | "seats">;
  readonly assets: Pick<AssetLibrary, "answer">;
  readonly serveAsset: AssetServer;
  /** A player's client asks its home to send it through a portal (PROTOCOL 8). */
  readonly travel: (request: TravelRequest) => Promise<TravelAnswer>;
  /** A player's client asks about the player's keys (PROTOCOL 8). */
  readonly playerKeys: (request: PlayerKeysRequest) => Promise<Verdict>;
  /** A player's page asks its home which crossing it is on (PROTOCOL 8). */
  readonly handOver: (request: HandOverRequest) => Promise<HandOverAnswer>;
}

/** What every entry says. */
interface RouteData {
  /** Below the endpoint, or below the origin; where it has a `{…}`, `matches` says what fits. */
  readonly path: string;
  /** Default `endpoint`. */
  readonly at?: "endpoint" | "origin";
  /** HEAD is answered wherever GET is. */
  readonly method: "GET" | "POST";
}

/** Whoever asks is answered, without a signature. */
interface PublicRoute extends RouteData {
  readonly caller: "anybody";
  readonly body: "none";
  readonly budget: "address";
  /** A document that pages of every origin may read and that caches keep for so long. */
  readonly cacheSeconds?: number;
  /** What a 405 names. Default: the method. */
  readonly allow?: string;
  /** Where the path has a `{…}`. */
  readonly matches?: (path: string) => boolean;
  readonly answer: (
    parts: RouteParts,
    path: string,
    query: URLSearchParams,
  ) => Answer | Promise<Answer>;
}

/** Whoever asks gets bytes; methods, headers and refusals are its own affair. */
interface StreamedRoute extends RouteData {
  readonly caller: "anybody";
  readonly body: "none";
  readonly budget: "address";
  readonly matches: (path: string) => boolean;
  readonly stream: (
    parts: RouteParts,
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
  ) => Promise<void>;
}

/** Whoever signs with a key that its own origin vouches for; the handshake verifies and parses. */
interface SignerRoute extends RouteData {
  readonly caller: "signer";
  readonly body: "raw";
  readonly budget: "address";
  /** `address`: the caller's network address. */
  readonly answer: (
    parts: RouteParts,
    message: SignedMessageParts,
    address: string | undefined,
  ) => Promise<HandshakeAnswer>;
}

/** A player, by the login it carries; the call parses. */
interface PlayerRoute extends RouteData {
  readonly caller: "player";
  readonly body: "raw";
  /** What each address may ask for beside what it may ask at all. */
  readonly budget: "travel";
  readonly answer: (parts: RouteParts, login: string, body: Uint8Array) => Promise<Answer>;
}

/** A trusted peer with a live session; the body's form is the domain's to check. */
interface PeerRoute extends RouteData {
  readonly caller: "peer";
  /** `json`: parsed, and at most 40 levels deep, before the call is made. */
  readonly body: "none" | "json";
  /**
   * Each has as much as the others, so that no question, however often it is asked, costs a player
   * its lease or its crossing: `safety` keeps or ends custody, `crossing` begins one, `peer` is all
   * else.
   */
  readonly budget: "safety" | "crossing" | "peer";
  readonly answer: (parts: RouteParts, peer: Peer, body: unknown) => Answer | Promise<Answer>;
}

/** One call. */
export type Route = PublicRoute | StreamedRoute | SignerRoute | PlayerRoute | PeerRoute;

const DESCRIPTOR_MAX_AGE_SECONDS = 300;

const SERVERS_MAX_AGE_SECONDS = 30;

const KEY_PATH = /^\/keys\/[A-Za-z0-9_-]{43}$/u;

const custodyCall = (call: string, budget: PeerRoute["budget"] = "safety"): PeerRoute => ({
  path: `/custody/${call}`,
  method: "POST",
  caller: "peer",
  body: "json",
  budget,
  answer: async ({ custody }, { origin, sentAt }, body) =>
    answerOf(await custody.answer(origin, call, body, sentAt)),
});

/** The table. */
export const ROUTES: readonly Route[] = [
  {
    path: "/.well-known/aether-federation",
    at: "origin",
    method: "GET",
    caller: "anybody",
    body: "none",
    budget: "address",
    cacheSeconds: DESCRIPTOR_MAX_AGE_SECONDS,
    allow: "GET, HEAD",
    answer: async ({ descriptor }) => ({ status: 200, body: await descriptor() }),
  },
  {
    path: "/handshake",
    method: "POST",
    caller: "signer",
    body: "raw",
    budget: "address",
    answer: ({ handshake }, message, address) => handshake.handleChallenge(message, address),
  },
  {
    path: "/handshake/complete",
    method: "POST",
    caller: "signer",
    body: "raw",
    budget: "address",
    answer: ({ handshake }, message, address) => handshake.handleCompletion(message, address),
  },
  {
    path: "/keys/{kid}",
    matches: (path) => KEY_PATH.test(path),
    method: "GET",
    caller: "anybody",
    body: "none",
    budget: "address",
    cacheSeconds: DESCRIPTOR_MAX_AGE_SECONDS,
    allow: "GET, HEAD",
    answer: async ({ keyWord }, path) => {
      const jws = await keyWord(path.slice("/keys/".length));
      return jws === undefined
        ? refusal("ERR_FED_NOT_FOUND", "This server has no such key.")
        : { status: 200, body: { jws } };
    },
  },
  custodyCall("depart", "crossing"),
  custodyCall("claim"),
  custodyCall("cancel"),
  custodyCall("return"),
  custodyCall("returns"),
  custodyCall("renew"),
  custodyCall("departed"),
  custodyCall("revoke"),
  custodyCall("preview", "peer"),
  custodyCall("receipt", "peer"),
  custodyCall("receipts", "peer"),
  custodyCall("offer", "crossing"),
  custodyCall("trade", "crossing"),
  custodyCall("pledge"),
  custodyCall("unpledge"),
  {
    path: "/reservations",
    method: "POST",
    caller: "peer",
    body: "json",
    budget: "crossing",
    answer: async ({ custody }, { origin }, body) =>
      answerOf(await custody.seats.reserve(origin, body), 201),
  },
  {
    path: "/reservations/cancel",
    method: "POST",
    caller: "peer",
    body: "json",
    budget: "safety",
    answer: async ({ custody }, { origin }, body) =>
      answerOf(await custody.seats.cancel(origin, body)),
  },
  {
    path: "/parties",
    method: "POST",
    caller: "peer",
    body: "json",
    budget: "crossing",
    answer: async ({ custody }, { origin }, body) =>
      answerOf(await custody.partySeats.reserve(origin, body), 201),
  },
  {
    path: "/parties/progress",
    method: "POST",
    caller: "peer",
    body: "json",
    budget: "peer",
    answer: ({ custody }, { origin }, body) => answerOf(custody.parties.progress(origin, body)),
  },
  {
    path: "/preflight",
    method: "POST",
    caller: "peer",
    body: "json",
    budget: "peer",
    answer: async ({ custody }, { origin }, body) =>
      answerOf(await custody.preflight.answer(origin, body)),
  },
  {
    // An upgrade does not come this way: who reads this has a proxy between that made none of it.
    path: "/link",
    method: "GET",
    caller: "peer",
    body: "none",
    budget: "peer",
    answer: () => refusal("ERR_FED_NOT_FOUND", "A link is opened by an upgrade to a WebSocket."),
  },
  {
    path: "/trust",
    method: "POST",
    caller: "peer",
    body: "json",
    budget: "peer",
    answer: async ({ registry }, { origin }, body) => {
      const taken = await takeTrustWord(registry, origin, body);
      if (!taken.verified) return refusal(taken.code, taken.reason, taken.retryAfterSeconds);
      const said = trustWordFor(registry, origin);
      return said === undefined ? refusal("ERR_FED_NOT_TRUSTED") : { status: 200, body: said };
    },
  },
  {
    path: "/travel",
    method: "POST",
    caller: "player",
    body: "raw",
    budget: "travel",
    answer: ({ travel }, login, body) => answerTravel(travel, login, body),
  },
  {
    path: "/player/keys",
    method: "POST",
    caller: "player",
    body: "raw",
    budget: "travel",
    answer: ({ playerKeys }, login, body) => answerPlayerKeys(playerKeys, login, body),
  },
  {
    path: "/hand-over",
    method: "POST",
    caller: "player",
    body: "raw",
    budget: "travel",
    answer: ({ handOver }, login, body) => answerHandOver(handOver, login, body),
  },
  {
    path: "/assets/prepare",
    method: "POST",
    caller: "peer",
    body: "json",
    budget: "peer",
    answer: async ({ assets }, { origin }, body) => answerOf(await assets.answer(origin, body)),
  },
  {
    path: "/assets/sha256/{hash}",
    matches: isAssetPath,
    method: "GET",
    caller: "anybody",
    body: "none",
    budget: "address",
    stream: ({ serveAsset }, request, response, path) => serveAsset(request, response, path),
  },
  {
    path: "/health",
    method: "GET",
    caller: "anybody",
    body: "none",
    budget: "address",
    answer: ({ health }) => {
      const body = health();
      const status = body.status === "fail" ? 503 : 200;
      return { status, contentType: "application/health+json", body };
    },
  },
  {
    path: "/servers",
    method: "GET",
    caller: "anybody",
    body: "none",
    budget: "address",
    cacheSeconds: SERVERS_MAX_AGE_SECONDS,
    allow: "GET, HEAD",
    answer: async ({ servers }, _path, query) => {
      const page = await servers(query.get("cursor") ?? undefined);
      return page.ok
        ? { status: 200, body: undefined, text: page.text }
        : refusal("ERR_FED_MALFORMED", "The cursor is none of this server's.");
    },
  },
];

const exactAt = (place: "endpoint" | "origin"): ReadonlyMap<string, Route> =>
  new Map(ROUTES.filter(({ at = "endpoint" }) => at === place).map((route) => [route.path, route]));
const exact = { endpoint: exactAt("endpoint"), origin: exactAt("origin") };
const matched = ROUTES.filter(
  (route): route is PublicRoute | StreamedRoute =>
    "matches" in route && route.matches !== undefined,
);

/** The entry for a path at the origin, or below the endpoint. An exact path goes first. */
export function routeFor(at: "endpoint" | "origin", path: string): Route | undefined {
  return (
    exact[at].get(path) ??
    (at === "endpoint" ? matched.find((route) => route.matches?.(path)) : undefined)
  );
}
