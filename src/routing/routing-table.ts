/**
 * Where portals lead: URI patterns → servers, the most specific pattern first, with priorities,
 * weights and failover to healthy servers. Works alone, without a server.
 */
import type { Random } from "../ports.ts";
import { type KnownText, KnownTexts, MAX_KNOWN_LENGTH } from "./known-texts.ts";
import { type RouteExplanation, explainWays } from "./explanation.ts";
import { type RoutePattern, parsePattern, patternText } from "./pattern.ts";
import { AUTHORITY_START, Places, readAuthority, readOn } from "./plain-uri.ts";
import { type PortalUri, readByUrl, readPortalUri } from "./portal-uri.ts";
import { RouteTree } from "./route-tree.ts";
import {
  type PortalRoute,
  type Target,
  Targets,
  originOf,
  routesOf,
  serverIn,
  weighted,
} from "./targets.ts";
import { MAX_URI_LENGTH, NO_OPTIONS } from "./uri-rules.ts";

export type { PortalRoute, RouteExplanation };
export type { ExplainedWay, WayState } from "./explanation.ts";

/** Where a portal URI leads now. It may be frozen, and the same that was answered before. */
export interface ResolvedDestination {
  /** Origin of the destination server. */
  readonly origin: string;
  readonly world: string;
  /** Portal options for the destination room. */
  readonly options: Readonly<Record<string, string>>;
  readonly uri: string;
  /** Whether it is this very server. */
  readonly local: boolean;
  /** Pattern that matched; undefined for this server itself and for peers named directly. */
  readonly pattern: string | undefined;
  /** Whether the server is up, as far as is known. */
  readonly healthy: boolean;
  /** Other servers of the same pattern, in the order they would be tried. */
  readonly alternatives: readonly string[];
}

/** Options of {@link RoutingTable}. */
export interface RoutingTableOptions {
  /** This server's origin: URIs of its authority resolve to itself. */
  readonly self?: string;
  /** Default: every server is healthy. */
  readonly isHealthy?: (origin: string) => boolean;
  /**
   * Why players cannot be sent to a server now, in a few words for operators; undefined: they can. For
   * {@link RoutingTable.explain}. Default: what `isHealthy` says.
   */
  readonly whyNot?: (origin: string) => string | undefined;
  /** The origin of a known peer with that authority: its URIs need no route. */
  readonly peerFor?: (authority: string) => string | undefined;
  /**
   * Chooses among weights, and seeds the hashes of the table, so that nobody can make patterns collide.
   * Default: the first, and hashes that are always the same.
   */
  readonly random?: Random;
  /** Default 100,000. */
  readonly maxRoutes?: number;
}

/** What is told of a URI once it is known where it leads. */
type Told = Pick<PortalUri, "world" | "options" | "href">;

const NO_ALTERNATIVES: readonly string[] = Object.freeze([]);

/** Ways that are named at most where nobody asks for more. */
const MAX_WAYS = 16;

/** The authority whose URIs alone a pattern matches; undefined: those of several. */
function authorityIn(pattern: RoutePattern): string | undefined {
  if (pattern.kind === "path") return pattern.uri.slice(AUTHORITY_START).split("/", 1)[0];
  return pattern.kind === "prefix" ? pattern.prefix.split("/", 1)[0] : undefined;
}

/** The routing table. */
export class RoutingTable {
  readonly #options: RoutingTableOptions;
  readonly #selfAuthority: string | undefined;
  readonly #maxRoutes: number;
  readonly #places: Places;
  readonly #tree: RouteTree<Target>;
  readonly #known = new KnownTexts<Target, ResolvedDestination>();
  /** Goes up with every change of the tree: what a known text matched before counts no more. */
  #version = 0;
  #size = 0;

  constructor(options: RoutingTableOptions = {}) {
    this.#options = options;
    this.#selfAuthority = options.self === undefined ? undefined : new URL(options.self).host;
    this.#maxRoutes = options.maxRoutes ?? 100_000;
    const { random } = options;
    this.#places = new Places(random && Math.floor(random.fraction() * 2 ** 32) | 0);
    this.#tree = new RouteTree(this.#places.seed);
  }

