import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import * as api from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { FederationError } from "../../src/errors.ts";
import { loadTelemetry } from "../../src/runtime/open-telemetry.ts";
import { Attribute, GAUGES } from "../../src/telemetry/names.ts";
import { type GaugeSources, NO_TELEMETRY, type Telemetry } from "../../src/telemetry/telemetry.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { recordingLogger } from "../support/loggers.ts";

const ORIGIN = "https://a.example";
const REMOTE = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  tracestate: "rojo=1",
};
const nothing: GaugeSources = {
  "aether.players": () => [],
  "aether.visitors": () => [],
  "aether.players.abroad": () => [],
  "aether.peers": () => [],
  "aether.links": () => [],
};

describe("runtime/open-telemetry", () => {
  const clock = new ManualClock();
  let spans: InMemorySpanExporter;
  let numbers: InMemoryMetricExporter;
  let reader: PeriodicExportingMetricReader;
  const logger = recordingLogger();

  beforeEach(() => {
    spans = new InMemorySpanExporter();
    numbers = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    reader = new PeriodicExportingMetricReader({ exporter: numbers, exportIntervalMillis: 1e8 });
    logger.lines.length = 0;
  });
  afterEach(async () => {
    api.trace.disable();
    api.metrics.disable();
    api.context.disable();
    await reader.shutdown();
  });

  const load = (more: Partial<Parameters<typeof loadTelemetry>[0]> = {}): Promise<Telemetry> =>
    loadTelemetry({ origin: ORIGIN, clock, logger, ...more });

  /** With an SDK that the host has registered. */
  async function registered(): Promise<Telemetry> {
    const spanProcessors = [new SimpleSpanProcessor({ exporter: spans })];
    api.trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors }));
    api.metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
    return load();
  }

  function spanOf(name: string): ReadableSpan {
    const found = spans.getFinishedSpans().filter((span) => span.name === name);
    assert.equal(found.length, 1, `${name}: ${found.length} spans`);
    return found[0]!;
  }

  /** Points of a metric, as `[value, attributes]`; of a histogram, its count and sum. */
  async function pointsOf(name: string): Promise<unknown[]> {
    numbers.reset();
    await reader.forceFlush();
    const metrics = numbers
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    const metric = metrics.find(({ descriptor }) => descriptor.name === name);
    return (metric?.dataPoints ?? []).map(({ value, attributes }) => {
      const { [Attribute.Server]: server, ...others } = attributes;
      assert.equal(server, ORIGIN);
      const shown =
        typeof value === "number"
          ? value
          : { count: value.count, sum: (value as { sum: number }).sum };
      return [shown, others];
    });
  }

  describe("without an SDK", () => {
    it("is nothing where the API is not installed, and says nothing of it", async () => {
      const cause = Object.assign(new Error("not found"), { code: "ERR_MODULE_NOT_FOUND" });
      assert.equal(await load({ load: () => Promise.reject(cause) }), NO_TELEMETRY);
      assert.deepEqual(logger.lines, []);
    });

    it("is nothing where the API is there and no SDK has registered with it", async () => {
      assert.equal(await load(), NO_TELEMETRY);
      assert.deepEqual(logger.lines, []);
    });

    it("is nothing where the API cannot be loaded, and says so", async () => {
      assert.equal(await load({ load: () => Promise.reject(new Error("broken")) }), NO_TELEMETRY);
      assert.match(logger.lines.join(), /^warn: OpenTelemetry fails \(broken\)/u);
    });

    it("is nothing where what is loaded is no API", async () => {
      assert.equal(await load({ load: () => Promise.resolve({}) }), NO_TELEMETRY);
      assert.match(logger.lines.join(), /^warn: OpenTelemetry fails/u);
    });

    it("hands work through as it is", async () => {
      const work = Promise.resolve(7);
      assert.equal(
        NO_TELEMETRY.run({ kind: "depart" }, () => work),
        work,
      );
      assert.equal(NO_TELEMETRY.outgoing(), undefined);
    });
  });

  it("makes a span and counts it: outcome, code, seconds", async () => {
    const telemetry = await registered();
    const details = { [Attribute.Peer]: "https://b.example" };
    const ended = () => ({ outcome: "stayed", code: "ERR_FED_WORLD_FULL" }) as const;
    const work = async (): Promise<number> => {
      clock.advance(1_500);
      return 7;
    };
    assert.equal(await telemetry.run({ kind: "crossing", details, ended }, work), 7);
    const span = spanOf("aether.crossing");
    assert.deepEqual(
      { ...span.attributes },
      {
        [Attribute.Server]: ORIGIN,
        [Attribute.Peer]: "https://b.example",
        [Attribute.Outcome]: "stayed",
        [Attribute.Code]: "ERR_FED_WORLD_FULL",
      },
    );
    assert.equal(span.status.code, api.SpanStatusCode.ERROR);
    const told = { [Attribute.Outcome]: "stayed", [Attribute.Code]: "ERR_FED_WORLD_FULL" };
    assert.deepEqual(await pointsOf("aether.crossings"), [[1, told]]);
    assert.deepEqual(await pointsOf("aether.crossing.duration"), [[{ count: 1, sum: 1.5 }, told]]);
  });

  it("rejects with what the work rejects with, and tells its code", async () => {
    const telemetry = await registered();
    const cause = new FederationError("ERR_FED_TIMEOUT");
    await assert.rejects(
      telemetry.run({ kind: "arrival" }, () => Promise.reject(cause)),
      (thrown) => thrown === cause,
    );
    const told = { [Attribute.Outcome]: "failed", [Attribute.Code]: "ERR_FED_TIMEOUT" };
    assert.deepEqual(await pointsOf("aether.arrivals"), [[1, told]]);
  });

  it("tells no code that is none of the closed set", async () => {
    const telemetry = await registered();
    const cause = Object.assign(new Error("x"), { code: "EVIL" });
    await assert.rejects(telemetry.run({ kind: "arrival" }, () => Promise.reject(cause)));
    assert.deepEqual(await pointsOf("aether.arrivals"), [[1, { [Attribute.Outcome]: "failed" }]]);
  });

  it("has spans within spans, across turns, without a context manager of the host's", async () => {
    const telemetry = await registered();
    const outgoing = await telemetry.run({ kind: "crossing" }, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return telemetry.run({ kind: "depart" }, async () => telemetry.outgoing());
    });
    const [outer, inner] = [spanOf("aether.crossing"), spanOf("aether.crossing.depart")];
    const { traceId, spanId } = inner.spanContext();
    assert.equal(inner.parentSpanContext?.spanId, outer.spanContext().spanId);
    assert.equal(outer.spanContext().traceId, traceId);
    assert.deepEqual(outgoing, { traceparent: `00-${traceId}-${spanId}-01` });
    assert.equal(telemetry.outgoing(), undefined);
  });

  it("takes what begins when its span is over for something else", async () => {
    const telemetry = await registered();
    let later: () => Promise<unknown> = () => Promise.resolve();
    await telemetry.run({ kind: "arrival" }, async () => {
      later = AsyncLocalStorage.bind(() =>
        telemetry.run({ kind: "return" }, async () => undefined),
      );
    });
    await later();
    assert.equal(spanOf("aether.return").parentSpanContext, undefined);
    assert.notEqual(
      spanOf("aether.return").spanContext().traceId,
      spanOf("aether.arrival").spanContext().traceId,
    );
  });

  it("goes on with a peer's trace, and passes its state on", async () => {
    const telemetry = await registered();
    const labels = { [Attribute.Call]: "/custody/claim" };
    const outgoing = await telemetry.run({ kind: "answer", labels, parent: REMOTE }, async () =>
      telemetry.outgoing(),
    );
    const span = spanOf("aether.answer /custody/claim");
    assert.equal(span.kind, api.SpanKind.SERVER);
    assert.equal(span.parentSpanContext?.spanId, "00f067aa0ba902b7");
    assert.equal(span.parentSpanContext?.isRemote, true);
    assert.match(outgoing?.traceparent ?? "", /^00-4bf92f3577b34da6a3ce929d0e0e4736-/u);
    assert.equal(outgoing?.tracestate, "rojo=1");
  });

  it("writes down what is over, with a span or without", async () => {
    const telemetry = await registered();
    const startedAt = clock.now();
    clock.advance(250);
    const done = { kind: "handshake", labels: { [Attribute.Role]: "responder" } } as const;
    const ending = { outcome: "ok" };
    telemetry.note({ ...done, startedAt, ending, hasSpan: true, parent: REMOTE });
    const refused = { outcome: "refused", code: "ERR_FED_BLOCKED" } as const;
    telemetry.note({ ...done, startedAt, ending: refused, hasSpan: false, parent: undefined });
    const span = spanOf("aether.handshake");
    assert.equal(span.kind, api.SpanKind.SERVER);
    assert.equal(span.startTime[0] * 1000 + span.startTime[1] / 1e6, startedAt);
    assert.equal((await pointsOf("aether.handshakes")).length, 2);
    assert.deepEqual(await pointsOf("aether.handshake.duration"), [
      [
        { count: 1, sum: 0.25 },
        { ...done.labels, [Attribute.Outcome]: "ok" },
      ],
    ]);
  });

  it("reads gauges whenever metrics are collected, until it is told to stop", async () => {
    const telemetry = await registered();
    let players = 3;
    const sources: GaugeSources = {
      ...nothing,
      "aether.players": () => [{ value: players }],
      "aether.peers": () => [{ value: 2, attributes: { [Attribute.State]: "up" } }],
    };
    const stop = telemetry.observe(() => sources);
    assert.deepEqual(await pointsOf("aether.players"), [[3, {}]]);
    players = 4;
    assert.deepEqual(await pointsOf("aether.players"), [[4, {}]]);
    assert.deepEqual(await pointsOf("aether.peers"), [[2, { [Attribute.State]: "up" }]]);
    stop();
    players = 5;
    // An SDK may go on saying what it has heard last.
    assert.deepEqual(await pointsOf("aether.players"), [[4, {}]]);
  });

  it("makes no gauges where metrics are not collected", async () => {
    api.trace.setGlobalTracerProvider(new TracerProvider());
    const telemetry = await load();
    assert.notEqual(telemetry, NO_TELEMETRY);
    telemetry.observe(() => assert.fail("nobody reads them"))();
  });

  describe("where the host's telemetry fails", () => {
    const fail = (): never => {
      throw new Error("the SDK is broken");
    };
    const work = async (): Promise<number> => 7;

    async function survives(telemetry: Telemetry): Promise<void> {
      let runs = 0;
      const counted = async (): Promise<number> => {
        runs += 1;
        telemetry.outgoing();
        return 7;
      };
      assert.equal(await telemetry.run({ kind: "crossing" }, counted), 7);
      assert.equal(await telemetry.run({ kind: "answer", parent: REMOTE }, counted), 7);
      assert.equal(runs, 2);
      telemetry.note({
        ...{ kind: "handshake", startedAt: 0, ending: { outcome: "ok" } },
        ...{ hasSpan: true, parent: undefined },
      });
      telemetry.observe(() => nothing)();
      assert.equal(logger.lines.length, 1);
      assert.match(logger.lines[0]!, /OpenTelemetry fails \(the SDK is broken\)/u);
    }

    it("goes on when no span can be begun", async () => {
      api.trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: fail }) as never });
      await survives(await load());
    });

    it("goes on when spans throw", async () => {
      const span = new Proxy({}, { get: () => fail });
      api.trace.setGlobalTracerProvider({
        getTracer: () => ({ startSpan: () => span }) as never,
      });
      await survives(await load());
    });

    it("goes on when counters, histograms and gauges throw", async () => {
      const broken = {
        ...{ createCounter: () => ({ add: fail }), createHistogram: () => ({ record: fail }) },
        createObservableGauge: fail,
      };
      api.metrics.setGlobalMeterProvider({ getMeter: () => broken as never });
      await survives(await load());
    });

    it("goes without where there can be no counters", async () => {
      api.metrics.setGlobalMeterProvider({ getMeter: () => ({ createCounter: fail }) as never });
      assert.equal(await load(), NO_TELEMETRY);
    });

    /** A context manager of the host's; only `with` is asked of it. */
    const managed = async (way: (fn: () => unknown) => unknown): Promise<Telemetry> => {
      const telemetry = await registered();
      api.context.setGlobalContextManager({
        active: () => api.ROOT_CONTEXT,
        with: ((_context: unknown, fn: () => unknown) => way(fn)) as never,
        bind: (_context, target) => target,
        enable: () => fail(),
        disable() {
          return this;
        },
      });
      return telemetry;
    };

    it("works once when the context manager throws before it", async () => {
      await survives(await managed(fail));
    });

    it("works once when the context manager throws after it", async () => {
      await survives(
        await managed((fn) => {
          fn();
          return fail();
        }),
      );
    });

    it("works once when the context manager does it twice", async () => {
      const telemetry = await managed((fn) => {
        fn();
        return fn();
      });
      let runs = 0;
      await telemetry.run({ kind: "depart" }, async () => (runs += 1));
      assert.equal(runs, 1);
    });

    it("works when an exporter never answers", async () => {
      const exporter = {
        export: () => undefined,
        shutdown: () => new Promise<void>(() => undefined),
      };
      const spanProcessors = [new SimpleSpanProcessor({ exporter })];
      api.trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors }));
      const telemetry = await load();
      assert.equal(await telemetry.run({ kind: "crossing" }, work), 7);
    });

    it("counts all the same when how it ended cannot be said", async () => {
      const telemetry = await registered();
      assert.equal(await telemetry.run({ kind: "crossing", ended: fail }, work), 7);
      assert.deepEqual(await pointsOf("aether.crossings"), [[1, { [Attribute.Outcome]: "ok" }]]);
    });

    it("reads the other gauges when one throws", async () => {
      const telemetry = await registered();
      const sources = { ...nothing, "aether.players": fail, "aether.links": () => [{ value: 1 }] };
      telemetry.observe(() => sources);
      assert.deepEqual(await pointsOf("aether.links"), [[1, {}]]);
    });

    it("sends no trace that an SDK has made up", async () => {
      const span = {
        spanContext: () => ({ traceId: "evil\r\nx-header: 1", spanId: "x", traceFlags: 1 }),
        ...{ setAttributes: () => undefined, setStatus: () => undefined, end: () => undefined },
      };
      api.trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: () => span }) as never });
      const telemetry = await load();
      assert.equal(
        await telemetry.run({ kind: "call" }, async () => telemetry.outgoing()),
        undefined,
      );
    });
  });

  it("has as many gauges as there are names", () => {
    assert.deepEqual(Object.keys(nothing).sort(), Object.keys(GAUGES).sort());
  });
});
