/** Routes that were added at run time and are there again after a restart: rows of the store. */
import { z } from "zod";
import type { Logger, Random, Store } from "../ports.ts";
import { RowReader } from "../rows/rows.ts";
import { parsePattern, patternText } from "./pattern.ts";
import { RoutingTable } from "./routing-table.ts";
import { type PortalRoute, originOf } from "./targets.ts";

/** Routes that one server keeps, at most. */
export const MAX_KEPT_ROUTES = 1_000;
const PREFIX = "route/";
/** Another text with every change: by it the other processes of a server, and it itself, hear of one. */
const REVISION = "routes-revision";

/** A route as it is stored: see {@link normalRoute}. */
export const routeSchema = z.strictObject({
  pattern: z.string().max(2048),
  server: z.string().max(300),
  priority: z.number().exactOptional(),
  weight: z.number().min(0).exactOptional(),
  world: z.string().max(64).exactOptional(),
});

/** Options of {@link KeptRoutes}. */
export interface KeptRoutesOptions {
  readonly store: Store;
  readonly table: RoutingTable;
  /** This server's origin: what leads to it needs no route. */
  readonly self?: string | undefined;
  readonly random: Random;
  readonly logger: Pick<Logger, "error">;
}

/** The kept routes of one table. Each is on disk before it leads anywhere, and off it before it does not. */
export class KeptRoutes {
  readonly #options: KeptRoutesOptions;
  readonly #reader: RowReader<PortalRoute>;
  /** As they are stored, by key. */
  #routes = new Map<string, PortalRoute>();
  #revision: string | undefined;

  constructor(options: KeptRoutesOptions) {
    this.#options = options;
    const { store, logger } = options;
    this.#reader = new RowReader<PortalRoute>(store, logger, {
      what: "route",
      schema: routeSchema,
      belongs: (route, key) => this.#problemOf(route) === undefined && keyOf(route) === key,
      blocks: false,
      advice: "It leads nowhere. Add it again",
    });
  }

  /** Every kept route, by pattern and server. */
  list(): PortalRoute[] {
    return [...this.#routes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, route]) => route);
  }

  /** Whether a route of the table is kept. */
  has(route: Pick<PortalRoute, "pattern" | "server">): boolean {
    return this.#routes.has(keyOf(route));
  }

  /** Takes over what is stored. A damaged row is set aside and leads nowhere; all others do. */
  async load(): Promise<void> {
    const { store, table, logger } = this.#options;
    const revision = await store.get(REVISION);
    const found = new Map<string, PortalRoute>();
    for await (const [key, text] of store.entries(PREFIX)) {
      if (found.size >= MAX_KEPT_ROUTES) break;
      const route = this.#reader.parse(key, text);
      if (route === undefined) await this.#reader.setAside(key, text);
      else found.set(key, route);
    }
    for (const [key, { pattern, server }] of this.#routes) {
      if (!found.has(key)) table.removeRoute(pattern, server);
    }
    for (const [key, route] of found) {
      try {
        table.addRoute(route);
      } catch (cause) {
        found.delete(key);
        logger.error(`the kept route from ${route.pattern} to ${route.server} is not used`, cause);
      }
    }
    this.#routes = found;
    this.#revision = revision;
  }

  /** Takes over what another process has changed, if any has. */
  async refresh(): Promise<void> {
    if ((await this.#options.store.get(REVISION)) !== this.#revision) await this.load();
  }

  /**
   * Keeps a route and adds it to the table; the same pattern and server replaces the former.
   *
   * @throws TypeError as {@link RoutingTable.addRoute}, and for more than 1,000 kept routes.
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE`; then nothing has changed that is told of.
   */
  async add(route: PortalRoute): Promise<void> {
    const problem = this.#problemOf(route);
    if (problem !== undefined) throw problem;
    const { table, store } = this.#options;
    const kept = normalRoute(route);
    const key = keyOf(kept);
    if (!this.#routes.has(key) && this.#routes.size >= MAX_KEPT_ROUTES) {
      throw new TypeError(`${MAX_KEPT_ROUTES} routes are kept already: remove one first`);
    }
    await store.set(key, JSON.stringify(kept));
    try {
      table.addRoute(kept);
    } catch (cause) {
      await store.delete(key);
      throw cause;
    }
    this.#routes.set(key, kept);
    await this.#tell();
  }

  /**
   * Lets kept routes go, those of one server or all of a pattern, and takes them out of the table. False
   * when none was kept: a route of the configuration is not touched.
   *
   * @throws TypeError for what is no pattern.
   */
  async remove(pattern: string, server?: string): Promise<boolean> {
    const text = patternText(parsePattern(pattern));
    const origin = server === undefined ? undefined : (originOf(server) ?? server);
    const going = [...this.#routes].filter(
      ([, route]) => route.pattern === text && (origin === undefined || route.server === origin),
    );
    const { store, table } = this.#options;
    for (const [key, route] of going) {
      await store.delete(key);
      this.#routes.delete(key);
      table.removeRoute(text, route.server);
    }
    if (going.length > 0) await this.#tell();
    return going.length > 0;
  }

  async #tell(): Promise<void> {
    const { store, random } = this.#options;
    this.#revision = random.uuid();
    await store.set(REVISION, this.#revision);
  }

  /** What a table would say of a route. */
  #problemOf(route: PortalRoute): TypeError | undefined {
    const { self } = this.#options;
    try {
      new RoutingTable(self === undefined ? {} : { self }).addRoute(route);
      return undefined;
    } catch (cause) {
      return cause instanceof TypeError ? cause : new TypeError("no route", { cause });
    }
  }
}

/** A route with its members only, pattern and server in their normal forms. */
export function normalRoute({
  pattern,
  server,
  priority,
  weight,
  world,
}: PortalRoute): PortalRoute {
  return {
    pattern: patternText(parsePattern(pattern)),
    server: originOf(server) ?? server,
    ...(priority === undefined ? {} : { priority }),
    ...(weight === undefined ? {} : { weight }),
    ...(world === undefined ? {} : { world }),
  };
}

function keyOf(route: Pick<PortalRoute, "pattern" | "server">): string {
  return `${PREFIX}${patternText(parsePattern(route.pattern))} ${originOf(route.server) ?? route.server}`;
}
