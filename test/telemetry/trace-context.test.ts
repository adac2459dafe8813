import assert from "node:assert/strict";
import { idsOf, readTrace } from "../../src/telemetry/trace-context.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";
const PARENT = `00-${TRACE_ID}-${SPAN_ID}-01`;

describe("telemetry/trace-context", () => {
  it("reads what the W3C's own example says", () => {
    const trace = readTrace(PARENT, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    assert.deepEqual(trace, {
      traceparent: PARENT,
      tracestate: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    });
    assert.deepEqual(idsOf(trace), { traceId: TRACE_ID, spanId: SPAN_ID, flags: 1 });
  });

  it("takes of a later version what it knows, and says it as version 00", () => {
    assert.deepEqual(readTrace(`cc-${TRACE_ID}-${SPAN_ID}-01-what-the-future-will-be`), {
      traceparent: PARENT,
    });
  });

  const wrong: Readonly<Record<string, unknown>> = {
    nothing: undefined,
    "a list of them": [PARENT],
    "two at once, as Node joins headers": `${PARENT}, ${PARENT}`,
    "version ff": `ff-${TRACE_ID}-${SPAN_ID}-01`,
    "more than version 00 has": `${PARENT}-01`,
    "more of a later version without a dash": `cc-${TRACE_ID}-${SPAN_ID}-01.what`,
    "upper case": PARENT.toUpperCase(),
    "a trace id of zeros": `00-${"0".repeat(32)}-${SPAN_ID}-01`,
    "a span id of zeros": `00-${TRACE_ID}-${"0".repeat(16)}-01`,
    "a short trace id": `00-${TRACE_ID.slice(1)}-${SPAN_ID}-01`,
    "flags of one digit": `00-${TRACE_ID}-${SPAN_ID}-1`,
    "a blank behind it": `${PARENT} `,
    "a line behind it": `${PARENT}\n`,
    "a later version of a megabyte": `cc-${TRACE_ID}-${SPAN_ID}-01-${"a".repeat(1024 * 1024)}`,
  };
  for (const [what, traceparent] of Object.entries(wrong)) {
    it(`takes no trace from ${what}`, () => {
      assert.equal(readTrace(traceparent, "a=b"), undefined);
    });
  }

  const states: Readonly<Record<string, unknown>> = {
    "an empty one": "",
    "one that is no text": 7,
    "commas alone": ",,,",
    "a member without a value": "a",
    "an empty value": "a=",
    "a key in upper case": "A=b",
    "a key twice": "a=1,a=2",
    "a value with an equals sign": "a=b=c",
    "a line break": "a=b\nc",
    "an octet beyond ASCII": "a=ä",
    "33 members": Array.from({ length: 33 }, (_, index) => `a${index}=1`).join(),
    "more than 512 characters": `a=${"b".repeat(250)},c=${"d".repeat(250)},e=${"f".repeat(9)}`,
    "a key of 257 characters": `${"a".repeat(257)}=1`,
  };
  for (const [what, tracestate] of Object.entries(states)) {
    it(`keeps the trace and leaves its state out: ${what}`, () => {
      assert.deepEqual(readTrace(PARENT, tracestate), { traceparent: PARENT });
    });
  }

  it("takes the largest state there is, and a tenant's key", () => {
    const largest = `a=${"b".repeat(249)},c=${"d".repeat(249)},e@f=12`;
    const tracestate = largest.padEnd(512, "3");
    assert.deepEqual(readTrace(PARENT, tracestate), { traceparent: PARENT, tracestate });
  });
});
