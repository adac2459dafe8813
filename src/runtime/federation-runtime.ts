/**
 * The federation without Colyseus and without HTTP routes: starts and stops the parts that
 * `composition.ts` puts together, and tells what happens.
 */
import type { AssetLibrary } from "../assets/asset-library.ts";
import type { Custody } from "../custody/custody.ts";
import { NO_SEATS, type SeatHost } from "../custody/destination/seat-host.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { ListingReader } from "../discovery/listing-reader.ts";
import type { Populations } from "../discovery/server-entry.ts";
import type { ServerPages } from "../discovery/server-pages.ts";
import type { Nonces } from "../http/inbound/nonces.ts";
import type { HandshakeService } from "../handshake/handshake-service.ts";
import type { MeetingAttempt } from "../handshake/session-keeper.ts";
import type { HealthMonitor } from "../health/health-monitor.ts";
import { type DatedKey, signDatedKey } from "../identity/dated-key.ts";
import type { DescriptorDocument } from "../identity/descriptor.ts";
import type { VerifyKey } from "../identity/ed25519.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { Links } from "../link/links.ts";
import {
  type Clock,
  type PeerCalls,
  type Random,
  type Store,
  systemClock,
  systemRandom,
} from "../ports.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import type { KeptRoutes } from "../routing/kept-routes.ts";
import type { CrossingLog } from "./crossing-log.ts";
import { RoutingTable } from "../routing/routing-table.ts";
import { NO_TELEMETRY, type Telemetry } from "../telemetry/telemetry.ts";
import { counted } from "../words.ts";
import { type Parts, composeParts } from "./composition.ts";
import { EventBus, type FederationEvents } from "./events.ts";
import type { OwnHealthReport } from "./own-health.ts";
import { startAll, stopAll } from "./part.ts";
import { loadTelemetry } from "./open-telemetry.ts";
import { openResources } from "./resources.ts";
import { type ResolvedOptions, type RuntimeOptions, withDefaults } from "./settings.ts";
import type { ProcessLink } from "./sibling-processes.ts";
import { type NoWayOut, noWayOut } from "./way-out.ts";

/**
 * Owns the parts of one federated server and runs its cross-instance transactions. Stands alone:
 * without a `dataDirectory` it is another server at each start, and keeps nothing.
 */
export class FederationRuntime {
  readonly options: ResolvedOptions;
  readonly clock: Clock = systemClock;
  readonly random: Random = systemRandom;
  /** Where portals lead. */
  readonly routes: RoutingTable;
  readonly #events: EventBus;
  #telemetry: Telemetry = NO_TELEMETRY;
  #running: Parts | undefined;
  #online = false;

  constructor(given: RuntimeOptions = {}) {
    const options = withDefaults(given, this.random);
    this.options = options;
    this.#events = new EventBus(options.logger);
    this.routes = new RoutingTable({
      self: options.origin,
      isHealthy: (origin) => this.isReachable(origin),
      whyNot: (origin) =>
        this.#running === undefined ? "this server does not run" : this.noWayOut(origin)?.why,
      peerFor: (authority) => this.#running?.trust.withAuthority(authority),
      random: this.random,
    });
    for (const route of options.routes) this.routes.addRoute(route);
  }

  /** Whether {@link start} has run and {@link stop} has not. */
  get started(): boolean {
    return this.#running !== undefined;
  }

  get registry(): ServerRegistry {
    return this.#parts().registry;
  }

  get custody(): Custody {
    return this.#parts().custody;
  }

  get assets(): AssetLibrary {
    return this.#parts().assets;
  }

  get health(): HealthMonitor {
    return this.#parts().health;
  }

  /** Where spans and metrics go: nowhere before the start. */
  get telemetry(): Telemetry {
    return this.#telemetry;
  }

  /** How this server itself is: what `GET /health` says. */
  ownHealth(): OwnHealthReport {
    return this.#parts().ownHealth.report();
  }

  /** Writes what an operator has decided into the audit log. */
  audit(what: string, subject: string): Promise<void> {
    const at = new Date(this.clock.now()).toISOString();
    return this.#parts().resources.audit.append({ at, by: "operator", what, subject });
  }

