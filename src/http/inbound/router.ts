/**
 * The endpoints (PROTOCOL 2–4, 6–11), as one middleware for Express and Node alike: runs a request through the table
 * of {@link ROUTES}.
 *
 * Order for every signed call: size → signature (PROTOCOL 3) → block list → live session → trust →
 * the call itself. Answers to verified callers are signed, refusals included.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AssetLibrary } from "../../assets/asset-library.ts";
import type { Custody } from "../../custody/custody.ts";
import { FederationError, isFederationErrorCode } from "../../errors.ts";
import type { HandshakeAnswer } from "../../handshake/handshake-responder.ts";
import type { HandshakeService } from "../../handshake/handshake-service.ts";
import {
  type RequestHead,
  type SignedMessageParts,
  peekKeyId,
} from "../../identity/http-signatures.ts";
import { CLOCK_SKEW_SECONDS } from "../../identity/pass.ts";
import { isShallow } from "../../json.ts";
import { Quota } from "../../limits/quota.ts";
import type { LinkPeer, LinkedAnswer, LinkedCall } from "../../link/link.ts";
import type { Links } from "../../link/links.ts";
import type { Logger } from "../../ports.ts";
import type { ServerRegistry } from "../../registry/server-registry.ts";
import { standingOf } from "../../registry/standing.ts";
import { Attribute, TRACED_CALLS } from "../../telemetry/names.ts";
import { type Ending, NO_TELEMETRY, type Telemetry } from "../../telemetry/telemetry.ts";
import { type TraceContext, readTrace } from "../../telemetry/trace-context.ts";
import { LINK_PATH } from "../link/opening.ts";
import {
  type Answer,
  type AnswerSigner,
  answerPreflight,
  closeToPages,
  methodNotAllowed,
  openToPages,
  refusal,
  send,
  sendSigned,
} from "./answers.ts";
import { createAssetServer } from "./asset-server.ts";
import { type CallerParts, type Peer, headOf, loginOf, peerOf } from "./caller.ts";
import { LinkDoor, refuseUpgrade } from "./link-door.ts";
import type { Middleware, Upgrade } from "./middleware.ts";
import { nextRun } from "./next-run.ts";
import { addressOf, customerOf } from "./rate-limits.ts";
import { hangUpUnread, mayAnswerUnread, readRawBody } from "./raw-body.ts";
import { type Route, type RouteParts, routeFor } from "./routes.ts";

/** Options of {@link createEndpoints}: what callers, calls and answers need, and the bounds. */
export interface EndpointsOptions
  extends Omit<RouteParts, "serveAsset">, CallerParts, AnswerSigner {
  /** Public URL of the endpoints, e.g. `https://worlds.example.com/federation`. */
  readonly endpoint: string;
  readonly registry: ServerRegistry;
  readonly handshake: HandshakeService;
  readonly custody: Custody;
  readonly assets: AssetLibrary;
  readonly logger: Logger;
  /** Links with peers, which go over this endpoint. Default: none. */
  readonly links?: Links | undefined;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
  /** A verified call came in from this origin. */
  readonly onVerifiedCall?: (origin: string) => void;
  /** Requests one address may send in a minute, before any signature is checked. Default 3000. */
  readonly maxRequestsPerMinutePerAddress?: number;
  /**
   * Verified requests one peer may send in a minute: so many that keep or end custody, as many that
   * begin a crossing, and as many others. Default 6000.
   */
  readonly maxRequestsPerMinutePerPeer?: number;
  /** Crossings without a room that one address may ask for in a minute. Default 60. */
  readonly maxTravelsPerMinutePerAddress?: number;
}

/** The endpoints of one server. */
export interface Endpoints extends Middleware {
  /**
   * Takes an `upgrade` of the HTTP server where it is for a link. False when it is not: it was not
   * touched, and is for others.
   */
  readonly upgrade: Upgrade;
}

/** A request on its way through the table. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Below the endpoint, or at the origin. */
  readonly path: string;
  /** What a signature of the request covers. */
  readonly targetUri: string;
}

const MAX_LEVELS = 40;

