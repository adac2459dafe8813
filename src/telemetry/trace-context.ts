/**
 * The trace that a call belongs to, as it goes to a peer: W3C Trace Context, sections 3.2 and 3.3
 * (PROTOCOL 3 and 12).
 *
 * Nothing is decided by it. What does not fit the grammar, or the bounds here, is as if it had not come.
 */

/** A trace, and the span in it that comes before what is done next. */
export interface TraceContext {
  /** Version 00: 55 characters, lower case. */
  readonly traceparent: string;
  /** At most {@link MAX_TRACESTATE_LENGTH} characters. */
  readonly tracestate?: string;
}

/** What {@link TraceContext.traceparent} says. */
export interface TraceIds {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** One byte; of it bit 0, "sampled", means something. */
  readonly flags: number;
}

/** As long as a `traceparent` of version 00 is. */
export const TRACEPARENT_LENGTH = 55;
/** A longer one, of a later version, is not read. */
const MAX_TRACEPARENT_LENGTH = 128;
/** A longer `tracestate` is left out: what the W3C asks to be passed on at least. */
export const MAX_TRACESTATE_LENGTH = 512;
const MAX_STATE_MEMBERS = 32;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/u;
const STATE_KEY =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/u;
const STATE_VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/u;

/**
 * What a peer says of its trace, as it is passed on; undefined when it says none that is well-formed. A
 * `tracestate` that is not, or is too long, is left out.
 */
export function readTrace(traceparent: unknown, tracestate?: unknown): TraceContext | undefined {
  if (typeof traceparent !== "string" || traceparent.length > MAX_TRACEPARENT_LENGTH) {
    return undefined;
  }
  const [, version, traceId = "", spanId = "", flags = "", more] =
    TRACEPARENT.exec(traceparent) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) {
    return undefined;
  }
  if (/^0+$/u.test(traceId) || /^0+$/u.test(spanId)) return undefined;
  const parent = { traceparent: `00-${traceId}-${spanId}-${flags}` };
  return isTracestate(tracestate) ? { ...parent, tracestate } : parent;
}

/** What a context says, which {@link readTrace} has read. */
export function idsOf({ traceparent }: TraceContext): TraceIds {
  const [, traceId = "", spanId = "", flags = ""] = traceparent.split("-");
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

function isTracestate(text: unknown): text is string {
  if (typeof text !== "string" || text.length === 0 || text.length > MAX_TRACESTATE_LENGTH) {
    return false;
  }
  const keys = new Set<string>();
  const members = text.split(",");
  if (members.length > MAX_STATE_MEMBERS) return false;
  for (const member of members) {
    const trimmed = member.replace(/^[ \t]+|[ \t]+$/gu, "");
    if (trimmed === "") continue;
    const at = trimmed.indexOf("=");
    const key = trimmed.slice(0, Math.max(0, at));
    if (!STATE_KEY.test(key) || keys.has(key) || !STATE_VALUE.test(trimmed.slice(at + 1))) {
      return false;
    }
    keys.add(key);
  }
  return keys.size > 0;
}
