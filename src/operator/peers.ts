/** Peers as an operator sees them, and decides about them: the same in code, monitor and command line. */
import type { HealthMonitor } from "../health/health-monitor.ts";
import {
  ALL_ROLES,
  ServerStatus,
  type TrustRoles,
  TrustState,
} from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";

/** One peer as an operator sees it. */
export interface PeerSummary {
  readonly origin: string;
  readonly name: string;
  readonly worlds: readonly string[];
  readonly trust: TrustState;
  /** What it is trusted for while it is trusted. */
  readonly roles: TrustRoles;
  readonly status: ServerStatus;
  /** Whether calls can be made now without a new handshake. */
  readonly hasSession: boolean;
  readonly roundTripMilliseconds: number | undefined;
  /** Share of the time the peer answered, 0–1; undefined before the first probe. */
  readonly uptime: {
    readonly hour: number | undefined;
    readonly day: number | undefined;
    readonly month: number | undefined;
  };
  /** Unix seconds. */
  readonly lastHandshakeAt: number | undefined;
  /** Unix milliseconds of the last answered probe. */
  readonly lastSeenAt: number | undefined;
  /** Assets it sent with other bytes than their hash names, since this server started. */
  readonly wrongAssets: number;
}

/** Every known peer, by origin. `wrongAssets`: how many each has sent, by origin. */
export function summarizePeers({
  registry,
  health,
  wrongAssets,
}: {
  readonly registry: ServerRegistry;
  readonly health: HealthMonitor;
  readonly wrongAssets: ReadonlyMap<string, number>;
}): PeerSummary[] {
  return registry
    .list()
    .map((server): PeerSummary => {
      const state = health.status(server.origin);
      const suspended =
        server.trust === TrustState.Blocked || server.trust === TrustState.Quarantined;
      return {
        origin: server.origin,
        name: server.name,
        worlds: server.worlds,
        trust: server.trust,
        roles: server.roles ?? ALL_ROLES,
        status: suspended ? ServerStatus.Suspended : server.status,
        hasSession: registry.liveSession(server.origin) !== undefined,
        roundTripMilliseconds: state?.roundTripMilliseconds,
        uptime: state?.uptime ?? { hour: undefined, day: undefined, month: undefined },
        lastHandshakeAt: server.lastHandshakeAt,
        lastSeenAt: state?.lastOkAt,
        wrongAssets: wrongAssets.get(server.origin) ?? 0,
      };
    })
    .sort((a, b) => a.origin.localeCompare(b.origin));
}

/**
 * Trusts a peer, in the given roles.
 *
 * @throws TypeError for one that is blocked, or not known.
 */
export async function approvePeer(
  registry: ServerRegistry,
  origin: string,
  roles: TrustRoles,
): Promise<void> {
  if (registry.get(origin)?.trust === TrustState.Blocked) {
    throw new TypeError(`"${origin}" is blocked: unblock it first`);
  }
  await registry.setTrust(origin, TrustState.Trusted, roles);
}
