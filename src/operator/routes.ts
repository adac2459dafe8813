/** Routes as an operator sees and changes them: the same in code and on the command line. */
import type { KeptRoutes } from "../routing/kept-routes.ts";
import type { PortalRoute, RouteExplanation, RoutingTable } from "../routing/routing-table.ts";

/** What is asked about routes. */
export interface RouteSources {
  readonly table: RoutingTable;
  readonly kept: KeptRoutes;
}

/** One route as an operator sees it. */
export interface RouteSummary extends Required<Omit<PortalRoute, "world">> {
  readonly world: string | undefined;
  /** Whether it was added at run time and is there again after a restart. */
  readonly kept: boolean;
}

/** Every route, by pattern, then priority. */
export function listRoutes({ table, kept }: RouteSources): RouteSummary[] {
  return table
    .routes()
    .map(({ pattern, server, priority = 0, weight = 1, world }) => ({
      ...{ pattern, server, priority, weight, world },
      kept: kept.has({ pattern, server }),
    }))
    .sort((a, b) =>
      a.pattern === b.pattern
        ? a.priority - b.priority || (a.server < b.server ? -1 : 1)
        : a.pattern < b.pattern
          ? -1
          : 1,
    );
}

/**
 * Adds a route; with `persist` it is on disk before it leads anywhere, and there again after a restart.
 *
 * @throws TypeError naming the member that is wrong.
 */
export async function addRoute(
  { table, kept }: RouteSources,
  route: PortalRoute,
  { persist = false }: { readonly persist?: boolean } = {},
): Promise<void> {
  if (persist) await kept.add(route);
  else table.addRoute(route);
}

/**
 * Removes one server of a pattern, or all of them, also from what is kept. False when there was none. One
 * of the configuration is there again after a restart.
 *
 * @throws TypeError for what is no pattern.
 */
export async function removeRoute(
  { table, kept }: RouteSources,
  pattern: string,
  server?: string,
): Promise<boolean> {
  const wasKept = await kept.remove(pattern, server);
  return table.removeRoute(pattern, server) || wasKept;
}

/** Every way that a URI has, in order, and why one of them cannot be gone; `text` of each is for people. */
export function explainRoute(
  { table }: Pick<RouteSources, "table">,
  uri: string,
): RouteExplanation {
  return table.explain(uri);
}
