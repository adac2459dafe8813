/**
 * Outbound HTTP that a peer cannot aim at this server's own network.
 *
 * Every address is checked where the connection is made, so that a name that resolves to one
 * address when looked at and to another when used (DNS rebinding) gains nothing. Redirects are not
 * followed; sizes and times are capped.
 */
import { lookup as dnsLookup } from "node:dns";
import { type LookupFunction, isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { Agent, buildConnector, errors } from "undici";
import { FederationError } from "../../errors.ts";
import type { Fetch, FetchRequest, FetchResponse } from "../../ports.ts";

/** Options of {@link createGuardedFetch}. */
export interface OutboundGuardOptions {
  /** Allows `http:` and loopback addresses: development only. */
  readonly allowInsecure: boolean;
  /** Allows private, link-local and carrier-grade NAT addresses. */
  readonly allowPrivateNetwork: boolean;
  /** Default 3000. */
  readonly connectTimeoutMilliseconds?: number;
  /** Default 8000. */
  readonly timeoutMilliseconds?: number;
  /** Default 256 KiB. */
  readonly maxBodyBytes?: number;
  /** Connections to one server. Default 16. */
  readonly connectionsPerServer?: number;
}

/** Answered by cloud providers to whoever asks from inside. */
const METADATA = new Set(["168.63.129.16", "100.100.100.200", "fd00:ec2::254"]);
/** All that IPv6 gives out so far; "unicast" elsewhere is merely unassigned, or IPv4 in disguise. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR("2000::/3");
/** Headers of an answer are at most this long. */
export const MAX_HEADER_BYTES = 16 * 1024;

/** Whether an address may be called. */
export function isAllowedAddress(
  address: string,
  options: Pick<OutboundGuardOptions, "allowInsecure" | "allowPrivateNetwork">,
): boolean {
  let parsed: ipaddr.IPv4 | ipaddr.IPv6;
  try {
    parsed = ipaddr.process(address);
  } catch {
    return false;
  }
  if (METADATA.has(parsed.toString())) return false;
  const embedded = parsed instanceof ipaddr.IPv6 ? embeddedIn(parsed, options) : undefined;
  if (embedded !== undefined) return embedded.every(isPublic);
  const range = parsed.range();
  if (range === "unicast") return !(parsed instanceof ipaddr.IPv6) || parsed.match(GLOBAL_IPV6);
  if (range === "loopback") return options.allowInsecure;
  return (
    options.allowPrivateNetwork &&
    (range === "private" || range === "uniqueLocal" || range === "carrierGradeNat")
  );
}

/**
 * The IPv4 addresses that a packet to an IPv6 one may end at: each has to be public, whatever the switches
 * say, since it is not our own network that leads there. Undefined for an address of its own.
 */
function embeddedIn(
  { parts }: ipaddr.IPv6,
  { allowPrivateNetwork }: Pick<OutboundGuardOptions, "allowPrivateNetwork">,
): (ipaddr.IPv4 | undefined)[] | undefined {
  const [first = 0, second = 0, third = 0] = parts;
  const zero = (from: number, to: number): boolean =>
    parts.slice(from, to).every((part) => part === 0);
  if (first === 0x64 && second === 0xff9b) {
    // RFC 6052: what DNS64 makes of an IPv4-only host's name.
    if (zero(2, 6)) return [ipv4Of(parts, 6)];
    // RFC 8215: a translator of one's own network. Where the address lies is known for /96 only.
    const isOwn = third === 1 && zero(3, 6) && allowPrivateNetwork;
    return [isOwn ? ipv4Of(parts, 6) : undefined];
  }
  // 6to4 and ISATAP send to the IPv4 address itself; Teredo leads through whoever its maker chose.
  if (first === 0x2002) return [ipv4Of(parts, 1)];
  if (first === 0x2001 && second === 0) return [undefined];
  if (parts[5] === 0x5efe && (parts[4] === 0 || parts[4] === 0x200)) {
    return [ipv4Of(parts, 6)];
  }
  return undefined;
}

function ipv4Of(parts: readonly number[], at: number): ipaddr.IPv4 {
  const [high = 0, low = 0] = parts.slice(at, at + 2);
  return new ipaddr.IPv4([high >> 8, high & 0xff, low >> 8, low & 0xff]);
}

function isPublic(address: ipaddr.IPv4 | undefined): boolean {
  return address?.range() === "unicast" && !METADATA.has(address.toString());
}

/** Connections that only go where they may; shared by all outbound HTTP. */
export function createGuardedAgent(
  options: OutboundGuardOptions,
  timeouts: { readonly headersTimeout: number; readonly bodyTimeout: number },
): Agent {
  const connect = buildConnector({
    timeout: options.connectTimeoutMilliseconds ?? 3_000,
    // The cap on headers is HTTP/1's.
    allowH2: false,
    lookup: guardedLookup(options),
  });
  return new Agent({
    connections: options.connectionsPerServer ?? 16,
    ...timeouts,
    maxHeaderSize: MAX_HEADER_BYTES,
    pipelining: 1,
    allowH2: false,
    connect: (target, callback) => {
      const forbidden = forbiddenLiteral(target.hostname, options);
      if (forbidden === undefined) connect(target, callback);
      else callback(forbidden, null);
    },
  });
}

type Allowed = Pick<OutboundGuardOptions, "allowInsecure" | "allowPrivateNetwork">;

/** Resolves names to addresses that may be called, for whatever connects by itself. */
function guardedLookup(options: Allowed): LookupFunction {
  return (hostname, lookupOptions, callback) => {
    dnsLookup(hostname, { ...lookupOptions, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      // One forbidden address spoils the name: which one is used is not ours to choose.
      const forbidden = addresses.find(({ address }) => !isAllowedAddress(address, options));
      if (forbidden !== undefined || addresses.length === 0) {
        callback(forbiddenAddress(hostname), []);
      } else if (lookupOptions.all === true) callback(null, addresses);
      else {
        const [first] = addresses;
        callback(null, first?.address ?? "", first?.family);
      }
    });
  };
}

/** Literals never reach the resolver. */
function forbiddenLiteral(hostname: string, options: Allowed): FederationError | undefined {
  const host = hostname.replace(/^\[|\]$/gu, "");
  return isIP(host) !== 0 && !isAllowedAddress(host, options) ? forbiddenAddress(host) : undefined;
}

/**
 * How Node's own client connects only where it may.
 *
 * @throws FederationError `ERR_FED_FORBIDDEN_ADDRESS`
 */
export function guardedConnection(
  { hostname }: URL,
  options: Allowed,
): { readonly lookup: LookupFunction } {
  const forbidden = forbiddenLiteral(hostname, options);
  if (forbidden !== undefined) throw forbidden;
  return { lookup: guardedLookup(options) };
}

/** Builds the fetch that all calls to peers go through. */
export function createGuardedFetch(
  options: OutboundGuardOptions,
): Fetch & { close(): Promise<void> } {
  const timeout = options.timeoutMilliseconds ?? 8_000;
  const agent = createGuardedAgent(options, { headersTimeout: timeout, bodyTimeout: timeout });

  const fetch = async (request: FetchRequest): Promise<FetchResponse> => {
    const url = checkUrl(request.url, options);
    const abort = new AbortController();
    const timer = setTimeout(() => {
      abort.abort();
    }, request.timeoutMilliseconds ?? timeout);
    try {
      const response = await agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: { "user-agent": "aether-federation", ...request.headers },
        body: request.body ?? null,
        signal:
          request.signal === undefined
            ? abort.signal
            : AbortSignal.any([abort.signal, request.signal]),
      });
      // A body given up on reports that as an error; unheard, it would end the process.
      response.body.on("error", () => undefined);
      if (response.statusCode >= 300 && response.statusCode < 400) {
        response.body.destroy();
        throw redirects(url.origin);
      }
      const body = await readBody(
        response.body,
        request.maxBodyBytes ?? options.maxBodyBytes ?? 256 * 1024,
      );
      return { status: response.statusCode, headers: plainHeaders(response.headers), body };
    } catch (cause) {
      throw asFederationError(cause, url.origin, abort.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
  };
  return Object.assign(fetch, { close: () => agent.destroy() });
}

/** Reads a URL that may be called. @throws FederationError `ERR_FED_FORBIDDEN_ADDRESS` */
export function checkUrl(value: string, options: OutboundGuardOptions): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (
    url === undefined ||
    !(url.protocol === "https:" || (options.allowInsecure && url.protocol === "http:"))
  ) {
    throw new FederationError("ERR_FED_FORBIDDEN_ADDRESS", "Only https: URLs are called.");
  }
  return url;
}

