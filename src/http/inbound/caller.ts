/**
 * Who calls: a peer by its signature, a player by its login.
 *
 * A peer is looked at in PROTOCOL 3's order: signature → block list → live session → trust. What its
 * request's head says by itself is said by {@link headOf}, so that no body is read for it.
 */
import type { FederationErrorCode, Refusal } from "../../errors.ts";
import type { HandshakeService } from "../../handshake/handshake-service.ts";
import {
  type ReadHead,
  type RequestHead,
  type SignedMessageParts,
  findSignature,
  readHead,
  unknownKey,
  verifyRequest,
} from "../../identity/http-signatures.ts";
import type { Clock } from "../../ports.ts";
import type { ServerRegistry } from "../../registry/server-registry.ts";
import { standingOf } from "../../registry/standing.ts";
import type { Nonces } from "./nonces.ts";

/** What knowing a peer needs. */
export interface CallerParts {
  /** This server's. */
  readonly origin: string;
  readonly registry: Pick<
    ServerRegistry,
    "get" | "hasPinnedKey" | "isBlocked" | "keyFor" | "leftBehind" | "liveSession"
  >;
  readonly handshake: Pick<HandshakeService, "refreshDescriptor">;
  readonly nonces: Pick<Nonces, "use">;
  readonly clock: Clock;
  /**
   * Another process of this server may know a peer that this one does not. Called for every request of whoever
   * has no session here; `createEndpoints` sees to it that a flood shares its runs.
   */
  readonly refreshPeers?: () => Promise<void>;
}

/** A peer whose call has been verified. */
export interface Peer {
  readonly origin: string;
  /** The key it is known by. */
  readonly kid: string;
  /** When it signed the call: its own Unix seconds. */
  readonly sentAt: number;
}

/** Why a caller is not heard; only one whose signature is right gets a signed answer. */
export interface RefusedCaller {
  readonly refused: FederationErrorCode;
  /** Default: the code's title. */
  readonly reason?: string;
  readonly verified: boolean;
}

const MAX_TOKEN_LENGTH = 8192;

/**
 * Whether the head of a request is a peer's by what it says, or why its sender is not heard whatever its
 * body is. `forLink`: a request for a link.
 */
export async function headOf(
  parts: CallerParts,
  request: RequestHead,
  { hasBody, forLink = false }: { readonly hasBody: boolean; readonly forLink?: boolean },
): Promise<ReadHead | RefusedCaller> {
  const { registry, origin: recipient } = parts;
  const found = findSignature(request.headers);
  const claimed = "verified" in found ? undefined : found.keyId;
  if (claimed !== undefined && registry.liveSession(claimed.origin) === undefined) {
    await parts.refreshPeers?.();
  }
  const left = claimed === undefined ? undefined : registry.leftBehind(claimed.origin);
  if (left !== undefined) return unheard(left);
  if (claimed !== undefined && !registry.hasPinnedKey(claimed.origin)) {
    const reason = "No key is pinned for this origin.";
    return { verified: false, refused: "ERR_FED_HANDSHAKE_REQUIRED", reason };
  }
  if (claimed !== undefined && registry.keyFor(claimed.origin, claimed.kid) === undefined) {
    // Perhaps a rotation: the peer's own descriptor says so, at most once a cool-down.
    await parts.handshake.refreshDescriptor(claimed.origin).catch(() => undefined);
  }
  const head = readHead(request, found, { recipient, hasBody, forLink });
  if ("verified" in head) return unheard(head);
  const { origin, kid } = head.claims;
  return registry.keyFor(origin, kid) === undefined ? unheard(unknownKey({ kid })) : head;
}

/** The trusted peer that signed a request, of which {@link headOf} has said `head`, or why it is not heard. */
export async function peerOf(
  parts: CallerParts,
  message: SignedMessageParts,
  head: ReadHead,
): Promise<Peer | RefusedCaller> {
  const { registry, nonces } = parts;
  // Nothing durable for whoever is not heard anyway: its nonces decide nothing.
  const refused = standingOf(registry, head.claims);
  let spent: FederationErrorCode | undefined;
  const signed = await verifyRequest(message, {
    head,
    clock: parts.clock,
    recipient: parts.origin,
    keyFor: (origin, kid) => registry.keyFor(origin, kid),
    consumeNonce: async (_key, ttlMilliseconds, used) => {
      if (refused === undefined) spent = await nonces.use(used, ttlMilliseconds);
      return spent !== "ERR_FED_REPLAYED";
    },
  });
  if (!signed.verified) return unheard(signed);
  const { origin, kid, created } = signed;
  const now = refused ?? standingOf(registry, signed) ?? spent;
  return now === undefined ? { origin, kid, sentAt: created } : { verified: true, refused: now };
}

function unheard({ code, reason }: Refusal): RefusedCaller {
  return { verified: false, refused: code, reason };
}

/** The login that a player's request carries; undefined when it carries none. */
export function loginOf(authorization: string | undefined): string | undefined {
  const token = /^Bearer ([^\s]+)$/u.exec(authorization ?? "")?.[1];
  return token === undefined || token.length > MAX_TOKEN_LENGTH ? undefined : token;
}
