/**
 * The endpoints other servers call (PROTOCOL 2–4, 6, 7, 9–11), as one Express middleware.
 *
 * Order for every signed call: size → signature (PROTOCOL 3) → block list → live session → trust →
 * the call itself. Answers to verified callers are signed, refusals included.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { rateLimit } from "express-rate-limit";
import { z } from "zod";
import type { AssetLibrary } from "../../assets/asset-library.ts";
import type { Custody } from "../../custody/custody.ts";
import { type CallAnswer, FederationError, type FederationErrorCode } from "../../errors.ts";
import type { HandshakeService } from "../../handshake/handshake-service.ts";
import type { DescriptorDocument } from "../../identity/descriptor.ts";
import {
  type SignedMessageParts,
  peekKeyId,
  signResponse,
  verifyRequest,
} from "../../identity/http-signatures.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import { isShallow } from "../../json.ts";
import type { Clock, Logger, Random, Store } from "../../ports.ts";
import { TrustState } from "../../registry/federated-server.ts";
import type { ServerRegistry } from "../../registry/server-registry.ts";
import { type AssetServer, createAssetServer, isAssetPath } from "./asset-server.ts";
import { type Problem, problem } from "./problem.ts";
import { readRawBody } from "./raw-body.ts";

/** Options of {@link createEndpoints}. */
export interface EndpointsOptions {
  readonly origin: string;
  /** Public URL of the endpoints, e.g. `https://worlds.example.com/federation`. */
  readonly endpoint: string;
  readonly descriptor: () => Promise<DescriptorDocument>;
  readonly health: () => { readonly status: "pass" | "warn" | "fail"; readonly version: string };
  readonly registry: ServerRegistry;
  readonly handshake: HandshakeService;
  readonly custody: Custody;
  readonly assets: AssetLibrary;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signingKey: () => SigningKey;
  /** Another process of this server may know a peer that this one does not. */
  readonly refreshPeers?: () => Promise<void>;
  /** A player's client asks its home to send it through a portal (PROTOCOL 8). */
  readonly travel: (request: TravelRequest) => Promise<TravelAnswer>;
  /** A verified call came in from this origin. */
  readonly onVerifiedCall?: (origin: string) => void;
  /** Requests one address may send in a minute, before any signature is checked. Default 3000. */
  readonly maxRequestsPerMinutePerAddress?: number;
  /** Verified requests one peer may send in a minute. Default 6000. */
  readonly maxRequestsPerMinutePerPeer?: number;
}

/** A home login and where it wants to go. */
export interface TravelRequest {
  /** The bearer token: what the client would send Colyseus as its auth token. */
  readonly token: string;
  /** Portal URI. */
  readonly to: string;
  /** Name the player wishes to be shown with. */
  readonly name: string | undefined;
}

/** A seat behind the portal, or why there is none. */
export type TravelAnswer =
  | { readonly ok: true; readonly body: unknown }
  | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string };

/** An Express-compatible middleware. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** An answer on its way out. */
interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly contentType?: string;
  readonly retryAfterSeconds?: number | undefined;
}

const DESCRIPTOR_PATH = "/.well-known/aether-federation";
const DESCRIPTOR_MAX_AGE_SECONDS = 300;
const PREPARE_PATH = "/assets/prepare";
const CUSTODY_CALLS = new Set([
  "depart",
  "claim",
  "cancel",
  "return",
  "renew",
  "departed",
  "revoke",
  "preview",
  "receipt",
]);

