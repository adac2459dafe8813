/**
 * Follows introductions: reads the lists of trusted peers, and of those whom they introduce, so many steps
 * away as the operator wishes.
 *
 * An introduction is a name and no more. Nobody is trusted because of one, no key is pinned, nothing is
 * written down: what is known here is gone with the process, and is forgotten when nobody introduces it any
 * more. A run reads at most {@link MAX_LISTS} lists, asks at most {@link MAX_SERVERS} servers about themselves,
 * takes at most {@link MAX_OF_ONE} of each list, and is over after two minutes.
 */
import type { Clock, Logger, Random, TimerHandle } from "../ports.ts";
import {
  type IntroducedServer,
  type ListingReader,
  type ReadList,
  isListUrl,
} from "./listing-reader.ts";
import { type Populations, type ServerEntry, populationsIn } from "./server-entry.ts";
import { eachOf } from "./slots.ts";
import { within } from "./within.ts";

/** Lists that one run reads. */
export const MAX_LISTS = 128;
/** Servers that are known by introduction. */
export const MAX_SERVERS = 256;
/** Servers that one list can introduce. */
export const MAX_OF_ONE = 64;
const LISTS_AT_ONCE = 4;
const RUN_MILLISECONDS = 120_000;
const FIRST_MILLISECONDS = 2_000;
const APART_MILLISECONDS = 10_000;
/** Between two runs; each is up to a fifth earlier or later. */
export const REFRESH_MILLISECONDS = 60_000;
/** An introduction by who does not answer, or of who does not, is remembered for so long. */
const MEMORY_MILLISECONDS = 15 * 60_000;

/** A server that is known by introduction. */
export interface DiscoveredServer extends IntroducedServer {
  /** Origins of those whose lists name it, at most 8, in order. */
  readonly introducedBy: readonly string[];
  /** Whether one of them is a trusted peer. */
  readonly byTrusted: boolean;
  /** Steps from this server: 1 for who is introduced by a source itself. */
  readonly distance: number;
}