  /** Routes in the table. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a route; the same pattern and server replaces the former.
   *
   * @throws TypeError naming the member that is wrong, or `maxRoutes` when the table is full.
   */
  addRoute(route: PortalRoute): void {
    const { priority = 0, weight = 1 } = route;
    const server = originOf(route.server);
    if (server === undefined) {
      throw new TypeError(
        `server must be an origin such as https://arena.example.org, got "${route.server}"`,
      );
    }
    if (!Number.isFinite(priority)) throw new TypeError("priority must be a finite number");
    if (!(weight >= 0 && Number.isFinite(weight))) {
      throw new TypeError("weight must be a finite number of at least 0");
    }
    if (route.world !== undefined && !/^[A-Za-z0-9_-]{1,64}$/u.test(route.world)) {
      throw new TypeError("world must be 1–64 of A-Za-z0-9_-");
    }
    const pattern = parsePattern(route.pattern);
    if (this.#selfAuthority !== undefined && authorityIn(pattern) === this.#selfAuthority) {
      throw new TypeError(
        `pattern "${route.pattern.slice(0, 120)}": its URIs lead to this server itself, whatever the routes say`,
      );
    }
    const text = patternText(pattern);
    const present = this.#tree.get(pattern);
    if (serverIn(present, server) === undefined) {
      if (this.#size >= this.#maxRoutes) {
        throw new TypeError(`maxRoutes: the table holds ${this.#maxRoutes} routes already`);
      }
      this.#size += 1;
    }
    // The caller's string, where it is the same: many routes lead to one server.
    const target = Object.freeze({
      ...route,
      pattern: text === route.pattern ? route.pattern : text,
      server: server === route.server ? route.server : server,
    });
    this.#version += 1;
    if (present instanceof Targets) present.set(target);
    else if (present === undefined || present.server === server) this.#tree.set(pattern, target);
    else {
      const several = new Targets(present);
      several.set(target);
      this.#tree.set(pattern, several);
    }
  }

  /** Removes one server of a pattern, or all of them. False when there was none. */
  removeRoute(pattern: string, server?: string): boolean {
    const parsed = parsePattern(pattern);
    const present = this.#tree.get(parsed);
    if (present === undefined) return false;
    let removed = present instanceof Targets ? present.byServer.size : 1;
    if (server !== undefined) {
      const origin = originOf(server) ?? server;
      if (serverIn(present, origin) === undefined) return false;
      if (present instanceof Targets && present.delete(origin)) removed = 1;
    }
    this.#version += 1;
    this.#size -= removed;
    const left = present instanceof Targets && server !== undefined ? present.byServer.size : 0;
    if (left === 0) this.#tree.delete(parsed);
    return true;
  }

  /** Every route, in no particular order. */
  routes(): PortalRoute[] {
    const all: PortalRoute[] = [];
    for (const target of this.#tree.values()) {
      if (target instanceof Targets) for (const route of target.byServer.values()) all.push(route);
      else all.push(target);
    }
    return all;
  }

  /** Where a URI leads, or undefined when it is malformed or nobody knows. */
  resolve(uri: string | PortalUri): ResolvedDestination | undefined {
    if (typeof uri !== "string") return this.#resolveRead(uri);
    if (uri.length <= MAX_KNOWN_LENGTH) {
      const known = this.#known.get(uri);
      if (known !== undefined) return this.#resolveKnown(known);
      this.#known.note(uri);
    } else if (uri.length > MAX_URI_LENGTH) return undefined;
    return this.#resolveText(uri);
  }

