/**
 * Telemetry as the parts see it: a port. What implements it never rejects for reasons of its own, never waits,
 * and keeps nothing of a peer's but what `trace-context.ts` has read.
 */
import type { FederationErrorCode } from "../errors.ts";
import type { AttributeName, GaugeName, OperationKind } from "./names.ts";
import type { TraceContext } from "./trace-context.ts";

/** Values of attributes; what is undefined is left out. */
export type Attributes = Readonly<Partial<Record<AttributeName, string | undefined>>>;

/** How something ended. */
export interface Ending {
  /** One of the operation's outcomes (`names.ts`). */
  readonly outcome: string;
  /** Where it did not end well. */
  readonly code?: FederationErrorCode | undefined;
}

/** Something that is done. */
export interface Operation<Result> {
  readonly kind: OperationKind;
  /** Of its metrics and its span, as `names.ts` lists them. */
  readonly labels?: Attributes;
  /** Of its span alone. */
  readonly details?: Attributes;
  /** Whose doing it is, where that is not what this runs in. */
  readonly parent?: TraceContext | undefined;
  /** How a result is told. Default: `ok`. What throws is `failed`, with its code. */
  readonly ended?: (result: Result) => Ending;
}

/** Something that is over, and how it ended. */
export interface Done extends Omit<Operation<never>, "ended"> {
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly ending: Ending;
  /** Whether it has a span and a duration, or is counted alone. */
  readonly hasSpan: boolean;
}

/** One number of a gauge. */
export interface Reading {
  readonly value: number;
  readonly attributes?: Attributes;
}

/** What a gauge is asked by, each time that metrics are collected; at once, and cheap. */
export type GaugeSources = Readonly<Record<GaugeName, () => readonly Reading[]>>;

/** Where spans and metrics go. */
export interface Telemetry {
  /** Does work as one span, within the one that it is called in, and counts how it ends. */
  run<Result>(operation: Operation<Result>, work: () => Promise<Result>): Promise<Result>;
  /** Tells of something that is over. */
  note(done: Done): void;
  /** The trace that a call which is made here belongs to; undefined: none. */
  outgoing(): TraceContext | undefined;
  /** Has gauges read whenever metrics are collected; `sources` is called where there is who reads. Returns how to stop. */
  observe(sources: () => GaugeSources): () => void;
}

/** Nobody listens: work is done, and that is all. */
export const NO_TELEMETRY: Telemetry = {
  run: (_operation, work) => work(),
  note: () => undefined,
  outgoing: () => undefined,
  observe: () => () => undefined,
};

/** How an answer of ours, or of a peer, is told. */
export function endingOf(answer: {
  readonly ok: boolean;
  readonly code?: FederationErrorCode;
}): Ending {
  return answer.ok ? { outcome: "ok" } : { outcome: "refused", code: answer.code };
}
