/** A link's connection as a WebSocket of `ws`. */
import { WebSocket } from "ws";
import { MAX_MESSAGE_BYTES } from "../../link/frames.ts";
import type { LinkEars, LinkSocket } from "../../link/socket.ts";

/** How `ws` is to read and write, on either side. */
export const WEB_SOCKET_OPTIONS = {
  maxPayload: MAX_MESSAGE_BYTES,
  perMessageDeflate: false,
  // A reason of at most 125 bytes is all the text there is.
  skipUTF8Validation: true,
  autoPong: false,
} as const;

/** What the closing handshake may take. */
const CLOSE_MILLISECONDS = 1_000;

/** The port of a link on an open WebSocket. */
export class WebSocketPort implements LinkSocket {
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    // What a connection ends by is told by its close.
    socket.on("error", () => undefined);
    socket.on("ping", (data) => {
      if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < MAX_MESSAGE_BYTES) {
        socket.pong(data);
      }
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  listen({ message, closed }: LinkEars): void {
    this.#socket.on("message", (data, isBinary) => {
      // Text is no frame, whatever it says.
      message(isBinary ? (data as Buffer) : Buffer.alloc(0));
    });
    this.#socket.on("close", closed);
    this.#socket.resume();
    if (this.#socket.readyState !== WebSocket.OPEN) process.nextTick(closed);
  }

  send(message: Buffer): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message);
  }

  read(on: boolean): void {
    if (on) this.#socket.resume();
    else this.#socket.pause();
  }

  close(code: number, reason: string): void {
    const socket = this.#socket;
    socket.resume();
    socket.close(code, reason);
    const timer = setTimeout(() => {
      socket.terminate();
    }, CLOSE_MILLISECONDS);
    timer.unref();
    socket.once("close", () => {
      clearTimeout(timer);
    });
  }
}
