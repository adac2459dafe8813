/**
 * Calls to peers: signed, sent through the guarded fetch, and believed only when the answer's own
 * signature binds it to the request (PROTOCOL 3).
 */
import {
  FederationError,
  type FederationErrorCode,
  isFederationErrorCode,
  isTrustRefusal,
} from "../../errors.ts";
import type { BegunSessions } from "../../handshake/begun-sessions.ts";
import type { HandshakeTransport } from "../../handshake/transport.ts";
import { NoHealthError } from "../../health/health-cause.ts";
import {
  HEALTH_REQUEST,
  type ReportedHealth,
  clockTold,
  readHealth,
} from "../../health/reported-health.ts";
import type { VerifyKey } from "../../identity/ed25519.ts";
import { type DatedKey, verifyDatedKey } from "../../identity/dated-key.ts";
import {
  type SignedMessageParts,
  signRequest,
  verifyResponse,
} from "../../identity/http-signatures.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import type { Clock, Fetch, FetchResponse, PeerAnswer, PeerCalls, Random } from "../../ports.ts";
import type { ServerRegistry } from "../../registry/server-registry.ts";
import type { Links } from "../../link/links.ts";
import { Attribute, TRACED_CALLS } from "../../telemetry/names.ts";
import { NO_TELEMETRY, type Telemetry, endingOf } from "../../telemetry/telemetry.ts";
import type { TraceContext } from "../../telemetry/trace-context.ts";
import { shownText } from "../../words.ts";

/** Options of {@link PeerClient}. */
export interface PeerClientOptions {
  readonly origin: string;
  readonly signingKey: () => SigningKey;
  readonly registry: ServerRegistry;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: Random;
  /** Links that calls go over where there are any. Default: all go by HTTP. */
  readonly links?: Links | undefined;
  /** Knows which sessions this side began. Default: none is known. */
  readonly begun?: Pick<BegunSessions, "lastOfOurs"> | undefined;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

/** Bodies are at most this long (PROTOCOL, first page). */
const ANSWER_MAX_BYTES = 64 * 1024;
const DESCRIPTOR_MAX_BYTES = 64 * 1024;
/**
 * What an answer without a valid signature may be reported as: reasons why the call got nowhere.
 * Nobody takes an unsigned word on custody, seats or passes.
 */
const UNSIGNED_CODES: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_BLOCKED",
  "ERR_FED_BODY_TOO_LARGE",
  "ERR_FED_CLOCK_SKEW",
  "ERR_FED_DESCRIPTOR_EXPIRED",
  "ERR_FED_DESCRIPTOR_INVALID",
  "ERR_FED_DIGEST_MISMATCH",
  "ERR_FED_HANDSHAKE_MISMATCH",
  "ERR_FED_HANDSHAKE_REQUIRED",
  "ERR_FED_HANDSHAKE_UNKNOWN",
  "ERR_FED_MALFORMED",
  "ERR_FED_NOT_FOUND",
  "ERR_FED_NOT_TRUSTED",
  "ERR_FED_RATE_LIMITED",
  "ERR_FED_REPLAYED",
  "ERR_FED_SIGNATURE_COMPONENTS",
  "ERR_FED_SIGNATURE_EXPIRED",
  "ERR_FED_SIGNATURE_INVALID",
  "ERR_FED_SIGNATURE_PARAMETERS",
  "ERR_FED_STORE_UNAVAILABLE",
  "ERR_FED_UNAVAILABLE",
  "ERR_FED_UNKNOWN_KEY",
  "ERR_FED_UNREACHABLE",
  "ERR_FED_WEAK_KEY",
  "ERR_FED_WRONG_RECIPIENT",
]);
/** Refusals that HTTP leaves unsigned, or that its client finds by itself: no word on what was asked. */
const UNHEARD_CODES: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_CLOCK_SKEW",
  "ERR_FED_RESPONSE_TOO_LARGE",
  "ERR_FED_UNKNOWN_KEY",
]);
/** How calls fail where a peer's endpoint is not any more. */
const MOVED_CODES: ReadonlySet<FederationErrorCode> = new Set<FederationErrorCode>([
  "ERR_FED_BAD_RESPONSE",
  "ERR_FED_FORBIDDEN_ADDRESS",
  "ERR_FED_NOT_FOUND",
  "ERR_FED_TIMEOUT",
  "ERR_FED_UNREACHABLE",
  "ERR_FED_WRONG_RECIPIENT",
]);
/** Ids of sessions that a signature can say. */
const SAYABLE_SESSION = /^[\w-]{1,64}$/u;
const CALL_TIMEOUT_MILLISECONDS = 5_000;
const KEY_TIMEOUT_MILLISECONDS = 5_000;
const HEALTH_TIMEOUT_MILLISECONDS = 5_000;
/** Nobody is waited for any longer, whatever it says. */
const MAX_RETRY_AFTER_SECONDS = 3_600;

