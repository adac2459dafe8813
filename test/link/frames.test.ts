import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import {
  type Frame,
  FrameKind,
  MAX_LINK_BODY_BYTES,
  openFrame,
  sealFrame,
} from "../../src/link/frames.ts";
import { keysOf } from "./pair.ts";

describe("link/frames", () => {
  const key = keysOf().ofA.byOpener;
  const call: Frame = {
    ...{ kind: FrameKind.Call, id: 7, created: 1_767_225_600 },
    ...{ path: "/custody/claim", body: '{"transferId":"ä"}' },
  };
  const frames: readonly Frame[] = [
    call,
    { ...call, path: "/servers", body: "" },
    { kind: FrameKind.Answer, id: 0xffff_fffe, created: 0, status: 409, body: "{}" },
    { kind: FrameKind.Ping, id: 1, created: 2 },
    { kind: FrameKind.Pong, id: 1, created: 2, body: '{"status":"pass"}' },
    { kind: FrameKind.Goodbye, id: 0, created: 3 },
  ];

  /** A frame of a right MAC around whatever bytes. */
  const sealed = (...parts: readonly (Buffer | string)[]): Buffer => {
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
    return Buffer.concat([bytes, createHmac("sha256", key).update(bytes).digest()]);
  };
  const header = (kind: number, id = 0): Buffer => {
    const bytes = Buffer.alloc(17);
    bytes[8] = kind;
    bytes.writeUInt32BE(id, 9);
    return bytes;
  };

  for (const frame of frames) {
    it(`reads what it writes: kind ${frame.kind}, ${"path" in frame ? frame.path : frame.id}`, () => {
      for (const counter of [0, 2 ** 32 - 1, 2 ** 32, 2 ** 45 + 3]) {
        const read = openFrame(key, counter, sealFrame(key, counter, frame));
        assert.ok(typeof read !== "string");
        const { body, ...rest } = { body: undefined, ...read };
        const { body: wrote, ...told } = { body: undefined, ...frame };
        assert.deepEqual(rest, told);
        assert.equal(body?.toString(), wrote);
      }
    });
  }

  it("refuses a frame with any one bit changed", () => {
    const bytes = sealFrame(key, 5, call);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const other = Buffer.from(bytes);
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(openFrame(key, 5, other), "ERR_FED_SIGNATURE_INVALID", `bit ${bit}`);
    }
  });

  it("refuses the key of the other direction, and that of another link", () => {
    const bytes = sealFrame(key, 0, call);
    for (const other of [keysOf().ofA.byAccepter, keysOf("2").ofA.byOpener]) {
      assert.equal(openFrame(other, 0, bytes), "ERR_FED_SIGNATURE_INVALID");
    }
  });

  it("refuses a counter that is not the next", () => {
    for (const counter of [4, 6, 5 + 2 ** 32, 0]) {
      assert.equal(openFrame(key, 5, sealFrame(key, counter, call)), "ERR_FED_REPLAYED");
    }
  });

  it("takes a body of 64 KiB, and none that is longer", () => {
    const body = "x".repeat(MAX_LINK_BODY_BYTES);
    assert.notEqual(typeof openFrame(key, 0, sealFrame(key, 0, { ...call, body })), "string");
    const longer = sealFrame(key, 0, { ...call, body: `${body}x` });
    assert.equal(openFrame(key, 0, longer), "ERR_FED_MALFORMED");
    const far = sealFrame(key, 0, { ...call, body: body.repeat(2) });
    assert.equal(openFrame(key, 0, far), "ERR_FED_BODY_TOO_LARGE");
  });

  for (const [what, bytes] of [
    ["of no bytes", Buffer.alloc(0)],
    ["that is too short", Buffer.alloc(48)],
    ["of an unknown kind", sealed(header(0))],
    ["of another unknown kind", sealed(header(6))],
    ["that calls without a path", sealed(header(1))],
    ["with an empty path", sealed(header(1), "\x00{}")],
    ["with a path that leaves its end", sealed(header(1), "\x09/custody")],
    ["with a path without a slash", sealed(header(1), "\x03abc{}")],
    ["with a space in its path", sealed(header(1), "\x03/ b{}")],
    ["with a path of 129", sealed(header(1), "\x81".slice(0, 1), "/".repeat(129))],
    ["with an answer of no status", sealed(header(2), "\x00")],
    ["with a status of 100", sealed(header(2), "\x00\x64{}")],
    ["with a status of 600", sealed(header(2), "\x02\x58{}")],
    ["with a ping that says more", sealed(header(3), "x")],
    ["with a pong of 1025 bytes", sealed(header(4), "x".repeat(1025))],
    ["with a goodbye that says more", sealed(header(5), "x")],
    ["with a goodbye of an id", sealed(header(5, 1))],
  ] as const) {
    it(`refuses a frame ${what}`, () => {
      assert.equal(openFrame(key, 0, bytes), "ERR_FED_MALFORMED");
    });
  }
});
