/**
 * Where a server's players connect, by the word of its own origin (PROTOCOL 2 and 7): a proof goes to
 * its server and to whom that server vouches for, whatever somebody on the way says.
 */
import type { SeatReservation } from "@colyseus/sdk";
import { decodeBase64Url, decodeJson } from "./base64url.ts";
import { type Transit, isText, members } from "./messages.ts";
import { within } from "./patience.ts";

const READ_MILLISECONDS = 4_000;
const MAX_DESCRIPTOR_BYTES = 64 * 1024;
/** As long as servers let it be cached. */
const KNOWN_MILLISECONDS = 300_000;
const MAX_KNOWN = 32;

/** What a descriptor says that a client needs. */
interface Described {
  /** What the server calls itself. */
  readonly origin: string;
  readonly endpoint: URL;
  /** Ed25519 public keys, by key id. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
  /** What it says of its game, unread. */
  readonly game: unknown;
}

/** Whether a server's statement on a seat says exactly this (PROTOCOL 7, `seat`). */
type SaysAddress = (
  keys: ReadonlyMap<string, Uint8Array>,
  token: string | undefined,
  expected: { readonly iss: string; readonly sid: string; readonly address: string },
) => boolean;

/** The servers of one player's way, as their own origins describe them. */
export class Whereabouts {
  readonly #later: () => Promise<{ readonly saysAddress: SaysAddress }>;
  readonly #known = new Map<string, { readonly until: number; readonly described: Described }>();

  /** @param later Loads what few servers need. */
  constructor(later: () => Promise<{ readonly saysAddress: SaysAddress }>) {
    this.#later = later;
  }

  /** What a Colyseus client of a server connects to; the origin itself while nobody says otherwise. */
  async baseOf(origin: string, signal: AbortSignal): Promise<string> {
    return (await this.#describe(origin, signal))?.endpoint.origin ?? origin;
  }

  /** URL of a server's federation endpoints. */
  async endpointOf(origin: string, signal: AbortSignal): Promise<string> {
    const endpoint = (await this.#describe(origin, signal))?.endpoint;
    return endpoint === undefined ? origin : endpoint.href.replace(/\/$/u, "");
  }

  /** What the server at an address calls itself; undefined while it does not say. */
  async nameOf(address: string, signal: AbortSignal): Promise<string | undefined> {
    return (await this.#read(address, signal))?.origin;
  }

  /** The page of the own web client of a server's world, by the server's own word; undefined where it has none. */
  async pageOf(
    origin: string,
    world: string | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { client, worlds } = members((await this.#describe(origin, signal))?.game);
    const said = Array.isArray(worlds) ? worlds.map(members) : [];
    const page = said.find(({ name }) => name === world)?.["client"] ?? client;
    if (!isText(page) || page.length > 512 || !URL.canParse(page)) return undefined;
    const { protocol, username, password, hash } = new URL(page);
    const isSafe = protocol === "https:" || (protocol === "http:" && origin.startsWith(protocol));
    return isSafe && username + password + hash === "" ? page : undefined;
  }

  /** A seat's reservation, without an address that its server does not vouch for. */
  async vouchedFor(
    { origin, reservation, seat }: Pick<Transit, "origin" | "reservation" | "seat">,
    signal: AbortSignal,
  ): Promise<SeatReservation> {
    const { publicAddress, ...bare } = reservation;
    if (publicAddress === undefined || publicAddress === new URL(origin).host) return bare;
    const described = await this.#describe(origin, signal);
    if (described === undefined) return bare;
    const isVouchedFor =
      publicAddress === described.endpoint.host ||
      (await this.#later()).saysAddress(described.keys, seat, {
        ...{ iss: origin, sid: bare.sessionId, address: publicAddress },
      });
    return isVouchedFor ? reservation : bare;
  }

  /** Undefined when the origin does not say, or is another's. */
  async #describe(origin: string, signal: AbortSignal): Promise<Described | undefined> {
    const described = await this.#read(origin, signal);
    return described?.origin === origin ? described : undefined;
  }

  /** Undefined when there is no answer; it is asked again the next time. */
  async #read(origin: string, signal: AbortSignal): Promise<Described | undefined> {
    const known = this.#known.get(origin);
    if (known !== undefined && known.until > performance.now()) return known.described;
    const described = await within(READ_MILLISECONDS, signal, (ended) => read(origin, ended)).catch(
      () => undefined,
    );
    signal.throwIfAborted();
    if (described === undefined) return undefined;
    this.#known.delete(origin);
    this.#known.set(origin, { described, until: performance.now() + KNOWN_MILLISECONDS });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN) break;
      this.#known.delete(oldest);
    }
    return described;
  }
}

/** Whether a page is the one that is open, whatever its query. */
export function isOpenPage(page: string): boolean {
  if (typeof location !== "object") return false;
  const { origin, pathname } = new URL(page);
  return origin + pathname === location.origin + location.pathname;
}

/** Reads an origin's descriptor. TLS vouches for it: only the origin itself is asked. */
async function read(origin: string, signal: AbortSignal): Promise<Described | undefined> {
  const url = `${origin}/.well-known/aether-federation`;
  const response = await fetch(url, { signal, redirect: "error" });
  const document = JSON.parse(await boundedText(response)) as { jws?: unknown };
  const payload = payloadOf(document.jws);
  const { origin: name, endpoint, keys, game } = payload ?? {};
  if (typeof name !== "string" || new URL(name).origin !== name) return undefined;
  if (typeof endpoint !== "string") return undefined;
  const at = new URL(endpoint);
  // What is private with the origin stays so.
  if (at.protocol !== "https:" && at.protocol !== new URL(origin).protocol) return undefined;
  const entries = (Array.isArray(keys) ? keys : []).flatMap((key: unknown) => {
    const { kid, x } = (key ?? {}) as { kid?: unknown; x?: unknown };
    const bytes = typeof x === "string" ? decodeBase64Url(x) : undefined;
    return typeof kid === "string" && bytes?.length === 32 ? [[kid, bytes] as const] : [];
  });
  return { origin: name, endpoint: at, keys: new Map(entries), game };
}

async function boundedText(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done = true, value } = (await reader?.read()) ?? {};
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length <= MAX_DESCRIPTOR_BYTES) continue;
    await reader?.cancel();
    throw new Error("the descriptor is too long");
  }
}

function payloadOf(token: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof token === "string" ? decodeJson(token.split(".")[1] ?? "") : undefined;
}