  /**
   * Every way that a URI has, in the order in which a crossing tries them: what {@link resolve} answers, the
   * other servers of that pattern, then those of less specific patterns. A server is named once for a world.
   * A peer that the URI names directly is the only way, and only where no route matches.
   *
   * @param most ways that are named. Default 16.
   */
  ways(uri: string, most = MAX_WAYS): ResolvedDestination[] {
    const first = this.resolve(uri);
    const read = readPortalUri(uri);
    if (first === undefined || typeof read === "string") return [];
    const ways = [first];
    if (first.pattern === undefined) return ways;
    const named = new Set([`${first.origin} ${first.world}`]);
    for (const target of this.#matchAll(read)) {
      const [up, down] = this.#byHealth(target);
      for (const { server, world, pattern } of [...up, ...down]) {
        if (ways.length >= most) return ways;
        const way = this.#destination(read, server, world, pattern, NO_ALTERNATIVES);
        const name = `${way.origin} ${way.world}`;
        if (!named.has(name)) ways.push(way);
        named.add(name);
      }
    }
    return ways;
  }

  /**
   * Every route that matches a URI, in the order in which a crossing tries them, and why one of them cannot
   * be used. Nothing is drawn by chance: servers that share by weight stand as they are.
   */
  explain(uri: string): RouteExplanation {
    const read = readPortalUri(uri);
    if (typeof read === "string") return { ok: false, reason: read, ways: [] };
    const whyNot = (origin: string): string | undefined =>
      this.#options.whyNot === undefined
        ? this.#isUp(origin)
          ? undefined
          : "it is down"
        : this.#options.whyNot(origin);
    const { authority } = read;
    const isSelf = authority === this.#selfAuthority;
    const routes = isSelf
      ? []
      : this.#matchAll(read).flatMap((target) => this.#byHealth(target).flat());
    const direct = routes.length === 0 ? this.#selfOrPeer(authority) : undefined;
    return explainWays(read, { routes, direct, self: this.#options.self, whyNot });
  }

  #matchAll({ authority, path }: PortalUri): Target[] {
    const places = this.#places;
    return this.#tree.matchAll(places.locate(authority, path), places);
  }

  /** The routes of a target whose servers are up, and the others, each by priority. */
  #byHealth(target: Target): readonly [up: PortalRoute[], down: PortalRoute[]] {
    const up: PortalRoute[] = [];
    const down: PortalRoute[] = [];
    for (const route of routesOf(target)) (this.#isHealthy(route.server) ? up : down).push(route);
    return [up, down];
  }

  #resolveRead(uri: PortalUri): ResolvedDestination | undefined {
    const target = this.#match(uri);
    return target === undefined
      ? this.#leadTo(this.#selfOrPeer(uri.authority), uri)
      : this.#lead(uri, target);
  }

