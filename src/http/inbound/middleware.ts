import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** An Express-compatible middleware. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** Takes an `upgrade` of a Node HTTP server, or tells by false that it is for somebody else. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
