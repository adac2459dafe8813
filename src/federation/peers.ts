import {
  ALL_ROLES,
  ServerStatus,
  type TrustRoles,
  TrustState,
} from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";

/** One peer as an operator sees it. */
export interface PeerSummary {
  readonly origin: string;
  readonly name: string;
  readonly worlds: readonly string[];
  readonly trust: TrustState;
  /** What it is trusted for while it is trusted. */
  readonly roles: TrustRoles;
  readonly status: ServerStatus;
  /** Whether calls can be made now without a new handshake. */
  readonly hasSession: boolean;
  readonly roundTripMilliseconds: number | undefined;
  /** Share of the time the peer answered, 0–1; undefined before the first probe. */
  readonly uptime: {
    readonly hour: number | undefined;
    readonly day: number | undefined;
    readonly month: number | undefined;
  };
  /** Unix seconds. */
  readonly lastHandshakeAt: number | undefined;
  /** Unix milliseconds of the last answered probe. */
  readonly lastSeenAt: number | undefined;
  /** Assets it sent with other bytes than their hash names, since this server started. */
  readonly wrongAssets: number;
}

/** The operator's view of the peers, and the decisions that are the operator's to take. */
export class FederationPeers {
  readonly #runtime: FederationRuntime;

  /** By origin of known peers; strangers are never asked for assets. */
  readonly #wrongAssets = new Map<string, number>();

  constructor(runtime: FederationRuntime) {
    this.#runtime = runtime;
    runtime.on("asset", ({ source }) => {
      this.#wrongAssets.set(source, (this.#wrongAssets.get(source) ?? 0) + 1);
    });
  }

  /** Every known peer, by origin. Empty before the server listens. */
  list(): PeerSummary[] {
    if (!this.#runtime.started) return [];
    const { registry, health } = this.#runtime;
    return registry
      .list()
      .map((server): PeerSummary => {
        const state = health.status(server.origin);
        const suspended =
          server.trust === TrustState.Blocked || server.trust === TrustState.Quarantined;
        return {
          origin: server.origin,
          name: server.name,
          worlds: server.worlds,
          trust: server.trust,
          roles: server.roles ?? ALL_ROLES,
          status: suspended ? ServerStatus.Suspended : server.status,
          hasSession: registry.liveSession(server.origin) !== undefined,
          roundTripMilliseconds: state?.roundTripMilliseconds,
          uptime: state?.uptime ?? { hour: undefined, day: undefined, month: undefined },
          lastHandshakeAt: server.lastHandshakeAt,
          lastSeenAt: state?.lastOkAt,
          wrongAssets: this.#wrongAssets.get(server.origin) ?? 0,
        };
      })
      .sort((a, b) => a.origin.localeCompare(b.origin));
  }

  /**
   * Lets players cross to and from a peer, or one way only; ends quarantine. A blocked peer has to be
   * unblocked first.
   *
   * @throws TypeError for a peer that is not known, or blocked.
   */
  async approve(origin: string, roles: TrustRoles = ALL_ROLES): Promise<void> {
    await approvePeer(this.#runtime.registry, origin, roles);
  }

  /** Refuses everything from a peer from now on, under whatever name its keys come. */
  async block(origin: string): Promise<void> {
    await this.#runtime.registry.block(origin);
  }

  /** Takes a block away; the peer is pending until it is approved. */
  async unblock(origin: string): Promise<void> {
    await this.#runtime.registry.unblock(origin);
  }

  /** Forgets a peer: its keys, its session, its trust. */
  async remove(origin: string): Promise<boolean> {
    return this.#runtime.registry.remove(origin);
  }

  /** Performs a handshake now. @throws FederationError with the reason when it fails. */
  async retry(origin: string): Promise<void> {
    await this.#runtime.handshake.connect(origin);
  }
}

/** What `approve` does, for whoever has only the registry. */
export async function approvePeer(
  registry: ServerRegistry,
  origin: string,
  roles: TrustRoles,
): Promise<void> {
  if (registry.get(origin)?.trust === TrustState.Blocked) {
    throw new TypeError(`"${origin}" is blocked: unblock it first`);
  }
  await registry.setTrust(origin, TrustState.Trusted, roles);
}
