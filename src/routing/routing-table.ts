/**
 * Where portals lead: URI patterns → servers, the most specific pattern first, with priorities,
 * weights and failover to healthy servers. Works alone, without a server.
 */
import type { Random } from "../ports.ts";
import { parsePattern } from "./pattern.ts";
import { type PortalUri, parsePortalUri } from "./portal-uri.ts";

/** One way out: URIs of `pattern` lead to `server`. */
export interface PortalRoute {
  /** `aether://host/path`, `aether://host/prefix/*`, `aether://*.suffix/*` or `*`. */
  readonly pattern: string;
  /** Origin of the server they lead to. */
  readonly server: string;
  /** Lower is tried first. Default 0. */
  readonly priority?: number;
  /** Share among servers of one priority. Default 1. */
  readonly weight?: number;
  /** World to go to instead of the URI's. */
  readonly world?: string;
}

/** Where a portal URI leads now. */
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
  /** The origin of a known peer with that authority: its URIs need no route. */
  readonly peerFor?: (authority: string) => string | undefined;
  /** Chooses among weights. Default: the first. */
  readonly random?: Random;
  /** Default 100,000. */
  readonly maxRoutes?: number;
}

/** Players' ids carry the authority: one with anything else in it can be nobody's home. */
const NAMEABLE = /^[a-z]+:\/\/[a-z0-9.[\]:-]{1,261}$/u;

