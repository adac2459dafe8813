import { join } from "node:path";
import { terminalText } from "../words.ts";
import { type AssetIntegrityPolicy, resolveIntegrityPolicy } from "../assets/verify/reference.ts";
import type { AdmissionPolicy } from "../custody/destination/admission.ts";
import type { OnAway } from "../custody/home/home-sessions.ts";
import type { ImportPolicy } from "../custody/home/import-policy.ts";
import type { TrustPolicy } from "../handshake/trust-policy.ts";
import { isShownName } from "../identity/descriptor.ts";
import { isAccountId } from "../identity/local-id.ts";
import { normalizeEndpoint, normalizeOrigin } from "../identity/origin.ts";
import { printRecoveryKey } from "../identity/recovery.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import { recoveryNotice } from "../operator/recovery-notice.ts";
import type { Logger } from "../ports.ts";
import type { PortalRoute } from "../routing/routing-table.ts";
import { ASSETS_FOLDER } from "../runtime/data-folder.ts";
import type { Identify } from "../identity/local-id.ts";
import type { ResolvedOptions } from "../runtime/settings.ts";
import type { Adopt } from "../runtime/store-identity.ts";

/** Options of `createFederation`. Only `origin` and `worlds` are needed. */
export interface FederationOptions {
  /** Public URL origin of this server, e.g. `https://worlds.example.com`. */
  readonly origin: string;
  /** World name → Colyseus room name. World names: 1–64 of `A-Za-z0-9_-`. */
  readonly worlds: Readonly<Record<string, string>>;
  /** Name shown to peers and operators. Default: the origin's authority. */
  readonly name?: string;
  /** Public URL of the federation endpoints. Default: `<origin>/federation`. */
  readonly endpoint?: string;
  /** Where portal URIs lead that name no peer directly. */
  readonly routes?: readonly PortalRoute[];
  /** Origins of servers the operator trusts; they, and the servers of `routes`, are sought out. */
  readonly peers?: readonly string[];
  /** Who else is trusted. Default `approve`: strangers wait for the operator. */
  readonly trust?: TrustPolicy;
  /** Folder for the key and the SQLite file. Default `.federation`. */
  readonly dataDirectory?: string;
  /** A Keyv, or an engine, with compare-and-set. Default: SQLite in `dataDirectory`. */
  readonly store?: unknown;
  /**
   * For one start: that a key begins with an empty store (`fresh-store`), or a store with another key
   * (`fresh-key`), is on purpose. Default: neither is, and the start is refused.
   */
  readonly adopt?: Adopt;
  /**
   * Takes the private recovery key, once, when a server is started for the first time: keep it offline.
   * Default: it is shown on the terminal that the server was started from; where there is none, as its
   * output may be kept in a log, no recovery key is made, and the log says how to make one.
   */
  readonly onRecoveryKey?: (recoveryKey: string) => void;
  /** Allows `http:` and loopback: development only. Default false. */
  readonly allowInsecure?: boolean;
  /** Allows peers on private addresses. Default false. */
  readonly allowPrivateNetwork?: boolean;
  /** Most peers this server knows. Default 128. */
  readonly maxPeers?: number;
  /** Time a handshake has to complete. Default 10. */
  readonly handshakeTimeoutSeconds?: number;
  /** Time between two probes of one peer. Default 15. */
  readonly healthCheckIntervalSeconds?: number;
  /** Life of a visiting player's lease without renewal. Default 30, 5–3600. */
  readonly leaseSeconds?: number;
  /** How long a server that is stopped may take to send its players home. Default 20, 0–600. */
  readonly stopTimeoutSeconds?: number;
  /** Requests one address may send in a minute before any signature is checked. Default 3000. */
  readonly maxRequestsPerMinutePerAddress?: number;
  /**
   * Signed requests one peer may send in a minute: so many that keep or end custody (renewals,
   * returns, claims, cancellations, recalls), as many that begin a crossing (departures, seats), and
   * as many others. Default 6000.
   */
  readonly maxRequestsPerMinutePerPeer?: number;
  /** How often one player may begin to cross in a minute. Default 60. */
  readonly maxCrossingsPerMinutePerPlayer?: number;
  /** Crossings without a room (`Traveler.travel`) that one address may ask for in a minute. Default 60. */
  readonly maxTravelsPerMinutePerAddress?: number;
  /** Seats here in a minute for players of one peer's portals, home's own left out. Default 600. */
  readonly maxSeatsPerMinutePerPeer?: number;
  /** Rooms that may be made for those seats in a minute. Default 60. */
  readonly maxRoomsPerMinutePerPeer?: number;
  /** Default: `auth.id`, where the host's auth has a string or number of that name. */
  readonly identify?: Identify;
  /** Who may come in. Default: everybody whose home is trusted. */
  readonly admit?: AdmissionPolicy;
  /**
   * What a visited server may change in carried state. Default, by member of the carried object:
   * what a server leaves out is kept, and what another server brought is altered by that one alone.
   */
  readonly accept?: ImportPolicy;
  /** The files that players wear and rooms show. */
  readonly assets?: FederationAssetsOptions;
  /**
   * How long a room's `onJoin` may take for a player of the federation, who is sent home after it.
   * Default 30, at most 30: clients wait a little longer.
   */
  readonly joinTimeoutSeconds?: number;
  /** A player logs in at home while away: `recall` (default) or `refuse`. */
  readonly onAway?: OnAway;
  /** Where diagnostics go. Default: warnings and errors to the console. */
  readonly logger?: Logger;
}

