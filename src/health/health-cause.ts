/**
 * Why a peer is not well, in a closed set of codes: made of the errors that Node, undici and this server's own
 * calls end with. Nothing that a peer has written is in it but numbers, bounded.
 */
import { z } from "zod";
import {
  FederationError,
  type FederationErrorCode,
  isFederationErrorCode,
  isTrustRefusal,
} from "../errors.ts";

/** Code → what an operator reads. */
export const CAUSE_WORDS = {
  "connection-refused": "connection refused",
  "connection-lost": "connection lost",
  "no-such-host": "no such host",
  "name-lookup-failed": "the resolver does not answer",
  "no-way-there": "no way to its network",
  "timed-out": "timed out",
  "certificate-expired": "certificate expired",
  "certificate-not-valid-yet": "certificate not valid yet",
  "certificate-not-trusted": "certificate not trusted",
  "certificate-wrong-name": "certificate for another name",
  "tls-failed": "no TLS in common",
  "refused-by-policy": "address not allowed by this server's own policy",
  "server-error": "answered with a server error",
  "no-health": "answered with no health",
  "says-fail": "says that it is failing",
  "says-warn": "says that it is not well",
  slow: "answers slowly",
  clock: "clock is wrong",
  "session-refused": "session refused",
  unreachable: "cannot be reached",
} as const;
/** A code of a cause; {@link causeText} has each in words. */
export type HealthCauseCode = keyof typeof CAUSE_WORDS;

const CODES = Object.keys(CAUSE_WORDS) as readonly HealthCauseCode[];
const MAX_CLOCK_SECONDS = 1_000_000_000;

/** A cause as it is stored. */
export const causeSchema = z.strictObject({
  code: z.enum(CODES),
  httpStatus: z.int().min(100).max(599).optional(),
  clockAheadSeconds: z.int().min(-MAX_CLOCK_SECONDS).max(MAX_CLOCK_SECONDS).optional(),
  refusal: z.custom<FederationErrorCode>(isFederationErrorCode).optional(),
});

/** Why a peer is not well. */
export interface HealthCause {
  readonly code: HealthCauseCode;
  /** Of `server-error` and `no-health`, where it is known. */
  readonly httpStatus?: number | undefined;
  /** Of `clock`: how far its clock is ahead of ours; negative: behind. */
  readonly clockAheadSeconds?: number | undefined;
  /** Of `session-refused`: by which code. */
  readonly refusal?: FederationErrorCode | undefined;
}

/** An answer that says nothing of health. */
export class NoHealthError extends Error {
  readonly httpStatus: number;

  constructor(httpStatus: number) {
    super(`answered HTTP ${httpStatus} with no health`);
    this.httpStatus = httpStatus;
  }
}

const BY_CODE: Readonly<Record<string, HealthCauseCode>> = {
  ECONNREFUSED: "connection-refused",
  ECONNRESET: "connection-lost",
  EPIPE: "connection-lost",
  UND_ERR_SOCKET: "connection-lost",
  ENOTFOUND: "no-such-host",
  EAI_AGAIN: "name-lookup-failed",
  EHOSTUNREACH: "no-way-there",
  ENETUNREACH: "no-way-there",
  ETIMEDOUT: "timed-out",
  UND_ERR_CONNECT_TIMEOUT: "timed-out",
  UND_ERR_HEADERS_TIMEOUT: "timed-out",
  UND_ERR_BODY_TIMEOUT: "timed-out",
  ERR_FED_TIMEOUT: "timed-out",
  CERT_HAS_EXPIRED: "certificate-expired",
  CERT_NOT_YET_VALID: "certificate-not-valid-yet",
  CERT_UNTRUSTED: "certificate-not-trusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate-not-trusted",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate-not-trusted",
  UNABLE_TO_GET_ISSUER_CERT: "certificate-not-trusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate-not-trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate-not-trusted",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate-wrong-name",
  EPROTO: "tls-failed",
  ERR_FED_FORBIDDEN_ADDRESS: "refused-by-policy",
  ERR_FED_RESPONSE_TOO_LARGE: "no-health",
  ERR_FED_BAD_RESPONSE: "no-health",
  ERR_FED_NOT_FOUND: "no-health",
};
/** Errors within errors that are looked at. */
const MAX_DEPTH = 6;

/** Why a probe, or a call, has failed. Never throws; what is not known is `unreachable`. */
export function causeOf(failure: unknown): HealthCause {
  const chain = errorsIn(failure);
  for (const each of chain) {
    if (each instanceof NoHealthError) {
      const { httpStatus } = each;
      return { code: httpStatus >= 500 ? "server-error" : "no-health", httpStatus };
    }
    if (each instanceof FederationError && isTrustRefusal(each.code)) {
      return { code: "session-refused", refusal: each.code };
    }
  }
  // The innermost knows best what happened.
  for (const each of chain.reverse()) {
    const code = (each as { readonly code?: unknown }).code;
    if (typeof code !== "string") continue;
    if (Object.hasOwn(BY_CODE, code)) return { code: BY_CODE[code] ?? "unreachable" };
    if (code.startsWith("ERR_SSL_")) return { code: "tls-failed" };
  }
  return { code: "unreachable" };
}

/** A clock that is so far ahead of ours (negative: behind). */
export function clockCause(aheadSeconds: number): HealthCause {
  const bounded = Math.min(
    MAX_CLOCK_SECONDS,
    Math.max(-MAX_CLOCK_SECONDS, Math.round(aheadSeconds)),
  );
  return { code: "clock", clockAheadSeconds: bounded };
}

/** A cause in a few fixed words, at most 100 characters: `clock 120 s ahead`. */
export function causeText({ code, httpStatus, clockAheadSeconds, refusal }: HealthCause): string {
  if (clockAheadSeconds !== undefined) {
    return `clock ${Math.abs(clockAheadSeconds)} s ${clockAheadSeconds < 0 ? "behind" : "ahead"}`;
  }
  if (refusal !== undefined) return `${CAUSE_WORDS[code]}: ${refusal}`;
  return httpStatus === undefined ? CAUSE_WORDS[code] : `${CAUSE_WORDS[code]} (HTTP ${httpStatus})`;
}

function errorsIn(failure: unknown): object[] {
  const found: object[] = [];
  let next: unknown = failure;
  while (typeof next === "object" && next !== null && found.length < MAX_DEPTH) {
    found.push(next);
    const { cause, errors } = next as { readonly cause?: unknown; readonly errors?: unknown };
    // Of several addresses that were tried, the first speaks for all.
    next = cause ?? (Array.isArray(errors) ? (errors as readonly unknown[])[0] : undefined);
  }
  return found;
}
