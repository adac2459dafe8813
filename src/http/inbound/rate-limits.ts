/** How much one address may send in a minute. */
import { rateLimit } from "express-rate-limit";
import type { IncomingMessage } from "node:http";
import ipaddr from "ipaddr.js";
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
    // Without Express nobody says what `request.ip` is.
    keyGenerator: (request) => addressOf(request) ?? "",
    handler: (_request, response) => {
      send(response, refusal("ERR_FED_RATE_LIMITED", undefined, 60));
    },
  }) as unknown as Middleware;
}

/**
 * The network address of a caller, as Express says it: an IPv4 address, or the /64 of an IPv6 one, which
 * is one line of one customer.
 */
export function addressOf(request: IncomingMessage): string | undefined {
  const text = (request as { ip?: string }).ip ?? request.socket.remoteAddress;
  if (text === undefined || !ipaddr.isValid(text)) return undefined;
  const address = ipaddr.process(text);
  if (address.kind() === "ipv4") return address.toString();
  const parts = (address as ipaddr.IPv6).parts.slice(0, 4);
  return `${parts.map((part) => part.toString(16)).join(":")}::/64`;
}
