/**
 * One read of another server's list, or of a published one, and of what those it names say of themselves.
 *
 * Whoever answers may be hostile: it may name everybody in the world, itself again and again, pages without
 * end, or answer at one byte a minute. Each read is bounded in pages, entries and time, all of them together
 * in how many are under way, and nobody's descriptor is read more often than once a minute, however many
 * lists name it: a list is no way to aim this server at others.
 */
import { FederationError, type FederationErrorCode, type Refusal, refuse } from "../errors.ts";
import { type ServerDescriptor, verifyDescriptor } from "../identity/descriptor.ts";
import type { ListedPicture } from "../identity/listed-as.ts";
import type { Clock } from "../ports.ts";
import { type ListedStatus, type ServerEntry, type WorldEntry, readEntry } from "./server-entry.ts";
import { issuerOfServerList, verifyServerList } from "./server-list.ts";
import { Slots, eachOf } from "./slots.ts";
import { within } from "./within.ts";
import type { DiscoveryTransport } from "./transport.ts";

/** Pages of one list that are read. */
export const MAX_PAGES = 8;
/** Servers of one list that are looked at. */
export const MAX_INTRODUCED = 128;
/** All whom one list names say something of themselves within this time, or are not confirmed. */
const CONFIRM_MILLISECONDS = 30_000;
const LIST_MILLISECONDS = 10_000;
const DESCRIPTOR_MILLISECONDS = 3_000;
const READS_AT_ONCE = 4;
const READS_IN_ALL = 8;
const DESCRIPTOR_FRESH_MILLISECONDS = 60_000;
const MAX_REMEMBERED_DESCRIPTORS = 1_024;

/** A server that somebody's list names, and that says itself that it agrees to be. */
export interface IntroducedServer {
  readonly origin: string;
  /** In its own words, as its kind, picture and worlds. */
  readonly name: string;
  readonly kind?: string | undefined;
  readonly picture?: ListedPicture | undefined;
  /** The worlds it lists; `population` is a claim: its own, or else of who introduces it. */
  readonly worlds: readonly WorldEntry[];
  /** The claim of who introduces it. */
  readonly status?: ListedStatus | undefined;
}

/** What a list has said. */
export interface ReadList {
  /** Origin of who made it. */
  readonly origin: string;
  /** Its own entry, with its populations; undefined: it does not list itself. */
  readonly self: ServerEntry | undefined;
  /** Those it names, itself left out: its word. */
  readonly entries: readonly ServerEntry[];
  /** Whether it goes on beyond the bounds, or broke off. */
  readonly truncated: boolean;
}

/** What one read of a list has found. */
export interface Discovered {
  /** Origin of who made the list. */
  readonly origin: string;
  /** Those it names that agree to be listed, itself among them. */
  readonly servers: readonly IntroducedServer[];
  /** Origins that it names and that do not say so themselves, or could not be asked. */
  readonly unconfirmed: readonly string[];
  /** Whether the list goes on beyond the bounds, or broke off. */
  readonly truncated: boolean;
}

/** Options of {@link ListingReader}. */
export interface ListingReaderOptions {
  readonly transport: DiscoveryTransport;
  readonly clock: Clock;
  readonly allowInsecure: boolean;
  /** Whether a server is blocked here, by its origin or a key: it is not asked, and not named. */
  readonly isBlocked: (origin: string, kid?: string) => boolean;
}

type Confirmed = { readonly verified: true; readonly descriptor: ServerDescriptor } | Refusal;

/** Reads lists and descriptors. */
export class ListingReader {
  readonly #options: ListingReaderOptions;
  readonly #slots = new Slots(READS_IN_ALL);
  readonly #descriptors = new Map<
    string,
    { readonly at: number; readonly read: Promise<Confirmed> }
  >();

  constructor(options: ListingReaderOptions) {
    this.#options = options;
  }

