/** What a pattern leads to. */

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

/** Players' ids carry the authority: one with anything else in it can be nobody's home. */
const NAMEABLE = /^[a-z]+:\/\/[a-z0-9.[\]:-]{1,261}$/u;

/** An origin in its normal form; undefined for anything else. */
export function originOf(server: string): string | undefined {
  if (typeof server !== "string" || !URL.canParse(server)) return undefined;
  const { origin, href, hostname } = new URL(server);
  const named = NAMEABLE.test(origin) && !hostname.endsWith(".") && !hostname.includes("..");
  // What is more than an origin, such as a path or a user, makes its URL longer.
  return named && href === `${origin}/` && !/[?#]$/u.test(server) ? origin : undefined;
}

/** The routes of a pattern that leads to several servers. */
export class Targets {
  readonly pattern: string;
  /** By server. */
  readonly byServer = new Map<string, PortalRoute>();
  #ordered: readonly PortalRoute[] | undefined;

  constructor(first: PortalRoute) {
    this.pattern = first.pattern;
    this.set(first);
  }

  set(route: PortalRoute): void {
    this.byServer.set(route.server, route);
    this.#ordered = undefined;
  }

  delete(server: string): boolean {
    this.#ordered = undefined;
    return this.byServer.delete(server);
  }

  /** By priority. */
  get ordered(): readonly PortalRoute[] {
    this.#ordered ??= [...this.byServer.values()].sort(
      (a, b) => (a.priority ?? 0) - (b.priority ?? 0),
    );
    return this.#ordered;
  }
}

/** What a pattern leads to: one route, as most do, or several. */
export type Target = PortalRoute | Targets;

/** The route of a pattern to this server. */
export function serverIn(target: Target | undefined, server: string): PortalRoute | undefined {
  if (target instanceof Targets) return target.byServer.get(server);
  return target?.server === server ? target : undefined;
}

/** The routes of what a pattern leads to. */
export function routesOf(target: Target): readonly PortalRoute[] {
  return target instanceof Targets ? target.ordered : [target];
}

/** One of several, each as often as its weight says. @param fraction a random one, from 0 to below 1 */
export function weighted(routes: readonly PortalRoute[], fraction: number): PortalRoute {
  const total = routes.reduce((sum, route) => sum + (route.weight ?? 1), 0);
  let point = fraction * total;
  for (const route of routes) {
    point -= route.weight ?? 1;
    if (point < 0) return route;
  }
  const [first] = routes;
  if (first === undefined) throw new TypeError("a pattern without targets");
  return first;
}