/** Options of a server's assets. */
export interface FederationAssetsOptions {
  /** Folder; processes of one machine may share it. Default `assets` in `dataDirectory`. */
  readonly directory?: string;
  /** What all of them together may take; the least recently used give way. Default 1 GiB. */
  readonly maxBytes?: number;
  /** What is taken from others, and what is done about wrong bytes. */
  readonly policy?: AssetIntegrityPolicy;
  /** How long a crossing waits for the other server to have them. Default 30. */
  readonly timeoutSeconds?: number;
}

const WORLD_NAME = /^[A-Za-z0-9_-]{1,64}$/u;

/** Fills in defaults. @throws TypeError naming the option that is wrong. */
export function resolveOptions(options: FederationOptions): ResolvedOptions {
  const allowInsecure = options.allowInsecure ?? false;
  const origin = checkedOrigin("origin", options.origin, allowInsecure);
  const worlds = Object.freeze({ ...options.worlds });
  for (const [world, room] of Object.entries(worlds)) {
    if (!WORLD_NAME.test(world)) {
      throw new TypeError(`worlds: "${world}" is no world name (1–64 of A-Za-z0-9_-)`);
    }
    if (typeof room !== "string" || room === "") {
      throw new TypeError(`worlds.${world} must name a Colyseus room`);
    }
  }
  const endpoint = checked("endpoint", options.endpoint ?? `${origin}/federation`, (value) =>
    normalizeEndpoint(value, { allowInsecure }),
  );
  const dataDirectory = boundedText("dataDirectory", options.dataDirectory ?? ".federation", 4096);
  return Object.freeze({
    origin,
    worlds,
    endpoint,
    name: shownName(options.name ?? new URL(origin).host.slice(0, 64)),
    routes: Object.freeze(
      (options.routes ?? []).map((route) => ({
        ...route,
        server: checkedOrigin("routes", route.server, allowInsecure),
      })),
    ),
    peers: Object.freeze(
      (options.peers ?? []).map((peer) => checkedOrigin("peers", peer, allowInsecure)),
    ),
    trust: options.trust ?? "approve",
    dataDirectory,
    store: options.store,
    adopt:
      options.adopt === undefined
        ? undefined
        : oneOf("adopt", options.adopt, ["fresh-store", "fresh-key"]),
    onRecoveryKey: recoveryKeyTo(options.onRecoveryKey),
    allowInsecure,
    allowPrivateNetwork: options.allowPrivateNetwork ?? false,
    maxPeers: within("maxPeers", options.maxPeers ?? 128, 1, 100_000),
    handshakeTimeoutSeconds: within(
      "handshakeTimeoutSeconds",
      options.handshakeTimeoutSeconds ?? 10,
      1,
      300,
    ),
    healthCheckIntervalSeconds: within(
      "healthCheckIntervalSeconds",
      options.healthCheckIntervalSeconds ?? 15,
      1,
      3600,
    ),
    leaseSeconds: within("leaseSeconds", options.leaseSeconds ?? 30, 5, 3600),
    stopTimeoutSeconds: within("stopTimeoutSeconds", options.stopTimeoutSeconds ?? 20, 0, 600),
    joinTimeoutSeconds: within("joinTimeoutSeconds", options.joinTimeoutSeconds ?? 30, 1, 30),
    maxRequestsPerMinutePerAddress: within(
      "maxRequestsPerMinutePerAddress",
      options.maxRequestsPerMinutePerAddress ?? 3_000,
      1,
      10_000_000,
    ),
    maxRequestsPerMinutePerPeer: within(
      "maxRequestsPerMinutePerPeer",
      options.maxRequestsPerMinutePerPeer ?? 6_000,
      1,
      10_000_000,
    ),
    maxCrossingsPerMinutePerPlayer: within(
      "maxCrossingsPerMinutePerPlayer",
      options.maxCrossingsPerMinutePerPlayer ?? 60,
      1,
      10_000_000,
    ),
    maxTravelsPerMinutePerAddress: within(
      "maxTravelsPerMinutePerAddress",
      options.maxTravelsPerMinutePerAddress ?? 60,
      1,
      10_000_000,
    ),
    maxSeatsPerMinutePerPeer: within(
      "maxSeatsPerMinutePerPeer",
      options.maxSeatsPerMinutePerPeer ?? 600,
      1,
      10_000_000,
    ),
    maxRoomsPerMinutePerPeer: within(
      "maxRoomsPerMinutePerPeer",
      options.maxRoomsPerMinutePerPeer ?? 60,
      1,
      10_000_000,
    ),
    assets: resolveAssets(options.assets ?? {}, dataDirectory),
    identify: options.identify ?? identifyByAuthId,
    admit: options.admit,
    accept: options.accept,
    onAway: oneOf("onAway", options.onAway ?? "recall", ["recall", "refuse"]),
    logger: options.logger ?? consoleLogger,
  });
}

