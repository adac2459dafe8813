/**
 * Telemetry by the OpenTelemetry API, where the host has it and an SDK registered: the one file that knows it.
 *
 * Everything that is the host's (its SDK, its exporters, its context manager) is called within a guard: what it
 * throws is told once and costs a span or a count. It is never waited for.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type * as OpenTelemetryApi from "@opentelemetry/api";
import type {
  Attributes as ApiAttributes,
  Context,
  Counter,
  Histogram,
  Meter,
  Span,
  SpanOptions,
  Tracer,
} from "@opentelemetry/api";
import { type FederationErrorCode, isFederationErrorCode } from "../errors.ts";
import type { Clock, Logger } from "../ports.ts";
import {
  Attribute,
  GAUGES,
  type GaugeName,
  OPERATIONS,
  type OperationKind,
} from "../telemetry/names.ts";
import {
  type Attributes,
  type Done,
  type Ending,
  type GaugeSources,
  NO_TELEMETRY,
  type Operation,
  type Telemetry,
} from "../telemetry/telemetry.ts";
import { type TraceContext, idsOf, readTrace } from "../telemetry/trace-context.ts";

type Api = typeof OpenTelemetryApi;

/** Name of the instrumentation scope. */
const SCOPE = "aether-federation";
/** Upper bounds of histograms' buckets, in seconds: a round trip nearby to the longest wait for a client. */
const SECONDS_BUCKETS = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 15, 30, 60, 120],
];

/** Options of {@link loadTelemetry}. */
export interface LoadTelemetryOptions {
  /** This server's. */
  readonly origin: string;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly logger: Pick<Logger, "warn">;
  /** Default: `import("@opentelemetry/api")`. */
  readonly load?: () => Promise<unknown>;
}

/**
 * The host's telemetry: what does nothing where `@opentelemetry/api` is not installed, or no SDK has been
 * registered with it by now. Never rejects.
 */
export async function loadTelemetry({
  load = () => import("@opentelemetry/api"),
  ...options
}: LoadTelemetryOptions): Promise<Telemetry> {
  let api: Api;
  try {
    api = (await load()) as Api;
  } catch (cause) {
    const code = (cause as { code?: unknown } | null)?.code;
    if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") warn(options, cause);
    return NO_TELEMETRY;
  }
  try {
    const tracer = tracerOf(api);
    const meter = meterOf(api);
    if (tracer === undefined && meter === undefined) return NO_TELEMETRY;
    return new OpenTelemetry(api, tracer, meter, options);
  } catch (cause) {
    warn(options, cause);
    return NO_TELEMETRY;
  }
}

/** Undefined where no SDK has registered one: the API's stand-in has nothing to delegate to. */
function tracerOf({ trace }: Api): Tracer | undefined {
  const provider = trace.getTracerProvider() as { getDelegateTracer?: (name: string) => unknown };
  const stands =
    provider.getDelegateTracer === undefined || provider.getDelegateTracer(SCOPE) !== undefined;
  return stands ? trace.getTracer(SCOPE) : undefined;
}

function meterOf({ metrics, createNoopMeter }: Api): Meter | undefined {
  const meter = metrics.getMeter(SCOPE);
  return meter === createNoopMeter() ? undefined : meter;
}

function warn({ logger }: Pick<LoadTelemetryOptions, "logger">, cause: unknown): void {
  const why = cause instanceof Error ? cause.message : "unknown";
  logger.warn(`OpenTelemetry fails (${why}): traces and metrics have gaps, and nothing else has`);
}

/** A span that work runs in. */
interface Current {
  readonly span: Span;
  readonly context: Context;
  /** What is begun by it later, such as by a timer, is not its part any more. */
  over: boolean;
}

interface Begun {
  readonly current: Current | undefined;
  readonly startedAt: number;
}

