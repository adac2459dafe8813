/** How much one address may send in a minute. */
import type { IncomingMessage } from "node:http";
import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import { refusal, send } from "./answers.ts";
import type { Middleware } from "./middleware.ts";

/** Lets through what one address may send, before anything about it is looked at. */
export function addressLimiter(limit = 3_000): Middleware {
  return rateLimit({
    windowMs: 60_000,
    limit,
    standardHeaders: false,
    legacyHeaders: false,
    validate: false,
    handler: (_request, response) => {
      send(response, refusal("ERR_FED_RATE_LIMITED", undefined, 60));
    },
  }) as unknown as Middleware;
}

/**
 * The address a request comes from, as Express sees it (`trust proxy`); an IPv6 one by its /56, which
 * one person may have.
 */
export function addressOf(request: IncomingMessage): string {
  const { ip } = request as { ip?: string };
  return ipKeyGenerator(ip ?? request.socket.remoteAddress ?? "::");
}
