/** Messages of PROTOCOL 8 as a client reads them: checked, because any server may send them. */
import type { SeatReservation } from "@colyseus/sdk";
import { shownText } from "../words.ts";
import type { Kept } from "./events.ts";

/** How to get into the next world. */
export interface Transit {
  readonly transferId: string;
  readonly to: string;
  readonly origin: string;
  readonly reservation: SeatReservation;
  /** Name of the world, where the source says it. */
  readonly world?: string;
  /** The destination's signed word on the reservation's address. */
  readonly seat?: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** Why the player stays. */
export interface Failed {
  readonly transferId: string;
  readonly to: string;
  readonly code: string;
  readonly message: string;
}

/** How far what the player carries has got to the other server. */
export interface AssetProgress {
  readonly transferId: string;
  readonly to: string;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

/** Nobody plays the player for the moment. */
export interface Frozen {
  readonly reason: string;
  readonly message: string;
}

/** The server ends the session. */
export interface Recalled {
  readonly code: string;
  readonly message: string;
}

const MAX_MESSAGE_LENGTH = 500;
const MAX_POINTERS = 64;
const MAX_POINTER_LENGTH = 256;

type Members = Readonly<Record<string, unknown>>;

/** Reads `federation:transit`; undefined when it is not of that form. */
export function parseTransit(message: unknown): Transit | undefined {
  const { transferId, to, origin, reservation, world, seat, expiresAt } = members(message);
  const { sessionId, roomId, processId, name, publicAddress, devMode } = members(reservation);
  if (
    !isText(transferId) ||
    !isText(to) ||
    !isOrigin(origin) ||
    !isCount(expiresAt) ||
    !isPartOfUrl(sessionId) ||
    !isPartOfUrl(roomId) ||
    !isPartOfUrl(processId) ||
    !isText(name)
  ) {
    return undefined;
  }
  return {
    transferId,
    to,
    origin,
    expiresAt,
    // Nothing else a server says here is for the SDK: it would pass some of it on.
    reservation: {
      ...{ sessionId, roomId, processId, name },
      ...(isText(publicAddress) ? { publicAddress } : {}),
      ...(typeof devMode === "boolean" ? { devMode } : {}),
    },
    ...(isText(world) ? { world } : {}),
    ...(isText(seat) ? { seat } : {}),
  };
}

/** Reads `federation:failed`; undefined when it is not of that form. */
export function parseFailed(message: unknown): Failed | undefined {
  const { transferId, to, code, message: text } = members(message);
  if (!isText(transferId) || !isText(to) || !isText(code) || typeof text !== "string") {
    return undefined;
  }
  return { transferId, to, code, message: shownText(text, MAX_MESSAGE_LENGTH) ?? "" };
}

/** Reads `federation:undecided`; undefined when it is not of that form. */
export const parseUndecided = parseFailed;

/** Reads `federation:frozen`; undefined when it is not of that form. */
export function parseFrozen(message: unknown): Frozen | undefined {
  const { reason, message: text } = members(message);
  if (!isText(reason) || reason.length > 64 || typeof text !== "string") return undefined;
  return { reason, message: shownText(text, MAX_MESSAGE_LENGTH) ?? "" };
}

/** Reads `federation:recalled`; undefined when it is not of that form. */
export function parseRecalled(message: unknown): Recalled | undefined {
  const { code, message: text } = members(message);
  if (!isText(code) || code.length > 64 || typeof text !== "string") return undefined;
  return { code, message: shownText(text, MAX_MESSAGE_LENGTH) ?? "" };
}

/** Reads `federation:progress`; undefined when it is not of that form. */
export function parseProgress(message: unknown): AssetProgress | undefined {
  const { transferId, to, stage, receivedBytes, totalBytes } = members(message);
  if (
    !isText(transferId) ||
    !isText(to) ||
    stage !== "assets" ||
    !isCount(receivedBytes) ||
    !isCount(totalBytes)
  ) {
    return undefined;
  }
  return { transferId, to, receivedBytes, totalBytes };
}

/** Reads `federation:kept`; undefined when it is not of that form. */
export function parseKept(message: unknown): Kept | undefined {
  const { from, kept, lost, more } = members(message);
  if (!isOrigin(from) || !isPointers(kept) || !isPointers(lost) || !isCount(more)) {
    return undefined;
  }
  return { from, kept, lost, more };
}

function isPointers(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= MAX_POINTERS &&
    value.every((each) => typeof each === "string" && each.length <= MAX_POINTER_LENGTH)
  );
}

/** A whole number of at least 0. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The members of what may be no object. */
export function members(value: unknown): Members {
  return typeof value === "object" && value !== null ? (value as Members) : {};
}

/** A text of 1–2048 characters. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 2048;
}

/** What the SDK puts into an address as it stands. */
function isPartOfUrl(value: unknown): value is string {
  return isText(value) && value.length <= 128 && /^[^\s/\\?#&%]+$/u.test(value);
}

/** The origin of a server. */
export function isOrigin(value: unknown): value is string {
  if (!isText(value) || !URL.canParse(value)) return false;
  const url = new URL(value);
  return (url.protocol === "https:" || url.protocol === "http:") && url.origin === value;
}