/** All calls this server makes to others. */
export class PeerClient implements PeerCalls, HandshakeTransport {
  readonly #options: PeerClientOptions;
  #reconnect: (origin: string, over?: string) => Promise<unknown> = () =>
    Promise.reject(new FederationError("ERR_FED_HANDSHAKE_REQUIRED"));

  get #telemetry(): Telemetry {
    return this.#options.telemetry ?? NO_TELEMETRY;
  }

  #relocate: (origin: string) => Promise<unknown> = () => Promise.resolve();

  constructor(options: PeerClientOptions) {
    this.#options = options;
  }

  /**
   * Who performs a handshake, through this very client: asked once a call, when there is no session
   * or the peer says so. `over` is the id of the session that the peer does not know any more.
   */
  reconnectBy(connect: (origin: string, over?: string) => Promise<unknown>): void {
    this.#reconnect = connect;
  }

  /** Who reads a peer's descriptor again, in its own time, when its endpoint does not answer as the peer. */
  relocateBy(look: (origin: string) => Promise<unknown>): void {
    this.#relocate = look;
  }

  /**
   * A call to a path under a known peer's endpoint, by its origin or one that it had before: over a link where there is one, else by a signed POST.
   * Resolves with the peer's verified word, refusals included. What went over a link that broke is not sent
   * again.
   *
   * @throws FederationError when there is no verified answer: `ERR_FED_UNREACHABLE`,
   * `ERR_FED_TIMEOUT`, `ERR_FED_BAD_RESPONSE`, `ERR_FED_HANDSHAKE_REQUIRED`, `ERR_FED_NOT_TRUSTED`.
   */
  call(
    named: string,
    path: string,
    body: unknown,
    options: { timeoutMilliseconds?: number } = {},
  ): Promise<PeerAnswer> {
    const origin = this.#options.registry.currentOrigin(named);
    const work = (): Promise<PeerAnswer> => this.#noted(origin, path, body, options);
    if (!TRACED_CALLS.has(path)) return work();
    const labels = { [Attribute.Call]: path };
    const details = { [Attribute.Peer]: origin };
    return this.#telemetry.run({ kind: "call", labels, details, ended: endingOf }, work);
  }

  async #noted(
    origin: string,
    path: string,
    body: unknown,
    options: { timeoutMilliseconds?: number },
  ): Promise<PeerAnswer> {
    try {
      const answer = await this.#call(origin, path, body, options);
      await this.#note(origin, answer.ok ? undefined : answer.code);
      return answer;
    } catch (cause) {
      if (cause instanceof FederationError) {
        if (MOVED_CODES.has(cause.code)) this.#lookAgain(origin);
        await this.#note(origin, cause.code);
      }
      throw cause;
    }
  }

  /** The peer may have moved its endpoint: nobody waits for it, the next call goes there. */
  #lookAgain(origin: string): void {
    this.#relocate(origin).catch(() => undefined);
  }

  async #call(
    origin: string,
    path: string,
    body: unknown,
    options: { timeoutMilliseconds?: number },
  ): Promise<PeerAnswer> {
    const { registry } = this.#options;
    const text = JSON.stringify(body);
    /** Not the live session, which the peer may not have heard of yet, but one that it has made itself. */
    let known: string | undefined;
    for (let attempt = 1; ; attempt += 1) {
      const server = registry.get(origin);
      const live = registry.liveSession(origin)?.sessionId;
      const session = known ?? live;
      if (server === undefined || session === undefined) {
        if (attempt > 1) throw new FederationError("ERR_FED_HANDSHAKE_REQUIRED");
        await this.#reconnect(origin);
        continue;
      }
      const { timeoutMilliseconds } = options;
      const answer = await this.#ask(origin, path, text, { session, timeoutMilliseconds });
      const { status } = answer;
      const code = problemCode(answer.body);
      if (code === "ERR_FED_HANDSHAKE_REQUIRED" && status === 401 && attempt <= 2) {
        // A peer that has just started shakes hands by itself: its session may replace what this call began.
        const isReplaced = registry.liveSession(origin)?.sessionId !== session;
        if (attempt === 1 || isReplaced) {
          // Nothing is decided on this word: a new handshake proves itself.
          await this.#reconnect(origin, session);
          continue;
        }
        // The peer may not have heard yet that its handshake has ended.
        known = this.#options.begun?.lastOfOurs(origin);
        if (known !== undefined && known !== session) continue;
      }
      if (!answer.verified) throw unverified(origin, status, code);
      if (status >= 200 && status < 300) return { ok: true, status, body: answer.body };
      return refusalOf(status, code, answer.body);
    }
  }

  /** One exchange, over a link or by HTTP. What comes over a link is the peer's word. */
  async #ask(
    origin: string,
    path: string,
    text: string,
    {
      session,
      timeoutMilliseconds = CALL_TIMEOUT_MILLISECONDS,
    }: { readonly session: string; readonly timeoutMilliseconds: number | undefined },
  ): Promise<{ readonly status: number; readonly body: unknown; readonly verified: boolean }> {
    const { registry, links } = this.#options;
    const trace = TRACED_CALLS.has(path) ? this.#telemetry.outgoing() : undefined;
    const linked = await links?.call(origin, path, text, timeoutMilliseconds, trace);
    if (linked !== undefined) {
      const body = parseText(linked.body);
      const code = problemCode(body);
      const heard = linked.status < 400 || code === undefined || !UNHEARD_CODES.has(code);
      return { status: linked.status, body, verified: heard };
    }
    const url = this.#below(origin, path);
    const { response, request } = await this.#send(origin, url, text, {
      ...{ session, timeoutMilliseconds, trace },
    });
    const verified = await this.#verify(response, request, origin, (kid) =>
      registry.keyFor(origin, kid),
    );
    return { status: response.status, body: parseBody(response.body), verified };
  }

  async exchange(
    origin: string,
    url: string,
    body: unknown,
    keyFor: (kid: string) => VerifyKey | undefined,
  ): Promise<{ status: number; body: unknown; kid: string }> {
    try {
      const answer = await this.#exchange(origin, url, body, keyFor);
      // Whether it lets us in once hands are shaken, the handshake itself says.
      const code = problemCode(answer.body);
      if (answer.status !== 200 && code !== undefined) await this.#note(origin, code);
      return answer;
    } catch (cause) {
      if (cause instanceof FederationError) await this.#note(origin, cause.code);
      throw cause;
    }
  }

  /**
   * That a peer does not deal with this server is for its operator to read, signed or not: nothing else
   * is done about it. A store that does not take the note keeps no call from its answer.
   */
  async #note(origin: string, code: FederationErrorCode | undefined): Promise<void> {
    if (code !== undefined && !isTrustRefusal(code)) return;
    if (code === "ERR_FED_HANDSHAKE_REQUIRED") return;
    await this.#options.registry.noteRefusal(origin, code).catch(() => undefined);
  }

  async #exchange(
    origin: string,
    url: string,
    body: unknown,
    keyFor: (kid: string) => VerifyKey | undefined,
  ): Promise<{ status: number; body: unknown; kid: string }> {
    const trace = this.#telemetry.outgoing();
    const { response, request } = await this.#send(origin, url, JSON.stringify(body), {
      session: this.#options.registry.liveSession(origin)?.sessionId,
      trace,
    });
    const verified = await verifyResponse(response, request, {
      clock: this.#options.clock,
      origin,
      keyFor: (from, kid) => (from === origin ? keyFor(kid) : undefined),
    });
    const answer = parseBody(response.body);
    if (!verified.verified) throw unverified(origin, response.status, problemCode(answer), answer);
    return { status: response.status, body: answer, kid: verified.kid };
  }

  async fetchDescriptor(origin: string, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#options.fetch({
      method: "GET",
      url: `${origin}/.well-known/aether-federation`,
      headers: { accept: "application/json" },
      maxBodyBytes: DESCRIPTOR_MAX_BYTES,
      ...(signal === undefined ? {} : { signal }),
    });
    if (response.status !== 200) {
      throw new FederationError(
        "ERR_FED_BAD_RESPONSE",
        `${origin} serves no descriptor (HTTP ${response.status}).`,
      );
    }
    return parseBody(response.body);
  }

  /**
   * How a peer says it is: `GET /health`, or the same over a link. Rejects when it does not answer as PROTOCOL
   * 10 says.
   */
  async health(origin: string): Promise<ReportedHealth> {
    try {
      return await this.#health(origin);
    } catch (cause) {
      this.#lookAgain(origin);
      throw cause;
    }
  }

  async #health(origin: string): Promise<ReportedHealth> {
    const { fetch, links } = this.#options;
    // A link that broke says nothing of the server.
    const asked = links?.ping(origin, HEALTH_TIMEOUT_MILLISECONDS);
    const linked = await asked?.catch(() => undefined);
    const said = linked === undefined ? undefined : readHealth(Buffer.from(linked));
    if (said !== undefined) return said;
    const { path, ...request } = HEALTH_REQUEST;
    const response = await fetch({
      ...{ ...request, url: this.#below(origin, path) },
      timeoutMilliseconds: HEALTH_TIMEOUT_MILLISECONDS,
    });
    const health = readHealth(response.body);
    if (health === undefined) {
      const cause = new NoHealthError(response.status);
      throw new FederationError("ERR_FED_BAD_RESPONSE", `${origin} reports no health.`, { cause });
    }
    const cause = clockTold(response.headers["date"], this.#options.clock.now());
    return cause === undefined ? health : { ...health, cause };
  }

  /**
   * `GET /keys/{kid}`: a peer's word on one of its keys, vouched for by one that is pinned; undefined
   * when the peer has no such key, or has not this addition.
   */
  async datedKey(origin: string, kid: string): Promise<DatedKey | undefined> {
    const { registry, fetch } = this.#options;
    const response = await fetch({
      method: "GET",
      url: this.#below(origin, `/keys/${encodeURIComponent(kid)}`),
      headers: { accept: "application/json" },
      timeoutMilliseconds: KEY_TIMEOUT_MILLISECONDS,
      maxBodyBytes: 16 * 1024,
    });
    if (response.status !== 200) return undefined;
    const { jws } = (parseBody(response.body) ?? {}) as { jws?: unknown };
    const word = verifyDatedKey(jws, {
      iss: origin,
      kid,
      keyFor: (by) => registry.keyFor(origin, by),
    });
    return word.verified ? word.key : undefined;
  }

  /** A path below the endpoint of a server, which a foreign one may have written with a slash at its end. */
  #below(origin: string, path: string): string {
    const endpoint = this.#options.registry.get(origin)?.endpoint ?? `${origin}/federation`;
    return `${endpoint.replace(/\/$/u, "")}${path}`;
  }

  async #send(
    origin: string,
    url: string,
    text: string,
    {
      session,
      timeoutMilliseconds = CALL_TIMEOUT_MILLISECONDS,
      trace,
    }: {
      readonly session: string | undefined;
      readonly timeoutMilliseconds?: number;
      readonly trace: TraceContext | undefined;
    },
  ): Promise<{ response: FetchResponse; request: SignedMessageParts }> {
    const { clock, random, fetch, signingKey } = this.#options;
    const bytes = Buffer.from(text);
    const signed = await signRequest(
      {
        ...{ method: "POST", targetUri: url, recipient: origin, body: bytes },
        ...(session === undefined || !SAYABLE_SESSION.test(session) ? {} : { session }),
      },
      { origin: this.#options.origin, key: signingKey() },
      { clock, random },
    );
    const headers = { ...signed.headers, "content-type": "application/json", ...trace };
    const response = await fetch({
      method: "POST",
      url,
      headers,
      body: bytes,
      timeoutMilliseconds,
      maxBodyBytes: ANSWER_MAX_BYTES,
    });
    return { response, request: { method: "POST", targetUri: url, headers, body: bytes } };
  }

  async #verify(
    response: FetchResponse,
    request: SignedMessageParts,
    origin: string,
    keyFor: (kid: string) => VerifyKey | undefined,
  ): Promise<boolean> {
    const verified = await verifyResponse(response, request, {
      clock: this.#options.clock,
      origin,
      keyFor: (from, kid) => (from === origin ? keyFor(kid) : undefined),
    });
    return verified.verified;
  }
}

