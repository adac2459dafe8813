/** Defaults of the options, and what a schema cannot say of them. */
import { join } from "node:path";
import { type AdminAccess, MIN_TOKEN_LENGTH } from "../admin/access.ts";
import { resolveIntegrityPolicy } from "../assets/verify/reference.ts";
import { WORLD_NAME, isShownName } from "../identity/descriptor.ts";
import { identifyByAuthId } from "../identity/local-id.ts";
import { normalizeEndpoint, normalizeOrigin } from "../identity/origin.ts";
import { printRecoveryKey } from "../identity/recovery.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import { recoveryNotice } from "../operator/recovery-notice.ts";
import { checkOptions, wrongOption } from "../options.ts";
import { type PortalRoute, RoutingTable } from "../routing/routing-table.ts";
import { ASSETS_FOLDER } from "../runtime/data-folder.ts";
import {
  ASSET_DEFAULTS,
  DEFAULTS,
  DISCOVERY_DEFAULTS,
  type ResolvedOptions,
  orDefaults,
} from "../runtime/settings.ts";
import type {
  FederationAssetsOptions,
  FederationDiscoveryOptions,
  FederationOptions,
} from "./federation-options.ts";
import { gameOf } from "./game-options.ts";
import { type WorldOptions, listingOf, worldsOf } from "./listing-options.ts";
import { loggerOf } from "./logging.ts";
import { FEDERATION_OPTIONS } from "./options-schema.ts";

const TOKEN = new RegExp(`^[\\x21-\\x7e]{${MIN_TOKEN_LENGTH},1024}$`, "u");

/** What the runtime is given, and what the pages for people are. */
export type ResolvedFederationOptions = ResolvedOptions & {
  readonly admin: AdminAccess | undefined;
  readonly status: boolean;
};

/** Fills in defaults. @throws TypeError naming the option, its value and what is expected. */
export function resolveOptions(given: FederationOptions): ResolvedFederationOptions {
  const options = checkOptions<FederationOptions>(FEDERATION_OPTIONS, given);
  const { allowInsecure = DEFAULTS.allowInsecure } = options;
  const origin = originOption("origin", options.origin, allowInsecure);
  const endpoint = normalized("endpoint", options.endpoint ?? `${origin}/federation`, (value) =>
    normalizeEndpoint(value, { allowInsecure }),
  );
  const { dataDirectory = ".federation" } = options;
  const worlds = worldsOf(options.worlds);
  return Object.freeze({
    origin,
    worlds: worldsOption(worlds),
    listing: listingOf(options.listed ?? false, worlds, allowInsecure),
    game: gameOf(options.game, Object.keys(worlds), allowInsecure),
    discovery: discoveryOption(options.discovery ?? {}, allowInsecure),
    endpoint,
    name: nameOption(options.name ?? new URL(origin).host.slice(0, 64)),
    routes: routesOption(options.routes ?? [], origin, allowInsecure),
    peers: peersOption(options.peers ?? [], origin, allowInsecure),
    ...orDefaults(options),
    dataDirectory,
    store: options.store,
    adopt: options.adopt,
    onRecoveryKey: recoveryKeyTo(options.onRecoveryKey),
    assets: assetsOption(options.assets ?? {}, dataDirectory),
    identify: options.identify ?? identifyByAuthId,
    admit: options.admit,
    accept: options.accept,
    gifts: options.gifts,
    maxVisitorsPerPeer: options.maxVisitorsPerPeer,
    admin: adminOption(options.admin),
    status: options.status ?? false,
    logger: loggerOf(options.logger),
  });
}

function worldsOption(worlds: Readonly<Record<string, WorldOptions>>): ResolvedOptions["worlds"] {
  for (const world of Object.keys(worlds)) {
    if (!WORLD_NAME.test(world)) {
      throw wrongOption("worlds", "world names of 1–64 of A-Za-z0-9_-", world);
    }
  }
  const rooms = Object.entries(worlds).map(([name, { room }]) => [name, room]);
  return Object.freeze(Object.fromEntries(rooms) as Record<string, string>);
}

function discoveryOption(
  { depth = DISCOVERY_DEFAULTS.depth, from, trust }: FederationDiscoveryOptions,
  allowInsecure: boolean,
): ResolvedOptions["discovery"] {
  const sources = from?.map((source, index) =>
    sourceOption(`discovery.from[${index}]`, source, allowInsecure),
  );
  return Object.freeze({ depth, from: sources, trust });
}

