/**
 * How every peer is, the worst first, from what the store remembers: what an operator reads who is not the
 * running server, and what to do about it.
 */
import type { FederationErrorCode } from "../errors.ts";
import { type HealthCause, causeText } from "../health/health-cause.ts";
import { HealthStatus, type RememberedHealth } from "../health/peer-record.ts";
import { NOTHING_OBSERVED, type Uptime, UptimeHistory } from "../health/uptime-history.ts";
import { type FederatedServer, TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";

/** How a peer is: the worst first. */
export const PEER_STATES = [
  "down",
  "refuses us",
  "quarantined",
  "degraded",
  "unknown",
  "pending",
  "up",
  "blocked",
] as const;
/** How a peer is. `unknown`: nobody has measured it lately. */
export type PeerState = (typeof PEER_STATES)[number];

/** How one peer is. */
export interface PeerCondition {
  readonly server: FederatedServer;
  readonly state: PeerState;
  /** Since when, Unix milliseconds; undefined where nobody knows. */
  readonly since: number | undefined;
  /** Of what health checks found. */
  readonly cause: HealthCause | undefined;
  /** Of a peer that refuses us. */
  readonly refusal: FederationErrorCode | undefined;
  /** Why it is not well, in words; undefined: it is, or there is nothing to say. */
  readonly why: string | undefined;
  /** The command that mends it, or looks closer; undefined: none is needed. */
  readonly mend: string | undefined;
  /** Mean of the answers of the last minute in which there were any, of the last hour; undefined for one that is down. */
  readonly roundTripMilliseconds: number | undefined;
  readonly uptime: Uptime;
  /** When it was probed last, Unix milliseconds. */
  readonly lastCheckedAt: number | undefined;
  /** When it answered last, Unix milliseconds. */
  readonly lastOkAt: number | undefined;
}

const COMMAND = "npx aether-federation";
/**
 * What is older was measured by a server that does not run any more, or does not get to its store: a peer that
 * is down is probed every minute or so, and what was found is written every minute.
 */
const FRESH_MILLISECONDS = 5 * 60_000;

/** States that an operator has to do something about. */
export function isTrouble(state: PeerState): boolean {
  return (
    state === "down" || state === "refuses us" || state === "quarantined" || state === "degraded"
  );
}

/** Every known peer, the worst first, then by origin. `now`: Unix milliseconds. */
export function peerConditions(
  registry: Pick<ServerRegistry, "list" | "blockedBy">,
  remembered: ReadonlyMap<string, RememberedHealth>,
  now: number,
): PeerCondition[] {
  return registry
    .list()
    .map((server) =>
      conditionOf(server, remembered.get(server.origin), registry.blockedBy(server.origin), now),
    )
    .sort(
      (one, other) =>
        PEER_STATES.indexOf(one.state) - PEER_STATES.indexOf(other.state) ||
        (one.server.origin < other.server.origin ? -1 : 1),
    );
}

function conditionOf(
  server: FederatedServer,
  health: RememberedHealth | undefined,
  blockedBy: readonly string[],
  now: number,
): PeerCondition {
  const { origin, trust, refusal } = server;
  const history = new UptimeHistory();
  if (health !== undefined) history.restore(health.uptime, now);
  const checkedAt = health?.lastCheckedAt;
  const isFresh = checkedAt !== undefined && now - checkedAt <= FRESH_MILLISECONDS;
  const answered = history
    .slices("hour", now)
    .findLast(({ meanRoundTripMilliseconds }) => meanRoundTripMilliseconds !== undefined);
  // The last change is to the status that it has: its cause is why.
  const cause = isFresh ? health?.transitions.at(-1)?.cause : undefined;
  const known = {
    ...{ server, cause: undefined, refusal: undefined, why: undefined, mend: undefined },
    ...{ since: undefined, roundTripMilliseconds: answered?.meanRoundTripMilliseconds },
    uptime: health === undefined ? NOTHING_OBSERVED : history.uptime(now),
    lastCheckedAt: checkedAt,
    lastOkAt: health?.lastOkAt,
  };
  switch (trust) {
    case TrustState.Blocked:
      return { ...known, state: "blocked", why: `blocked by ${blockedBy.join(", ")}` };
    case TrustState.Quarantined:
      return {
        ...known,
        ...{ state: "quarantined", why: "its keys changed, and nothing vouches for the new ones" },
        mend: `${COMMAND} peers approve ${origin}`,
      };
    case TrustState.Pending:
      return {
        ...known,
        ...{ state: "pending", since: server.firstSeenAt * 1000, why: "waits for you" },
        mend: `${COMMAND} peers approve ${origin}`,
      };
    default:
  }
  const since = isFresh ? health?.since : undefined;
  const examine = `${COMMAND} doctor ${origin}`;
  if (isFresh && health?.status === HealthStatus.Unreachable) {
    const why = cause === undefined ? "does not answer" : causeText(cause);
    const down = { state: "down", since, cause, why, mend: examine } as const;
    return { ...known, ...down, roundTripMilliseconds: undefined };
  }
  if (refusal !== undefined) {
    return {
      ...known,
      ...{ state: "refuses us", since: refusal.at * 1000, refusal: refusal.code },
      why: `refuses us: ${refusal.code}`,
      // Its operator may have mended it: only a handshake says.
      mend: `${COMMAND} peers retry ${origin}`,
    };
  }
  if (!isFresh || health === undefined || health.status === HealthStatus.Unknown) {
    return {
      ...known,
      ...{ state: "unknown", since: checkedAt },
      why: checkedAt === undefined ? "never measured" : "not measured since",
    };
  }
  if (health.status === HealthStatus.Degraded) {
    const why = cause === undefined ? "is not well" : causeText(cause);
    return { ...known, state: "degraded", since, cause, why, mend: examine };
  }
  return { ...known, state: "up", since };
}