/** Builds the middleware. Mount it ahead of every body parser. */
export function createEndpoints(given: EndpointsOptions): Endpoints {
  const { refreshPeers } = given;
  // Any stranger makes this server look for it in the store.
  const options: EndpointsOptions =
    refreshPeers === undefined ? given : { ...given, refreshPeers: nextRun(refreshPeers) };
  const endpoint = options.endpoint.replace(/\/$/u, "");
  const base = new URL(options.endpoint).pathname.replace(/\/$/u, "");
  const perAddress = new Quota({
    clock: options.clock,
    perMinute: options.maxRequestsPerMinutePerAddress ?? 3_000,
  });
  const router = new Router(options);

  const { links } = options;
  const door = links === undefined ? undefined : new LinkDoor({ ...options, links });
  links?.serve({
    answer: (peer, call) => router.answerLinked(peer, call),
    refuse: (code) => linked(refusal(code)),
    health: () => JSON.stringify(options.health()),
  });

  const upgrade: Upgrade = (request, socket, head) => {
    const url = request.url ?? "/";
    const query = url.indexOf("?");
    if ((query < 0 ? url : url.slice(0, query)) !== `${base}${LINK_PATH}`) return false;
    socket.on("error", () => socket.destroy());
    const waitSeconds = perAddress.take(customerOf(request) ?? "");
    if (waitSeconds > 0) {
      refuseUpgrade(request, socket, refusal("ERR_FED_RATE_LIMITED", undefined, waitSeconds));
    } else if (door === undefined) {
      refuseUpgrade(request, socket, refusal("ERR_FED_NOT_FOUND", "This server has no links."));
    } else void door.open(request, socket, head, `${endpoint}${url.slice(base.length)}`);
    return true;
  };

  const middleware: Middleware = (request, response, next) => {
    // Express strips what it is mounted at; signatures cover the whole.
    const url = (request as { originalUrl?: string }).originalUrl ?? request.url ?? "/";
    const query = url.indexOf("?");
    const path = query < 0 ? url : url.slice(0, query);
    const atOrigin = routeFor("origin", path);
    if (atOrigin === undefined && path !== base && !path.startsWith(`${base}/`)) {
      next();
      return;
    }
    const below = path.slice(base.length);
    const route = atOrigin ?? routeFor("endpoint", below);
    const exchange: Exchange = {
      request,
      response,
      method: request.method ?? "GET",
      path: atOrigin === undefined ? below : path,
      targetUri: `${endpoint}${url.slice(base.length)}`,
    };
    hangUpUnread(request, response);
    closeToPages(response);
    // Before anything about it is looked at: a signature costs more than a count.
    const waitSeconds = perAddress.take(customerOf(request) ?? "");
    if (waitSeconds > 0) {
      send(response, refusal("ERR_FED_RATE_LIMITED", undefined, waitSeconds));
      return;
    }
    router.run(route, exchange).catch((cause: unknown) => {
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
  };
  return Object.assign(middleware, { upgrade });
}

function queryOf(uri: string): URLSearchParams {
  const at = uri.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : uri.slice(at));
}

/** How an answer is told. */
function endingOf({ status, body }: Answer): Ending {
  if (status < 400) return { outcome: "ok" };
  const code = (body as { code?: unknown } | undefined)?.code;
  return { outcome: "refused", code: isFederationErrorCode(code) ? code : undefined };
}

function traceOf({ headers }: IncomingMessage): TraceContext | undefined {
  return readTrace(headers["traceparent"], headers["tracestate"]);
}

/** An answer as it goes over a link. */
function linked({ status, body, text = JSON.stringify(body) }: Answer): LinkedAnswer {
  return { status, body: text };
}

/** Takes a request through its entry: method, body, caller, budget, call. */
class Router {
  readonly #options: EndpointsOptions;
  readonly #parts: RouteParts;
  readonly #quotas: Readonly<Record<Exclude<Route["budget"], "address">, Quota>>;

  constructor(options: EndpointsOptions) {
    const { assets, clock, logger } = options;
    this.#options = options;
    const perPeer = options.maxRequestsPerMinutePerPeer ?? 6_000;
    const travels = options.maxTravelsPerMinutePerAddress ?? 60;
    this.#quotas = {
      peer: new Quota({ clock, perMinute: perPeer }),
      safety: new Quota({ clock, perMinute: perPeer }),
      crossing: new Quota({ clock, perMinute: perPeer }),
      travel: new Quota({ clock, perMinute: travels }),
    };
    this.#parts = {
      ...options,
      serveAsset: createAssetServer({
        store: assets.store,
        pending: (hex) => assets.pending(hex),
        clock,
        logger,
      }),
    };
  }

  async run(route: Route | undefined, exchange: Exchange): Promise<void> {
    const { request, response, method, path } = exchange;
    if (route !== undefined && "stream" in route) {
      await route.stream(this.#parts, request, response, path);
      return;
    }
    const cacheSeconds = route?.caller === "anybody" ? route.cacheSeconds : undefined;
    // A login is sent as a header by whoever has it: no page gets one from the browser.
    if (cacheSeconds !== undefined || route?.caller === "player") openToPages(response);
    if (route === undefined) {
      send(response, refusal("ERR_FED_NOT_FOUND", `Nothing is served at ${path.slice(0, 200)}.`));
      return;
    }
    if (method === "OPTIONS" && (cacheSeconds !== undefined || route.caller === "player")) {
      if (cacheSeconds === undefined) response.setHeader("Cache-Control", "no-store");
      answerPreflight(response, `${route.method}, OPTIONS`);
      return;
    }
    if (method !== route.method && !(method === "HEAD" && route.method === "GET")) {
      const allow = route.caller === "anybody" ? route.allow : undefined;
      send(response, methodNotAllowed(allow ?? route.method));
      return;
    }
    if (route.caller === "anybody") {
      const answer = await route.answer(this.#parts, path, queryOf(exchange.targetUri));
      send(response, cacheSeconds === undefined ? answer : { ...answer, cacheSeconds });
      return;
    }
    const wait =
      route.caller === "player" ? this.#quotas[route.budget].take(addressOf(request) ?? "") : 0;
    if (wait > 0) {
      send(response, refusal("ERR_FED_RATE_LIMITED", undefined, wait));
      return;
    }
    if (route.caller === "player") {
      const body = await readRawBody(request);
      const login = loginOf(request.headers.authorization);
      send(
        response,
        login === undefined
          ? refusal("ERR_FED_PROOF_REQUIRED", "Send the login as Authorization: Bearer.")
          : await route.answer(this.#parts, login, body),
      );
      return;
    }
    const head = { method, targetUri: exchange.targetUri, headers: request.headers };
    if (route.caller === "signer") await this.#runSigner(route, exchange, head);
    else await this.#runPeer(route, exchange, head);
  }

  async #runSigner(
    route: Extract<Route, { caller: "signer" }>,
    { request, response }: Exchange,
    head: RequestHead,
  ): Promise<void> {
    // Whoever names no key is told so, whatever else it says.
    const nameless = peekKeyId(head.headers) === undefined && mayAnswerUnread(request, response);
    const message = { ...head, body: nameless ? undefined : await readRawBody(request) };
    const startedAt = this.#options.clock.now();
    const said = await route.answer(this.#parts, message, addressOf(request));
    this.#noteSigner(route.path, said, startedAt, request);
    if (said.verified && said.status === 200) this.#options.onVerifiedCall?.(said.origin);
    const { status, body, code, reason, verified } = said;
    const answer = code === undefined ? { status, body } : refusal(code, reason);
    if (verified) await sendSigned(this.#options, message, response, answer);
    else send(response, answer);
  }

  /** A handshake counts once, at its end; whoever is not verified gets no span. */
  #noteSigner(
    path: string,
    said: HandshakeAnswer,
    startedAt: number,
    request: IncomingMessage,
  ): void {
    const { telemetry = NO_TELEMETRY } = this.#options;
    const { verified: hasSpan, status, code } = said;
    const ending = { outcome: status === 200 ? "ok" : "refused", code };
    const details = { [Attribute.Peer]: said.verified ? said.origin : undefined };
    const parent = hasSpan ? traceOf(request) : undefined;
    const done = { ...{ startedAt, ending, details, parent, hasSpan } };
    if (path === "/handshake" && status === 200) {
      telemetry.note({ ...done, kind: "answer", labels: { [Attribute.Call]: path } });
    } else
      telemetry.note({ ...done, kind: "handshake", labels: { [Attribute.Role]: "responder" } });
  }

  async #runPeer(
    route: Extract<Route, { caller: "peer" }>,
    { request, response }: Exchange,
    unread: RequestHead,
  ): Promise<void> {
    const hasBody = route.method === "POST";
    const first = hasBody && !mayAnswerUnread(request, response);
    let body = first ? await readRawBody(request) : undefined;
    const head = await headOf(this.#options, unread, { hasBody });
    if ("refused" in head) {
      send(response, refusal(head.refused, head.reason));
      return;
    }
    if (hasBody) body ??= await readRawBody(request);
    const message: SignedMessageParts = { ...unread, body };
    const peer = await peerOf(this.#options, message, head);
    if (!("refused" in peer)) {
      const answer = await this.#answerKnown(route, peer, body, traceOf(request));
      await sendSigned(this.#options, message, response, answer);
    } else if (peer.verified) {
      await sendSigned(this.#options, message, response, refusal(peer.refused, peer.reason));
    } else send(response, refusal(peer.refused, peer.reason));
  }

  /** Answers a call that came over a link: as one that came by HTTP, looked at anew each time. */
  async answerLinked(from: LinkPeer, call: LinkedCall): Promise<LinkedAnswer> {
    const { path, body, sentAt, trace } = call;
    const { registry, clock } = this.#options;
    const { origin, kid } = from;
    const known = registry.keyFor(origin, kid) === undefined ? "ERR_FED_UNKNOWN_KEY" : undefined;
    const refused = known ?? standingOf(registry, from);
    if (refused !== undefined) return linked(refusal(refused));
    const ahead = Math.round(sentAt - clock.now() / 1000);
    if (Math.abs(ahead) > CLOCK_SKEW_SECONDS) {
      return linked(
        refusal("ERR_FED_CLOCK_SKEW", `the call is ${Math.abs(ahead)} s off our clock`),
      );
    }
    const route = path === LINK_PATH ? undefined : routeFor("endpoint", path);
    if (route?.caller === "peer") {
      return linked(await this.#answerKnown(route, { origin, kid, sentAt }, body, trace));
    }
    const wait = this.#quotas.peer.take(origin);
    return linked(
      wait > 0
        ? refusal("ERR_FED_RATE_LIMITED", undefined, wait)
        : refusal("ERR_FED_NOT_FOUND", "No call of a peer has this path."),
    );
  }

  async #answerKnown(
    route: Extract<Route, { caller: "peer" }>,
    peer: Peer,
    body: Uint8Array | undefined,
    parent: TraceContext | undefined,
  ): Promise<Answer> {
    const wait = this.#quotas[route.budget].take(peer.origin);
    if (wait > 0) return refusal("ERR_FED_RATE_LIMITED", undefined, wait);
    const { onVerifiedCall, telemetry = NO_TELEMETRY } = this.#options;
    onVerifiedCall?.(peer.origin);
    const work = (): Promise<Answer> => this.#answered(route, peer, body);
    if (!TRACED_CALLS.has(route.path)) return work();
    const labels = { [Attribute.Call]: route.path };
    const details = { [Attribute.Peer]: peer.origin };
    return telemetry.run({ kind: "answer", labels, details, parent, ended: endingOf }, work);
  }

  async #answered(
    route: Extract<Route, { caller: "peer" }>,
    peer: Peer,
    body: Uint8Array | undefined,
  ): Promise<Answer> {
    try {
      return await this.#call(route, peer, body);
    } catch (cause) {
      this.#options.logger.error(`${route.path} from ${peer.origin} failed`, cause, {
        peer: peer.origin,
      });
      const code =
        cause instanceof FederationError && cause.status === 503
          ? cause.code
          : "ERR_FED_UNAVAILABLE";
      return refusal(code, undefined, 5);
    }
  }

  async #call(
    route: Extract<Route, { caller: "peer" }>,
    peer: Peer,
    raw: Uint8Array | undefined,
  ): Promise<Answer> {
    if (route.body === "none") return route.answer(this.#parts, peer, undefined);
    let body: unknown;
    try {
      body = JSON.parse(Buffer.from(raw ?? []).toString("utf8"));
    } catch {
      return refusal("ERR_FED_MALFORMED", "The body is not JSON.");
    }
    return isShallow(body, MAX_LEVELS)
      ? route.answer(this.#parts, peer, body)
      : refusal("ERR_FED_MALFORMED", "The body is nested too deeply.");
  }
}