/** An origin in its normal form; undefined for anything else. */
function originOf(server: string): string | undefined {
  if (typeof server !== "string" || !URL.canParse(server)) return undefined;
  const { origin, href, hostname } = new URL(server);
  const named = NAMEABLE.test(origin) && !hostname.endsWith(".") && !hostname.includes("..");
  // What is more than an origin, such as a path or a user, makes its URL longer.
  return named && href === `${origin}/` && !/[?#]$/u.test(server) ? origin : undefined;
}

/** The targets of one pattern. */
interface Entry {
  readonly pattern: string;
  /** By server. */
  readonly targets: Map<string, PortalRoute>;
}

interface TrieNode {
  entry: Entry | undefined;
  children: Map<string, TrieNode> | undefined;
}

const NO_OPTIONS: Readonly<Record<string, string>> = Object.freeze({});

/** The routing table. */
export class RoutingTable {
  readonly #options: RoutingTableOptions;
  readonly #selfAuthority: string | undefined;
  readonly #maxRoutes: number;
  /** `authority/path` → entry. */
  readonly #paths = new Map<string, Entry>();
  /** Authority → trie of path segments. */
  readonly #prefixes = new Map<string, TrieNode>();
  /** Trie of host labels, from the right. */
  readonly #suffixes: TrieNode = { entry: undefined, children: undefined };
  #any: Entry | undefined;
  #size = 0;

  constructor(options: RoutingTableOptions = {}) {
    this.#options = options;
    this.#selfAuthority = options.self === undefined ? undefined : new URL(options.self).host;
    this.#maxRoutes = options.maxRoutes ?? 100_000;
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
    const entry = this.#entry(route.pattern, true);
    if (entry === undefined) return;
    if (!entry.targets.has(server)) {
      if (this.#size >= this.#maxRoutes) {
        if (entry.targets.size === 0) this.#drop(route.pattern);
        throw new TypeError(`maxRoutes: the table holds ${this.#maxRoutes} routes already`);
      }
      this.#size += 1;
    }
    entry.targets.set(server, Object.freeze({ ...route, server }));
  }

  /** Removes one server of a pattern, or all of them. False when there was none. */
  removeRoute(pattern: string, server?: string): boolean {
    const entry = this.#entry(pattern, false);
    if (entry === undefined) return false;
    const before = entry.targets.size;
    if (server === undefined) entry.targets.clear();
    else entry.targets.delete(originOf(server) ?? server);
    const removed = before - entry.targets.size;
    this.#size -= removed;
    if (entry.targets.size === 0) this.#drop(pattern);
    return removed > 0;
  }

  /** Every route, in no particular order. */
  routes(): PortalRoute[] {
    const all: PortalRoute[] = [];
    const collect = (entry: Entry | undefined): void => {
      if (entry !== undefined) all.push(...entry.targets.values());
    };
    const walk = (node: TrieNode): void => {
      collect(node.entry);
      for (const child of node.children?.values() ?? []) walk(child);
    };
    for (const entry of this.#paths.values()) collect(entry);
    for (const node of this.#prefixes.values()) walk(node);
    walk(this.#suffixes);
    collect(this.#any);
    return all;
  }

  /** Where a URI leads, or undefined when it is malformed or nobody knows. */
  resolve(uri: string | PortalUri): ResolvedDestination | undefined {
    let parsed: PortalUri;
    if (typeof uri === "string") {
      const result = parsePortalUri(uri);
      if (!result.ok) return undefined;
      parsed = result.uri;
    } else parsed = uri;
    if (parsed.authority === this.#selfAuthority && this.#options.self !== undefined) {
      return this.#destination(parsed, this.#options.self, undefined, undefined, []);
    }
    const entry = this.#match(parsed);
    if (entry !== undefined) return this.#choose(parsed, entry);
    const peer = this.#options.peerFor?.(parsed.authority);
    return peer === undefined
      ? undefined
      : this.#destination(parsed, peer, undefined, undefined, []);
  }

  #match({ authority, path }: PortalUri): Entry | undefined {
    const exact = this.#paths.size === 0 ? undefined : this.#paths.get(authority + path);
    if (exact !== undefined) return exact;
    let node = this.#prefixes.get(authority);
    if (node !== undefined) {
      let best = node.entry;
      for (let start = 1; node?.children !== undefined && start <= path.length;) {
        const slash: number = path.indexOf("/", start);
        const end = slash < 0 ? path.length : slash;
        node = node.children.get(path.slice(start, end));
        // `prefix/*` needs something below the prefix.
        if (node?.entry !== undefined && slash >= 0) best = node.entry;
        start = end + 1;
      }
      if (best !== undefined) return best;
    }
    if (this.#suffixes.children !== undefined) {
      const best = this.#matchSuffix(authority);
      if (best !== undefined) return best;
    }
    return this.#any;
  }

  #matchSuffix(authority: string): Entry | undefined {
    const colon = authority.lastIndexOf(":");
    const host = colon > 0 && !authority.endsWith("]") ? authority.slice(0, colon) : authority;
    let node: TrieNode | undefined = this.#suffixes;
    let best: Entry | undefined;
    for (let end = host.length; end > 0;) {
      const dot: number = host.lastIndexOf(".", end - 1);
      node = node.children?.get(host.slice(dot + 1, end));
      if (node === undefined) break;
      // `*.suffix` needs a label before the suffix.
      if (dot > 0 && node.entry !== undefined) best = node.entry;
      end = dot;
    }
    return best;
  }

  #choose(uri: PortalUri, entry: Entry): ResolvedDestination {
    if (entry.targets.size === 1) {
      for (const route of entry.targets.values()) {
        return this.#destination(uri, route.server, route.world, entry.pattern, []);
      }
    }
    const ordered = [...entry.targets.values()].sort(
      (a, b) => (a.priority ?? 0) - (b.priority ?? 0),
    );
    const healthy = ordered.filter((route) => this.#isHealthy(route.server));
    const usable = healthy.length > 0 ? healthy : ordered;
    const lowest = usable[0]?.priority ?? 0;
    const chosen = this.#weighted(usable.filter((route) => (route.priority ?? 0) === lowest));
    const others = [
      ...usable.filter((route) => route !== chosen),
      ...ordered.filter((route) => !usable.includes(route)),
    ];
    return this.#destination(
      uri,
      chosen.server,
      chosen.world,
      entry.pattern,
      others.map(({ server }) => server),
    );
  }

  #weighted(routes: readonly PortalRoute[]): PortalRoute {
    const total = routes.reduce((sum, route) => sum + (route.weight ?? 1), 0);
    let point = (this.#options.random?.fraction() ?? 0) * total;
    for (const route of routes) {
      point -= route.weight ?? 1;
      if (point < 0) return route;
    }
    const [first] = routes;
    if (first === undefined) throw new TypeError("a pattern without targets");
    return first;
  }

  #destination(
    uri: PortalUri,
    origin: string,
    world: string | undefined,
    pattern: string | undefined,
    alternatives: readonly string[],
  ): ResolvedDestination {
    const local = origin === this.#options.self;
    return {
      origin,
      world: world ?? uri.world,
      options: uri.options ?? NO_OPTIONS,
      uri: uri.href,
      local,
      pattern,
      healthy: local || this.#isHealthy(origin),
      alternatives,
    };
  }

  #isHealthy(origin: string): boolean {
    return this.#options.isHealthy?.(origin) ?? true;
  }

  #entry(pattern: string, make: boolean): Entry | undefined {
    const parsed = parsePattern(pattern);
    const fresh = (): Entry => ({ pattern, targets: new Map() });
    switch (parsed.kind) {
      case "any":
        if (make) this.#any ??= fresh();
        return this.#any;
      case "path": {
        const key = parsed.authority + parsed.path;
        let entry = this.#paths.get(key);
        if (entry === undefined && make) {
          entry = fresh();
          this.#paths.set(key, entry);
        }
        return entry;
      }
      default: {
        const node = this.#node(parsed, make);
        if (node !== undefined && make) node.entry ??= fresh();
        return node?.entry;
      }
    }
  }

  #node(
    parsed: Extract<ReturnType<typeof parsePattern>, { kind: "prefix" | "suffix" }>,
    make: boolean,
  ): TrieNode | undefined {
    let node: TrieNode | undefined = this.#suffixes;
    if (parsed.kind === "prefix") {
      node = this.#prefixes.get(parsed.authority);
      if (node === undefined && make) {
        node = { entry: undefined, children: undefined };
        this.#prefixes.set(parsed.authority, node);
      }
    }
    for (const part of parsed.kind === "prefix" ? parsed.segments : parsed.labels) {
      if (node === undefined) return undefined;
      let child: TrieNode | undefined = node.children?.get(part);
      if (child === undefined && make) {
        child = { entry: undefined, children: undefined };
        node.children ??= new Map();
        node.children.set(part, child);
      }
      node = child;
    }
    return node;
  }

  /** Takes an empty entry out, and the branches that led only to it. */
  #drop(pattern: string): void {
    const parsed = parsePattern(pattern);
    if (parsed.kind === "any") this.#any = undefined;
    else if (parsed.kind === "path") this.#paths.delete(parsed.authority + parsed.path);
    else if (parsed.kind === "suffix") prune(this.#suffixes, parsed.labels, 0);
    else {
      const root = this.#prefixes.get(parsed.authority);
      if (root !== undefined && prune(root, parsed.segments, 0)) {
        this.#prefixes.delete(parsed.authority);
      }
    }
  }
}

/** Clears the entry at the end of `parts`; true when the node itself has become useless. */
function prune(node: TrieNode, parts: readonly string[], depth: number): boolean {
  const part = parts[depth];
  if (part === undefined) node.entry = undefined;
  else {
    const child = node.children?.get(part);
    if (child !== undefined && prune(child, parts, depth + 1)) node.children?.delete(part);
    if (node.children?.size === 0) node.children = undefined;
  }
  return node.entry === undefined && node.children === undefined;
}
