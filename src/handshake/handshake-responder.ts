/** The responder's side of the handshake over the wire (PROTOCOL 4): answers challenges and completions. */
import { z } from "zod";
import {
  ERROR_CODES,
  FederationError,
  type FederationErrorCode,
  type Refusal,
  refuse,
} from "../errors.ts";
import type { VerifyKey } from "../identity/ed25519.ts";
import { type SignedMessageParts, peekKeyId, verifyRequest } from "../identity/http-signatures.ts";
import { isOrigin } from "../identity/origin.ts";
import type { Clock, Logger, Store } from "../ports.ts";
import { type RowKind, RowReader } from "../rows/rows.ts";
import { TrustState, activeKids } from "../registry/federated-server.ts";
import type { ReadDescriptor } from "../registry/move-verdict.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { HandshakeManager, SharedResponse } from "./handshake-manager.ts";
import { type HandshakeSession, challengeSchema, completionSchema } from "./messages.ts";
import { type PeerDescriptors, keyIn } from "./peer-descriptors.ts";
import type { PeerMoves } from "./peer-moves.ts";
import type { BegunSessions } from "./begun-sessions.ts";
import { recordSession } from "./session-record.ts";
import { type TrustPolicy, decideTrust } from "./trust-policy.ts";

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

/** Options of {@link HandshakeResponder}. */
export interface HandshakeResponderOptions {
  readonly origin: string;
  readonly manager: HandshakeManager;
  readonly registry: ServerRegistry;
  readonly policy: TrustPolicy;
  /** Origins the operator named. */
  readonly named: readonly string[];
  readonly store: Store;
  readonly clock: Clock;
  /** Hears of damaged rows. Default: nobody does. */
  readonly logger?: Logger;
  readonly allowInsecure?: boolean;
  /** Several processes are this server: a handshake begun with one may be completed with another. */
  readonly shared?: boolean;
  /** Knows the sessions of this run. Default: some of its own. */
  readonly begun?: BegunSessions | undefined;
  /** How long an old origin has to be silent before a move is followed that it does not confirm. Default: a day. */
  readonly moveGraceSeconds?: number | undefined;
}

const openKey = (handshakeId: string): string => `handshake/${handshakeId}`;

const OPEN_ROW: RowKind<SharedResponse> = {
  what: "open handshake",
  schema: z.looseObject({
    sender: z.looseObject({ origin: z.string().max(300), kid: z.string().max(64) }),
    nonceA: z.string().max(64),
    nonceB: z.string().max(64),
    protocol: z.string().max(32),
    responder: z.string().max(300),
    kid: z.string().max(64),
    descriptor: z.looseObject({
      origin: z.string().max(300),
      endpoint: z.string().max(1024),
      keys: z.array(z.looseObject({ kid: z.string().max(64), x: z.string().max(64) })).max(4),
    }),
  }),
  blocks: false,
  advice: "It would have lived for seconds, and the other server begins anew",
};

/** Answers other servers' handshakes. */
export class HandshakeResponder {
  readonly #options: HandshakeResponderOptions;
  readonly #descriptors: PeerDescriptors;
  readonly #moves: PeerMoves;
  readonly #openRows: RowReader<SharedResponse>;

  constructor(options: HandshakeResponderOptions, descriptors: PeerDescriptors, moves: PeerMoves) {
    this.#options = options;
    this.#moves = moves;
    this.#openRows = new RowReader(options.store, options.logger, OPEN_ROW);
    this.#descriptors = descriptors;
  }

