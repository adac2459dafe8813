/** `routes list|add|remove|explain`: where portals lead, as the store says. */
import { conditionOf, whyOf } from "../operator/condition.ts";
import type { PeerSummary } from "../operator/peers.ts";
import { type RouteSources, addRoute, explainRoute, listRoutes } from "../operator/routes.ts";
import { systemClock, systemRandom } from "../ports.ts";
import { KeptRoutes } from "../routing/kept-routes.ts";
import { parsePattern, patternText } from "../routing/pattern.ts";
import { type ExplainedWay, type PortalRoute, RoutingTable } from "../routing/routing-table.ts";
import { originOf } from "../routing/targets.ts";
import { type PulseReading, readPulse } from "../runtime/pulse.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import { isReachable, mayGoTo, noWayOut, withAuthority } from "../runtime/way-out.ts";
import { counted } from "../words.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table as tableOf } from "./output.ts";
import { peersOf } from "./peer-list.ts";
import { SIGN, columns, shortOrigin, shortened, wrapped } from "./terminal.ts";

const INDENT = "    ";
const MAX_WORLD = 30;
const BY_CODE = "Routes that the server's code adds while it runs are known to that server only.";

interface KnownRoutes extends RouteSources {
  readonly pulse: PulseReading | undefined;
  readonly peers: ReadonlyMap<string, PeerSummary>;
  /** Why nobody is sent to a server, as far as it is known here; undefined: players are. */
  readonly whyNot: (origin: string) => string | undefined;
}

/** Those of the configuration, as the last start of the server has told of them, and those that are kept. */
async function knownRoutes(deployment: Deployment): Promise<KnownRoutes> {
  const { store, registry, logger } = deployment;
  const now = systemClock.now();
  const self = (await storeIdentity(store))?.origin;
  if (self === undefined) {
    throw new CommandError("this server has never run on this store: start it once");
  }
  const pulse = await readPulse(store, now);
  const peers = new Map(
    (await peersOf(deployment, pulse, now)).map((peer) => [peer.origin, peer] as const),
  );
  for (const { origin, status } of peers.values()) registry.setStatus(origin, status);
  const isHealthy = (origin: string): boolean => isReachable(registry, self, origin);
  const whyNot = (origin: string): string | undefined => {
    const named = pulse?.named ?? [];
    const no = noWayOut(
      {
        ...{ registry, named },
        mayGoTo: (server) => mayGoTo(registry, self, server),
        isReachable: isHealthy,
      },
      origin,
    );
    const peer = peers.get(origin);
    if (no?.code !== "ERR_FED_DESTINATION_DOWN" || peer === undefined) return no?.why;
    const why = whyOf(peer);
    return why === undefined ? conditionOf(peer) : `${conditionOf(peer)}: ${why}`;
  };
  const table = new RoutingTable({
    ...{ self, whyNot, isHealthy },
    peerFor: (authority) => withAuthority(registry, authority),
  });
  for (const route of pulse?.routes ?? []) {
    try {
      table.addRoute(route);
    } catch (cause) {
      logger.error(`the route of ${route.pattern} to ${route.server} is left out`, cause);
    }
  }
  const kept = new KeptRoutes({ store, table, self, random: systemRandom, logger });
  await kept.load();
  return { table, kept, pulse, peers, whyNot };
}

/** What cannot be known here. */
function notes({ pulse }: KnownRoutes): string[] {
  if (pulse === undefined)
    return ["What the configuration has is told at the next start.", BY_CODE];
  const { routesLeftOut, isRunning } = pulse;
  return [
    ...(isRunning ? [] : ["This server does not run: all is as it left it."]),
    ...(routesLeftOut === 0
      ? []
      : [`Left out: ${counted(routesLeftOut, "route")} of the configuration, which has too many.`]),
    BY_CODE,
  ];
}

/** Every route that can be known here, by pattern, then priority. */
export async function listAllRoutes(deployment: Deployment): Promise<CommandResult> {
  const known = await knownRoutes(deployment);
  const routes = listRoutes(known);
  const rows = routes.map(({ pattern, server, priority, weight, world, kept }) => [
    kept ? "kept" : "configured",
    ...[priority, weight].map(String),
    `${pattern} → ${server}${world === undefined ? "" : ` "${world}"`}`,
  ]);
  const heads = ["", "priority", "weight", "pattern → server"];
  return {
    text: [
      rows.length === 0 ? "No route is known here." : routeTable(heads, rows, columns()),
      "",
      ...notes(known).map((note) => wrapped(note, columns())),
    ].join("\n"),
    json: {
      routes: routes.map((route) => ({ ...route, world: route.world ?? null })),
      ...leftOutJson(known),
    },
  };
}

/** What is too long for its row goes on below it. */
function routeTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  most: number,
): string {
  const begin = tableOf(
    heads.slice(0, -1),
    rows.map((row) => row.slice(0, -1)),
  );
  const [head = "", line = "", ...begins] = begin.split("\n");
  const indent = " ".repeat(line.length + 2);
  const room = most - indent.length;
  return [
    `${head.padEnd(indent.length)}${heads.at(-1) ?? ""}`,
    line,
    ...begins.map((each, index) => {
      const words = (rows[index]?.at(-1) ?? "").split(" ").map((word) => shortened(word, room));
      return `${each.padEnd(indent.length)}${wrapped(words.join(" "), room, indent)}`;
    }),
  ].join("\n");
}

