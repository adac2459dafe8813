import { type HealthCause, clockCause } from "./health-cause.ts";

/** What a server says of itself at `GET /health` (PROTOCOL 10), and what was noticed while asking. */
export interface ReportedHealth {
  readonly status: "pass" | "warn" | "fail";
  /** What is wrong with it for this server, though it answers; default: nothing. */
  readonly cause?: HealthCause | undefined;
}

/** What a peer is asked, below its endpoint. */
export const HEALTH_REQUEST = {
  method: "GET",
  path: "/health",
  headers: { accept: "application/health+json" },
  maxBodyBytes: 16 * 1024,
} as const;

/** How far clocks may be apart: what signatures allow (PROTOCOL 3), and the seconds that a `Date` rounds. */
const CLOCK_SKEW_MILLISECONDS = 32_000;

/** What an answer's body says; undefined when it says nothing of health. */
export function readHealth(body: Uint8Array): ReportedHealth | undefined {
  let said: unknown;
  try {
    said = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
  const { status } = (said ?? {}) as { readonly status?: unknown };
  return status === "pass" || status === "warn" || status === "fail" ? { status } : undefined;
}

/**
 * What an answer's `Date` (RFC 9110, section 6.6.1) says of the clock there, at `now`, Unix milliseconds;
 * undefined for a clock that is right, or not told of.
 */
export function clockTold(date: string | undefined, now: number): HealthCause | undefined {
  const there = date === undefined || date.length > 64 ? NaN : Date.parse(date);
  const ahead = there - now;
  return Math.abs(ahead) > CLOCK_SKEW_MILLISECONDS ? clockCause(ahead / 1000) : undefined;
}