/** Options of {@link Discovery}. */
export interface DiscoveryOptions {
  /** This server: it is nobody's to introduce. */
  readonly origin: string;
  readonly reader: ListingReader;
  /** 1: those whom the sources introduce; 2: those whom these introduce, too; 3. */
  readonly depth: number;
  /** Where it begins: origins, and URLs of published lists. Undefined: with the trusted peers. */
  readonly from: readonly string[] | undefined;
  /** Origins of the peers that are trusted now. */
  readonly trusted: () => readonly string[];
  readonly isBlocked: (origin: string) => boolean;
  /** Told after each run of those whom a trusted peer introduces. It must not reject. */
  readonly onIntroduced?: (servers: readonly DiscoveredServer[]) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Known {
  readonly server: Omit<DiscoveredServer, "byTrusted">;
  /** When a run last found it, monotonic milliseconds. */
  readonly at: number;
}

interface Introduction {
  readonly entry: ServerEntry;
  readonly by: string[];
  readonly distance: number;
}

/** Follows introductions from its start to its stop. */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #ends = new AbortController();
  readonly #listeners = new Set<() => void>();
  #known = new Map<string, Known>();
  /** What servers have said of their own players, by origin. */
  #claims = new Map<string, { readonly populations: Populations; readonly at: number }>();
  #started = false;
  #timer: TimerHandle | undefined;
  /** When the next run begins, and the last one began, monotonic milliseconds. */
  #nextAt = 0;
  #lastAt = -Infinity;
  #running: Promise<void> | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#started = true;
    this.#runIn(FIRST_MILLISECONDS * (0.5 + this.#options.random.fraction()));
  }

  async stop(): Promise<void> {
    this.#ends.abort();
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    await this.#running;
  }

  /** A peer has come to be trusted: the next run is soon, though no two begin within ten seconds. */
  look(): void {
    if (!this.#started || this.#timer === undefined) return;
    const now = this.#options.clock.monotonic();
    const soon = Math.max(FIRST_MILLISECONDS, this.#lastAt + APART_MILLISECONDS - now);
    if (now + soon < this.#nextAt) this.#runIn(soon);
  }

  /** Those who are known by introduction, by origin; blocked ones are not among them. */
  list(): DiscoveredServer[] {
    const trusted = new Set(this.#options.trusted());
    return [...this.#known.values()]
      .map(({ server }) => ({
        ...server,
        byTrusted: server.introducedBy.some((by) => trusted.has(by)),
      }))
      .filter(({ origin }) => !trusted.has(origin) && !this.#options.isBlocked(origin));
  }

  /** What a server has said of its own players at its own endpoint; undefined: nothing of late. */
  claimed(origin: string): Populations | undefined {
    return this.#claims.get(origin)?.populations;
  }

  /** The trusted peers that introduce a server. */
  introducersOf(origin: string): readonly string[] {
    const trusted = new Set(this.#options.trusted());
    return (this.#known.get(origin)?.server.introducedBy ?? []).filter((by) => trusted.has(by));
  }

  /** Hears that a run is over, and something has changed. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #runIn(milliseconds: number): void {
    const { clock } = this.#options;
    if (this.#ends.signal.aborted) return;
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer);
    this.#nextAt = clock.monotonic() + milliseconds;
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined;
      this.#lastAt = clock.monotonic();
      this.#running = this.#run().finally(() => {
        this.#runIn(REFRESH_MILLISECONDS * (0.8 + 0.4 * this.#options.random.fraction()));
      });
    }, milliseconds);
  }

  async #run(): Promise<void> {
    const { clock, logger, trusted, onIntroduced } = this.#options;
    const isOver = (): boolean => this.#ends.signal.aborted;
    try {
      const sources = this.#options.from ?? trusted();
      const found = new Map<string, Introduction>();
      const confirmed = new Map<string, IntroducedServer | undefined>();
      const heard = new Set<string>();
      const follow = (ends: AbortSignal): Promise<void> =>
        this.#follow(sources, { found, confirmed, heard, ends });
      await within(clock, RUN_MILLISECONDS, this.#ends.signal, follow).catch((cause: unknown) => {
        if (!isOver()) logger.debug("introductions were not followed to their end", { cause });
      });
      if (isOver()) return;
      const before = JSON.stringify([this.list(), [...this.#claims]]);
      this.#remember(found, confirmed, heard);
      if (JSON.stringify([this.list(), [...this.#claims]]) !== before) {
        for (const listener of this.#listeners) listener();
      }
      await onIntroduced?.(this.list().filter(({ byTrusted }) => byTrusted));
    } catch (cause) {
      logger.error("introductions could not be followed", cause);
    }
  }

  /** Step by step; of a step, all lists are read before anybody it names is asked. */
  async #follow(
    first: readonly string[],
    run: {
      readonly found: Map<string, Introduction>;
      readonly confirmed: Map<string, IntroducedServer | undefined>;
      /** Whose lists were read. */
      readonly heard: Set<string>;
      readonly ends: AbortSignal;
    },
  ): Promise<void> {
    const { reader, depth, clock, isBlocked, origin: self } = this.#options;
    const { found, confirmed, heard, ends } = run;
    const read = new Set([self]);
    let sources = first;
    for (let distance = 1; distance <= depth && !ends.aborted; distance += 1) {
      const wanted = sources
        .filter((source) => !read.has(source) && (isListUrl(source) || !isBlocked(source)))
        .slice(0, MAX_LISTS + 1 - read.size);
      for (const source of wanted) read.add(source);
      const lists: ReadList[] = [];
      await eachOf(wanted, LISTS_AT_ONCE, ends, async (source) => {
        const list = await reader.read(source, ends).catch(() => undefined);
        if (list === undefined) return;
        heard.add(list.origin);
        lists.push(list);
        if (list.self !== undefined && !isListUrl(source)) {
          const populations = populationsIn(list.self);
          this.#claims.set(list.origin, { populations, at: clock.monotonic() });
        }
      });
      const news = this.#introduced(lists, found, distance);
      await eachOf(news, LISTS_AT_ONCE, ends, async ({ entry }) => {
        const said = await reader.descriptor(entry.origin);
        // Who cannot be asked says neither yes nor no.
        if (!said.verified && said.code !== "ERR_FED_BLOCKED" && !isNo(said.code)) return;
        confirmed.set(entry.origin, await reader.confirm(entry));
      });
      sources = news.map(({ entry }) => entry.origin).filter((origin) => confirmed.get(origin));
    }
  }

  /** Takes one of each list in turn, so that a long one keeps no other's from being heard. */
  #introduced(
    lists: readonly ReadList[],
    found: Map<string, Introduction>,
    distance: number,
  ): Introduction[] {
    const { origin: self, isBlocked, trusted } = this.#options;
    // Trusted peers are known by themselves.
    const known = new Set([self, ...trusted()]);
    const news: Introduction[] = [];
    for (let place = 0; place < MAX_OF_ONE; place += 1) {
      for (const { origin: by, entries } of lists) {
        const entry = entries[place];
        if (entry === undefined || known.has(entry.origin) || isBlocked(entry.origin)) continue;
        const earlier = found.get(entry.origin);
        if (earlier !== undefined) {
          if (earlier.by.length < 8 && !earlier.by.includes(by)) earlier.by.push(by);
        } else if (found.size < MAX_SERVERS) {
          const introduction = { entry, by: [by], distance };
          found.set(entry.origin, introduction);
          news.push(introduction);
        }
      }
    }
    return news;
  }

  #remember(
    found: ReadonlyMap<string, Introduction>,
    confirmed: ReadonlyMap<string, IntroducedServer | undefined>,
    heard: ReadonlySet<string>,
  ): void {
    const at = this.#options.clock.monotonic();
    const next = new Map<string, Known>();
    for (const [origin, { by, distance }] of found) {
      const server =
        confirmed.get(origin) ?? (confirmed.has(origin) ? undefined : this.#lately(origin, at));
      if (server === undefined) continue;
      const known = { ...server, introducedBy: [...by].sort(), distance };
      next.set(origin, {
        server: known,
        at: confirmed.has(origin) ? at : this.#foundAt(origin, at),
      });
    }
    for (const [origin, known] of this.#known) {
      if (next.size >= MAX_SERVERS) break;
      // One of those who introduced it has not been heard: what it says today is not known.
      const isOpen = !found.has(origin) && known.server.introducedBy.some((by) => !heard.has(by));
      if (isOpen && at - known.at < MEMORY_MILLISECONDS) next.set(origin, known);
    }
    this.#known = next;
    for (const [origin, claim] of this.#claims) {
      if (at - claim.at >= MEMORY_MILLISECONDS) this.#claims.delete(origin);
    }
  }

  #lately(origin: string, at: number): IntroducedServer | undefined {
    const known = this.#known.get(origin);
    return known !== undefined && at - known.at < MEMORY_MILLISECONDS ? known.server : undefined;
  }

  #foundAt(origin: string, at: number): number {
    return this.#known.get(origin)?.at ?? at;
  }
}

/** Whether a descriptor was there, and says nothing that counts. */
function isNo(code: string): boolean {
  return code === "ERR_FED_DESCRIPTOR_INVALID" || code === "ERR_FED_DESCRIPTOR_EXPIRED";
}
