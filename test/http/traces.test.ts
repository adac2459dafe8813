import assert from "node:assert/strict";
import { Attribute } from "../../src/telemetry/names.ts";
import { LinkedServer, type LinkedServerOptions } from "../support/linked-server.ts";
import { RecordedTelemetry } from "../support/telemetry.ts";

const TRACE = {
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  tracestate: "rojo=1,congo=2",
};

describe("the trace of a call between servers", function () {
  this.timeout(30_000);
  const started: LinkedServer[] = [];
  afterEach(() => Promise.all(started.splice(0).map((one) => one.stop())));

  async function server(options: LinkedServerOptions = {}) {
    const telemetry = new RecordedTelemetry();
    const one = await LinkedServer.start({ ...options, telemetry });
    started.push(one);
    return Object.assign(one, { telemetry });
  }

  /** What B was told of A's last call of a kind. */
  const answered = ({ telemetry }: { readonly telemetry: RecordedTelemetry }) =>
    telemetry.runs.findLast(({ kind }) => kind === "answer");

  it("goes as headers by HTTP, which nothing signs, and is parent of the answer", async () => {
    const [a, b] = [await server({ links: false }), await server({ links: false })];
    await a.handshake.connect(b.origin);
    a.telemetry.trace = TRACE;
    await a.call(b);
    assert.deepEqual(answered(b), {
      ...{ kind: "answer", parent: TRACE, ending: { outcome: "ok" } },
      labels: { [Attribute.Call]: "/custody/claim" },
      details: { [Attribute.Peer]: a.origin },
    });
  });

  it("goes over a link", async () => {
    const [a, b] = [await server(), await server()];
    await a.link(b);
    a.telemetry.trace = b.telemetry.trace = TRACE;
    const posts = b.posts;
    await a.call(b);
    assert.equal(b.posts, posts);
    assert.deepEqual(answered(b)?.parent, TRACE);
    await b.call(a);
    assert.deepEqual(answered(a)?.parent, TRACE);
  });

  it("stays here where a link's other side knows no traced calls", async () => {
    const [a, b] = [await server(), await server({ tracedLinks: false })];
    await a.link(b);
    a.telemetry.trace = b.telemetry.trace = TRACE;
    const posts = b.posts;
    await a.call(b);
    await b.call(a);
    assert.equal(b.posts, posts);
    assert.deepEqual([answered(a)?.parent, answered(b)?.parent], [undefined, undefined]);
    assert.ok(a.links?.has(b.origin));
  });

  it("is not sent with calls that have no span", async () => {
    const [a, b] = [await server({ links: false }), await server({ links: false })];
    await a.handshake.connect(b.origin);
    a.telemetry.trace = TRACE;
    await a.call(b, {}, "renew");
    assert.equal(answered(b), undefined);
  });

  it("is the handshake's, too, on the side that is asked", async () => {
    const [a, b] = [await server({ links: false }), await server({ links: false })];
    a.telemetry.trace = TRACE;
    await a.handshake.connect(b.origin);
    assert.deepEqual(
      b.telemetry.notes.map(({ kind, parent, hasSpan, ending }) => ({
        ...{ kind, parent, hasSpan, ending: ending.outcome },
      })),
      ["answer", "handshake"].map((kind) => ({
        ...{ kind, parent: TRACE, hasSpan: true, ending: "ok" },
      })),
    );
  });

  it("is nobody's who is not verified: a stranger makes no span, and joins no trace", async () => {
    const b = await server({ links: false });
    const response = await fetch(`${b.endpoint}/handshake`, {
      ...{ method: "POST", body: "{}" },
      headers: TRACE,
    });
    assert.equal(response.status, 401);
    const [note, ...others] = b.telemetry.notes;
    assert.deepEqual(others, []);
    assert.deepEqual(
      [note?.kind, note?.hasSpan, note?.parent, note?.ending],
      [
        ...["handshake", false, undefined],
        { outcome: "refused", code: "ERR_FED_SIGNATURE_MISSING" },
      ],
    );
  });

  it("says how a refusal ended, by its code", async () => {
    const [a, b] = [await server({ links: false }), await server({ links: false })];
    await a.handshake.connect(b.origin);
    b.onCall = () => Promise.reject(new Error("broken"));
    await a.call(b);
    const ending = { outcome: "refused", code: "ERR_FED_UNAVAILABLE" };
    assert.deepEqual(answered(b)?.ending, ending);
    assert.deepEqual(a.telemetry.runs.findLast(({ kind }) => kind === "call")?.ending, ending);
  });

  const hostile: Readonly<Record<string, string>> = {
    garbage: "'; DROP TABLE spans; --",
    "a trace of zeros": `00-${"0".repeat(32)}-${"0".repeat(16)}-01`,
    "kilobytes of a later version": `cc${TRACE.traceparent.slice(2)}-${"a".repeat(4000)}`,
    "two of them": `${TRACE.traceparent}, ${TRACE.traceparent}`,
  };
  for (const [what, traceparent] of Object.entries(hostile)) {
    it(`is taken for none where a peer sends ${what}, and its call is answered`, async () => {
      const [a, b] = [await server({ links: false }), await server({ links: false })];
      await a.handshake.connect(b.origin);
      a.telemetry.trace = { traceparent };
      const answer = await a.call(b);
      assert.equal(answer.ok, true);
      assert.equal(answered(b)?.parent, undefined);
    });
  }
});
