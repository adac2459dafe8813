import type { IncomingMessage, ServerResponse } from "node:http";

/** An Express-compatible middleware. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;
