import type { UpgradeProbe } from "../http/outbound/upgrade-probe.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { Clock, Fetch, Random } from "../ports.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";

/** The server whose link it is. */
export interface OwnSide {
  readonly origin: string;
  readonly signingKey: () => SigningKey;
  readonly registry: Pick<
    ServerRegistry,
    "get" | "blockedBy" | "isBlocked" | "keyFor" | "liveSession"
  >;
  /** Whether the configuration names an origin. */
  readonly isNamed: (origin: string) => boolean;
  /** Shakes hands as the running server does; undefined: it does not run. */
  readonly connect: ((origin: string) => Promise<unknown>) | undefined;
}

/** What an examination is made with. */
export interface LinkCheckParts {
  /** Goes only where this server's calls go. */
  readonly fetch: Fetch;
  readonly probeUpgrade: UpgradeProbe;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether `http:` is fine: for development. */
  readonly allowInsecure: boolean;
  /** Undefined: it is examined as a stranger sees it. */
  readonly own: OwnSide | undefined;
}

/** What each call may take. */
export const CALL_MILLISECONDS = 4_000;
