/** Whose requests are counted together. */
import type { IncomingMessage } from "node:http";
import ipaddr from "ipaddr.js";

/** One line of one customer. */
const LINE_BITS = 64;
/** What a customer is given, who may have many lines of it (RFC 6177): a flood comes from all of them. */
const CUSTOMER_BITS = 56;

/**
 * The network address of a caller, as Express says it: an IPv4 address, or the /64 of an IPv6 one, which
 * is one line of one customer.
 */
export function addressOf(request: IncomingMessage): string | undefined {
  return networkOf(request, LINE_BITS);
}

/** Whose floods are counted together: an IPv4 address, or the /56 of an IPv6 one. */
export function customerOf(request: IncomingMessage): string | undefined {
  return networkOf(request, CUSTOMER_BITS);
}

/** Whoever sends much is asked for again and again; who sends from many addresses is read each time. */
const MAX_REMEMBERED_NETWORKS = 4_096;
/** Of addresses as they are written by sockets, and by proxies that are well. */
const MAX_REMEMBERED_LENGTH = 64;
const remembered = new Map(
  [LINE_BITS, CUSTOMER_BITS].map((bits) => [bits, new Map<string, string>()]),
);

function networkOf(request: IncomingMessage, bits: number): string | undefined {
  const text = (request as { ip?: string }).ip ?? request.socket.remoteAddress;
  if (text === undefined) return undefined;
  const networks = remembered.get(bits);
  const known = networks?.get(text);
  if (known !== undefined) return known;
  const network = readNetwork(text, bits);
  if (network !== undefined && text.length <= MAX_REMEMBERED_LENGTH) {
    if (networks?.size === MAX_REMEMBERED_NETWORKS) networks.clear();
    networks?.set(text, network);
  }
  return network;
}

function readNetwork(text: string, bits: number): string | undefined {
  if (!ipaddr.isValid(text)) return undefined;
  const address = ipaddr.process(text);
  if (address.kind() === "ipv4") return address.toString();
  const parts = (address as ipaddr.IPv6).parts.slice(0, 4);
  const [last = 0] = parts.slice(3);
  parts[3] = last & (0xffff << (LINE_BITS - bits)) & 0xffff;
  return `${parts.map((part) => part.toString(16)).join(":")}::/${bits}`;
}
