/** Since when a peer has not answered, as far as this server has looked: by what it remembers, across restarts. */
import { HealthStatus, type RememberedHealth } from "./peer-record.ts";

const DAY_MILLISECONDS = 24 * 3600 * 1000;
/** What was found longer ago says nothing of the present. */
const LATEST_PROBE_MILLISECONDS = DAY_MILLISECONDS;
/** Of the time that a peer is said to be silent, how much has to have been looked at. */
const OBSERVED_SHARE = 0.5;

/** Fewest and most days after which a silence can be told: history goes back 90. */
export const SILENT_DAYS = { fewest: 7, most: 90, usual: 30 } as const;

/** Whether a peer has been silent. */
export type Silence =
  | { readonly isSilent: true; /** Unix milliseconds. */ readonly since: number }
  | { readonly isSilent: false; readonly why: string };

/**
 * Judges what is remembered of a peer: silent is who is unreachable now, by a probe of the last day, has not answered
 * once in `days` days, and was looked at for at least half of that time. Time that this server did not run, or did not
 * look, counts for nothing.
 *
 * @param now Unix milliseconds.
 * @param days Within {@link SILENT_DAYS}.
 */
export function silenceOf(
  remembered: RememberedHealth | undefined,
  now: number,
  days: number,
): Silence {
  const no = (why: string): Silence => ({ isSilent: false, why });
  const { lastCheckedAt, lastOkAt } = remembered ?? {};
  if (remembered === undefined || lastCheckedAt === undefined) return no("it was never probed");
  if (remembered.status !== HealthStatus.Unreachable) return no("it answers");
  if (now - lastCheckedAt > LATEST_PROBE_MILLISECONDS || lastCheckedAt > now) {
    return no("it was not probed in the last day");
  }
  const from = now - days * DAY_MILLISECONDS;
  const slices = remembered.uptime.ninetyDays;
  let observed = 0;
  let first: number | undefined;
  for (const [day, known, up] of slices) {
    const at = day * DAY_MILLISECONDS;
    if (known > 0 && (first === undefined || at < first)) first = at;
    // Of the day that the time begins in, nothing is counted: the peer may have answered before.
    if (at < from) continue;
    if (up > 0) return no(`it has answered within ${days} days`);
    observed += known;
  }
  const since = lastOkAt ?? first;
  if (since === undefined || since > from) return no(`it has answered within ${days} days`);
  if (observed < OBSERVED_SHARE * days * DAY_MILLISECONDS) {
    return no(`it was looked at for ${(observed / DAY_MILLISECONDS).toFixed(1)} of ${days} days`);
  }
  return { isSilent: true, since };
}
