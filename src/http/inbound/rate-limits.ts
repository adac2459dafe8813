/** Whose requests are counted together. */
import type { IncomingMessage } from "node:http";
import ipaddr from "ipaddr.js";

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
