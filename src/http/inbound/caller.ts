/**
 * Who calls: a peer by its signature, a player by its login.
 *
 * A peer is looked at in PROTOCOL 3's order: signature → block list → live session → trust. The
 * size of the body comes before that, where it is read.
 */
import type { FederationErrorCode } from "../../errors.ts";
import type { HandshakeService } from "../../handshake/handshake-service.ts";
import {
  type SignedMessageParts,
  peekKeyId,
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
    "get" | "hasPinnedKey" | "isBlocked" | "keyFor" | "liveSession"
  >;
  readonly handshake: Pick<HandshakeService, "refreshDescriptor">;
  readonly nonces: Pick<Nonces, "use">;
  readonly clock: Clock;
  /** Another process of this server may know a peer that this one does not. */
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

/** The trusted peer that signed a request, or why it is not heard. `forLink`: a request for a link. */
export async function peerOf(
  parts: CallerParts,
  message: SignedMessageParts,
  { forLink = false }: { readonly forLink?: boolean } = {},
): Promise<Peer | RefusedCaller> {
  const { registry, nonces } = parts;
  const claimed = peekKeyId(message.headers);
  if (claimed !== undefined && registry.liveSession(claimed.origin) === undefined) {
    await parts.refreshPeers?.();
  }
  if (claimed !== undefined && !registry.hasPinnedKey(claimed.origin)) {
    const reason = "No key is pinned for this origin.";
    return { verified: false, refused: "ERR_FED_HANDSHAKE_REQUIRED", reason };
  }
  if (claimed !== undefined && registry.keyFor(claimed.origin, claimed.kid) === undefined) {
    // Perhaps a rotation: the peer's own descriptor says so, at most once a cool-down.
    await parts.handshake.refreshDescriptor(claimed.origin).catch(() => undefined);
  }
  // Nothing durable for whoever is not heard anyway: its nonces decide nothing.
  const refused = claimed === undefined ? undefined : standingOf(registry, claimed);
  let spent: FederationErrorCode | undefined;
  const signed = await verifyRequest(message, {
    forLink,
    clock: parts.clock,
    recipient: parts.origin,
    keyFor: (origin, kid) => registry.keyFor(origin, kid),
    consumeNonce: async (_key, ttlMilliseconds, used) => {
      if (refused === undefined) spent = await nonces.use(used, ttlMilliseconds);
      return spent !== "ERR_FED_REPLAYED";
    },
  });
  if (!signed.verified) return { verified: false, refused: signed.code, reason: signed.reason };
  const { origin, kid, created } = signed;
  const now = refused ?? standingOf(registry, signed) ?? spent;
  return now === undefined ? { origin, kid, sentAt: created } : { verified: true, refused: now };
}

/** The login that a player's request carries; undefined when it carries none. */
export function loginOf(authorization: string | undefined): string | undefined {
  const token = /^Bearer ([^\s]+)$/u.exec(authorization ?? "")?.[1];
  return token === undefined || token.length > MAX_TOKEN_LENGTH ? undefined : token;
}