class OpenTelemetry implements Telemetry {
  readonly #api: Api;
  readonly #tracer: Tracer | undefined;
  readonly #meter: Meter | undefined;
  readonly #options: LoadTelemetryOptions;
  readonly #server: ApiAttributes;
  readonly #counters = new Map<OperationKind, Counter>();
  readonly #durations = new Map<OperationKind, Histogram>();
  /** Hosts need not have a context manager. */
  readonly #running = new AsyncLocalStorage<Current>();
  #warned = false;

  constructor(
    api: Api,
    tracer: Tracer | undefined,
    meter: Meter | undefined,
    options: LoadTelemetryOptions,
  ) {
    this.#api = api;
    this.#tracer = tracer;
    this.#meter = meter;
    this.#options = options;
    this.#server = { [Attribute.Server]: options.origin };
    if (meter === undefined) return;
    for (const [kind, names] of Object.entries(OPERATIONS) as [
      OperationKind,
      (typeof OPERATIONS)[OperationKind],
    ][]) {
      const { description } = names;
      if ("counter" in names) {
        const { name, unit } = names.counter;
        this.#counters.set(kind, meter.createCounter(name, { unit, description }));
      }
      if ("duration" in names) {
        const advice = { explicitBucketBoundaries: SECONDS_BUCKETS };
        const histogram = meter.createHistogram(names.duration, {
          ...{ unit: "s", description: `${description}: how long`, advice },
        });
        this.#durations.set(kind, histogram);
      }
    }
  }

