import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import {
  type Frame,
  FrameKind,
  MAX_LINK_BODY_BYTES,
  MAX_FRAMES,
  openMessage,
} from "../../src/link/frames.ts";
import { keysOf, sealed } from "./pair.ts";

const PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

describe("link/frames", () => {
  const key = keysOf().ofA.byOpener;
  const call: Frame = {
    ...{ kind: FrameKind.Call, id: 7 },
    ...{ path: "/custody/claim", body: '{"transferId":"ä"}' },
  };
  const frames: readonly Frame[] = [
    call,
    { ...call, path: "/servers", body: "" },
    { kind: FrameKind.Answer, id: 0xffff_fffe, status: 409, body: "{}" },
    { kind: FrameKind.Ping, id: 1 },
    { kind: FrameKind.Pong, id: 1, body: '{"status":"pass"}' },
    { kind: FrameKind.Goodbye, id: 0 },
    { ...call, kind: FrameKind.TracedCall, trace: { traceparent: PARENT } },
    {
      ...{ ...call, kind: FrameKind.TracedCall, body: "" },
      trace: { traceparent: PARENT, tracestate: "a=b" },
    },
  ];

  /** A message of a right MAC around whatever bytes. */
  const around = (...parts: readonly (Buffer | string)[]): Buffer => {
    const bytes = Buffer.concat([
      Buffer.alloc(12),
      ...parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)),
    ]);
    return Buffer.concat([bytes, createHmac("sha256", key).update(bytes).digest()]);
  };
  /** A frame of whatever bytes, as long as it says or as it is. */
  const frameOf = (kind: number, rest = "", { id = 0, length = 5 + rest.length } = {}): Buffer => {
    const bytes = Buffer.alloc(9 + rest.length);
    bytes.writeUInt32BE(length, 0);
    bytes[4] = kind;
    bytes.writeUInt32BE(id, 5);
    bytes.write(rest, 9, "latin1");
    return bytes;
  };

  for (const frame of frames) {
    it(`reads what it writes: kind ${frame.kind}, ${"path" in frame ? frame.path : frame.id}`, () => {
      for (const counter of [0, 2 ** 32 - 1, 2 ** 32, 2 ** 45 + 3]) {
        const opened = openMessage(key, counter, sealed(key, counter, { ...frame, created: 9 }));
        assert.ok(typeof opened !== "string");
        const [read, ...others] = opened.frames;
        assert.deepEqual([opened.created, others], [9, []]);
        const { body, ...rest } = { body: undefined, ...read };
        const { body: wrote, ...told } = { body: undefined, ...frame };
        assert.deepEqual(rest, told);
        assert.equal(body?.toString(), wrote);
      }
    });
  }

  /** What a traced call has before its path: a trace, and how long its state is, or says to be. */
  const traced = (parent: string, state = "", length = state.length): string =>
    `${parent.padEnd(55)}${String.fromCharCode(length >> 8, length & 0xff)}${state}`;
  const path = "\x06/claim{}";

  it("reads a call whose trace is not well-formed, without the trace", () => {
    const opened = openMessage(key, 0, around(frameOf(6, `${traced("evil\n")}${path}`)));
    assert.ok(typeof opened !== "string");
    const [frame] = opened.frames;
    assert.ok(frame?.kind === FrameKind.TracedCall);
    assert.deepEqual([frame.path, frame.body.toString(), frame.trace], ["/claim", "{}", undefined]);
  });

  it("reads a call whose trace's state is not well-formed, without the state", () => {
    const opened = openMessage(key, 0, around(frameOf(6, `${traced(PARENT, "a=b=c")}${path}`)));
    assert.ok(typeof opened !== "string");
    const [frame] = opened.frames;
    assert.ok(frame?.kind === FrameKind.TracedCall);
    assert.deepEqual(frame.trace, { traceparent: PARENT });
  });

  const malformed: Readonly<Record<string, string>> = {
    "ends within its trace": PARENT,
    "ends within its state": traced(PARENT, "a=b", 20),
    "has a state of 513 bytes": `${traced(PARENT, `a=${"b".repeat(511)}`)}${path}`,
    "has no path": traced(PARENT, "a=b"),
    "has a path that is none": `${traced(PARENT)}\x06claim/`,
    "has a body of more than 64 KiB": `${traced(PARENT)}\x02/c${"x".repeat(MAX_LINK_BODY_BYTES + 1)}`,
  };
  for (const [what, rest] of Object.entries(malformed)) {
    it(`refuses a traced call that ${what}`, () => {
      assert.equal(openMessage(key, 0, around(frameOf(6, rest))), "ERR_FED_MALFORMED");
    });
  }

  it("refuses a message with any one bit changed", () => {
    const bytes = sealed(key, 5, call);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const other = Buffer.from(bytes);
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(openMessage(key, 5, other), "ERR_FED_SIGNATURE_INVALID", `bit ${bit}`);
    }
  });

  it("refuses the key of the other direction, and that of another link", () => {
    const bytes = sealed(key, 0, call);
    for (const other of [keysOf().ofA.byAccepter, keysOf("2").ofA.byOpener]) {
      assert.equal(openMessage(other, 0, bytes), "ERR_FED_SIGNATURE_INVALID");
    }
  });

  it("refuses a counter that is not the next", () => {
    for (const counter of [4, 6, 5 + 2 ** 32, 0]) {
      assert.equal(openMessage(key, 5, sealed(key, counter, call)), "ERR_FED_REPLAYED");
    }
  });

  it("reads many at once, in their order", () => {
    const opened = openMessage(key, 0, sealed(key, 0, ...frames));
    assert.ok(typeof opened !== "string");
    assert.deepEqual(
      opened.frames.map(({ kind, id }) => [kind, id]),
      frames.map(({ kind, id }) => [kind, id]),
    );
  });

  it("takes a body of 64 KiB, and none that is longer", () => {
    const body = "x".repeat(MAX_LINK_BODY_BYTES);
    assert.notEqual(typeof openMessage(key, 0, sealed(key, 0, { ...call, body })), "string");
    const longer = sealed(key, 0, { ...call, body: `${body}x` });
    assert.equal(openMessage(key, 0, longer), "ERR_FED_MALFORMED");
    assert.equal(openMessage(key, 0, around("x".repeat(131_072))), "ERR_FED_BODY_TOO_LARGE");
  });

  it("takes so many frames, and no more", () => {
    const pings = Array.from({ length: MAX_FRAMES }, () => frameOf(3));
    assert.notEqual(typeof openMessage(key, 0, around(...pings)), "string");
    assert.equal(openMessage(key, 0, around(...pings, frameOf(3))), "ERR_FED_MALFORMED");
  });

  for (const [what, bytes] of [
    ["of no bytes", Buffer.alloc(0)],
    ["that is too short", Buffer.alloc(43)],
    ["without a frame", around()],
    ["of half a frame's head", around(frameOf(3).subarray(0, 8))],
    ["of a frame that leaves its end", around(frameOf(3, "", { length: 6 }))],
    ["of a frame that is shorter than its head", around(frameOf(3, "", { length: 4 }))],
    ["with rubbish behind a frame", around(frameOf(3), "x")],
    ["of an unknown kind", around(frameOf(0))],
    ["of another unknown kind", around(frameOf(6))],
    ["that calls without a path", around(frameOf(1))],
    ["with an empty path", around(frameOf(1, "\x00{}"))],
    ["with a path that leaves its end", around(frameOf(1, "\x09/custody"))],
    ["with a path without a slash", around(frameOf(1, "\x03abc{}"))],
    ["with a space in its path", around(frameOf(1, "\x03/ b{}"))],
    ["with a path of 129", around(frameOf(1, `\x81${"/".repeat(129)}`))],
    ["with an answer of no status", around(frameOf(2, "\x00"))],
    ["with a status of 100", around(frameOf(2, "\x00\x64{}"))],
    ["with a status of 600", around(frameOf(2, "\x02\x58{}"))],
    ["with a ping that says more", around(frameOf(3, "x"))],
    ["with a pong of 1025 bytes", around(frameOf(4, "x".repeat(1025)))],
    ["with a goodbye that says more", around(frameOf(5, "x"))],
    ["with a goodbye of an id", around(frameOf(5, "", { id: 1 }))],
  ] as const) {
    it(`refuses a message ${what}`, () => {
      assert.equal(openMessage(key, 0, bytes), "ERR_FED_MALFORMED");
    });
  }
});
