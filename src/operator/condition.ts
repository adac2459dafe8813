/** How a peer is, in one word; why; and what its operator, or this server's, can do about it. */
import { isTrustRefusal } from "../errors.ts";
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

/** The conditions in which something is to be done. */
export const TROUBLES: ReadonlySet<PeerCondition> = new Set<PeerCondition>([
  "quarantined",
  "down",
  "refused",
  "unmet",
  "pending",
]);

/** How a peer is. `since`: when it was found so; undefined: nobody has looked. */
export function conditionOf(
  peer: Pick<PeerSummary, "met" | "trust" | "status" | "refusal" | "since">,
): PeerCondition {
  if (peer.trust === TrustState.Blocked) return "blocked";
  if (peer.trust === TrustState.Quarantined) return "quarantined";
  if (peer.trust === TrustState.Pending) return "pending";
  if (!peer.met) return "unmet";
  if (peer.status === ServerStatus.Online || peer.status === ServerStatus.Degraded) {
    if (peer.refusal !== undefined) return "refused";
    return peer.status === ServerStatus.Online ? "up" : "degraded";
  }
  return peer.since === undefined ? "unknown" : "down";
}

/** Why it is so, in a few words; undefined where there is nothing to say. */
export function whyOf(peer: PeerSummary): string | undefined {
  switch (conditionOf(peer)) {
    case "quarantined":
      return "its key changed and nothing vouches for the new one";
    case "pending":
      return "waits for your decision";
    case "blocked":
      return "blocked by you";
    case "refused":
      return `it refuses this server: ${peer.refusal ?? ""}`;
    case "up": {
      const { theirTrust, roles } = peer;
      if (theirTrust !== undefined && roles.outbound && !theirTrust.inbound) {
        return "it lets none of our players in";
      }
      return theirTrust !== undefined && roles.inbound && !theirTrust.outbound
        ? "it lets none of its players come here"
        : undefined;
    }
    default:
      return peer.cause === undefined ? undefined : causeText(peer.cause);
  }
}

/** The command that mends it, and who types it; undefined where there is none. */
export function mendOf(
  peer: PeerSummary,
  own: { readonly origin: string; readonly keyId: string },
): { readonly where: "here" | "there"; readonly command: string } | undefined {
  const command = "npx aether-federation";
  switch (conditionOf(peer)) {
    case "quarantined":
    case "pending":
      return { where: "here", command: `${command} peers approve ${peer.origin}` };
    case "refused": {
      if (peer.refusal === "ERR_FED_CLOCK_SKEW") return undefined;
      const verb = peer.refusal === "ERR_FED_BLOCKED" ? "unblock" : "approve";
      const key = verb === "approve" ? ` --key ${own.keyId}` : "";
      return { where: "there", command: `${command} peers ${verb} ${own.origin}${key}` };
    }
    case "unmet": {
      const refused = peer.refusal !== undefined && isTrustRefusal(peer.refusal);
      return refused
        ? { where: "there", command: `${command} peers approve ${own.origin} --key ${own.keyId}` }
        : { where: "here", command: `${command} doctor ${peer.origin}` };
    }
    case "down":
      return { where: "here", command: `${command} doctor ${peer.origin}` };
    default:
      return undefined;
  }
}

/** The worst first; of the same condition who is in it longest, then by origin. */
export function worstFirst(one: PeerSummary, other: PeerSummary): number {
  const rank = (peer: PeerSummary): number => CONDITIONS.indexOf(conditionOf(peer));
  const byCondition = rank(one) - rank(other);
  if (byCondition !== 0) return byCondition;
  const bySince = (one.since ?? Infinity) - (other.since ?? Infinity);
  if (bySince < 0 || bySince > 0) return bySince;
  return one.origin < other.origin ? -1 : 1;
}

/** How many peers are in which condition; conditions that none is in are left out. */
export function countConditions(
  peers: readonly PeerSummary[],
): Partial<Record<PeerCondition, number>> {
  const counts: Partial<Record<PeerCondition, number>> = {};
  for (const peer of peers) {
    const condition = conditionOf(peer);
    counts[condition] = (counts[condition] ?? 0) + 1;
  }
  return counts;
}