/** An origin, or the URL of a published list. */
function sourceOption(option: string, value: string, allowInsecure: boolean): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || (url.pathname === "/" && url.search === "")) {
    return originOption(option, value, allowInsecure);
  }
  const isPlain = url.username === "" && url.password === "" && url.hash === "";
  const isSecure = url.protocol === "https:" || (allowInsecure && url.protocol === "http:");
  if (isPlain && isSecure && value.length <= 1024) return url.href;
  throw wrongOption(option, "an origin, or an https URL of a list", value);
}

function peersOption(
  given: readonly string[],
  self: string,
  allowInsecure: boolean,
): readonly string[] {
  const peers = given.map((peer, index) => originOption(`peers[${index}]`, peer, allowInsecure));
  const itself = peers.indexOf(self);
  if (itself >= 0) {
    throw wrongOption(`peers[${itself}]`, "another server than this one (origin)", self);
  }
  return Object.freeze(peers);
}

function routesOption(
  given: readonly PortalRoute[],
  self: string,
  allowInsecure: boolean,
): readonly PortalRoute[] {
  const table = new RoutingTable({ self });
  const routes = given.map((route, index) => {
    const server = originOption(`routes[${index}].server`, route.server, allowInsecure);
    const checked = { ...route, server };
    normalized(`routes[${index}]`, checked, (value) => {
      table.addRoute(value);
    });
    return checked;
  });
  return Object.freeze(routes);
}

/** Never open; and a token, right or wrong, is shown nowhere. */
function adminOption(admin: AdminAccess | undefined): AdminAccess | undefined {
  if (admin === undefined) return undefined;
  const { token, guard } = admin;
  if (token === undefined && guard === undefined) {
    throw new TypeError(
      "admin: expected a token of at least 32 characters or a guard, and there is neither: is the variable set that the token is read from? Leave admin out for no admin page",
    );
  }
  if (token !== undefined && !TOKEN.test(token)) {
    throw new TypeError(
      `admin.token: expected a text of ${MIN_TOKEN_LENGTH}–1024 characters without blanks, such as "openssl rand -hex 32" makes; this one has ${token.length}`,
    );
  }
  return Object.freeze({ ...admin });
}

/** Peers refuse a server whose name cannot be shown. */
function nameOption(name: string): string {
  if (name !== "" && name.length <= 64 && isShownName(name)) return name;
  throw wrongOption(
    "name",
    "one line of 1–64 characters that can be seen: no control characters, and no blanks around it or doubled",
    name,
  );
}

function assetsOption(
  {
    directory,
    maxBytes = ASSET_DEFAULTS.maxBytes,
    policy,
    timeoutSeconds = ASSET_DEFAULTS.timeoutSeconds,
  }: FederationAssetsOptions,
  dataDirectory: string,
): ResolvedOptions["assets"] {
  return Object.freeze({
    directory: directory ?? join(dataDirectory, ASSETS_FOLDER),
    maxBytes,
    policy: normalized("assets.policy", policy, resolveIntegrityPolicy),
    timeoutSeconds,
  });
}

/** Who takes a new recovery key: the host, or the operator at the terminal; otherwise nobody. */
function recoveryKeyTo(
  host: FederationOptions["onRecoveryKey"],
): ((key: SigningKey) => void) | undefined {
  if (host !== undefined) {
    return (key) => {
      host(printRecoveryKey(key));
    };
  }
  if (!process.stdout.isTTY) return undefined;
  return (key) => {
    process.stdout.write(`\n${recoveryNotice(key)}\n\n`);
  };
}

function originOption(option: string, value: string, allowInsecure: boolean): string {
  return normalized(option, value, (origin) => normalizeOrigin(origin, { allowInsecure }));
}

/** What a value is normally written as; whoever reads it does not know which option it is. */
function normalized<Given, Normal>(
  option: string,
  value: Given,
  normalize: (value: Given) => Normal,
): Normal {
  try {
    return normalize(value);
  } catch (cause) {
    throw new TypeError(`${option}: ${cause instanceof Error ? cause.message : "is not valid"}`, {
      cause,
    });
  }
}
