/** What an operator reads in passing: one line for all peers, and one for each of the worst. */
import type { HealthMonitor } from "../health/health-monitor.ts";
import { HealthStatus } from "../health/peer-record.ts";
import type { FederatedServer } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { shownText } from "../words.ts";
import { CONDITIONS, type PeerCondition, conditionOf, sinceOf, whyOf } from "./condition.ts";
import { summaryOf, unmetPeer } from "./peers.ts";
import { span } from "./span.ts";

/** Where a glance comes from. */
export interface GlanceSources {
  readonly registry: Pick<ServerRegistry, "list" | "has" | "liveSession" | "blockedBy">;
  readonly health: Pick<HealthMonitor, "status" | "record">;
  /** Origins that the configuration names. */
  readonly named: readonly string[];
  /** Unix milliseconds. */
  readonly now: number;
  readonly visitors: number;
  /** Undefined: not counted. More than are counted: as a text, such as `1000+`. */
  readonly abroad: number | string | undefined;
}

/** One look. */
export interface Glance {
  /** `2 down · 1 pending · 57 up · 4 visitors · 2 abroad` */
  readonly summary: string;
  /** The worst first; what is left out is counted in the last line. */
  readonly lines: readonly string[];
}

/** Lines in one glance. */
export const MAX_LINES = 30;
const MAX_NAME_LENGTH = 40;

/** Looks at all peers; what it costs of each but the worst is its condition. */
export function glanceOf({
  registry,
  health,
  named,
  now,
  visitors,
  abroad,
}: GlanceSources): Glance {
  const found = new Map<PeerCondition, (FederatedServer | string)[]>();
  const add = (condition: PeerCondition, peer: FederatedServer | string): void => {
    const peers = found.get(condition) ?? [];
    found.set(condition, peers);
    peers.push(peer);
  };
  for (const server of registry.list()) {
    const { origin, trust, status, refusal } = server;
    const since = health.status(origin) === HealthStatus.Unknown ? undefined : 0;
    add(conditionOf({ met: true, trust, status, refusal: refusal?.code, since }), server);
  }
  for (const origin of named) if (!registry.has(origin)) add("unmet", origin);
  const counts = CONDITIONS.flatMap((condition) => {
    const count = found.get(condition)?.length ?? 0;
    return count === 0 ? [] : [`${count} ${condition}`];
  });
  const elsewhere = abroad === undefined ? [] : [`${abroad} abroad`];
  const summary = [
    ...(counts.length === 0 ? ["no peers"] : counts),
    `${visitors} visitors`,
    ...elsewhere,
  ];
  const all = CONDITIONS.flatMap((condition) => found.get(condition) ?? []);
  const lines = all.slice(0, MAX_LINES).map((each) => {
    const peer =
      typeof each === "string"
        ? unmetPeer(each)
        : summaryOf(each, registry, each.status, health.record(each.origin));
    const condition = conditionOf(peer);
    const host = shownText(peer.origin.replace(/^https?:\/\//u, ""), MAX_NAME_LENGTH) ?? "";
    const { roundTripMilliseconds, uptime } = peer;
    const since = sinceOf(peer);
    const { share } = uptime.day;
    const parts = [
      condition,
      host,
      since === undefined ? "" : `for ${span(now - since)}`,
      whyOf(peer) ?? "",
      roundTripMilliseconds === undefined || condition === "down"
        ? ""
        : `${Math.round(roundTripMilliseconds)} ms`,
      share === undefined ? "" : `${(Math.floor(share * 1_000) / 10).toFixed(1)} % of the day`,
    ];
    return parts.filter((part) => part !== "").join(" · ");
  });
  const rest = all.length - lines.length;
  return {
    summary: summary.join(" · "),
    lines: rest === 0 ? lines : [...lines, `and ${rest} more: see the admin page, or peers list`],
  };
}