  /**
   * Reads a server's list and confirms whom it names.
   *
   * @param source An origin, or the URL of a published list.
   * @throws FederationError with why there is none: `ERR_FED_UNREACHABLE`, `ERR_FED_TIMEOUT`,
   * `ERR_FED_FORBIDDEN_ADDRESS`, `ERR_FED_BAD_RESPONSE`, `ERR_FED_RESPONSE_TOO_LARGE`, `ERR_FED_BLOCKED`, or
   * the code by which a descriptor or list does not verify.
   */
  async discover(source: string, signal?: AbortSignal): Promise<Discovered> {
    const list = await this.read(source, signal);
    const named = [...(list.self === undefined ? [] : [list.self]), ...list.entries];
    const servers = new Map<string, IntroducedServer>();
    const confirmAll = (ends: AbortSignal): Promise<void> =>
      eachOf(named, READS_AT_ONCE, ends, async (entry) => {
        const server = await this.confirm(entry);
        if (server !== undefined) servers.set(entry.origin, server);
      });
    const inTime = await within(this.#options.clock, CONFIRM_MILLISECONDS, signal, confirmAll).then(
      () => true,
      () => false,
    );
    return {
      origin: list.origin,
      servers: named
        .map(({ origin }) => servers.get(origin))
        .filter((server) => server !== undefined),
      unconfirmed: named.map(({ origin }) => origin).filter((origin) => !servers.has(origin)),
      truncated: list.truncated || !inTime,
    };
  }

  /** Reads a list, and nobody it names. @throws as {@link discover} */
  async read(source: string, signal?: AbortSignal): Promise<ReadList> {
    return isListUrl(source) ? this.#readFile(source, signal) : this.#readPages(source, signal);
  }

  /**
   * What a server that somebody names says of itself; undefined: it does not agree to be listed, is blocked,
   * or could not be asked.
   */
  async confirm(entry: ServerEntry): Promise<IntroducedServer | undefined> {
    const said = await this.descriptor(entry.origin);
    if (!said.verified || said.descriptor.listing === undefined) return undefined;
    const { name, listing } = said.descriptor;
    const claims = new Map(entry.worlds.map((world) => [world.name, world.population]));
    return {
      ...{ origin: entry.origin, name, kind: listing.kind, picture: listing.picture },
      ...(entry.status === undefined ? {} : { status: entry.status }),
      worlds: listing.worlds.map((world) => {
        const population = claims.get(world.name);
        return population === undefined ? world : { ...world, population };
      }),
    };
  }

