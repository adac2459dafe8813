/** What the runtime is told: the host's options with every default filled in. */
import {
  type AssetIntegrityPolicy,
  type ResolvedIntegrityPolicy,
  resolveIntegrityPolicy,
} from "../assets/verify/reference.ts";
import type { AdmissionPolicy } from "../custody/destination/admission.ts";
import type { VisitorLimit } from "../custody/destination/crowd.ts";
import type { OnAway } from "../custody/home/home-sessions.ts";
import type { ImportPolicy } from "../custody/home/import-policy.ts";
import type { ImportRules } from "../custody/home/import-rules.ts";
import type { GiftPolicy } from "../custody/home/trades.ts";
import type { TrustPolicy } from "../handshake/trust-policy.ts";
import type { Game } from "../identity/game-pages.ts";
import type { ListedAs } from "../identity/listed-as.ts";
import type { Identify } from "../identity/local-id.ts";
import { normalizeOrigin } from "../identity/origin.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import { wrongOption } from "../options.ts";
import { type Logger, type Random, systemRandom } from "../ports.ts";
import type { PortalRoute } from "../routing/routing-table.ts";
import type { TrustIntroduced } from "./introductions.ts";
import type { Adopt } from "./store-identity.ts";

/** `FederationOptions` with every default filled in, frozen; what each means is said there. */
export interface ResolvedOptions {
  readonly origin: string;
  readonly worlds: Readonly<Record<string, string>>;
  readonly name: string;
  /** How it agrees to be listed; undefined: it does not. */
  readonly listing: ListedAs | undefined;
  /** What game it is, and where its web client is; undefined: it does not say. */
  readonly game: Game | undefined;
  readonly discovery: {
    readonly depth: number;
    readonly from: readonly string[] | undefined;
    readonly trust: TrustIntroduced | undefined;
  };
  readonly endpoint: string;
  readonly routes: readonly PortalRoute[];
  readonly peers: readonly string[];
  readonly trust: TrustPolicy;
  /** Undefined: nothing is kept after a stop, and each start has a fresh key and an empty store. */
  readonly dataDirectory: string | undefined;
  readonly store: unknown;
  readonly adopt: Adopt | undefined;
  readonly onRecoveryKey: ((key: SigningKey) => void) | undefined;
  readonly allowInsecure: boolean;
  readonly allowPrivateNetwork: boolean;
  readonly links: boolean;
  /** False: says that players who come home ask for their seats by themselves. Default true. */
  readonly givesSeats?: boolean | undefined;
  readonly maxPeers: number;
  readonly handshakeTimeoutSeconds: number;
  readonly moveGraceSeconds: number;
  readonly healthCheckIntervalSeconds: number;
  readonly leaseSeconds: number;
  readonly stopTimeoutSeconds: number;
  readonly joinTimeoutSeconds: number;
  readonly maxRequestsPerMinutePerAddress: number;
  readonly maxRequestsPerMinutePerPeer: number;
  readonly maxCrossingsPerMinutePerPlayer: number;
  readonly maxTravelsPerMinutePerAddress: number;
  readonly maxSeatsPerMinutePerPeer: number;
  readonly maxRoomsPerMinutePerPeer: number;
  readonly maxSeatsWaitingPerPeer: number;
  readonly maxVisitorsPerPeer: VisitorLimit | undefined;
  readonly identify: Identify;
  readonly admit: AdmissionPolicy | undefined;
  readonly accept: ImportPolicy | ImportRules | undefined;
  readonly gifts: GiftPolicy | undefined;
  readonly assets: {
    /** Undefined: `assets` in the data folder. */
    readonly directory: string | undefined;
    readonly maxBytes: number;
    readonly policy: ResolvedIntegrityPolicy;
    readonly timeoutSeconds: number;
  };
  readonly onAway: OnAway;
  readonly logger: Logger;
}