/** Keeps a route; a running server uses it within a second. */
export async function addKeptRoute(
  deployment: Deployment,
  route: PortalRoute,
): Promise<CommandResult> {
  deployment.mayDecide();
  const known = await knownRoutes(deployment);
  await orUsage(() => addRoute(known, route, { persist: true }));
  const { pattern, server } = named(route);
  await deployment.audit("route-kept", `${pattern} → ${server}`);
  const why = known.whyNot(server);
  return {
    text: [
      `${pattern} leads to ${server}, also after a restart. A running server uses it within a second.`,
      ...(why === undefined ? [] : [`Nobody is sent there now: ${why}.`]),
    ].join("\n"),
    json: { pattern, server, why: why ?? null },
  };
}

/** Lets kept routes go: those of one server, or all of a pattern. */
export async function removeKeptRoute(
  deployment: Deployment,
  asked: string,
  server: string | undefined,
): Promise<CommandResult> {
  deployment.mayDecide();
  const { kept, table } = await knownRoutes(deployment);
  const pattern = await orUsage(() => patternText(parsePattern(asked)));
  const origin = server === undefined ? undefined : originIn(server);
  const going = kept
    .list()
    .filter((each) => each.pattern === pattern && (origin ?? each.server) === each.server);
  if (going.length === 0) {
    const isThere = table.routes().some((each) => each.pattern === pattern);
    throw new CommandError(
      isThere
        ? `${pattern} is of the configuration: take it out there`
        : `no route of ${pattern} is kept: see routes list`,
    );
  }
  await kept.remove(pattern, origin);
  const servers = going.map((each) => each.server);
  for (const each of servers) await deployment.audit("route-removed", `${pattern} → ${each}`);
  return {
    text: `${pattern} does not lead to ${servers.join(", ")} any more. A running server knows within a second; what its configuration says is there again after a restart.`,
    json: { pattern, servers },
  };
}

/** Every way that a URI has, in the order in which a crossing tries them. Exit code 1 where none can be gone. */
export async function explainUri(deployment: Deployment, uri: string): Promise<CommandResult> {
  const known = await knownRoutes(deployment);
  const explained = explainRoute(known, uri);
  if (!explained.ok) throw new CommandError(`no portal URI: ${explained.reason}`, EXIT.usage);
  const { ways } = explained;
  const most = columns();
  return {
    text: [
      ...(ways.length === 0
        ? [`${SIGN.bad} ${shortened(explained.uri, most - 20)} leads nowhere`]
        : [`${shortened(explained.uri, most - 25)} leads, in this order, to`]),
      "",
      ...ways.flatMap((way, index) => wayLines(way, index, known, most)),
      ...(ways.length === 0 ? [] : [""]),
      ...notes(known).map((note) => wrapped(note, most)),
    ].join("\n"),
    json: {
      uri: explained.uri,
      ways: ways.map(({ text: _, ...way }) => ({
        ...way,
        pattern: way.pattern ?? null,
        why: way.why ?? null,
        peer: peerText(way, known) ?? null,
      })),
      ...leftOutJson(known),
    },
    exitCode: ways.some(({ state }) => state === "usable") ? EXIT.ok : EXIT.failed,
  };
}

function wayLines(way: ExplainedWay, index: number, known: KnownRoutes, most: number): string[] {
  const { by, pattern, origin, priority, weight, state, why = "" } = way;
  const world = shortened(way.world, MAX_WORLD);
  const but = peerText(way, known);
  const sign = state === "unusable" ? SIGN.bad : but === undefined ? SIGN.well : SIGN.unwell;
  const number = `${index + 1}. `;
  const room = most - number.length - world.length - 5;
  const said =
    state === "unusable" ? `not used, ${why}` : `usable${but === undefined ? "" : `, but ${but}`}`;
  const how =
    pattern === undefined
      ? (BY_ITSELF[by] ?? "")
      : `${shortened(pattern, most - INDENT.length - 30)} (priority ${priority}, weight ${weight})`;
  return [
    `${sign} ${number}${shortOrigin(origin, room)} "${world}"`,
    ...[how, said].map((line) => INDENT + wrapped(line, most - INDENT.length, INDENT)),
  ];
}

const BY_ITSELF: Partial<Record<ExplainedWay["by"], string>> = {
  self: "this server's own URI",
  peer: "a peer that the URI names",
};

/** What is wrong with a peer that players are sent to all the same. */
function peerText(
  { origin, state }: Pick<ExplainedWay, "origin" | "state">,
  { peers }: KnownRoutes,
): string | undefined {
  const peer = state === "usable" ? peers.get(origin) : undefined;
  return peer === undefined ? undefined : whyOf(peer);
}

function leftOutJson({ pulse }: KnownRoutes) {
  return { running: pulse?.isRunning ?? false, routesLeftOut: pulse?.routesLeftOut ?? null };
}

function named({ pattern, server }: PortalRoute): { pattern: string; server: string } {
  return { pattern: patternText(parsePattern(pattern)), server: originIn(server) };
}

function originIn(server: string): string {
  return originOf(server) ?? server;
}

/** A route that cannot be is what was typed wrong. */
async function orUsage<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof TypeError ? new CommandError(cause.message, EXIT.usage) : cause;
  }
}