  /** Origins that the configuration names: peers, and the servers of routes. */
  get named(): readonly string[] {
    const { origin, peers, routes } = this.options;
    const servers = [...peers, ...routes.map(({ server }) => server)];
    const current = servers.map((server) => this.#running?.moves.currentOrigin(server) ?? server);
    return [...new Set(current)].filter((server) => server !== origin);
  }

  /** How meeting a server has failed; undefined where it has not. */
  attempt(origin: string): MeetingAttempt | undefined {
    return this.#parts().keeper.attempt(origin);
  }

  /** Reads other servers' lists. */
  get listings(): ListingReader {
    return this.#parts().listings;
  }

  /** Who is known by introduction. */
  get discovery(): Discovery {
    return this.#parts().discovery;
  }

  /** What `GET /servers` answers. */
  get serverPages(): ServerPages {
    return this.#parts().serverPages;
  }

  get handshake(): HandshakeService {
    return this.#parts().handshake;
  }

  /** Which nonces of calls have been used. */
  get nonces(): Nonces {
    return this.#parts().nonces;
  }

  /** Links with peers; undefined: this server has none. */
  get links(): Links | undefined {
    return this.#parts().links;
  }

  get store(): Store {
    return this.#parts().resources.store;
  }

  /** For what is of no use to a later run: memory, where nobody else has the store. @throws as {@link store} */
  get transient(): Store | undefined {
    return this.#parts().resources.transient;
  }

  /** This process's life, where several processes are this server. */
  get life(): string | undefined {
    return this.#parts().processes?.life;
  }

  /** Takes over what another process has written about peers, where there are others. */
  async refreshPeers(): Promise<void> {
    const { registry, processes } = this.#parts();
    if (processes !== undefined) await registry.refresh();
  }

  /** The key this server signs with now. */
  readonly signingKey = (): SigningKey => this.#parts().resources.keys.signingKey();

  /** The key of an issuer whose passes are taken here: a trusted peer, or this server itself. */
  issuerKey(issuer: string, kid: string): VerifyKey | undefined {
    return this.#parts().trust.issuerKey(issuer, kid);
  }

  /** This server's signed word on one of its keys, retired ones included; undefined when it is none. */
  async keyWord(kid: string): Promise<string | undefined> {
    const { keys } = this.#parts().resources;
    const key = keys.dated(kid);
    const iat = Math.floor(this.clock.now() / 1000);
    return key === undefined
      ? undefined
      : signDatedKey(key, { iss: this.options.origin, iat }, keys.signingKey());
  }

  /**
   * A key of a server whose receipts can be verified here, with its dates: this server's own, a known
   * peer's, or what a peer says of one that it has retired.
   */
  async receiptKey(named: string, kid: string): Promise<DatedKey | undefined> {
    const { resources, registry, peers, moves } = this.#parts();
    const issuer = moves.currentOrigin(named);
    if (issuer === this.options.origin) return resources.keys.dated(kid);
    const pinned = registry.datedKey(issuer, kid);
    if (pinned !== undefined && pinned.retiredAt === undefined) return pinned;
    if (registry.get(issuer) === undefined) return undefined;
    // What we noticed of its retirement is later than what the peer knows of it.
    return (await peers.datedKey(issuer, kid).catch(() => undefined)) ?? pinned;
  }

  /** Listens to one kind of event. Returns how to stop. */
  on<Name extends keyof FederationEvents>(
    name: Name,
    listener: (event: FederationEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Opens the store and the key, loads what is known, and settles what a former run left open.
   * Calls no peer yet: that is {@link goOnline}. When it fails, everything is as before.
   *
   * @param seats Where players play. Default: nowhere.
   * @param link What the host offers where several processes are this server; none: it is the only
   * process.
   * @param populations Players in each world, for lists. Default: nobody knows.
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE`, `ERR_FED_STORE_WITHOUT_CAS`,
   * `ERR_FED_STORE_IN_USE`, `ERR_FED_STORE_NEWER`, `ERR_FED_STORE_IDENTITY`, `ERR_FED_KEY_FILE`.
   */
  async start(
    seats: SeatHost = NO_SEATS,
    link?: ProcessLink,
    populations: () => Promise<Populations> = () => Promise.resolve({}),
  ): Promise<void> {
    if (this.#running !== undefined) return;
    const { options, clock, random } = this;
    const { origin, logger } = options;
    const telemetry = await loadTelemetry({ origin, logger, clock });
    const resources = await openResources({ options, link, clock, random });
    this.#telemetry = telemetry;
    const parts = composeParts({
      ...{ options, resources, seats, link, populations, events: this.#events, clock, random },
      routes: this.routes,
      telemetry,
    });
    // What is settled while starting asks this server who it trusts.
    this.#running = parts;
    try {
      await startAll(parts.local);
    } catch (cause) {
      this.#running = undefined;
      await resources.close().catch(() => undefined);
      throw cause;
    }
  }

  /** Begins to call others: handshakes with the peers the operator named, health checks. */
  goOnline(): void {
    const { online, resources } = this.#parts();
    this.#online = true;
    // Who develops has nothing that could be stolen.
    if (resources.keys.ring.recovery === undefined && !this.options.allowInsecure) {
      this.options.logger.warn(
        "this server has no recovery key: whoever steals its keys cannot be told from its owner. Make one at a terminal: npx aether-federation keys recovery",
      );
    }
    for (const part of online) void part.start?.();
  }

  /**
   * Sends every player home, for `stopTimeoutSeconds` at most, and lets nobody in any more. Who is left
   * then is returned by the next start.
   */
  async drain(): Promise<void> {
    const custody = this.#running?.custody;
    if (custody === undefined || custody.draining) return;
    const { logger, stopTimeoutSeconds } = this.options;
    const players = custody.sessions.all().length;
    if (players > 0) logger.info(`closing: ${counted(players, "player")} to be sent home`);
    const left = await custody.drain(stopTimeoutSeconds * 1000);
    if (left > 0) {
      logger.warn(
        `${counted(left, "player")} could not be sent home within ${stopTimeoutSeconds} s: the next start of this server does it`,
      );
    }
    if (custody.unstored > 0) {
      logger.error(
        `what ${counted(custody.unstored, "player")} carried could not be stored, as the store did not answer: it is lost unless the store comes back before this process ends`,
      );
    }
  }

  /** Stops every timer, gives the store back. What is open is settled by the next start. */
  async stop(): Promise<void> {
    const parts = this.#running;
    if (parts === undefined) return;
    try {
      if (this.#online) await stopAll(parts.online);
      await stopAll(parts.local);
      await parts.resources.close();
    } finally {
      this.#online = false;
      this.#running = undefined;
    }
  }

  /** A verified call came in: whoever waits for this peer tries again at once. */
  heardFrom(origin: string): void {
    const { health, keeper, custody } = this.#parts();
    health.wake(origin);
    keeper.wake(origin);
    custody.wake(origin);
  }

  /** Our descriptor (PROTOCOL 2). */
  descriptor(): Promise<DescriptorDocument> {
    return this.#parts().descriptor.document();
  }

  /** Whether our players may go to a server: it is not known for anything that speaks against it. */
  mayGoTo(origin: string): boolean {
    return this.#parts().trust.mayGoTo(origin);
  }

  /** Routes that are there again after a restart. */
  get keptRoutes(): KeptRoutes {
    return this.#parts().keptRoutes;
  }

  /** How crossings that left this process ended. */
  get crossingLog(): CrossingLog {
    return this.#parts().crossingLog;
  }

  /** Calls to peers. */
  get calls(): PeerCalls {
    return this.#parts().calls;
  }

  /** Why nobody is sent to a server now; undefined: players are. */
  noWayOut(named: string): NoWayOut | undefined {
    const { registry, trust, moves } = this.#parts();
    const origin = moves.currentOrigin(named);
    const { mayGoTo } = trust;
    const isReachable = (server: string): boolean => this.isReachable(server);
    return noWayOut({ registry, named: this.options.peers, mayGoTo, isReachable }, origin);
  }

  /** Where a server is that may be known by an origin that it has left. */
  currentOrigin(origin: string): string {
    return this.#parts().moves.currentOrigin(origin);
  }

  /** Whether players can be sent to a server now, as far as health checks know. */
  isReachable(origin: string): boolean {
    return origin === this.options.origin || (this.#running?.trust.isReachable(origin) ?? false);
  }

  #parts(): Parts {
    if (this.#running === undefined) {
      throw new TypeError(
        "the federation does not run yet: call federation.attach(server) and await server.listen(), or await runtime.start() where it stands alone",
      );
    }
    return this.#running;
  }
}
