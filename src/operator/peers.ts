/** Peers as an operator sees them, and decides about them: the same in code, monitor and command line. */
import type { FederationErrorCode } from "../errors.ts";
import type { HealthCause } from "../health/health-cause.ts";
import type { HealthMonitor } from "../health/health-monitor.ts";
import { NOTHING_OBSERVED, type Uptime } from "../health/uptime-history.ts";
import {
  ALL_ROLES,
  ServerStatus,
  type TheirTrust,
  type TrustRoles,
  TrustState,
} from "../registry/federated-server.ts";
import { keysOffered } from "../registry/descriptor-verdict.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";

/** One peer as an operator sees it. */
export interface PeerSummary {
  readonly origin: string;
  readonly name: string;
  readonly worlds: readonly string[];
  readonly trust: TrustState;
  /** What it is trusted for while it is trusted. */
  readonly roles: TrustRoles;
  /** The keys it is known by; while quarantined, those that it came with and that wait for you. */
  readonly keys: readonly string[];
  /** Thumbprint of the recovery key that is pinned. */
  readonly recovery: string | undefined;
  readonly status: ServerStatus;
  /** Whether calls can be made now without a new handshake. */
  readonly hasSession: boolean;
  /** Why it does not deal with this server, as it said last; undefined: it does. */
  readonly refusal: FederationErrorCode | undefined;
  /** When it said so, Unix seconds. */
  readonly refusalAt: number | undefined;
  /** What it trusts this server for, as it said last; undefined: it has not said. */
  readonly theirTrust: TheirTrust | undefined;
  readonly roundTripMilliseconds: number | undefined;
  /** Share of the observed time that the peer was up, and how much time that was. */
  readonly uptime: Uptime;
  /** Unix seconds. */
  readonly lastHandshakeAt: number | undefined;
  /** Unix milliseconds of the last answered probe. */
  readonly lastSeenAt: number | undefined;
  /** Since when health checks see it as they do, Unix milliseconds. */
  readonly since: number | undefined;
  /** What is wrong with it, as the last probe found; `causeText` has it in words. */
  readonly cause: HealthCause | undefined;
  /** When it is probed next, Unix milliseconds. */
  readonly nextCheckAt: number | undefined;
  /** Assets it sent with other bytes than their hash names, since this server started. */
  readonly wrongAssets: number;
}

/** What summaries of peers are made of. */
export interface PeerSources {
  readonly registry: ServerRegistry;
  readonly health: HealthMonitor;
  /** How many each has sent, by origin. */
  readonly wrongAssets: ReadonlyMap<string, number>;
}

/** Every known peer, or those of `origins`, by origin. */
export function summarizePeers(
  { registry, health, wrongAssets }: PeerSources,
  origins?: readonly string[],
): PeerSummary[] {
  const servers = origins?.flatMap((origin) => registry.get(origin) ?? []) ?? registry.list();
  return servers
    .map((server): PeerSummary => {
      const state = health.record(server.origin);
      const suspended = server.trust !== TrustState.Trusted;
      return {
        origin: server.origin,
        name: server.name,
        worlds: server.worlds,
        trust: server.trust,
        roles: server.roles ?? ALL_ROLES,
        keys: keysOffered(server).map(({ kid }) => kid),
        recovery: server.recovery,
        status: suspended ? ServerStatus.Suspended : server.status,
        hasSession: registry.liveSession(server.origin) !== undefined,
        refusal: server.refusal?.code,
        refusalAt: server.refusal?.at,
        theirTrust: server.theirTrust,
        roundTripMilliseconds: state?.roundTripMilliseconds,
        uptime: state?.uptime ?? NOTHING_OBSERVED,
        lastHandshakeAt: server.lastHandshakeAt,
        lastSeenAt: state?.lastOkAt,
        since: state?.since,
        cause: state?.cause,
        nextCheckAt: state?.nextCheckAt,
        wrongAssets: wrongAssets.get(server.origin) ?? 0,
      };
    })
    .sort((a, b) => (a.origin < b.origin ? -1 : 1));
}

/** What an approval would pin. */
export interface ApprovalOffer {
  readonly keys: readonly string[];
  /** Which of them is signed with, as far as it is known. */
  readonly signedBy: string | undefined;
  /** Thumbprint of the recovery key that it names. */
  readonly recovery: string | undefined;
  readonly endpoint: string;
}

/** What an approval of a peer would pin; undefined for one that is not known. */
export function approvalOffer(registry: ServerRegistry, origin: string): ApprovalOffer | undefined {
  const server = registry.get(origin);
  if (server === undefined) return undefined;
  const { proposal, endpoint, recovery } = server;
  return {
    keys: keysOffered(server).map(({ kid }) => kid),
    signedBy: proposal?.signedBy,
    recovery: proposal === undefined ? recovery : proposal.recovery,
    endpoint,
  };
}

/**
 * Trusts a peer, in the given roles, by the keys `kids` and no other. One that is trusted already needs
 * none named.
 *
 * @throws TypeError for one that is blocked, or not known, or whose keys are not named.
 */
export async function approvePeer(
  registry: ServerRegistry,
  origin: string,
  { roles, kids }: { readonly roles: TrustRoles; readonly kids?: readonly string[] | undefined },
): Promise<void> {
  const server = registry.get(origin);
  if (server?.trust === TrustState.Blocked) {
    const by = registry.blockedBy(origin).join(", ");
    throw new TypeError(`"${origin}" is blocked${by === "" ? "" : ` (${by})`}: unblock it first`);
  }
  if (server !== undefined && server.trust !== TrustState.Trusted && kids === undefined) {
    const keys = approvalOffer(registry, origin)?.keys.join(", ") ?? "";
    throw new TypeError(
      `name the keys of "${origin}" that are to be trusted; it comes with ${keys}: ask its operator, by another way, which are right`,
    );
  }
  await registry.setTrust(
    origin,
    TrustState.Trusted,
    kids === undefined ? { roles } : { roles, kids },
  );
}
