/** Peers as an operator sees them, and decides about them: the same in code, monitor and command line. */
import type { FederationErrorCode } from "../errors.ts";
import type { MeetingAttempt } from "../handshake/session-keeper.ts";
import { type HealthCause, causeOf } from "../health/health-cause.ts";
import type { HealthMonitor } from "../health/health-monitor.ts";
import type { HealthRecord } from "../health/peer-record.ts";
import { NOTHING_OBSERVED, type Uptime } from "../health/uptime-history.ts";
import {
  ALL_ROLES,
  type FederatedServer,
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
  /** Whether it was ever met; false of one that the configuration names, and that has not answered yet. */
  readonly met: boolean;
  readonly name: string;
  readonly worlds: readonly string[];
  readonly trust: TrustState;
  /** Which entries of the block list it is blocked by. */
  readonly blockedBy: readonly string[];
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
  /** When it was met first, Unix seconds; undefined: it was not. */
  readonly firstSeenAt: number | undefined;
  /** Unix seconds. */
  readonly lastHandshakeAt: number | undefined;
  /** Unix milliseconds of the last probe. */
  readonly lastCheckedAt: number | undefined;
  /** Unix milliseconds of the last answered probe. */
  readonly lastSeenAt: number | undefined;
  /** Since when health checks see it as they do, Unix milliseconds. */
  readonly since: number | undefined;
  /** What is wrong with it, as the last probe found; `causeText` has it in words. */
  readonly cause: HealthCause | undefined;
  /** When it is probed next, or is tried to be met, Unix milliseconds. */
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
  /** Origins that the configuration names. Default: none. */
  readonly named?: readonly string[];
  /** How meeting a server has failed. Default: it is not known. */
  readonly attempt?: (origin: string) => MeetingAttempt | undefined;
}

/** Every known peer and whom the configuration names, by origin. */
export function summarizePeers({
  registry,
  health,
  wrongAssets,
  named = [],
  attempt,
}: PeerSources): PeerSummary[] {
  const unmet = named
    .filter((origin) => !registry.has(origin))
    .map((origin) => {
      const { cause, nextAt } = attempt?.(origin) ?? {};
      return unmetPeer(origin, cause === undefined ? undefined : causeOf(cause), nextAt);
    });
  return registry
    .list()
    .map((server): PeerSummary => ({
      ...summaryOf(server, registry, server.status, health.record(server.origin)),
      wrongAssets: wrongAssets.get(server.origin) ?? 0,
    }))
    .concat(unmet)
    .sort((a, b) => (a.origin < b.origin ? -1 : 1));
}

/** A known peer; `state`: what probes found, as far as it still counts. */
export function summaryOf(
  server: FederatedServer,
  registry: Pick<ServerRegistry, "liveSession" | "blockedBy">,
  status: ServerStatus,
  state: Partial<HealthRecord> | undefined,
): PeerSummary {
  const { origin, name, worlds, trust, refusal, theirTrust } = server;
  return {
    ...{ origin, met: true, name, worlds, trust, theirTrust },
    blockedBy: trust === TrustState.Blocked ? registry.blockedBy(origin) : [],
    roles: server.roles ?? ALL_ROLES,
    keys: keysOffered(server).map(({ kid }) => kid),
    recovery: server.recovery,
    status: trust === TrustState.Trusted ? status : ServerStatus.Suspended,
    hasSession: registry.liveSession(origin) !== undefined,
    refusal: refusal?.code,
    refusalAt: refusal?.at,
    roundTripMilliseconds: state?.roundTripMilliseconds,
    uptime: state?.uptime ?? NOTHING_OBSERVED,
    firstSeenAt: server.firstSeenAt,
    lastHandshakeAt: server.lastHandshakeAt,
    lastCheckedAt: state?.lastCheckedAt,
    lastSeenAt: state?.lastOkAt,
    since: state?.since,
    cause: state?.cause,
    nextCheckAt: state?.nextCheckAt,
    wrongAssets: 0,
  };
}

/** Whom the configuration names, and nobody has met. */
export function unmetPeer(origin: string, cause?: HealthCause, nextCheckAt?: number): PeerSummary {
  return {
    ...{ origin, met: false, name: new URL(origin).host, worlds: [], keys: [] },
    ...{ trust: TrustState.Trusted, blockedBy: [], roles: ALL_ROLES, recovery: undefined },
    ...{ status: ServerStatus.Offline, hasSession: false, theirTrust: undefined },
    ...{ refusal: cause?.refusal, refusalAt: undefined, cause, nextCheckAt },
    ...{ roundTripMilliseconds: undefined, uptime: NOTHING_OBSERVED, firstSeenAt: undefined },
    ...{ lastHandshakeAt: undefined, lastCheckedAt: undefined, lastSeenAt: undefined },
    ...{ since: undefined, wrongAssets: 0 },
  };
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