/** Builds the middleware. Mount it ahead of every body parser. */
export function createEndpoints(options: EndpointsOptions): Middleware {
  const base = new URL(options.endpoint).pathname.replace(/\/$/u, "");
  const limitAddress = rateLimit({
    windowMs: 60_000,
    limit: options.maxRequestsPerMinutePerAddress ?? 3_000,
    standardHeaders: false,
    legacyHeaders: false,
    validate: false,
    handler: (_request, response) => {
      send(response, refusal("ERR_FED_RATE_LIMITED", undefined, 60));
    },
  }) as unknown as Middleware;
  const { assets, clock, logger } = options;
  const serveAsset = createAssetServer({
    store: assets.store,
    pending: (hex) => assets.pending(hex),
    clock,
    logger,
  });
  const limitPeer = peerLimiter(options.clock, options.maxRequestsPerMinutePerPeer ?? 6_000);

  return (request, response, next) => {
    // Express strips what it is mounted at; signatures cover the whole.
    const url = (request as { originalUrl?: string }).originalUrl ?? request.url ?? "/";
    const query = url.indexOf("?");
    const path = query < 0 ? url : url.slice(0, query);
    const isDescriptor = path === DESCRIPTOR_PATH;
    if (!isDescriptor && path !== base && !path.startsWith(`${base}/`)) {
      next();
      return;
    }
    limitAddress(request, response, () => {
      const work = isDescriptor
        ? describe(options, request, response)
        : serve(
            options,
            { limitPeer, serveAsset },
            request,
            response,
            path.slice(base.length),
            url,
          );
      work.catch((cause: unknown) => {
        const code = cause instanceof FederationError ? cause.code : undefined;
        const known = code !== undefined && new FederationError(code).status !== 500;
        if (!known || code === "ERR_FED_UNAVAILABLE" || code === "ERR_FED_STORE_UNAVAILABLE") {
          options.logger.error(`${request.method ?? ""} ${path} failed`, cause);
        }
        send(
          response,
          known && cause instanceof FederationError
            ? refusal(cause.code, undefined, cause.retryAfterSeconds)
            : refusal("ERR_FED_UNAVAILABLE"),
        );
      });
    });
  };
}

async function describe(
  options: EndpointsOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // The host's Colyseus allows credentials to every origin; a public document wants none.
  response.removeHeader("Access-Control-Allow-Credentials");
  response.setHeader("Access-Control-Allow-Origin", "*");
  if (request.method !== "GET" && request.method !== "HEAD") {
    send(response, methodNotAllowed(response, "GET, HEAD"));
    return;
  }
  response.setHeader("Cache-Control", `public, max-age=${DESCRIPTOR_MAX_AGE_SECONDS}`);
  send(response, { status: 200, body: await options.descriptor() });
}

async function serve(
  options: EndpointsOptions,
  {
    limitPeer,
    serveAsset,
  }: { readonly limitPeer: (origin: string) => boolean; readonly serveAsset: AssetServer },
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  url: string,
): Promise<void> {
  if (isAssetPath(path) && path !== PREPARE_PATH) {
    await serveAsset(request, response, path);
    return;
  }
  response.setHeader("Cache-Control", "no-store");
  const method = request.method ?? "GET";
  const expected = methodOf(path);
  if (expected === undefined) {
    send(response, refusal("ERR_FED_NOT_FOUND", `Nothing is served at ${path.slice(0, 200)}.`));
    return;
  }
  if (method !== expected && !(method === "HEAD" && expected === "GET")) {
    send(response, methodNotAllowed(response, expected));
    return;
  }
  if (path === "/health") {
    send(response, {
      status: 200,
      contentType: "application/health+json",
      body: options.health(),
    });
    return;
  }
  const body = method === "POST" ? await readRawBody(request) : undefined;
  if (path === "/travel") {
    send(response, await travel(options, request.headers.authorization, body));
    return;
  }
  const base = new URL(options.endpoint).pathname.replace(/\/$/u, "");
  const message: SignedMessageParts = {
    method,
    targetUri: `${options.endpoint.replace(/\/$/u, "")}${url.slice(base.length)}`,
    headers: request.headers,
    body,
  };
  if (path === "/handshake" || path === "/handshake/complete") {
    const answer = await (path === "/handshake"
      ? options.handshake.handleChallenge(message)
      : options.handshake.handleCompletion(message));
    if (answer.verified && answer.status === 200) options.onVerifiedCall?.(answer.origin);
    if (answer.verified) await sendSigned(options, message, response, answerOf(answer));
    else send(response, answerOf(answer));
    return;
  }
  const caller = await authenticate(options, message);
  if ("refused" in caller) {
    if (caller.verified) await sendSigned(options, message, response, caller.refused);
    else send(response, caller.refused);
    return;
  }
  if (!limitPeer(caller.origin)) {
    await sendSigned(options, message, response, refusal("ERR_FED_RATE_LIMITED", undefined, 60));
    return;
  }
  options.onVerifiedCall?.(caller.origin);
  let answer: Answer;
  try {
    answer = await dispatch(options, caller, path, body);
  } catch (cause) {
    options.logger.error(`${path} from ${caller.origin} failed`, cause);
    const code =
      cause instanceof FederationError && cause.status === 503 ? cause.code : "ERR_FED_UNAVAILABLE";
    answer = refusal(code, undefined, 5);
  }
  await sendSigned(options, message, response, answer);
}