async function readBody(
  body: AsyncIterable<Uint8Array> & { destroy(): void },
  limit: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limit) {
      body.destroy();
      throw new FederationError("ERR_FED_RESPONSE_TOO_LARGE");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Headers as the core sees them: one string each. */
export function plainHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) plain[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return plain;
}

/** Where a redirect leads is not looked at. */
export function redirects(origin: string): FederationError {
  return new FederationError(
    "ERR_FED_BAD_RESPONSE",
    `${origin} redirects; redirects are not followed.`,
  );
}

function forbiddenAddress(host: string): FederationError {
  return new FederationError(
    "ERR_FED_FORBIDDEN_ADDRESS",
    `${host} is, or resolves to, an address this server does not call (loopback needs allowInsecure, private networks allowPrivateNetwork).`,
  );
}

/** What a failed exchange with `origin` is to a caller. */
export function asFederationError(
  cause: unknown,
  origin: string,
  timedOut: boolean,
): FederationError {
  if (cause instanceof FederationError) return cause;
  const inner = (cause as { cause?: unknown } | null)?.cause;
  if (inner instanceof FederationError) return inner;
  if (cause instanceof errors.HeadersOverflowError) {
    return new FederationError("ERR_FED_RESPONSE_TOO_LARGE", `${origin} sends too many headers.`);
  }
  if (
    timedOut ||
    cause instanceof errors.ConnectTimeoutError ||
    cause instanceof errors.HeadersTimeoutError ||
    cause instanceof errors.BodyTimeoutError
  ) {
    return new FederationError("ERR_FED_TIMEOUT", `${origin} did not answer in time.`, { cause });
  }
  const why = (cause as { code?: unknown } | null)?.code;
  return new FederationError(
    "ERR_FED_UNREACHABLE",
    `${origin} cannot be reached${typeof why === "string" ? ` (${why})` : ""}.`,
    { cause },
  );
}