  /** `POST /handshake`; `address` is the network address that it came from. */
  async handleChallenge(request: SignedMessageParts, address?: string): Promise<HandshakeAnswer> {
    const { manager, registry } = this.#options;
    const claimed = peekKeyId(request.headers);
    if (claimed === undefined) {
      return unsigned(refuse("ERR_FED_SIGNATURE_MISSING", "sign the request (PROTOCOL 3)"));
    }
    const body = parseJson(request.body);
    const shape = challengeSchema.safeParse(body);
    if (!shape.success) {
      const issue = shape.error.issues[0];
      return unsigned(
        refuse("ERR_FED_MALFORMED", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`),
      );
    }
    if (registry.isBlocked(claimed.origin, claimed.kid)) {
      return unsigned(refuse("ERR_FED_BLOCKED", "this server or key is blocked"));
    }
    const keys = await this.#keysOf(claimed.origin, claimed.kid, address);
    if ("verified" in keys) return unsigned(keys);
    const verified = await this.#verify(request, keys.keyFor);
    if (!verified.verified) return unsigned(verified);
    const from = { origin: verified.origin, kid: verified.kid };
    if (keys.read !== undefined) {
      const moved = await this.#moves.follow(keys.read);
      if (typeof moved === "object") return signedRefusal(from.origin, moved.code, moved.reason);
    }
    const known = registry.get(from.origin);
    if (known?.trust === TrustState.Quarantined) {
      return signedRefusal(from.origin, "ERR_FED_NOT_TRUSTED", "quarantined: ask the operator");
    }
    if (known === undefined && keys.read !== undefined) {
      const decision = await decideTrust(
        this.#options.policy,
        keys.read.descriptor,
        this.#options.named,
      );
      if (decision === "refused") {
        return signedRefusal(from.origin, "ERR_FED_NOT_TRUSTED", "not on this server's list");
      }
    }
    const result = await manager.respond(body, from, keys.read?.descriptor);
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

  /** `POST /handshake/complete`; `address` is the network address that it came from. */
  async handleCompletion(request: SignedMessageParts, address?: string): Promise<HandshakeAnswer> {
    const { manager, registry, clock, policy, named } = this.#options;
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
    if (registry.has(from.origin)) {
      // What its origin says now; when it cannot be asked, what it said last still holds.
      await this.#descriptors.reread(from.origin).catch(() => undefined);
    }
    let server = registry.get(from.origin);
    if (server === undefined) {
      const decision = await decideTrust(policy, result.descriptor, named);
      if (decision === "refused") {
        return signedRefusal(from.origin, "ERR_FED_NOT_TRUSTED", "not on this server's list");
      }
      try {
        server = await registry.register(result.descriptor, { trust: decision, via: address });
      } catch (cause) {
        if (!(cause instanceof FederationError)) throw cause;
        return signedRefusal(from.origin, cause.code, cause.message);
      }
    }
    if (server.trust !== TrustState.Trusted && server.trust !== TrustState.Pending) {
      return signedRefusal(from.origin, "ERR_FED_NOT_TRUSTED", "ask this server's operator");
    }
    if (!registry.publishes(from.origin, from.kid)) {
      return signedRefusal(from.origin, "ERR_FED_UNKNOWN_KEY", "your origin does not publish it");
    }
    if (server.descriptorValidUntil <= clock.now() / 1000) {
      return signedRefusal(
        from.origin,
        "ERR_FED_DESCRIPTOR_EXPIRED",
        "your origin's descriptor cannot be read, and the last one has expired",
      );
    }
    const session: HandshakeSession = {
      ...result.session,
      trust: server.trust,
      keys: activeKids(server),
    };
    await recordSession(this.#options, from.origin, session);
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
    if (text === undefined) return;
    const key = openKey(handshakeId);
    const shared = this.#openRows.parse(key, text);
    // It lives for seconds: the other side begins anew.
    if (shared === undefined) await this.#openRows.setAside(key, text);
    else manager.recall(handshakeId, shared);
  }

  /** The keys that may sign a challenge: the pinned ones, or what the caller's own origin says. */
  async #keysOf(
    origin: string,
    kid: string,
    address: string | undefined,
  ): Promise<
    | {
        keyFor: (origin: string, kid: string) => VerifyKey | undefined;
        /** What the caller's own origin says, where no key of it is pinned. */
        read: ReadDescriptor | undefined;
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
        await this.#descriptors.refresh(origin).catch(() => undefined);
      }
      return { keyFor: (from, id) => registry.keyFor(from, id), read: undefined };
    }
    const left = registry.leftBehind(origin);
    if (left !== undefined) return left;
    const fetched = await this.#descriptors.ofStranger(origin, address);
    if (!fetched.verified) return fetched;
    const { descriptor } = fetched;
    return {
      keyFor: (from, id) => (from === origin ? keyIn(descriptor, id) : undefined),
      read: fetched,
    };
  }

  #verify(
    request: SignedMessageParts,
    keyFor: (origin: string, kid: string) => VerifyKey | undefined,
  ): ReturnType<typeof verifyRequest> {
    const { clock, store, origin } = this.#options;
    return verifyRequest(request, {
      clock,
      recipient: origin,
      keyFor,
      consumeNonce: (nonce, ttlMilliseconds) =>
        store.compareAndSet(`nonce/${nonce}`, undefined, "1", ttlMilliseconds),
    });
  }
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
