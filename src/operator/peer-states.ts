/**
 * Every peer as the store remembers it: what an operator reads who is not the running server. What nobody has
 * measured for five minutes counts as unknown, whatever it was.
 */
import type { HealthCause } from "../health/health-cause.ts";
import { HealthStatus, type RememberedHealth } from "../health/peer-record.ts";
import { UptimeHistory } from "../health/uptime-history.ts";
import { type FederatedServer, ServerStatus } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { worstFirst } from "./condition.ts";
import { type PeerSummary, summaryOf, unmetPeer } from "./peers.ts";

/**
 * What is older was measured by a server that does not run any more, or does not get to its store: a peer that
 * is down is probed every minute or so, and what was found is written every minute.
 */
const FRESH_MILLISECONDS = 5 * 60_000;

const STATUSES: Partial<Record<HealthStatus, ServerStatus>> = {
  [HealthStatus.Healthy]: ServerStatus.Online,
  [HealthStatus.Degraded]: ServerStatus.Degraded,
};

/** Where remembered peers come from. */
export interface RememberedSources {
  readonly registry: Pick<ServerRegistry, "list" | "has" | "liveSession" | "blockedBy">;
  /** By origin. */
  readonly remembered: ReadonlyMap<string, RememberedHealth>;
  /** Origins that the configuration names. */
  readonly named: readonly string[];
  /** How meeting some of them has failed. Default: it is not known. */
  readonly attempts?: readonly {
    readonly origin: string;
    readonly cause: HealthCause;
    readonly nextAt?: number | undefined;
  }[];
  /** Unix milliseconds. */
  readonly now: number;
}

/**
 * Every known peer and whom the configuration names, the worst first. Of a round trip: the mean of the last
 * minute in which there were any answers, of the last hour; none of a peer that is down.
 */
export function rememberedPeers(sources: RememberedSources): PeerSummary[] {
  const { registry, remembered, named, attempts = [], now } = sources;
  const tried = new Map(attempts.map((attempt) => [attempt.origin, attempt]));
  const unmet = named
    .filter((origin) => !registry.has(origin))
    .map((origin) => unmetPeer(origin, tried.get(origin)?.cause, tried.get(origin)?.nextAt));
  return registry
    .list()
    .map((server) => rememberedPeer(server, registry, remembered.get(server.origin), now))
    .concat(unmet)
    .sort(worstFirst);
}

function rememberedPeer(
  server: FederatedServer,
  registry: RememberedSources["registry"],
  health: RememberedHealth | undefined,
  now: number,
): PeerSummary {
  if (health === undefined) return summaryOf(server, registry, ServerStatus.Offline, undefined);
  const { lastCheckedAt, lastOkAt, since, transitions } = health;
  const history = new UptimeHistory();
  history.restore(health.uptime, now);
  const isFresh = lastCheckedAt !== undefined && now - lastCheckedAt <= FRESH_MILLISECONDS;
  const status = (isFresh ? STATUSES[health.status] : undefined) ?? ServerStatus.Offline;
  const isDown = isFresh && health.status === HealthStatus.Unreachable;
  const answered = history
    .slices("hour", now)
    .findLast(({ meanRoundTripMilliseconds }) => meanRoundTripMilliseconds !== undefined);
  return summaryOf(server, registry, status, {
    ...{ lastCheckedAt, lastOkAt, uptime: history.uptime(now) },
    roundTripMilliseconds: isDown ? undefined : answered?.meanRoundTripMilliseconds,
    // The last change is to the status that it has: its cause is why.
    ...(isFresh ? { since, cause: transitions.at(-1)?.cause } : {}),
  });
}