  /** A server's descriptor, from its own origin; one that was read within a minute is not read again. */
  descriptor(origin: string): Promise<Confirmed> {
    const at = this.#options.clock.monotonic();
    for (const [known, asked] of this.#descriptors) {
      const isFresh = at - asked.at < DESCRIPTOR_FRESH_MILLISECONDS;
      if (isFresh && this.#descriptors.size < MAX_REMEMBERED_DESCRIPTORS) break;
      this.#descriptors.delete(known);
    }
    const known = this.#descriptors.get(origin);
    if (known !== undefined) return known.read;
    const read = this.#readDescriptor(origin);
    this.#descriptors.set(origin, { at, read });
    return read;
  }

  async #readDescriptor(origin: string): Promise<Confirmed> {
    const { transport, clock, allowInsecure, isBlocked } = this.#options;
    if (isBlocked(origin)) return refuse("ERR_FED_BLOCKED", `${origin} is blocked here.`);
    try {
      // Whoever else asks meanwhile waits for it, too: it ends by its own time alone.
      const document = await this.#slots.run(() =>
        within(clock, DESCRIPTOR_MILLISECONDS, undefined, (ends) =>
          transport.fetchDescriptor(origin, ends),
        ),
      );
      const said = await verifyDescriptor(document, { now: clock.now(), origin, allowInsecure });
      if (!said.verified) return said;
      const { descriptor } = said;
      return descriptor.keys.some(({ kid }) => isBlocked(origin, kid))
        ? refuse("ERR_FED_BLOCKED", `${origin} uses a key that is blocked here.`)
        : { verified: true, descriptor };
    } catch (cause) {
      const code: FederationErrorCode =
        cause instanceof FederationError ? cause.code : "ERR_FED_UNREACHABLE";
      return refuse(code, cause instanceof Error ? cause.message : "it cannot be reached");
    }
  }

  async #confirmed(origin: string): Promise<ServerDescriptor> {
    const said = await this.descriptor(origin);
    if (!said.verified) throw new FederationError(said.code, `${origin}: ${said.reason}`);
    return said.descriptor;
  }

  async #readFile(url: string, signal: AbortSignal | undefined): Promise<ReadList> {
    const { transport, clock } = this.#options;
    const token = await this.#slots.run(() =>
      within(clock, LIST_MILLISECONDS, signal, (ends) => transport.fetchList(url, ends)),
    );
    const iss = issuerOfServerList(token.trim());
    if (iss === undefined) throw new FederationError("ERR_FED_BAD_RESPONSE", `${url} is no list.`);
    const issuer = await this.#confirmed(iss);
    const said = verifyServerList(token.trim(), { issuer, now: clock.now() });
    if (!said.verified) throw new FederationError(said.code, `${url}: ${said.reason}`);
    const { self, entries } = sorted(iss, said.list.servers);
    return { origin: iss, self, entries, truncated: false };
  }

  async #readPages(origin: string, signal: AbortSignal | undefined): Promise<ReadList> {
    const { endpoint } = await this.#confirmed(origin);
    const { transport, clock } = this.#options;
    const found: ServerEntry[] = [];
    const cursors = new Set<string>();
    const pages = async (ends: AbortSignal): Promise<boolean> => {
      let cursor: string | undefined;
      for (let page = 1; ; page += 1) {
        const { servers, next } = readPage(
          origin,
          await transport.fetchServers(endpoint, cursor, ends),
        );
        found.push(...servers.slice(0, MAX_INTRODUCED - found.length));
        if (next === undefined) return false;
        if (page >= MAX_PAGES || found.length >= MAX_INTRODUCED || cursors.has(next)) return true;
        cursors.add(next);
        cursor = next;
      }
    };
    let truncated: boolean;
    try {
      truncated = await this.#slots.run(() => within(clock, LIST_MILLISECONDS, signal, pages));
    } catch (cause) {
      // What came before it broke off was said all the same.
      if (found.length === 0) throw cause;
      truncated = true;
    }
    return { origin, ...sorted(origin, found), truncated };
  }
}

/** Whether a source of introductions is the URL of a file, and not an origin. */
export function isListUrl(source: string): boolean {
  return URL.canParse(source) && new URL(source).origin !== source;
}

/** @throws FederationError `ERR_FED_BAD_RESPONSE` for what is no page. */
function readPage(
  origin: string,
  body: unknown,
): { readonly servers: readonly ServerEntry[]; readonly next: string | undefined } {
  const { servers, next } = (body ?? {}) as { servers?: unknown; next?: unknown };
  if (!Array.isArray(servers)) {
    throw new FederationError("ERR_FED_BAD_RESPONSE", `${origin} serves no list of servers.`);
  }
  return {
    servers: servers.map(readEntry).filter((entry) => entry !== undefined),
    next: typeof next === "string" && next.length <= 300 ? next : undefined,
  };
}

/** Who made the list, and each of the others once. */
function sorted(
  origin: string,
  found: readonly ServerEntry[],
): { readonly self: ServerEntry | undefined; readonly entries: readonly ServerEntry[] } {
  const byOrigin = new Map<string, ServerEntry>();
  for (const entry of found) {
    if (!byOrigin.has(entry.origin)) byOrigin.set(entry.origin, entry);
  }
  const self = byOrigin.get(origin);
  byOrigin.delete(origin);
  return { self, entries: [...byOrigin.values()] };
}
