/**
 * Frames of a link (PROTOCOL 12): one binary message each, with a counter, a time and a MAC.
 *
 *     counter 8 · kind 1 · call id 4 · created 4 · what the kind has · HMAC-SHA256 32
 */
import { type KeyObject, createHmac, timingSafeEqual } from "node:crypto";
import type { FederationErrorCode } from "../errors.ts";

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
} as const;

/** A frame, as it was read or is to be sent. */
export type Frame =
  | {
      readonly kind: typeof FrameKind.Call;
      /** Unique among the sender's calls under way. */
      readonly id: number;
      /** The sender's Unix seconds. */
      readonly created: number;
      /** Below the endpoint: `/` and at most 127 more visible ASCII characters. */
      readonly path: string;
      /** JSON in UTF-8; empty for none. */
      readonly body: string | Buffer;
    }
  | {
      readonly kind: typeof FrameKind.Answer;
      /** The call's. */
      readonly id: number;
      readonly created: number;
      /** As of an HTTP answer. */
      readonly status: number;
      readonly body: string | Buffer;
    }
  | {
      readonly kind: typeof FrameKind.Ping;
      readonly id: number;
      readonly created: number;
    }
  | {
      readonly kind: typeof FrameKind.Pong;
      /** The ping's. */
      readonly id: number;
      readonly created: number;
      readonly body: string | Buffer;
    }
  | {
      readonly kind: typeof FrameKind.Goodbye;
      /** 0. */
      readonly id: number;
      readonly created: number;
    };

/** Bodies on a link are at most this long, as those of HTTP are. */
export const MAX_LINK_BODY_BYTES = 64 * 1024;
/** No frame is longer. */
export const MAX_FRAME_BYTES = 17 + 1 + 128 + MAX_LINK_BODY_BYTES + 32;

const HEADER_BYTES = 17;
const MAC_BYTES = 32;
const MAX_PONG_BYTES = 1024;
const PATH = /^\/[!-~]{0,127}$/u;
const TWO_32 = 2 ** 32;

/** Whether a path may be called over a link at all. */
export function isLinkPath(path: string): boolean {
  return PATH.test(path);
}

/** The bytes of a frame, with its counter and its MAC. The frame is one that may be sent. */
export function sealFrame(key: KeyObject, counter: number, frame: Frame): Buffer {
  const { kind } = frame;
  const path = kind === FrameKind.Call ? frame.path : "";
  const extra = kind === FrameKind.Call ? 1 + path.length : kind === FrameKind.Answer ? 2 : 0;
  const body = "body" in frame ? frame.body : "";
  const bodyBytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const end = HEADER_BYTES + extra + bodyBytes;
  const bytes = Buffer.allocUnsafe(end + MAC_BYTES);
  bytes.writeUInt32BE(Math.floor(counter / TWO_32), 0);
  bytes.writeUInt32BE(counter % TWO_32, 4);
  bytes[8] = kind;
  bytes.writeUInt32BE(frame.id, 9);
  bytes.writeUInt32BE(frame.created, 13);
  if (kind === FrameKind.Call) {
    bytes[HEADER_BYTES] = path.length;
    bytes.write(path, HEADER_BYTES + 1, "latin1");
  } else if (kind === FrameKind.Answer) bytes.writeUInt16BE(frame.status, HEADER_BYTES);
  if (typeof body === "string") bytes.write(body, HEADER_BYTES + extra);
  else body.copy(bytes, HEADER_BYTES + extra);
  macOf(key, bytes, end).copy(bytes, end);
  return bytes;
}

/**
 * The frame that some bytes are, or the code of what is wrong with them: its length, its MAC, its counter,
 * its form, in this order.
 */
export function openFrame(
  key: KeyObject,
  counter: number,
  bytes: Buffer,
): Frame | FederationErrorCode {
  if (bytes.length < HEADER_BYTES + MAC_BYTES) return "ERR_FED_MALFORMED";
  if (bytes.length > MAX_FRAME_BYTES) return "ERR_FED_BODY_TOO_LARGE";
  const end = bytes.length - MAC_BYTES;
  if (!timingSafeEqual(macOf(key, bytes, end), bytes.subarray(end))) {
    return "ERR_FED_SIGNATURE_INVALID";
  }
  if (bytes.readUInt32BE(0) * TWO_32 + bytes.readUInt32BE(4) !== counter) {
    return "ERR_FED_REPLAYED";
  }
  return parse(bytes, end) ?? "ERR_FED_MALFORMED";
}

function parse(bytes: Buffer, end: number): Frame | undefined {
  const id = bytes.readUInt32BE(9);
  const created = bytes.readUInt32BE(13);
  const rest = end - HEADER_BYTES;
  switch (bytes[8]) {
    case FrameKind.Call: {
      const from = HEADER_BYTES + 1 + (bytes[HEADER_BYTES] ?? 0);
      if (rest < 1 || from > end || end - from > MAX_LINK_BODY_BYTES) return undefined;
      const path = bytes.toString("latin1", HEADER_BYTES + 1, from);
      if (!isLinkPath(path)) return undefined;
      return { kind: FrameKind.Call, id, created, path, body: bytes.subarray(from, end) };
    }
    case FrameKind.Answer: {
      if (rest < 2 || rest - 2 > MAX_LINK_BODY_BYTES) return undefined;
      const status = bytes.readUInt16BE(HEADER_BYTES);
      if (status < 200 || status > 599) return undefined;
      const body = bytes.subarray(HEADER_BYTES + 2, end);
      return { kind: FrameKind.Answer, id, created, status, body };
    }
    case FrameKind.Ping:
      return rest === 0 ? { kind: FrameKind.Ping, id, created } : undefined;
    case FrameKind.Pong:
      if (rest > MAX_PONG_BYTES) return undefined;
      return { kind: FrameKind.Pong, id, created, body: bytes.subarray(HEADER_BYTES, end) };
    case FrameKind.Goodbye:
      return rest === 0 && id === 0 ? { kind: FrameKind.Goodbye, id, created } : undefined;
    default:
      return undefined;
  }
}

function macOf(key: KeyObject, bytes: Buffer, end: number): Buffer {
  return createHmac("sha256", key).update(bytes.subarray(0, end)).digest();
}