/** Options of a `FederationRuntime` that stands alone; what is left out has the default of `createFederation`. */
export interface RuntimeOptions extends Partial<Omit<ResolvedOptions, "assets" | "origin">> {
  /** Default: a random name below `.invalid`, where no peer can reach it. */
  readonly origin?: string;
  /** Default: none are kept after a stop. */
  readonly assets?: {
    readonly directory?: string | undefined;
    readonly maxBytes?: number;
    readonly policy?: AssetIntegrityPolicy | ResolvedIntegrityPolicy;
    readonly timeoutSeconds?: number;
  };
}

/** What every server does unless it is told otherwise. */
export const DEFAULTS = Object.freeze({
  trust: "approve",
  allowInsecure: false,
  allowPrivateNetwork: false,
  links: true,
  maxPeers: 128,
  handshakeTimeoutSeconds: 10,
  moveGraceSeconds: 24 * 3600,
  healthCheckIntervalSeconds: 15,
  leaseSeconds: 30,
  stopTimeoutSeconds: 20,
  joinTimeoutSeconds: 30,
  maxRequestsPerMinutePerAddress: 3_000,
  maxRequestsPerMinutePerPeer: 6_000,
  maxCrossingsPerMinutePerPlayer: 60,
  maxTravelsPerMinutePerAddress: 60,
  maxSeatsPerMinutePerPeer: 600,
  maxRoomsPerMinutePerPeer: 60,
  maxSeatsWaitingPerPeer: 200,
  onAway: "recall",
} as const);
export const DISCOVERY_DEFAULTS = { depth: 0, from: undefined, trust: undefined } as const;
export const ASSET_DEFAULTS = { maxBytes: 1024 ** 3, timeoutSeconds: 30 } as const;

/** What was given of {@link DEFAULTS}, and they for the rest; what is undefined was not given. */
export function orDefaults(given: Partial<Defaulted>): Defaulted {
  const members = Object.entries(DEFAULTS).map(([option, value]) => [
    option,
    given[option as keyof Defaulted] ?? value,
  ]);
  return Object.fromEntries(members) as Defaulted;
}

type Defaulted = Pick<ResolvedOptions, keyof typeof DEFAULTS>;

/** Warnings and errors as warnings of the process. */
const processLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message) => {
    process.emitWarning(message, "FederationWarning");
  },
  error: (message, cause) => {
    const why = cause instanceof Error ? ` (${cause.message})` : "";
    process.emitWarning(`${message}${why}`, "FederationWarning");
  },
};

/**
 * Fills in what is left out.
 *
 * @throws TypeError naming the option that is wrong.
 */
export function withDefaults(
  { assets, ...given }: RuntimeOptions,
  random: Random = systemRandom,
): ResolvedOptions {
  const name = Buffer.from(random.bytes(16)).toString("hex");
  const { allowInsecure = DEFAULTS.allowInsecure } = given;
  const origin =
    given.origin === undefined
      ? `https://${name}.invalid`
      : normalizeOrigin(given.origin, { allowInsecure });
  for (const [option, value] of Object.entries(given)) {
    const counts = typeof DEFAULTS[option as keyof typeof DEFAULTS] === "number";
    if (counts && value !== undefined && !(typeof value === "number" && value >= 0)) {
      throw wrongOption(option, "a number of at least 0", value);
    }
  }
  return Object.freeze({
    ...{ worlds: {}, routes: [], peers: [], logger: processLogger },
    ...{ name: new URL(origin).host.slice(0, 64), endpoint: `${origin}/federation` },
    ...{ dataDirectory: undefined, store: undefined, adopt: undefined, onRecoveryKey: undefined },
    ...{ identify: () => undefined, admit: undefined, accept: undefined, gifts: undefined },
    maxVisitorsPerPeer: undefined,
    ...{ listing: undefined, game: undefined, discovery: DISCOVERY_DEFAULTS },
    ...given,
    ...orDefaults(given),
    origin,
    assets: {
      ...ASSET_DEFAULTS,
      directory: undefined,
      ...assets,
      policy: isResolved(assets?.policy) ? assets.policy : resolveIntegrityPolicy(assets?.policy),
    },
  });
}

function isResolved(
  policy: AssetIntegrityPolicy | ResolvedIntegrityPolicy | undefined,
): policy is ResolvedIntegrityPolicy {
  return policy?.peers instanceof Map;
}
