/** How a peer is, in one word; why; and what its operator, or this server's, can do about it. */
import { type FederationErrorCode, isTrustRefusal } from "../errors.ts";
import { causeText } from "../health/health-cause.ts";
import { ServerStatus, TrustState } from "../registry/federated-server.ts";
import type { PeerSummary } from "./peers.ts";

/** The conditions of peers, the worst first. */
export const CONDITIONS = [
  /** Nothing vouches for the key it comes with. */
  "quarantined",
  /** Health checks get no answer. */
  "down",
  /** It answers, and does not deal with this server. */
  "refused",
  /** The configuration names it, and nobody has met it. */
  "unmet",
  /** It waits for the operator. */
  "pending",
  /** It answers, but is not well. */
  "degraded",
  /** Not looked at yet. */
  "unknown",
  "up",
  "blocked",
] as const;
/** One of {@link CONDITIONS}. */
export type PeerCondition = (typeof CONDITIONS)[number];

/** The conditions in which something is to be mended. One that is pending is none: strangers come by themselves. */
export const TROUBLES: ReadonlySet<PeerCondition> = new Set<PeerCondition>([
  "quarantined",
  "down",
  "refused",
  "unmet",
  "degraded",
]);

/** Why a peer does not deal with this server, where more can be said than its code. */
const REFUSALS: Partial<Record<FederationErrorCode, string>> = {
  ERR_FED_NOT_TRUSTED: "pending there: its operator has to approve this server",
  ERR_FED_BLOCKED: "blocked there",
  ERR_FED_UNKNOWN_KEY: "it does not know this server's key",
  ERR_FED_KEY_CHANGED: "it does not know this server's key",
  ERR_FED_CLOCK_SKEW: "the clocks of the two servers differ",
};

/** This server, as commands name it; without a key id where that is not known. */
export interface OwnName {
  readonly origin: string;
  readonly keyId: string | undefined;
}

/** What mends a peer: a command, and on whose machine it is typed. */
export interface Mend {
  readonly where: "here" | "there";
  readonly command: string;
}

/** How a peer is. `since`: since when health checks see it as they do; undefined: nobody has looked. */
export function conditionOf(
  peer: Pick<PeerSummary, "met" | "trust" | "status" | "refusal" | "since">,
): PeerCondition {
  if (peer.trust === TrustState.Blocked) return "blocked";
  if (peer.trust === TrustState.Quarantined) return "quarantined";
  if (peer.trust === TrustState.Pending) return "pending";
  if (!peer.met) return "unmet";
  const answers = peer.status === ServerStatus.Online || peer.status === ServerStatus.Degraded;
  if (!answers && peer.since !== undefined) return "down";
  if (peer.refusal !== undefined) return "refused";
  if (!answers) return "unknown";
  return peer.status === ServerStatus.Online ? "up" : "degraded";
}

/** Since when it is so, Unix milliseconds; of one that is unknown, when it was looked at last; undefined: not known. */
export function sinceOf(peer: PeerSummary): number | undefined {
  const inMilliseconds = (seconds: number | undefined): number | undefined =>
    seconds === undefined ? undefined : seconds * 1000;
  switch (conditionOf(peer)) {
    case "quarantined":
    case "blocked":
    case "unmet":
      return undefined;
    case "pending":
      return inMilliseconds(peer.firstSeenAt);
    case "refused":
      return inMilliseconds(peer.refusalAt);
    case "unknown":
      return peer.lastCheckedAt;
    default:
      return peer.since;
  }
}

/** Why it is so, in a few words; undefined where there is nothing to say. */
export function whyOf(peer: PeerSummary): string | undefined {
  const { refusal, cause, theirTrust, roles } = peer;
  const refused =
    refusal === undefined ? undefined : (REFUSALS[refusal] ?? `it refuses this server: ${refusal}`);
  switch (conditionOf(peer)) {
    case "quarantined":
      return "its key changed and nothing vouches for the new one";
    case "pending":
      return "waits for your decision";
    case "blocked":
      return peer.blockedBy.length === 0
        ? "blocked by you"
        : `blocked by ${peer.blockedBy.join(", ")}`;
    case "refused":
      return refused;
    case "unmet":
      return refused ?? (cause === undefined ? "never met" : causeText(cause));
    case "unknown":
      return peer.lastCheckedAt === undefined ? "never looked at" : "not looked at since";
    case "up":
      if (theirTrust !== undefined && roles.outbound && !theirTrust.inbound) {
        return "it lets none of our players in";
      }
      return theirTrust !== undefined && roles.inbound && !theirTrust.outbound
        ? "it lets none of its players come here"
        : undefined;
    case "down":
      return cause === undefined ? "does not answer" : causeText(cause);
    case "degraded":
      return cause === undefined ? "is not well" : causeText(cause);
  }
}

/** The command that mends it, and who types it; undefined where there is none. */
export function mendOf(peer: PeerSummary, own: OwnName): Mend | undefined {
  const command = "npx aether-federation";
  const key = own.keyId === undefined ? "" : ` --key ${own.keyId}`;
  const approve = {
    where: "there",
    command: `${command} peers approve ${own.origin}${key}`,
  } as const;
  const examine = { where: "here", command: `${command} doctor ${peer.origin}` } as const;
  switch (conditionOf(peer)) {
    case "quarantined":
    case "pending":
      return { where: "here", command: `${command} peers approve ${peer.origin}` };
    case "refused":
      if (peer.refusal === "ERR_FED_CLOCK_SKEW") return undefined;
      return peer.refusal === "ERR_FED_BLOCKED"
        ? { where: "there", command: `${command} peers unblock ${own.origin}` }
        : approve;
    case "unmet":
      return peer.refusal !== undefined && isTrustRefusal(peer.refusal) ? approve : examine;
    case "down":
    case "degraded":
      return examine;
    default:
      return undefined;
  }
}

/** The worst first; of the same condition who is in it longest, then by origin. */
export function worstFirst(one: PeerSummary, other: PeerSummary): number {
  const rank = (peer: PeerSummary): number => CONDITIONS.indexOf(conditionOf(peer));
  const byCondition = rank(one) - rank(other);
  if (byCondition !== 0) return byCondition;
  const bySince = (sinceOf(one) ?? Infinity) - (sinceOf(other) ?? Infinity);
  if (bySince < 0 || bySince > 0) return bySince;
  return one.origin < other.origin ? -1 : 1;
}

/** How many peers are in which condition; conditions that none is in are left out. */
export function countConditions(
  peers: readonly PeerSummary[],
): Partial<Record<PeerCondition, number>> {
  const counts = new Map<PeerCondition, number>();
  for (const peer of peers) {
    const condition = conditionOf(peer);
    counts.set(condition, (counts.get(condition) ?? 0) + 1);
  }
  return Object.fromEntries(
    CONDITIONS.flatMap((condition) => {
      const count = counts.get(condition);
      return count === undefined ? [] : [[condition, count] as const];
    }),
  );
}
