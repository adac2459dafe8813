/** What each option of `createFederation` must look like; a message says the rest of "expected …". */
import { Keyv } from "keyv";
import { z } from "zod";
import type { AdminAccess } from "../admin/access.ts";
import { HashMismatchAction } from "../assets/verify/reference.ts";
import { ImportRules } from "../custody/home/import-rules.ts";
import { countOption, customOption, numberOption, optionsSchema, textOption } from "../options.ts";
import { isCompareAndSetEngine } from "../storage/engine.ts";
import type {
  FederationAssetsOptions,
  FederationDiscoveryOptions,
  FederationOptions,
} from "./federation-options.ts";
import { GAME } from "./game-options.ts";
import { LISTED, WORLD } from "./listing-options.ts";
import { isLogger } from "./logging.ts";

const ORIGIN = "a URL origin such as https://worlds.example.com";
const ORIGINS = 'an array of origins such as ["https://arena.example.org"]';
const ROUTES =
  'an array of routes such as [{ pattern: "aether://arena/*", server: "https://arena.example.org" }]';
const SWITCH = "true or false";
const MAX_PER_MINUTE = 10_000_000;
const MAX_AT_ONCE = 1_000_000;

const one = (...allowed: readonly string[]): string =>
  allowed.map((value) => `"${value}"`).join(" or ");
const perMinute = countOption(1, MAX_PER_MINUTE).optional();
const flag = z.boolean(SWITCH).optional();

/** An engine, or a Keyv around one, that can keep the rules of custody. */
function isStore(value: unknown): boolean {
  return isCompareAndSetEngine(value instanceof Keyv ? value.store : value);
}

const actions = one(...Object.values(HashMismatchAction));

const assets = optionsSchema(
  {
    directory: textOption(4096).optional(),
    maxBytes: countOption(1024 ** 2, Number.MAX_SAFE_INTEGER).optional(),
    policy: optionsSchema(
      {
        action: z.enum(HashMismatchAction, actions).optional(),
        peers: z
          .record(
            z.string(),
            z.enum(HashMismatchAction, actions),
            "an object of origins to actions",
          )
          .optional(),
        maxAssetBytes: countOption(1, Number.MAX_SAFE_INTEGER).optional(),
        mediaTypes: z
          .array(z.string('a media type such as "image/png"'), 'an array such as ["image/png"]')
          .optional(),
      },
      'an object such as { action: "quarantine" }',
    ).optional(),
    timeoutSeconds: numberOption(1, 3600).optional(),
  } satisfies Record<keyof FederationAssetsOptions, z.ZodType>,
  "an object such as { maxBytes: 1073741824 }",
);

const SOURCES =
  'an array of at most 128 origins or URLs of lists such as ["https://hub.example.org", "https://hub.example.org/servers.jws"]';
const discovery = optionsSchema(
  {
    depth: countOption(0, 3).optional(),
    from: z.array(z.string(SOURCES), SOURCES).max(128, SOURCES).optional(),
    trust: customOption("a function").optional(),
  } satisfies Record<keyof FederationDiscoveryOptions, z.ZodType>,
  "an object such as { depth: 1 }",
);

const GUARDED =
  "an object with a token of at least 32 characters or a guard such as { token: process.env.FEDERATION_ADMIN_TOKEN }; leave admin out for no admin page";
const admin = optionsSchema(
  {
    token: z.string("a text").optional(),
    guard: customOption("a middleware (request, response, next)").optional(),
  } satisfies Record<keyof AdminAccess, z.ZodType>,
  GUARDED,
);

const route = optionsSchema(
  {
    pattern: z.string("a pattern such as aether://arena/*"),
    server: z.string(ORIGIN),
    priority: z.number("a number").optional(),
    weight: z.number("a number of at least 0").min(0, "a number of at least 0").optional(),
    world: z.string("the name of a world").optional(),
  },
  'a route such as { pattern: "aether://arena/*", server: "https://arena.example.org" }',
);

/** All options; what a URL or a name must be is checked where it is read. */
export const FEDERATION_OPTIONS = optionsSchema(
  {
    origin: z.string(ORIGIN),
    worlds: z.record(
      z.string(),
      WORLD,
      'an object of world names to room names such as { plaza: "plaza" }',
    ),
    listed: LISTED.optional(),
    game: GAME.optional(),
    discovery: discovery.optional(),
    name: z.string("a text of 1–64 characters").optional(),
    endpoint: z.string("a URL such as https://worlds.example.com/federation").optional(),
    routes: z.array(route, ROUTES).optional(),
    peers: z.array(z.string(ORIGIN), ORIGINS).optional(),
    trust: z
      .union(
        [z.enum(["open", "approve", "allowlist"]), customOption("a function")],
        `${one("open", "approve", "allowlist")} or a function`,
      )
      .optional(),
    dataDirectory: textOption(4096).optional(),
    store: customOption(
      "an engine with compare-and-set, such as new RedisEngine({ client }), or a Keyv around one (ERR_FED_STORE_WITHOUT_CAS)",
      isStore,
    ).optional(),
    adopt: z
      .enum(
        ["fresh-store", "fresh-key", "fresh-origin"],
        one("fresh-store", "fresh-key", "fresh-origin"),
      )
      .optional(),
    onRecoveryKey: customOption("a function").optional(),
    allowInsecure: flag,
    allowPrivateNetwork: flag,
    links: flag,
    maxPeers: countOption(1, 100_000).optional(),
    handshakeTimeoutSeconds: numberOption(1, 300).optional(),
    moveGraceSeconds: numberOption(60, 2_592_000).optional(),
    healthCheckIntervalSeconds: numberOption(1, 3600).optional(),
    leaseSeconds: numberOption(5, 3600).optional(),
    stopTimeoutSeconds: numberOption(0, 600).optional(),
    joinTimeoutSeconds: numberOption(1, 30).optional(),
    maxRequestsPerMinutePerAddress: perMinute,
    maxRequestsPerMinutePerPeer: perMinute,
    maxCrossingsPerMinutePerPlayer: perMinute,
    maxTravelsPerMinutePerAddress: perMinute,
    maxSeatsPerMinutePerPeer: perMinute,
    maxRoomsPerMinutePerPeer: perMinute,
    maxSeatsWaitingPerPeer: countOption(1, MAX_AT_ONCE).optional(),
    maxVisitorsPerPeer: customOption(
      "a whole number of at least 0, Infinity, or a function of an origin that says one",
      (value) =>
        typeof value === "function" ||
        value === Infinity ||
        (Number.isSafeInteger(value) && (value as number) >= 0),
    ).optional(),
    identify: customOption("a function").optional(),
    admit: customOption("a function").optional(),
    accept: customOption(
      'a function, or rules such as policy({ coins: "may-spend" })',
      (value) => typeof value === "function" || value instanceof ImportRules,
    ).optional(),
    gifts: customOption("a function").optional(),
    assets: assets.optional(),
    onAway: z.enum(["recall", "refuse"], one("recall", "refuse")).optional(),
    admin: admin.optional(),
    status: flag,
    logger: customOption(
      "a logger with debug, info, warn and error, such as pino() or console",
      isLogger,
    ).optional(),
  } satisfies Record<keyof FederationOptions, z.ZodType>,
  'options such as { origin: "https://worlds.example.com", worlds: { plaza: "plaza" } }',
);
