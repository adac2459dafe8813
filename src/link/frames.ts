/**
 * Messages of a link (PROTOCOL 12): each one binary WebSocket message with a counter, a time, frames and a MAC.
 *
 *     counter 8 · created 4 · frames · HMAC-SHA256 32
 *     frame: length of the rest 4 · kind 1 · call id 4 · what the kind has
 *     traced call: traceparent 55 · length of tracestate 2 · tracestate · what a call has
 *
 * What is sent within one turn goes in one message, with one MAC.
 */
import { type KeyObject, createHmac, timingSafeEqual } from "node:crypto";
import type { FederationErrorCode } from "../errors.ts";
import {
  MAX_TRACESTATE_LENGTH,
  TRACEPARENT_LENGTH,
  type TraceContext,
  readTrace,
} from "../telemetry/trace-context.ts";

/** What a frame is. */
export const FrameKind = {
  /** A call: path and body. */
  Call: 1,
  /** The answer to a call: status and body. */
  Answer: 2,
  /** Are you there? */
  Ping: 3,
  /** The answer to a ping: what `GET /health` says. */
  Pong: 4,
  /** No more calls come from here; those under way are still answered. */
  Goodbye: 5,
  /** A call, and the trace that it belongs to: on links alone where both sides know it. */
  TracedCall: 6,
} as const;

/** A frame, as it was read or is to be sent. */
export type Frame =
  | {
      readonly kind: typeof FrameKind.Call;
      /** Unique among the sender's calls under way. */
      readonly id: number;
      /** Below the endpoint: `/` and at most 127 more visible ASCII characters. */
      readonly path: string;
      /** JSON in UTF-8; empty for none. */
      readonly body: string | Buffer;
    }
  | {
      readonly kind: typeof FrameKind.TracedCall;
      /** As of a call. */
      readonly id: number;
      readonly path: string;
      readonly body: string | Buffer;
      /** Undefined, in one that was read, where it is not well-formed. */
      readonly trace: TraceContext | undefined;
    }
  | {
      readonly kind: typeof FrameKind.Answer;
      /** The call's. */
      readonly id: number;
      /** As of an HTTP answer. */
      readonly status: number;
      readonly body: string | Buffer;
    }
  | {
      readonly kind: typeof FrameKind.Ping;
      readonly id: number;
    }
  | {
      readonly kind: typeof FrameKind.Pong;
      /** The ping's. */
      readonly id: number;
      readonly body: string | Buffer;
    }
  | {
      readonly kind: typeof FrameKind.Goodbye;
      /** 0. */
      readonly id: number;
    };

/** What came in one message. */
export interface LinkMessage {
  /** The sender's Unix seconds. */
  readonly created: number;
  /** At least one. */
  readonly frames: readonly Frame[];
}

/** Bodies on a link are at most this long, as those of HTTP are. */
export const MAX_LINK_BODY_BYTES = 64 * 1024;
/** No message is longer. */
export const MAX_MESSAGE_BYTES = 128 * 1024;
/** Nor has one more frames. */
export const MAX_FRAMES = 1024;

const HEAD_BYTES = 12;
const FRAME_HEAD_BYTES = 9;
const MAC_BYTES = 32;
const TRACE_HEAD_BYTES = TRACEPARENT_LENGTH + 2;
const MAX_PONG_BYTES = 1024;
const PATH = /^\/[!-~]{0,127}$/u;
const TWO_32 = 2 ** 32;

/** Whether a path may be called over a link at all. */
export function isLinkPath(path: string): boolean {
  return PATH.test(path);
}

