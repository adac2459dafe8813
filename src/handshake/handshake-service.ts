/**
 * The handshake over the wire, both sides (PROTOCOL 2–4): fetches descriptors from their own
 * origins, checks HTTP signatures, applies the trust policy, records sessions.
 *
 * Input that is not authenticated never changes a peer's state.
 */
import {
  FederationError,
  type FederationErrorCode,
  ERROR_CODES,
  type Refusal,
  refuse,
} from "../errors.ts";
import { type ServerDescriptor, verifyDescriptor } from "../identity/descriptor.ts";
import { type VerifyKey, importVerifyKey } from "../identity/ed25519.ts";
import { type SignedMessageParts, peekKeyId, verifyRequest } from "../identity/http-signatures.ts";
import { isOrigin } from "../identity/origin.ts";
import type { Clock, Logger, Random, Store } from "../ports.ts";
import { type FederatedServer, TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { HandshakeManager, SharedResponse } from "./handshake-manager.ts";
import {
  type HandshakeSession,
  challengeSchema,
  completionSchema,
  sessionSchema,
} from "./messages.ts";
import { type TrustPolicy, decideTrust } from "./trust-policy.ts";

/** What the handshake asks of the network. */
export interface HandshakeTransport {
  /** The document at an origin's well-known path. */
  fetchDescriptor(origin: string): Promise<unknown>;
  /**
   * A signed POST to `url`, answered by `origin` under one of the keys that `keyFor` knows.
   * Rejects when no verified answer came.
   */
  exchange(
    origin: string,
    url: string,
    body: unknown,
    keyFor: (kid: string) => VerifyKey | undefined,
  ): Promise<{
    readonly status: number;
    readonly body: unknown;
    readonly kid: string;
  }>;
}

/** An answer to a handshake message; only those to verified callers are signed. */
export type HandshakeAnswer =
  | {
      readonly verified: true;
      readonly origin: string;
      readonly status: number;
      readonly body: unknown;
      readonly code?: FederationErrorCode;
      readonly reason?: string;
    }
  | {
      readonly verified: false;
      readonly status: number;
      readonly body: undefined;
      readonly code: FederationErrorCode;
      readonly reason: string;
    };

/** Options of {@link HandshakeService}. */
export interface HandshakeServiceOptions {
  readonly origin: string;
  readonly manager: HandshakeManager;
  readonly registry: ServerRegistry;
  readonly policy: TrustPolicy;
  /** Origins the operator named. */
  readonly named: readonly string[];
  readonly transport: HandshakeTransport;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly allowInsecure?: boolean;
  /** Several processes are this server: a handshake begun with one may be completed with another. */
  readonly shared?: boolean;
}

const SESSION_SECONDS = 24 * 3600;
const REFRESH_COOL_DOWN_MILLISECONDS = 60_000;
const MAX_DESCRIPTOR_FETCHES = 16;
/** How long a stranger's descriptor is not asked for again: anybody can make us ask. */
const STRANGER_COOL_DOWN_MILLISECONDS = 1_000;
const MAX_REMEMBERED_STRANGERS = 1_024;

const openKey = (handshakeId: string): string => `handshake/${handshakeId}`;

type Fetched = { verified: true; descriptor: ServerDescriptor; signedBy: string } | Refusal;

/** Performs handshakes with other servers and answers theirs. */
export class HandshakeService {
  readonly #options: HandshakeServiceOptions;
  readonly #connecting = new Map<string, Promise<FederatedServer>>();
  readonly #fetching = new Map<string, Promise<Fetched>>();
  readonly #strangers = new Map<
    string,
    { readonly at: number; readonly result: Promise<Fetched> }
  >();
  readonly #refreshes = new Map<string, { readonly at: number; readonly done: Promise<void> }>();

  constructor(options: HandshakeServiceOptions) {
    this.#options = options;
  }

  /**
   * Shakes hands with a server; one at a time per origin.
   *
   * @throws FederationError with the reason: `ERR_FED_UNREACHABLE`, `ERR_FED_KEY_CHANGED`,
   * `ERR_FED_NOT_TRUSTED`, `ERR_FED_BLOCKED`, `ERR_FED_BAD_RESPONSE`, …
   */
  connect(origin: string): Promise<FederatedServer> {
    const running = this.#connecting.get(origin);
    if (running !== undefined) return running;
    const work = this.#connect(origin).finally(() => this.#connecting.delete(origin));
    this.#connecting.set(origin, work);
    return work;
  }

  /** `POST /handshake`. */
  async handleChallenge(request: SignedMessageParts): Promise<HandshakeAnswer> {
    const { manager, registry } = this.#options;
    const body = parseJson(request.body);
    const shape = challengeSchema.safeParse(body);
    const claimed = peekKeyId(request.headers);
    if (claimed === undefined) {
      return unsigned(refuse("ERR_FED_SIGNATURE_MISSING", "sign the request (PROTOCOL 3)"));
    }
    if (!shape.success) {
      const issue = shape.error.issues[0];
      return unsigned(
        refuse("ERR_FED_MALFORMED", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`),
      );
    }
    if (registry.isBlocked(claimed.origin, claimed.kid)) {
      return unsigned(refuse("ERR_FED_BLOCKED", "this server or key is blocked"));
    }
    const keys = await this.#keysOf(claimed.origin, claimed.kid);
    if ("verified" in keys) return unsigned(keys);
    const verified = await this.#verify(request, keys.keyFor);
    if (!verified.verified) return unsigned(verified);
    const from = { origin: verified.origin, kid: verified.kid };
    const known = registry.get(from.origin);
    if (known?.trust === TrustState.Quarantined) {
      return signedRefusal(from.origin, "ERR_FED_NOT_TRUSTED", "quarantined: ask the operator");
    }
    if (known === undefined && keys.descriptor !== undefined) {
      const decision = await decideTrust(
        this.#options.policy,
        keys.descriptor,
        this.#options.named,
      );
      if (decision === "refused") {
        return signedRefusal(from.origin, "ERR_FED_NOT_TRUSTED", "not on this server's list");
      }
    }
    const result = await manager.respond(body, from);
    if (!result.verified) return signedRefusal(from.origin, result.code, result.reason);
    const { handshakeId } = result.response;
    if (this.#options.shared === true) {
      await this.#options.store.set(
        openKey(handshakeId),
        JSON.stringify(manager.openResponse(handshakeId)),
        manager.handshakeTimeoutSeconds * 1000,
      );
    }
    return { verified: true, origin: from.origin, status: 200, body: result.response };
  }

  /** `POST /handshake/complete`. */
  async handleCompletion(request: SignedMessageParts): Promise<HandshakeAnswer> {
    const { manager, registry, clock, random, policy, named } = this.#options;
    const claimed = peekKeyId(request.headers);
    if (claimed === undefined) {
      return unsigned(refuse("ERR_FED_SIGNATURE_MISSING", "sign the request (PROTOCOL 3)"));
    }
    if (this.#options.shared === true) await this.#recallOpen(request.body);
    const begun = manager.descriptorOf(claimed.origin);
    if (begun === undefined && !registry.hasPinnedKey(claimed.origin)) {
      return unsigned(refuse("ERR_FED_HANDSHAKE_UNKNOWN", "no handshake is open with you"));
    }
    const verified = await this.#verify(request, (origin, kid) =>
      registry.hasPinnedKey(origin) ? registry.keyFor(origin, kid) : keyIn(begun, kid),
    );
    if (!verified.verified) return unsigned(verified);
    const from = { origin: verified.origin, kid: verified.kid };
    const result = manager.finish(parseJson(request.body), from);
    if (!result.verified) return signedRefusal(from.origin, result.code, result.reason);
    if (registry.isBlocked(from.origin, from.kid)) {
      return signedRefusal(from.origin, "ERR_FED_BLOCKED", "this server or key is blocked");
    }
    let server = registry.get(from.origin);
    if (server !== undefined) {
      const applied = await registry.applyDescriptor(result, { fromOwnOrigin: false });
      if ("verified" in applied) return signedRefusal(from.origin, applied.code, applied.reason);
    } else {
      const decision = await decideTrust(policy, result.descriptor, named);
      if (decision === "refused") {
        return signedRefusal(from.origin, "ERR_FED_NOT_TRUSTED", "not on this server's list");
      }
      try {
        server = await registry.register(result.descriptor, { trust: decision });
      } catch (cause) {
        if (!(cause instanceof FederationError)) throw cause;
        return signedRefusal(from.origin, cause.code, cause.message);
      }
    }
    if (server.trust !== TrustState.Trusted && server.trust !== TrustState.Pending) {
      return signedRefusal(from.origin, "ERR_FED_NOT_TRUSTED", "ask this server's operator");
    }
    const session: HandshakeSession = {
      sessionId: random.uuid(),
      peer: from.origin,
      protocol: result.protocol,
      trust: server.trust,
      expiresAt: Math.floor(clock.now() / 1000) + SESSION_SECONDS,
    };
    await this.#record(from.origin, session);
    return { verified: true, origin: from.origin, status: 200, body: session };
  }

  /** Another process of this server may have answered the challenge. */
  async #recallOpen(body: Uint8Array | undefined): Promise<void> {
    const { manager, store } = this.#options;
    const shape = completionSchema.safeParse(parseJson(body));
    if (!shape.success) return;
    const { handshakeId } = shape.data;
    if (manager.openResponse(handshakeId) !== undefined) return;
    const text = await store.get(openKey(handshakeId));
    if (text !== undefined) manager.recall(handshakeId, JSON.parse(text) as SharedResponse);
  }

  /**
   * Reads a known peer's descriptor from its own origin, at most once a minute; whoever asks
   * meanwhile waits for the same answer. Rejects when the peer cannot be asked.
   */
  refreshDescriptor(origin: string): Promise<void> {
    const { registry, clock } = this.#options;
    if (!registry.has(origin)) return Promise.resolve();
    const at = clock.monotonic();
    for (const [known, refresh] of this.#refreshes) {
      if (at - refresh.at >= REFRESH_COOL_DOWN_MILLISECONDS) this.#refreshes.delete(known);
    }
    const last = this.#refreshes.get(origin);
    if (last !== undefined) return last.done;
    const done = this.#refresh(origin);
    this.#refreshes.set(origin, { at, done });
    return done;
  }

  async #refresh(origin: string): Promise<void> {
    const { registry } = this.#options;
    const verified = await this.#fetchVerified(origin);
    if (verified.verified && registry.has(origin)) {
      await registry.applyDescriptor(verified, { fromOwnOrigin: true });
    }
  }

  async #connect(origin: string): Promise<FederatedServer> {
    const { manager, registry, transport, policy, named } = this.#options;
    if (registry.isBlocked(origin)) throw new FederationError("ERR_FED_BLOCKED");
    const fetched = await this.#fetchVerified(origin);
    if (!fetched.verified) throw refusalError(origin, fetched);
    if (fetched.descriptor.keys.some(({ kid }) => registry.isBlocked(origin, kid))) {
      throw new FederationError("ERR_FED_BLOCKED", `${origin} uses a key that is blocked here.`);
    }
    if (registry.has(origin)) {
      const applied = await registry.applyDescriptor(fetched, { fromOwnOrigin: true });
      if ("verified" in applied) throw refusalError(origin, applied);
    }
    const keyFor = (kid: string): VerifyKey | undefined =>
      registry.hasPinnedKey(origin) ? registry.keyFor(origin, kid) : keyIn(fetched.descriptor, kid);
    const endpoint = fetched.descriptor.endpoint.replace(/\/$/u, "");
    const challenge = await manager.createChallenge(origin);
    const response = await transport.exchange(origin, `${endpoint}/handshake`, challenge, keyFor);
    if (response.status !== 200) throw peerRefusal(origin, response.body);
    const completed = await manager.complete(origin, response.body, { kid: response.kid });
    if (!completed.verified) throw refusalError(origin, completed);
    const final = await transport.exchange(
      origin,
      `${endpoint}/handshake/complete`,
      completed.completion,
      keyFor,
    );
    if (final.status !== 200) throw peerRefusal(origin, final.body);
    const session = sessionSchema.safeParse(final.body);
    if (!session.success || session.data.peer !== this.#options.origin) {
      throw new FederationError(
        "ERR_FED_BAD_RESPONSE",
        `${origin} answered with no session of ours.`,
      );
    }
    if (!registry.has(origin)) {
      const decision = await decideTrust(policy, fetched.descriptor, named);
      if (decision === "refused") throw new FederationError("ERR_FED_NOT_TRUSTED");
      await registry.register(fetched.descriptor, { trust: decision });
    }
    await this.#record(origin, session.data);
    const server = registry.get(origin);
    if (server === undefined) throw new FederationError("ERR_FED_TOO_MANY_PEERS");
    return server;
  }

  /** The keys that may sign a challenge: the pinned ones, or what the caller's own origin says. */
  async #keysOf(
    origin: string,
    kid: string,
  ): Promise<
    | {
        keyFor: (origin: string, kid: string) => VerifyKey | undefined;
        descriptor: ServerDescriptor | undefined;
      }
    | Refusal
  > {
    const { registry, allowInsecure } = this.#options;
    if (!isOrigin(origin, { allowInsecure: allowInsecure ?? false })) {
      return refuse("ERR_FED_SIGNATURE_PARAMETERS", "keyid does not name an https origin");
    }
    if (origin === this.#options.origin) {
      return refuse("ERR_FED_HANDSHAKE_MISMATCH", "a server does not shake hands with itself");
    }
    if (registry.hasPinnedKey(origin)) {
      if (registry.keyFor(origin, kid) === undefined) {
        await this.refreshDescriptor(origin).catch(() => undefined);
      }
      return { keyFor: (from, id) => registry.keyFor(from, id), descriptor: undefined };
    }
    let fetched: Fetched;
    try {
      fetched = await this.#askStranger(origin);
    } catch (cause) {
      const code = cause instanceof FederationError ? cause.code : "ERR_FED_UNREACHABLE";
      return refuse(code, "your descriptor could not be read from your origin");
    }
    if (!fetched.verified) return fetched;
    const { descriptor } = fetched;
    return {
      keyFor: (from, id) => (from === origin ? keyIn(descriptor, id) : undefined),
      descriptor,
    };
  }

  /** One fetch per origin and second, a bounded number at once. */
  #askStranger(origin: string): Promise<Fetched> {
    const running = this.#fetching.get(origin);
    if (running !== undefined) return running;
    const at = this.#options.clock.monotonic();
    for (const [known, asked] of this.#strangers) {
      const fresh = at - asked.at < STRANGER_COOL_DOWN_MILLISECONDS;
      if (fresh && this.#strangers.size < MAX_REMEMBERED_STRANGERS) break;
      this.#strangers.delete(known);
    }
    const asked = this.#strangers.get(origin);
    if (asked !== undefined) return asked.result;
    if (this.#fetching.size >= MAX_DESCRIPTOR_FETCHES) {
      return Promise.resolve(
        refuse("ERR_FED_UNAVAILABLE", "too many strangers at once: try again"),
      );
    }
    const result = this.#fetchVerified(origin).finally(() => this.#fetching.delete(origin));
    this.#fetching.set(origin, result);
    this.#strangers.set(origin, { at, result });
    return result;
  }

  async #fetchVerified(origin: string): Promise<Fetched> {
    const { transport, clock, allowInsecure } = this.#options;
    return verifyDescriptor(await transport.fetchDescriptor(origin), {
      now: clock.now(),
      origin,
      allowInsecure: allowInsecure ?? false,
    });
  }

  #verify(
    request: SignedMessageParts,
    keyFor: (origin: string, kid: string) => VerifyKey | undefined,
  ): ReturnType<typeof verifyRequest> {
    const { clock, store } = this.#options;
    return verifyRequest(request, {
      clock,
      keyFor,
      consumeNonce: (nonce, ttlMilliseconds) =>
        store.compareAndSet(`nonce/${nonce}`, undefined, "1", ttlMilliseconds),
    });
  }

  /**
   * Two servers that shake hands at once make two sessions; both sides keep the one whose id sorts
   * first, so that they end with the same.
   */
  async #record(origin: string, session: HandshakeSession): Promise<void> {
    const { registry, clock, manager } = this.#options;
    const live = registry.liveSession(origin);
    const lastAt = registry.get(origin)?.lastHandshakeAt ?? 0;
    const simultaneous = clock.now() / 1000 - lastAt < manager.handshakeTimeoutSeconds;
    if (live !== undefined && simultaneous && live.sessionId < session.sessionId) return;
    const { sessionId, protocol, expiresAt } = session;
    await registry.recordSession(origin, {
      sessionId,
      protocol,
      expiresAt: Math.min(expiresAt, Math.floor(clock.now() / 1000) + SESSION_SECONDS),
    });
  }
}

function keyIn(descriptor: ServerDescriptor | undefined, kid: string): VerifyKey | undefined {
  const jwk = descriptor?.keys.find((key) => key.kid === kid);
  return jwk === undefined ? undefined : importVerifyKey(jwk);
}

function parseJson(body: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(body ?? []).toString("utf8"));
  } catch {
    return undefined;
  }
}

function unsigned(refusal: Refusal): HandshakeAnswer {
  const { code, reason } = refusal;
  return { verified: false, status: ERROR_CODES[code][0], body: undefined, code, reason };
}

function signedRefusal(origin: string, code: FederationErrorCode, reason: string): HandshakeAnswer {
  return { verified: true, origin, status: ERROR_CODES[code][0], body: undefined, code, reason };
}

function refusalError(origin: string, { code, reason }: Refusal): FederationError {
  return new FederationError(code, `${origin}: ${reason}`);
}

function peerRefusal(origin: string, body: unknown): FederationError {
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  const known = typeof code === "string" && Object.hasOwn(ERROR_CODES, code);
  return new FederationError(
    known ? (code as FederationErrorCode) : "ERR_FED_BAD_RESPONSE",
    `${origin} refuses the handshake: ${typeof detail === "string" ? detail.slice(0, 200) : "no reason given"}`,
  );
}
