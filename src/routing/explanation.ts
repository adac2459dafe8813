/** Why a portal leads where it does, for operators. */
import { parsePattern } from "./pattern.ts";
import type { PortalUri } from "./portal-uri.ts";
import type { PortalRoute } from "./targets.ts";

/** How far a way can be gone now. */
export type WayState = "usable" | "unusable";

/** One way that a URI has. */
export interface ExplainedWay {
  /** How the URI leads there: a pattern of its kind matches, it is this server's own, or it names a peer. */
  readonly by: "path" | "prefix" | "suffix" | "any" | "self" | "peer";
  /** The pattern that matches; undefined for this server itself and a peer. */
  readonly pattern: string | undefined;
  /** Origin of the server. */
  readonly origin: string;
  /** The world there. */
  readonly world: string;
  /** Lower is tried first among those of one pattern. */
  readonly priority: number;
  /** Share among those of one pattern and priority. */
  readonly weight: number;
  readonly state: WayState;
  /** Why it cannot be used, in a few words; undefined: it can. */
  readonly why: string | undefined;
  /** All of it in one line, for operators. */
  readonly text: string;
}

/** What `RoutingTable.explain` answers. */
export type RouteExplanation =
  | {
      readonly ok: true;
      /** The URI in its normal form. */
      readonly uri: string;
      /** Every way, in the order in which a crossing tries them; none: the URI leads nowhere. */
      readonly ways: readonly ExplainedWay[];
    }
  | {
      readonly ok: false;
      /** What is wrong with the URI. */
      readonly reason: string;
      readonly ways: readonly [];
    };

const SPECIFICITY: Readonly<Record<ExplainedWay["by"], string>> = {
  path: "this very path",
  prefix: "paths that begin so",
  suffix: "hosts that end so",
  any: "every URI",
  self: "this server's own URIs",
  peer: "a peer that the URI names",
};

/** Puts the routes that match into words; where there are none, `direct` is where the URI leads by itself. */
export function explainWays(
  { href, world: asked }: Pick<PortalUri, "href" | "world">,
  {
    routes,
    direct,
    self,
    whyNot,
  }: {
    readonly routes: readonly PortalRoute[];
    readonly direct: string | undefined;
    readonly self: string | undefined;
    readonly whyNot: (origin: string) => string | undefined;
  },
): RouteExplanation {
  const way = (
    by: ExplainedWay["by"],
    route: Omit<PortalRoute, "pattern"> & { readonly pattern?: string },
    place: number,
  ): ExplainedWay => {
    const { server: origin, world = asked, priority = 0, weight = 1, pattern } = route;
    const why = origin === self ? undefined : whyNot(origin);
    const how = `${pattern === undefined ? "" : `${pattern}, `}${SPECIFICITY[by]}`;
    const shares = `priority ${priority}, weight ${weight}`;
    const text = `${place + 1}. ${origin} "${world}" (${how}; ${shares}): ${why === undefined ? "usable" : `not used, ${why}`}`;
    const state = why === undefined ? "usable" : "unusable";
    return { by, pattern, origin, world, priority, weight, state, why, text };
  };
  const ways = routes.map((route, index) => way(parsePattern(route.pattern).kind, route, index));
  if (direct !== undefined) {
    ways.push(way(direct === self ? "self" : "peer", { server: direct }, 0));
  }
  return { ok: true, uri: href, ways };
}