function methodOf(path: string): "GET" | "POST" | undefined {
  if (path === "/health" || path === "/servers") return "GET";
  if (path === "/handshake" || path === "/handshake/complete") return "POST";
  if (path === "/reservations" || path === "/reservations/cancel") return "POST";
  if (path === "/travel" || path === PREPARE_PATH) return "POST";
  if (path.startsWith("/custody/")) {
    return CUSTODY_CALLS.has(path.slice("/custody/".length)) ? "POST" : undefined;
  }
  return undefined;
}

const MAX_TOKEN_LENGTH = 8192;
const travelSchema = z.strictObject({
  to: z.string().max(2048),
  name: z.string().max(128).optional(),
});

/** Not signed: it comes from a player, whose login it carries. */
async function travel(
  options: EndpointsOptions,
  authorization: string | undefined,
  raw: Uint8Array | undefined,
): Promise<Answer> {
  const token = /^Bearer ([^\s]+)$/u.exec(authorization ?? "")?.[1];
  if (token === undefined || token.length > MAX_TOKEN_LENGTH) {
    return refusal("ERR_FED_PROOF_REQUIRED", "Send the login as Authorization: Bearer.");
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(raw ?? []).toString("utf8"));
  } catch {
    return refusal("ERR_FED_MALFORMED", "The body is not JSON.");
  }
  const parsed = travelSchema.safeParse(body);
  if (!parsed.success) return refusal("ERR_FED_MALFORMED", "The body must be {to, name?}.");
  const { to, name } = parsed.data;
  const answer = await options.travel({ token, to, name });
  return answer.ok ? { status: 200, body: answer.body } : refusal(answer.code, answer.reason);
}

async function authenticate(
  options: EndpointsOptions,
  message: SignedMessageParts,
): Promise<{ origin: string; created: number } | { refused: Answer; verified: boolean }> {
  const { registry, store } = options;
  const claimed = peekKeyId(message.headers);
  if (claimed !== undefined && registry.liveSession(claimed.origin) === undefined) {
    await options.refreshPeers?.();
  }
  if (claimed !== undefined && !registry.hasPinnedKey(claimed.origin)) {
    return {
      verified: false,
      refused: refusal("ERR_FED_HANDSHAKE_REQUIRED", "No key is pinned for this origin."),
    };
  }
  if (claimed !== undefined && registry.keyFor(claimed.origin, claimed.kid) === undefined) {
    // Perhaps a rotation: the peer's own descriptor says so, at most once a cool-down.
    await options.handshake.refreshDescriptor(claimed.origin).catch(() => undefined);
  }
  const verified = await verifyRequest(message, {
    clock: options.clock,
    keyFor: (origin, kid) => registry.keyFor(origin, kid),
    consumeNonce: (nonce, ttlMilliseconds) =>
      store.compareAndSet(`nonce/${nonce}`, undefined, "1", ttlMilliseconds),
  });
  if (!verified.verified) {
    return { verified: false, refused: refusal(verified.code, verified.reason) };
  }
  const refuseSigned = (code: FederationErrorCode): { refused: Answer; verified: true } => ({
    verified: true,
    refused: refusal(code),
  });
  if (registry.isBlocked(verified.origin, verified.kid)) return refuseSigned("ERR_FED_BLOCKED");
  if (registry.liveSession(verified.origin) === undefined) {
    return refuseSigned("ERR_FED_HANDSHAKE_REQUIRED");
  }
  if (registry.get(verified.origin)?.trust !== TrustState.Trusted) {
    return refuseSigned("ERR_FED_NOT_TRUSTED");
  }
  return { origin: verified.origin, created: verified.created };
}