function parseBody(body: Uint8Array): unknown {
  return parseText(Buffer.from(body).toString("utf8"));
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemCode(body: unknown): FederationErrorCode | undefined {
  const code = (body as { code?: unknown } | null | undefined)?.code;
  return isFederationErrorCode(code) ? code : undefined;
}

function refusalOf(
  status: number,
  code: FederationErrorCode | undefined,
  body: unknown,
): PeerAnswer {
  const { detail: said, retryAfter } = (body ?? {}) as { detail?: unknown; retryAfter?: unknown };
  const detail = shownText(said, 300);
  return {
    ok: false,
    status,
    code: code ?? "ERR_FED_BAD_RESPONSE",
    ...(detail === undefined ? {} : { detail }),
    ...(typeof retryAfter === "number"
      ? { retryAfterSeconds: Math.min(Math.max(0, retryAfter), MAX_RETRY_AFTER_SECONDS) }
      : {}),
  };
}

/** An unsigned answer tells why in logs; nobody acts on it. */
function unverified(
  origin: string,
  status: number,
  code: FederationErrorCode | undefined,
  body?: unknown,
): FederationError {
  const detail = (body as { detail?: unknown } | null | undefined)?.detail;
  if (code !== undefined && status >= 400 && UNSIGNED_CODES.has(code)) {
    const why = shownText(detail, 200) ?? "unsigned refusal";
    return new FederationError(code, `${origin}: ${why}`);
  }
  return new FederationError(
    "ERR_FED_BAD_RESPONSE",
    `${origin} answered HTTP ${status} without a signature that verifies.`,
  );
}
