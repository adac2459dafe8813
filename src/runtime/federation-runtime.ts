/**
 * The federation without Colyseus and without HTTP routes: owns the parts, starts and stops them,
 * and tells what happens.
 */
import { join } from "node:path";
import type { AssetLibrary } from "../assets/asset-library.ts";
import type { AssetMismatch } from "../assets/transfer/flight.ts";
import { type CrossingOutcome, type CrossingProgress } from "../custody/source/crossing.ts";
import type { Arrival, SeatHost } from "../custody/destination/arrival.ts";
import { Custody } from "../custody/custody.ts";
import { ProcessRegister, type SiblingRequest, type Siblings } from "../custody/shared/siblings.ts";
import { HandshakeManager } from "../handshake/handshake-manager.ts";
import { HandshakeService } from "../handshake/handshake-service.ts";
import { SessionKeeper } from "../handshake/session-keeper.ts";
import { HealthStatus, type PeerHealth } from "../health/peer-record.ts";
import { HealthMonitor } from "../health/health-monitor.ts";
import { createGuardedFetch } from "../http/outbound/outbound-guard.ts";
import { PeerClient } from "../http/outbound/peer-client.ts";
import { type DescriptorDocument, signDescriptor } from "../identity/descriptor.ts";
import { type VerifyKey, importVerifyKey } from "../identity/ed25519.ts";
import type { JsonValue } from "../json.ts";
import type { KeyRing, SigningKey } from "../identity/server-keys.ts";
import type { ResolvedOptions } from "../federation/options.ts";
import { openAssets } from "./assets.ts";
import { type Clock, type Random, type Store, systemClock, systemRandom } from "../ports.ts";
import { ServerStatus, TrustState, ALL_ROLES } from "../registry/federated-server.ts";
import { type RegistryEvent, ServerRegistry } from "../registry/server-registry.ts";
import { RoutingTable } from "../routing/routing-table.ts";
import { KeyvStore } from "../storage/keyv-store.ts";
import { AuditLog } from "../storage/audit-log.ts";
import { keyFileVersion, loadKeyRing, loadOrCreateKeyRing } from "../storage/key-file.ts";
import { lockFolder } from "../storage/folder-lock.ts";
import { RedisEngine } from "../storage/redis-engine.ts";
import { SqliteEngine } from "../storage/sqlite-engine.ts";

/** What a federation tells those who listen. */
export interface FederationEvents {
  /** A peer was added, changed trust, keys or status, or was removed. */
  peer: RegistryEvent;
  /** A peer's health changed. */
  health: { readonly origin: string; readonly health: PeerHealth };
  /** A crossing that leaves this server got further. */
  progress: CrossingProgress;
  /** A crossing that left this server ended. */
  crossing: { readonly player: string; readonly outcome: CrossingOutcome };
  /** A player arrived here. */
  arrival: Arrival;
  /** A server sent other bytes than an asset's hash names; nobody has seen them. */
  asset: AssetMismatch & { readonly type: "mismatch" };
}

const DESCRIPTOR_LIFE_SECONDS = 24 * 3600;
const DESCRIPTOR_REFRESH_SECONDS = 3600;
const AUTOSAVE_MILLISECONDS = 5_000;
/** How soon what the operator's command line did takes effect here. */
const WATCH_MILLISECONDS = 1_000;
/** Files in the data folder. */
export const DATA_FILES = {
  keys: "keys.json",
  store: "federation.sqlite",
  audit: "audit.jsonl",
  lock: "running.lock",
} as const;
/** Entries of the store by which the command line asks for a handshake. */
export const RETRY_PREFIX = "retry/";

/** What the host offers where several processes are one server. */
export interface ProcessLink {
  /** The store they share, when no other was named. */
  readonly engine: () => unknown;
  listen(life: string, handle: (request: SiblingRequest) => Promise<JsonValue>): Promise<void>;
  ask(from: string, life: string, request: SiblingRequest): Promise<JsonValue | undefined>;
}

