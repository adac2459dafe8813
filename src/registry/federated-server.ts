/** A server that this one knows: what is remembered of it, and how it is trusted. */
import type { FederationErrorCode } from "../errors.ts";
import type { PublicJwk } from "../identity/ed25519.ts";
import type { ListedAs } from "../identity/listed-as.ts";
import type { PinnedKey } from "./pinned-keys.ts";

/** How a peer is, as health checks see it. */
export const ServerStatus = {
  Online: "online",
  Degraded: "degraded",
  Offline: "offline",
  /** Not called at all: pending, blocked or quarantined. */
  Suspended: "suspended",
} as const;
export type ServerStatus = (typeof ServerStatus)[keyof typeof ServerStatus];

/** What the operator, or the policy, has decided about a peer. */
export const TrustState = {
  /** Waits for the operator. */
  Pending: "pending",
  Trusted: "trusted",
  /** Its key changed and nothing vouches for the new one: waits for the operator again. */
  Quarantined: "quarantined",
  Blocked: "blocked",
} as const;
export type TrustState = (typeof TrustState)[keyof typeof TrustState];

/** A live handshake session (PROTOCOL 4). */
export interface PeerSession {
  readonly sessionId: string;
  readonly protocol: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** What a trusted peer is trusted for. */
export interface TrustRoles {
  /** Whether players it vouches for are let in. */
  readonly inbound: boolean;
  /** Whether our players are let go to it. */
  readonly outbound: boolean;
}

/** That a peer does not deal with this server until somebody mends it. */
export interface PeerRefusal {
  readonly code: FederationErrorCode;
  /** Unix seconds. */
  readonly at: number;
}

/** What a peer that deals with this server trusts it for, as it said last (PROTOCOL 4). */
export interface TheirTrust extends TrustRoles {
  /** Unix seconds. */
  readonly at: number;
}

/** A move in doubt (PROTOCOL 2). */
export interface DoubtedMove {
  /** Where the server is said to have gone. */
  readonly to: string;
  /** The key that signs there. */
  readonly kid: string;
  /** Since when the old origin is known not to answer, Unix seconds; absent: it does. */
  readonly silentSince?: number | undefined;
  /** The operator has said that it is right. */
  readonly approved?: true;
}

/** Trusted for everything. */
export const ALL_ROLES: TrustRoles = Object.freeze({ inbound: true, outbound: true });

/** One known server. */
export interface FederatedServer {
  readonly origin: string;
  readonly name: string;
  readonly endpoint: string;
  readonly protocols: readonly string[];
  readonly worlds: readonly string[];
  readonly keys: readonly PinnedKey[];
  /** Thumbprint of the key that can replace all others; undefined: none is known. */
  readonly recovery?: string | undefined;
  /** While quarantined: the keys that nothing vouches for, pinned when the operator approves. */
  readonly proposedKeys?: readonly PublicJwk[];
  /** While quarantined: which of them signed, and the recovery key that it named. */
  readonly proposal?: { readonly signedBy: string; readonly recovery?: string | undefined };
  readonly status: ServerStatus;
  readonly trust: TrustState;
  /** Nobody but the policy has decided about it. Absent: its operator has, unless it is pending. */
  readonly byPolicy?: true;
  /** Network address that it was first met from, as far as it is known. */
  readonly via?: string;
  /** What it is trusted for while it is trusted. Absent: everything. */
  readonly roles?: TrustRoles;
  /** Which of our keys it has pinned, as it said at the last handshake; undefined: it has not said. */
  readonly seenKeys?: readonly string[];
  /** What it trusts us for; undefined: it has not said. */
  readonly theirTrust?: TheirTrust;
  /** Why it does not deal with us, as it said last; undefined: it does. */
  readonly refusal?: PeerRefusal | undefined;
  /** The origin that it was known by when this server followed its last move. */
  readonly movedFrom?: string;
  /** A move that it is said to have made, while that is in doubt. */
  readonly moving?: DoubtedMove | undefined;
  readonly session: PeerSession | undefined;
  /** Unix seconds. */
  readonly lastHandshakeAt: number | undefined;
  /** Unix seconds. */
  readonly descriptorValidUntil: number;
  /** Unix seconds. */
  readonly firstSeenAt: number;
  /** Whether `GET /servers` may name it, as far as this server is concerned. */
  readonly listed: boolean;
  /** How it agrees to be listed, in its last descriptor; absent: it does not, and is never named. */
  readonly listing?: ListedAs | undefined;
}

/** The keys that a server is known by now. */
export function activeKids(server: Pick<FederatedServer, "keys">): string[] {
  return server.keys.filter(({ retiredAt }) => retiredAt === undefined).map(({ jwk }) => jwk.kid);
}
