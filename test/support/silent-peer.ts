import { HealthStatus, type RememberedHealth } from "../../src/health/peer-record.ts";

const DAY = 24 * 3600 * 1000;

/**
 * What a server remembers of a peer that answered for the last time `days` days ago (Unix milliseconds: `now`), and
 * was probed until now; of each day since, `observed` (0–1) was looked at.
 */
export function silentFor(
  days: number,
  { now, observed = 1 }: { readonly now: number; readonly observed?: number },
): RememberedHealth {
  const since = now - days * DAY;
  const first = Math.floor(since / DAY);
  const slices = Array.from({ length: Math.floor(now / DAY) - first + 1 }, (_, index) => {
    const up = index === 0 ? 1_000 : 0;
    return [first + index, Math.max(up, Math.round(observed * DAY)), up, up, up, up] as const;
  });
  return {
    ...{ status: HealthStatus.Unreachable, since, lastOkAt: since, lastCheckedAt: now },
    transitions: [],
    uptime: { hour: [], day: [], ninetyDays: slices.map((slice) => [...slice]) },
  };
}