/** Who takes a new recovery key: the host, or the operator at the terminal; otherwise nobody. */
function recoveryKeyTo(
  host: FederationOptions["onRecoveryKey"],
): ((key: SigningKey) => void) | undefined {
  if (host !== undefined) {
    if (typeof host !== "function") throw new TypeError("onRecoveryKey must be a function");
    return (key) => {
      host(printRecoveryKey(key));
    };
  }
  if (!process.stdout.isTTY) return undefined;
  return (key) => {
    process.stdout.write(`\n${recoveryNotice(key)}\n\n`);
  };
}

const identifyByAuthId: Identify = (auth) => {
  const id = (auth as { id?: unknown } | null | undefined)?.id;
  const text = typeof id === "number" ? String(id) : id;
  return isAccountId(text) ? { id: text } : undefined;
};

/** Warnings and errors to the console, nothing else. */
export const consoleLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message) => {
    console.warn(terminalText(`[federation] ${message}`));
  },
  error: (message, cause) => {
    const why = cause instanceof Error ? ` (${cause.message})` : "";
    console.error(terminalText(`[federation] ${message}${why}`));
  },
};

function checkedOrigin(option: string, value: unknown, allowInsecure: boolean): string {
  return checked(option, value, (origin) => normalizeOrigin(origin, { allowInsecure }));
}

function checked(option: string, value: unknown, normalize: (value: string) => string): string {
  if (typeof value !== "string") throw new TypeError(`${option} must be a URL`);
  try {
    return normalize(value);
  } catch (cause) {
    throw new TypeError(`${option}: ${cause instanceof Error ? cause.message : "it is no URL"}`, {
      cause,
    });
  }
}

function within(option: string, value: number, low: number, high: number): number {
  if (!(typeof value === "number" && value >= low && value <= high)) {
    throw new TypeError(`${option} must be a number from ${low} to ${high}`);
  }
  return value;
}

function boundedText(option: string, value: unknown, longest: number): string {
  if (typeof value !== "string" || value === "" || value.length > longest) {
    throw new TypeError(`${option} must be a text of 1–${longest} characters`);
  }
  return value;
}

/** Peers refuse a server whose name cannot be shown. */
function shownName(value: unknown): string {
  const name = boundedText("name", value, 64);
  if (isShownName(name)) return name;
  throw new TypeError(
    "name must be one line that can be seen: no control characters, and no blanks around it or doubled",
  );
}

function oneOf<Value extends string>(
  option: string,
  value: Value,
  allowed: readonly Value[],
): Value {
  if (!allowed.includes(value)) {
    throw new TypeError(`${option} must be one of ${allowed.join(", ")}`);
  }
  return value;
}

function resolveAssets(
  { directory, maxBytes = 1024 ** 3, policy, timeoutSeconds = 30 }: FederationAssetsOptions,
  dataDirectory: string,
): ResolvedOptions["assets"] {
  return Object.freeze({
    directory: boundedText(
      "assets.directory",
      directory ?? join(dataDirectory, ASSETS_FOLDER),
      4096,
    ),
    maxBytes: within("assets.maxBytes", maxBytes, 1024 ** 2, Number.MAX_SAFE_INTEGER),
    policy: resolveIntegrityPolicy(policy),
    timeoutSeconds: within("assets.timeoutSeconds", timeoutSeconds, 1, 3600),
  });
}