  /** Health and peers are asked for each time; what has not changed since is answered as before. */
  #resolveKnown(known: KnownText<Target, ResolvedDestination>): ResolvedDestination | undefined {
    const { uri } = known;
    if (uri === undefined) return undefined;
    if (known.version !== this.#version) {
      known.target = this.#match(uri);
      known.answer = undefined;
      known.version = this.#version;
    }
    const { target, answer } = known;
    if (target instanceof Targets) return this.#choose(uri, target);
    const origin = target === undefined ? this.#selfOrPeer(uri.authority) : target.server;
    if (origin === undefined) return undefined;
    if (
      answer === undefined ||
      answer.origin !== origin ||
      answer.healthy !== this.#isUp(answer.origin)
    ) {
      const now = target === undefined ? this.#leadTo(origin, uri) : this.#lead(uri, target);
      known.answer = now === undefined ? undefined : Object.freeze(now);
    }
    return known.answer;
  }

  /** Reads no further than to where it is known that a text is refused, or leads nowhere in any case. */
  #resolveText(text: string): ResolvedDestination | undefined {
    const places = this.#places;
    const reading = readAuthority(text, places);
    if (reading !== true) return reading === false ? this.#resolveByUrl(text) : undefined;
    // Whoever is asked for a peer may ask this table in turn, which has but one set of places.
    const { authorityEnd, authorityHash } = places;
    const self = this.#isSelfAt(text, authorityEnd);
    const byPath = !self && this.#tree.mayMatchPath(authorityHash);
    let target: Target | undefined;
    let origin: string | undefined;
    if (self) origin = this.#options.self;
    else if (!byPath) {
      target = this.#tree.matchHost(text, authorityEnd);
      if (target === undefined) {
        origin = this.#options.peerFor?.(text.slice(AUTHORITY_START, authorityEnd));
        if (origin === undefined) return undefined;
      }
    }
    const rest = readOn(text, authorityEnd, authorityHash, places);
    if (rest !== true) return rest === false ? this.#resolveByUrl(text) : undefined;
    const uri = {
      world: text.slice(authorityEnd + 1, places.worldEnd),
      options: places.options,
      href: text,
    };
    if (byPath) {
      target = this.#tree.matchPath(text, places) ?? this.#tree.matchHost(text, authorityEnd);
      if (target === undefined) {
        origin = this.#options.peerFor?.(text.slice(AUTHORITY_START, authorityEnd));
      }
    }
    return target === undefined ? this.#leadTo(origin, uri) : this.#lead(uri, target);
  }

  #resolveByUrl(text: string): ResolvedDestination | undefined {
    const read = readByUrl(text);
    return typeof read === "string" ? undefined : this.#resolveRead(read);
  }

  #isSelfAt(text: string, authorityEnd: number): boolean {
    const self = this.#selfAuthority;
    return (
      self?.length === authorityEnd - AUTHORITY_START && text.startsWith(self, AUTHORITY_START)
    );
  }

  #selfOrPeer(authority: string): string | undefined {
    return authority === this.#selfAuthority
      ? this.#options.self
      : this.#options.peerFor?.(authority);
  }

  #match({ authority, path }: PortalUri): Target | undefined {
    if (authority === this.#selfAuthority) return undefined;
    const places = this.#places;
    const text = places.locate(authority, path);
    const byPath = this.#tree.mayMatchPath(places.authorityHash)
      ? this.#tree.matchPath(text, places)
      : undefined;
    return byPath ?? this.#tree.matchHost(text, places.authorityEnd);
  }

  #lead(uri: Told, target: Target): ResolvedDestination {
    if (target instanceof Targets) return this.#choose(uri, target);
    return this.#destination(uri, target.server, target.world, target.pattern, NO_ALTERNATIVES);
  }

  /** To this server, or a peer that is named directly. */
  #leadTo(origin: string | undefined, uri: Told): ResolvedDestination | undefined {
    return origin === undefined
      ? undefined
      : this.#destination(uri, origin, undefined, undefined, NO_ALTERNATIVES);
  }

  #choose(uri: Told, targets: Targets): ResolvedDestination {
    const [up, down] = this.#byHealth(targets);
    const [usable, others] = up.length > 0 ? [up, down] : [down, up];
    const lowest = usable[0]?.priority ?? 0;
    const chosen = weighted(
      usable.filter((route) => (route.priority ?? 0) === lowest),
      this.#options.random?.fraction() ?? 0,
    );
    const alternatives = [...usable.filter((route) => route !== chosen), ...others];
    return this.#destination(
      uri,
      chosen.server,
      chosen.world,
      targets.pattern,
      alternatives.map(({ server }) => server),
    );
  }

  #destination(
    uri: Told,
    origin: string,
    world: string | undefined,
    pattern: string | undefined,
    alternatives: readonly string[],
  ): ResolvedDestination {
    return {
      origin,
      world: world ?? uri.world,
      options: uri.options ?? NO_OPTIONS,
      uri: uri.href,
      local: origin === this.#options.self,
      pattern,
      healthy: this.#isUp(origin),
      alternatives,
    };
  }

  #isUp(origin: string): boolean {
    return origin === this.#options.self || this.#isHealthy(origin);
  }

  #isHealthy(origin: string): boolean {
    return this.#options.isHealthy?.(origin) ?? true;
  }
}