/** The parts that exist only while the federation runs. */
interface Running {
  readonly store: Store;
  keys: KeyRing;
  keysVersion: string;
  readonly registry: ServerRegistry;
  readonly handshake: HandshakeService;
  readonly keeper: SessionKeeper;
  readonly peers: PeerClient;
  readonly health: HealthMonitor;
  readonly custody: Custody;
  readonly assets: AssetLibrary;
  readonly register: ProcessRegister | undefined;
  readonly close: () => Promise<void>;
}

/** Owns the parts of one federated server and runs its cross-instance transactions. */
export class FederationRuntime {
  readonly options: ResolvedOptions;
  readonly clock: Clock = systemClock;
  readonly random: Random = systemRandom;
  /** Where portals lead. */
  readonly routes: RoutingTable;
  readonly #listeners = new Map<keyof FederationEvents, Set<(event: never) => void>>();
  #running: Running | undefined;
  #descriptor: { document: DescriptorDocument; at: number } | undefined;
  #autosave: ReturnType<Clock["setTimeout"]> | undefined;
  #watch: ReturnType<Clock["setTimeout"]> | undefined;

  constructor(options: ResolvedOptions) {
    this.options = options;
    this.routes = new RoutingTable({
      self: options.origin,
      isHealthy: (origin) => this.isReachable(origin),
      peerFor: (authority) => this.#peerFor(authority),
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

  get handshake(): HandshakeService {
    return this.#parts().handshake;
  }

  get store(): Store {
    return this.#parts().store;
  }

  /** This process's life, where several processes are this server. */
  get life(): string | undefined {
    return this.#parts().register?.life;
  }

  /** Takes over what another process has written about peers, where there are others. */
  async refreshPeers(): Promise<void> {
    const { registry, register } = this.#parts();
    if (register !== undefined) await registry.refresh();
  }

  /** The key this server signs with now. */
  readonly signingKey = (): SigningKey => this.#parts().keys.current;

  /** The key of an issuer whose passes are taken here: a trusted peer, or this server itself. */
  issuerKey(issuer: string, kid: string): VerifyKey | undefined {
    const { keys, registry } = this.#parts();
    if (issuer === this.options.origin) {
      return kid === keys.current.kid ? importVerifyKey(keys.current.jwk) : undefined;
    }
    const server = registry.get(issuer);
    return server?.trust === TrustState.Trusted && (server.roles ?? ALL_ROLES).inbound
      ? registry.keyFor(issuer, kid)
      : undefined;
  }

  /** Listens to one kind of event. Returns how to stop. */
  on<Name extends keyof FederationEvents>(
    name: Name,
    listener: (event: FederationEvents[Name]) => void,
  ): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Opens the store and the key, loads what is known, and settles what a former run left open.
   * Calls no peer yet: that is {@link goOnline}.
   *
   * @param link What the host offers where several processes are this server; none: it is the only
   * process.
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE`, `ERR_FED_STORE_WITHOUT_CAS`,
   * `ERR_FED_STORE_IN_USE`, `ERR_FED_KEY_FILE`.
   */
  async start(seats: SeatHost, link?: ProcessLink): Promise<void> {
    if (this.#running !== undefined) return;
    const { options, clock, random } = this;
    const { origin, logger, allowInsecure, allowPrivateNetwork } = options;
    const { store, unlock } = await this.#openStore(link);
    const keyPath = join(options.dataDirectory, DATA_FILES.keys);
    const keys = await loadOrCreateKeyRing(keyPath, random);
    const keysVersion = await keyFileVersion(keyPath);
    const signingKey = (): SigningKey => (this.#running?.keys ?? keys).current;
    const audit = new AuditLog(join(options.dataDirectory, DATA_FILES.audit));
    const registry = new ServerRegistry({ store, clock, maxPeers: options.maxPeers });
    await registry.load();
    const fetch = createGuardedFetch({ allowInsecure, allowPrivateNetwork });
    const peers = new PeerClient({
      origin,
      signingKey,
      registry,
      fetch,
      clock,
      random,
      reconnect: async (peer) => {
        await handshake.connect(peer);
      },
    });
    const assets = await openAssets({
      ...{ options, registry, peers, clock, random, signingKey },
      issuerKey: (issuer, kid) => this.issuerKey(issuer, kid),
      onMismatch: (event) => {
        this.#emit("asset", { type: "mismatch", ...event });
      },
    });
    const manager = new HandshakeManager({
      origin,
      signingKey,
      ownDescriptor: async () => (await this.descriptor()).jws,
      clock,
      random,
      handshakeTimeoutSeconds: options.handshakeTimeoutSeconds,
      allowInsecure,
    });
    const named = [...new Set([...options.peers, ...options.routes.map(({ server }) => server)])];
    const handshake: HandshakeService = new HandshakeService({
      origin,
      manager,
      registry,
      policy: options.trust,
      named,
      transport: peers,
      store,
      clock,
      random,
      logger,
      allowInsecure,
      shared: link !== undefined,
    });
    const health = new HealthMonitor({
      probe: async (peer) => peers.health(peer),
      clock,
      random,
      intervalSeconds: options.healthCheckIntervalSeconds,
    });
    const register =
      link === undefined
        ? undefined
        : new ProcessRegister({
            store,
            clock,
            random,
            logger,
            onLapse: () => {
              custody.freezeAll();
            },
            onReborn: () => {
              custody.endAll();
              void listen()?.catch((cause: unknown) => {
                logger.error("this process cannot be asked by its siblings", cause);
              });
              settle();
            },
            onDeaths: () => {
              settle();
            },
          });
    const settle = (): void => {
      custody.settleEnded().catch((cause: unknown) => {
        logger.error("what ended processes held could not be settled yet", cause);
      });
    };
    const listen = (): Promise<void> | undefined =>
      register === undefined
        ? undefined
        : link?.listen(register.life, (request) => custody.answerSibling(request));
    const siblings: Siblings | undefined =
      register === undefined || link === undefined
        ? undefined
        : {
            get life() {
              return register.life;
            },
            isAlive: (life) => register.isAlive(life),
            ask: (life, request) => link.ask(register.life, life, request),
          };
    const custody: Custody = new Custody({
      origin,
      store,
      clock,
      random,
      logger,
      peers,
      seats,
      signingKey,
      issuerKey: (issuer, kid) => this.issuerKey(issuer, kid),
      mayGoTo: (destination) => this.mayGoTo(destination),
      leaseSeconds: options.leaseSeconds,
      onAway: options.onAway,
      ...(siblings === undefined ? {} : { siblings }),
      ...(options.accept === undefined ? {} : { accept: options.accept }),
      ...(options.admit === undefined ? {} : { admit: options.admit }),
      onEvent: (event) => {
        if (event.type === "progress") this.#emit("progress", event.progress);
        else if (event.type === "arrival") this.#emit("arrival", event.arrival);
        else if (event.type === "outcome") {
          this.#emit("crossing", { player: event.player, outcome: event.outcome });
        }
      },
    });
    const keeper = new SessionKeeper({
      wanted: () => this.#wanted(named),
      expiresAt: (peer) => registry.liveSession(peer)?.expiresAt,
      connect: (peer) => handshake.connect(peer),
      clock,
      random,
      logger,
    });
    registry.on((event) => {
      this.#audit(audit, event);
      this.#watchPeers();
      this.#emit("peer", event);
    });
    health.on(({ origin: peer, health: state }) => {
      registry.setStatus(peer, statusOf(state.status));
      this.#emit("health", { origin: peer, health: state });
    });
    this.#running = {
      store,
      keys,
      keysVersion,
      registry,
      handshake,
      keeper,
      peers,
      health,
      custody,
      assets: assets.library,
      register,
      close: async () => {
        await assets.close();
        await fetch.close();
        await register?.stop();
        await store.close();
        unlock();
      },
    };
    await register?.start();
    await listen();
    await custody.start();
  }

  async #openStore(
    link: ProcessLink | undefined,
  ): Promise<{ readonly store: KeyvStore; readonly unlock: () => void }> {
    const { options, clock } = this;
    const keptOpen = (): void => undefined;
    if (options.store !== undefined) {
      return { store: new KeyvStore(options.store), unlock: keptOpen };
    }
    if (link !== undefined) {
      const engine = link.engine();
      const warning = engine instanceof RedisEngine ? await engine.durability() : undefined;
      if (warning !== undefined) options.logger.warn(warning);
      return { store: new KeyvStore(engine), unlock: keptOpen };
    }
    const unlock = lockFolder(join(options.dataDirectory, DATA_FILES.lock));
    const path = join(options.dataDirectory, DATA_FILES.store);
    return { store: new KeyvStore(new SqliteEngine({ path, clock })), unlock };
  }

  /** Begins to call others: handshakes with the peers the operator named, health checks. */
  goOnline(): void {
    const { health, keeper } = this.#parts();
    this.#watchPeers();
    health.start();
    keeper.start();
    this.#scheduleAutosave();
    this.#scheduleWatch();
  }

  /** Stops every timer, gives the store back. What is open is settled by the next start. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    if (this.#autosave !== undefined) this.clock.clearTimeout(this.#autosave);
    if (this.#watch !== undefined) this.clock.clearTimeout(this.#watch);
    running.keeper.stop();
    await running.health.stop();
    running.custody.stop();
    await running.close();
    this.#running = undefined;
  }

  /** A verified call came in: whoever waits for this peer tries again at once. */
  heardFrom(origin: string): void {
    const { health, keeper, custody } = this.#parts();
    health.wake(origin);
    keeper.wake(origin);
    custody.settlement.wake();
  }

  /** Our descriptor, signed anew every hour (PROTOCOL 2). */
  async descriptor(): Promise<DescriptorDocument> {
    const now = this.clock.now();
    if (
      this.#descriptor === undefined ||
      now - this.#descriptor.at > DESCRIPTOR_REFRESH_SECONDS * 1000
    ) {
      const { origin, name, endpoint, worlds } = this.options;
      const document = await signDescriptor(
        {
          origin,
          name,
          endpoint,
          protocols: ["aether/1"],
          worlds: Object.keys(worlds),
          validUntil: Math.floor(now / 1000) + DESCRIPTOR_LIFE_SECONDS,
        },
        this.#parts().keys,
      );
      this.#descriptor = { document, at: now };
    }
    return this.#descriptor.document;
  }

  /** Whether our players may go to a server: it is not known for anything that speaks against it. */
  mayGoTo(origin: string): boolean {
    const { registry } = this.#parts();
    if (registry.isBlocked(origin)) return false;
    const server = registry.get(origin);
    if (server === undefined || origin === this.options.origin) return true;
    const suspended =
      server.trust === TrustState.Blocked || server.trust === TrustState.Quarantined;
    return !suspended && (server.roles ?? ALL_ROLES).outbound;
  }

  /** Whether players can be sent to a server now, as far as health checks know. */
  isReachable(origin: string): boolean {
    if (origin === this.options.origin) return true;
    const server = this.#running?.registry.get(origin);
    return (
      server !== undefined &&
      server.trust === TrustState.Trusted &&
      server.status !== ServerStatus.Offline &&
      server.status !== ServerStatus.Suspended
    );
  }

  #parts(): Running {
    if (this.#running === undefined) {
      throw new TypeError(
        "the federation does not run yet: call federation.attach(server) and await server.listen()",
      );
    }
    return this.#running;
  }

  #peerFor(authority: string): string | undefined {
    return this.#running?.registry
      .list()
      .find((server) => new URL(server.origin).host === authority)?.origin;
  }

  /** Sessions are wanted with whoever the operator named and with every peer that is trusted. */
  *#wanted(named: readonly string[]): Generator<string> {
    yield* named.filter((origin) => origin !== this.options.origin);
    for (const server of this.#parts().registry.list({ trust: TrustState.Trusted })) {
      yield server.origin;
    }
  }

  #watchPeers(): void {
    const running = this.#running;
    if (running === undefined) return;
    const known = new Set(running.registry.list().map(({ origin }) => origin));
    for (const { origin } of running.health.list()) {
      if (!known.has(origin)) running.health.unwatch(origin);
    }
    for (const origin of known) {
      if (running.health.status(origin) === undefined) running.health.watch(origin);
    }
  }

  /** Takes over what the operator's command line, or another process, has changed. */
  #scheduleWatch(): void {
    this.#watch = this.clock.setTimeout(() => {
      void this.#refresh()
        .catch((cause: unknown) => {
          this.options.logger.error("changes of the operator could not be read", cause);
        })
        .finally(() => {
          if (this.#running !== undefined) this.#scheduleWatch();
        });
    }, WATCH_MILLISECONDS);
  }

  async #refresh(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await running.registry.refresh();
    for await (const [key] of running.store.entries(RETRY_PREFIX)) {
      await running.store.delete(key);
      const origin = key.slice(RETRY_PREFIX.length);
      await running.handshake.connect(origin).catch((cause: unknown) => {
        const why = cause instanceof Error ? cause.message : "unknown";
        this.options.logger.warn(`the handshake with ${origin} failed: ${why}`);
      });
    }
    const path = join(this.options.dataDirectory, DATA_FILES.keys);
    const version = await keyFileVersion(path);
    if (version === running.keysVersion) return;
    const keys = await loadKeyRing(path);
    if (keys === undefined) return;
    running.keys = keys;
    running.keysVersion = version;
    this.#descriptor = undefined;
    // Peers learn of a key from a handshake: they must know the next one before it is used.
    for (const { origin } of running.registry.list({ trust: TrustState.Trusted })) {
      void running.handshake.connect(origin).catch(() => undefined);
    }
  }

  #audit(log: AuditLog, event: RegistryEvent): void {
    if (event.fromStore === true) return;
    const silent = ["status-changed", "session", "descriptor-changed"];
    if (silent.includes(event.type)) return;
    const { server } = event;
    log
      .append({
        at: new Date(this.clock.now()).toISOString(),
        by: "server",
        what: event.type,
        subject: event.origin,
        ...(server === undefined
          ? {}
          : {
              trust: server.trust,
              keys: server.keys
                .filter(({ retiredAt }) => retiredAt === undefined)
                .map(({ jwk }) => jwk.kid),
            }),
      })
      .catch((cause: unknown) => {
        this.options.logger.error("a trust decision could not be written to the audit log", cause);
      });
  }

  #scheduleAutosave(): void {
    this.#autosave = this.clock.setTimeout(() => {
      void this.#running?.custody
        .saveAll()
        .catch((cause: unknown) => {
          this.options.logger.error("what players carry could not be stored", cause);
        })
        .finally(() => {
          if (this.#running !== undefined) this.#scheduleAutosave();
        });
    }, AUTOSAVE_MILLISECONDS);
  }

  #emit<Name extends keyof FederationEvents>(name: Name, event: FederationEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as (event: FederationEvents[Name]) => void)(event);
      } catch (cause) {
        this.options.logger.error(`a listener to "${name}" failed`, cause);
      }
    }
  }
}

function statusOf(status: HealthStatus | undefined): ServerStatus {
  if (status === HealthStatus.Healthy) return ServerStatus.Online;
  return status === HealthStatus.Degraded ? ServerStatus.Degraded : ServerStatus.Offline;
}