/** Collects frames, up to what one message may have. */
export class MessageDraft {
  #frames: { readonly frame: Frame; readonly bytes: number }[] = [];
  #bytes = HEAD_BYTES + MAC_BYTES;

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  /** Whether it has been taken in; false when there is no room left for it in this message. */
  add(frame: Frame): boolean {
    const bytes = FRAME_HEAD_BYTES + restBytes(frame);
    if (this.#frames.length >= MAX_FRAMES || this.#bytes + bytes > MAX_MESSAGE_BYTES) return false;
    this.#frames.push({ frame, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** The message with all of them, sealed; the draft is empty then. */
  seal(key: KeyObject, counter: number, created: number): Buffer {
    const message = Buffer.allocUnsafe(this.#bytes);
    message.writeUInt32BE(Math.floor(counter / TWO_32), 0);
    message.writeUInt32BE(counter % TWO_32, 4);
    message.writeUInt32BE(created, 8);
    let at = HEAD_BYTES;
    for (const { frame, bytes } of this.#frames) {
      write(message, at, frame, bytes);
      at += bytes;
    }
    macOf(key, message, at).copy(message, at);
    this.#frames = [];
    this.#bytes = HEAD_BYTES + MAC_BYTES;
    return message;
  }
}

/**
 * What a message says, or the code of what is wrong with it: its length, its MAC, its counter, its form, in
 * this order.
 */
export function openMessage(
  key: KeyObject,
  counter: number,
  bytes: Buffer,
): LinkMessage | FederationErrorCode {
  if (bytes.length < HEAD_BYTES + MAC_BYTES) return "ERR_FED_MALFORMED";
  if (bytes.length > MAX_MESSAGE_BYTES) return "ERR_FED_BODY_TOO_LARGE";
  const end = bytes.length - MAC_BYTES;
  if (!timingSafeEqual(macOf(key, bytes, end), bytes.subarray(end))) {
    return "ERR_FED_SIGNATURE_INVALID";
  }
  if (bytes.readUInt32BE(0) * TWO_32 + bytes.readUInt32BE(4) !== counter) {
    return "ERR_FED_REPLAYED";
  }
  const frames: Frame[] = [];
  for (let at = HEAD_BYTES; at < end;) {
    const frameEnd = end - at < FRAME_HEAD_BYTES ? Infinity : at + 4 + bytes.readUInt32BE(at);
    const frame = frameEnd <= end ? read(bytes, at, frameEnd) : undefined;
    if (frame === undefined || frames.length >= MAX_FRAMES) return "ERR_FED_MALFORMED";
    frames.push(frame);
    at = frameEnd;
  }
  return frames.length === 0 ? "ERR_FED_MALFORMED" : { created: bytes.readUInt32BE(8), frames };
}

function restBytes(frame: Frame): number {
  const body = "body" in frame ? frame.body : "";
  const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  if (frame.kind === FrameKind.Call) return 1 + frame.path.length + bytes;
  if (frame.kind === FrameKind.TracedCall) {
    const traced = TRACE_HEAD_BYTES + (frame.trace?.tracestate?.length ?? 0);
    return traced + 1 + frame.path.length + bytes;
  }
  return frame.kind === FrameKind.Answer ? 2 + bytes : bytes;
}

function write(message: Buffer, at: number, frame: Frame, bytes: number): void {
  message.writeUInt32BE(bytes - 4, at);
  message[at + 4] = frame.kind;
  message.writeUInt32BE(frame.id, at + 5);
  let rest = at + FRAME_HEAD_BYTES;
  if (frame.kind === FrameKind.TracedCall) rest = writeTrace(message, rest, frame.trace);
  if (frame.kind === FrameKind.Call || frame.kind === FrameKind.TracedCall) {
    message[rest] = frame.path.length;
    rest += 1 + message.write(frame.path, rest + 1, "latin1");
  } else if (frame.kind === FrameKind.Answer) rest = message.writeUInt16BE(frame.status, rest);
  if (!("body" in frame)) return;
  if (typeof frame.body === "string") message.write(frame.body, rest);
  else frame.body.copy(message, rest);
}

/** The frame from `at` to `end`; undefined when it is none. */
function read(bytes: Buffer, at: number, end: number): Frame | undefined {
  const from = at + FRAME_HEAD_BYTES;
  const rest = end - from;
  if (rest < 0) return undefined;
  const id = bytes.readUInt32BE(at + 5);
  switch (bytes[at + 4]) {
    case FrameKind.Call: {
      const call = readCall(bytes, from, end);
      return call === undefined ? undefined : { kind: FrameKind.Call, id, ...call };
    }
    case FrameKind.Answer: {
      if (rest < 2 || rest - 2 > MAX_LINK_BODY_BYTES) return undefined;
      const status = bytes.readUInt16BE(from);
      if (status < 200 || status > 599) return undefined;
      return { kind: FrameKind.Answer, id, status, body: bytes.subarray(from + 2, end) };
    }
    case FrameKind.Ping:
      return rest === 0 ? { kind: FrameKind.Ping, id } : undefined;
    case FrameKind.Pong:
      if (rest > MAX_PONG_BYTES) return undefined;
      return { kind: FrameKind.Pong, id, body: bytes.subarray(from, end) };
    case FrameKind.Goodbye:
      return rest === 0 && id === 0 ? { kind: FrameKind.Goodbye, id } : undefined;
    case FrameKind.TracedCall: {
      if (rest < TRACE_HEAD_BYTES) return undefined;
      const state = from + TRACE_HEAD_BYTES;
      const stateBytes = bytes.readUInt16BE(state - 2);
      const after = state + stateBytes;
      if (stateBytes > MAX_TRACESTATE_LENGTH || after > end) return undefined;
      const call = readCall(bytes, after, end);
      if (call === undefined) return undefined;
      const parent = bytes.toString("latin1", from, from + TRACEPARENT_LENGTH);
      const trace = readTrace(parent, bytes.toString("latin1", state, after));
      return { kind: FrameKind.TracedCall, id, ...call, trace };
    }
    default:
      return undefined;
  }
}

/** Path and body, from `from` on; undefined when they are none. */
function readCall(
  bytes: Buffer,
  from: number,
  end: number,
): { readonly path: string; readonly body: Buffer } | undefined {
  const body = from + 1 + (bytes[from] ?? 0);
  if (from >= end || body > end || end - body > MAX_LINK_BODY_BYTES) return undefined;
  const path = bytes.toString("latin1", from + 1, body);
  return isLinkPath(path) ? { path, body: bytes.subarray(body, end) } : undefined;
}

/** Where what follows begins. */
function writeTrace(message: Buffer, at: number, trace: TraceContext | undefined): number {
  const { traceparent = "", tracestate = "" } = trace ?? {};
  message.write(traceparent.padEnd(TRACEPARENT_LENGTH), at, "latin1");
  const state = message.writeUInt16BE(tracestate.length, at + TRACEPARENT_LENGTH);
  return state + message.write(tracestate, state, "latin1");
}

function macOf(key: KeyObject, bytes: Buffer, end: number): Buffer {
  return createHmac("sha256", key).update(bytes.subarray(0, end)).digest();
}
