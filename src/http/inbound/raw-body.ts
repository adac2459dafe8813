import type { IncomingMessage, ServerResponse } from "node:http";
import { FederationError } from "../../errors.ts";

/** Bodies of federation messages are at most this long (PROTOCOL, first page). */
export const MAX_BODY_BYTES = 64 * 1024;

const BODY_TIMEOUT_MILLISECONDS = 10_000;

/** How long a client whose request was not read whole may take to read the answer. */
const LINGER_MILLISECONDS = 500;

/**
 * Lets go of a connection on which more is on its way than was read: a request that is answered is not
 * read on, and a sender that drips is not waited for. Call it before anything is answered.
 */
export function hangUpUnread(request: IncomingMessage, response: ServerResponse): void {
  if (hasNoBody(request)) return;
  if (!isShort(request)) {
    // Node reads to its end, and throws away, what nobody has begun to read; begun, it waits for a reader.
    request.read(0);
    if (request.method !== "POST" || !isChunked(request)) sayLast(request, response);
  }
  response.on("finish", hangUp);
}

/**
 * Says that no further request is taken on the connection, if more is on its way than anybody will read: a
 * client that keeps it would lose its next request to the end of the connection. Call it before the head is
 * sent; what {@link hangUpUnread} knows from the request's head it has said already.
 */
export function sayUnread(request: IncomingMessage, response: ServerResponse): void {
  if (isChunked(request) && !request.complete) sayLast(request, response);
}

/** RFC 9112, section 9.6: closed in stages, as the answer would be lost otherwise. */
function sayLast({ socket }: IncomingMessage, response: ServerResponse): void {
  response.shouldKeepAlive = false;
  // Node calls it with the answer's last byte.
  socket.destroySoon = () => {
    socket.end();
    setTimeout(() => socket.destroy(), LINGER_MILLISECONDS).unref();
  };
}

function hangUp(this: ServerResponse): void {
  const request = this.req;
  const short = isShort(request);
  if (short) request.resume();
  if (request.complete || (short && isHere(request))) return;
  const { socket } = request;
  // Closing at once would take the answer back from a client that is still writing.
  const timer = setTimeout(() => socket.destroy(), LINGER_MILLISECONDS).unref();
  // What has come whole meanwhile may be followed by another request, which is nobody's fault. Nothing is
  // left on the connection, which lives for as many requests as it is sent.
  request.once("end", () => {
    clearTimeout(timer);
  });
}

/** Whether all of a body whose length was told is buffered: that it has ended is seen next. */
function isHere({ headers, readableLength }: IncomingMessage): boolean {
  const length = Number(headers["content-length"]);
  return readableLength > 0 && readableLength === length;
}

function isChunked({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined;
}

function hasNoBody({ headers }: IncomingMessage): boolean {
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

/**
 * Whether a request may be answered before its body is read: it says that it is no longer than any
 * message may be, nobody has read any of it, and the connection stays open. Where it is closed with the answer, what
 * comes after that takes the answer back from a client that sends its body apart.
 */
export function mayAnswerUnread(request: IncomingMessage, response: ServerResponse): boolean {
  return response.shouldKeepAlive && isToldShort(request) && !isEaten(request);
}

/** Whether another body parser has read it. */
function isEaten(request: IncomingMessage): boolean {
  return request.readableEnded || (request as { body?: unknown }).body !== undefined;
}

/** Whether no more is on its way than any message may have. */
function isShort(request: IncomingMessage): boolean {
  return request.complete || isToldShort(request);
}

/** Whether its head says that its body is no longer than any message may be. */
function isToldShort({ headers }: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = headers;
  return encoding === undefined && Number(length ?? 0) <= MAX_BODY_BYTES;
}

/**
 * Reads a request's bytes as they came, before any parser.
 *
 * @throws FederationError `ERR_FED_BODY_TOO_LARGE` before more than `maxBodyBytes` are kept,
 * `ERR_FED_MALFORMED` when the sender breaks off or drips, `ERR_FED_UNAVAILABLE` when another
 * body parser of the host was mounted ahead and has eaten the bytes.
 */
export function readRawBody(
  request: IncomingMessage,
  maxBodyBytes: number = MAX_BODY_BYTES,
): Promise<Uint8Array> {
  if (isEaten(request)) {
    return Promise.reject(
      new FederationError(
        "ERR_FED_UNAVAILABLE",
        "A body parser ran ahead of the federation's endpoints: mount federation.middleware() before express.json().",
      ),
    );
  }
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBodyBytes) {
    return Promise.reject(new FederationError("ERR_FED_BODY_TOO_LARGE"));
  }
  // Its sender may have gone before anybody read.
  if (request.destroyed) return Promise.reject(brokenOff());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = (): void => {
      clearTimeout(timer);
      request.off("data", onData);
      request.off("end", onEnd);
      request.off("error", onBroken);
      request.off("close", onBroken);
    };
    const fail = (error: FederationError): void => {
      stop();
      request.pause();
      reject(error);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > maxBodyBytes) fail(new FederationError("ERR_FED_BODY_TOO_LARGE"));
      else chunks.push(chunk);
    };
    const onEnd = (): void => {
      stop();
      resolve(Buffer.concat(chunks));
    };
    const onBroken = (): void => {
      fail(brokenOff());
    };
    const timer = setTimeout(() => {
      fail(new FederationError("ERR_FED_MALFORMED", "The body took too long to arrive."));
    }, BODY_TIMEOUT_MILLISECONDS);
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("error", onBroken);
    request.on("close", onBroken);
  });
}

function brokenOff(): FederationError {
  return new FederationError("ERR_FED_MALFORMED", "The body broke off.");
}