async function dispatch(
  options: EndpointsOptions,
  { origin: caller, created }: { readonly origin: string; readonly created: number },
  path: string,
  raw: Uint8Array | undefined,
): Promise<Answer> {
  if (path === "/servers") {
    return {
      status: 200,
      body: options.registry
        .list({ trust: TrustState.Trusted })
        .filter((server) => server.listed)
        .map(({ origin, name, worlds, status }) => ({ origin, name, worlds, status })),
    };
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(raw ?? []).toString("utf8"));
  } catch {
    return refusal("ERR_FED_MALFORMED", "The body is not JSON.");
  }
  if (!isShallow(body, 40)) return refusal("ERR_FED_MALFORMED", "The body is nested too deeply.");
  if (path === "/reservations") {
    return custodyAnswer(await options.custody.seats.reserve(caller, body), 201);
  }
  if (path === "/reservations/cancel") {
    return custodyAnswer(await options.custody.seats.cancel(caller, body), 200);
  }
  if (path === PREPARE_PATH) return custodyAnswer(await options.assets.answer(caller, body), 200);
  const call = path.slice("/custody/".length);
  return custodyAnswer(await options.custody.answer(caller, call, body, created), 200);
}

function custodyAnswer(answer: CallAnswer, status: number): Answer {
  return answer.ok
    ? { status, body: answer.body }
    : refusal(answer.code, answer.reason, answer.retryAfterSeconds);
}

function answerOf(answer: {
  readonly status: number;
  readonly body: unknown;
  readonly code?: FederationErrorCode | undefined;
  readonly reason?: string | undefined;
}): Answer {
  return answer.code === undefined
    ? { status: answer.status, body: answer.body }
    : refusal(answer.code, answer.reason);
}

function refusal(
  code: FederationErrorCode,
  detail?: string,
  retryAfterSeconds?: number,
): Answer & { body: Problem } {
  const body = problem(code, detail, retryAfterSeconds);
  return { status: body.status, body, contentType: "application/problem+json", retryAfterSeconds };
}

function methodNotAllowed(response: ServerResponse, allow: string): Answer {
  response.setHeader("Allow", allow);
  return refusal("ERR_FED_METHOD_NOT_ALLOWED", `Use ${allow}.`);
}

async function sendSigned(
  options: EndpointsOptions,
  request: SignedMessageParts,
  response: ServerResponse,
  answer: Answer,
): Promise<void> {
  const body = Buffer.from(JSON.stringify(answer.body));
  const { headers } = await signResponse(
    { status: answer.status, body },
    request,
    { origin: options.origin, key: options.signingKey() },
    { clock: options.clock, random: options.random },
  );
  send(response, answer, body, headers);
}

function send(
  response: ServerResponse,
  answer: Answer,
  body: Buffer = Buffer.from(JSON.stringify(answer.body)),
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = answer.status;
  response.setHeader("Content-Type", answer.contentType ?? "application/json");
  response.setHeader("Content-Length", body.length);
  response.setHeader("X-Content-Type-Options", "nosniff");
  if (answer.retryAfterSeconds !== undefined) {
    response.setHeader("Retry-After", Math.ceil(answer.retryAfterSeconds));
  }
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(body);
}

/** A fixed window per verified peer: as many counters as there are peers. */
function peerLimiter(clock: Clock, limit: number): (origin: string) => boolean {
  let window = 0;
  const counts = new Map<string, number>();
  return (origin) => {
    const now = Math.floor(clock.monotonic() / 60_000);
    if (now !== window) {
      window = now;
      counts.clear();
    }
    const count = (counts.get(origin) ?? 0) + 1;
    counts.set(origin, count);
    return count <= limit;
  };
}