  async run<Result>(operation: Operation<Result>, work: () => Promise<Result>): Promise<Result> {
    const begun = this.#begin(operation);
    let result: Result;
    try {
      result = await this.#within(begun.current, work);
    } catch (cause) {
      this.#end(operation, begun, { outcome: "failed", code: codeOf(cause) });
      throw cause;
    }
    this.#end(
      operation,
      begun,
      this.#guarded(() => operation.ended?.(result)) ?? { outcome: "ok" },
    );
    return result;
  }

  note(done: Done): void {
    const { startedAt, ending, hasSpan } = done;
    if (!hasSpan) {
      this.#tell(done, ending, undefined, undefined);
      return;
    }
    const seconds = Math.max(0, this.#options.clock.now() - startedAt) / 1000;
    this.#tell(done, ending, seconds, this.#start(done, startedAt));
  }

  outgoing(): TraceContext | undefined {
    const current = this.#running.getStore();
    if (current === undefined || current.over) return undefined;
    return this.#guarded(() => {
      const { traceId, spanId, traceFlags, traceState } = current.span.spanContext();
      const flags = (traceFlags & 0xff).toString(16).padStart(2, "0");
      return readTrace(`00-${traceId}-${spanId}-${flags}`, traceState?.serialize());
    });
  }

  observe(sources: () => GaugeSources): () => void {
    const meter = this.#meter;
    if (meter === undefined) return () => undefined;
    const stops: (() => void)[] = [];
    const read = sources();
    for (const name of Object.keys(GAUGES) as GaugeName[]) {
      this.#guarded(() => {
        const { unit, description } = GAUGES[name];
        const gauge = meter.createObservableGauge(name, { unit, description });
        const callback: Parameters<typeof gauge.addCallback>[0] = (result) => {
          this.#guarded(() => {
            for (const { value, attributes } of read[name]()) {
              result.observe(value, { ...this.#server, ...attributes });
            }
          });
        };
        gauge.addCallback(callback);
        stops.push(() => {
          gauge.removeCallback(callback);
        });
      });
    }
    return () => {
      for (const stop of stops.splice(0)) this.#guarded(stop);
    };
  }

  #begin(operation: Operation<never>): Begun {
    return { current: this.#start(operation), startedAt: this.#options.clock.monotonic() };
  }

  #start(operation: Omit<Operation<never>, "ended">, startTime?: number): Current | undefined {
    const tracer = this.#tracer;
    if (tracer === undefined) return undefined;
    return this.#guarded(() => {
      const { SpanKind, trace } = this.#api;
      const { kind, labels = {}, details = {} } = operation;
      const names = OPERATIONS[kind];
      const call = labels[Attribute.Call];
      const answered = labels[Attribute.Role] === "responder";
      const spanKind = answered ? "server" : names.kind;
      const options: SpanOptions = {
        kind: { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT, server: SpanKind.SERVER }[
          spanKind
        ],
        attributes: { ...this.#server, ...labels, ...details },
        ...(startTime === undefined ? {} : { startTime }),
      };
      const base = this.#parentOf(operation.parent);
      const name = call === undefined ? names.span : `${names.span} ${call}`;
      const span = tracer.startSpan(name, options, base);
      return { span, context: trace.setSpan(base, span), over: false };
    });
  }

  #parentOf(parent: TraceContext | undefined): Context {
    const { ROOT_CONTEXT, context, createTraceState, trace } = this.#api;
    if (parent === undefined) {
      const running = this.#running.getStore();
      if (running === undefined) return context.active();
      return running.over ? ROOT_CONTEXT : running.context;
    }
    const { traceId, spanId, flags } = idsOf(parent);
    const active = context.active();
    // The host's own instrumentation of HTTP has read the same header.
    if (trace.getSpanContext(active)?.traceId === traceId) return active;
    const { tracestate } = parent;
    return trace.setSpanContext(ROOT_CONTEXT, {
      ...{ traceId, spanId, traceFlags: flags, isRemote: true },
      // What is to take its place in the API's next major is in a package of SDKs.
      // eslint-disable-next-line @typescript-eslint/no-deprecated
      ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
    });
  }

  /** Runs work once, whatever becomes of the host's context manager. */
  #within<Result>(
    current: Current | undefined,
    work: () => Promise<Result>,
  ): Promise<Result> | Result {
    if (current === undefined) return work();
    let result: Promise<Result> | undefined;
    const begin = (): void => {
      result ??= (async () => work())();
    };
    return this.#running.run(current, () => {
      this.#guarded(() => {
        this.#api.context.with(current.context, begin);
      });
      begin();
      return result as unknown as Promise<Result>;
    });
  }

  #end<Result>(operation: Operation<Result>, begun: Begun, ending: Ending): void {
    const { current, startedAt } = begun;
    const seconds = Math.max(0, this.#options.clock.monotonic() - startedAt) / 1000;
    this.#tell(operation, ending, seconds, current);
  }

  #tell(
    { kind, labels }: Pick<Operation<never>, "kind" | "labels">,
    { outcome, code }: Ending,
    seconds: number | undefined,
    current: Current | undefined,
  ): void {
    const ended: Attributes = { [Attribute.Outcome]: outcome, [Attribute.Code]: code };
    const attributes = present({ ...this.#server, ...labels, ...ended });
    this.#guarded(() => {
      this.#counters.get(kind)?.add(1, attributes);
    });
    this.#guarded(() => {
      if (seconds !== undefined) this.#durations.get(kind)?.record(seconds, attributes);
    });
    if (current === undefined) return;
    current.over = true;
    const { span } = current;
    this.#guarded(() => {
      span.setAttributes(present(ended));
      if (code !== undefined || outcome === "failed") {
        const { ERROR } = this.#api.SpanStatusCode;
        span.setStatus(code === undefined ? { code: ERROR } : { code: ERROR, message: code });
      }
    });
    this.#guarded(() => {
      span.end();
    });
  }

  #guarded<Value>(work: () => Value): Value | undefined {
    try {
      return work();
    } catch (cause) {
      if (!this.#warned) warn(this.#options, cause);
      this.#warned = true;
      return undefined;
    }
  }
}

function codeOf(cause: unknown): FederationErrorCode | undefined {
  const code = (cause as { code?: unknown } | null | undefined)?.code;
  return isFederationErrorCode(code) ? code : undefined;
}

/** Without what is undefined, which some exporters would print. */
function present(attributes: Readonly<Record<string, unknown>>): ApiAttributes {
  const values: ApiAttributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "string") values[name] = value;
  }
  return values;
}
