/**
 * The parts of one federated server, each made of those above it.
 *
 * Nothing is started here. Where two parts need each other, the lower one is told of the upper one by
 * a line of its own: who performs handshakes, whom this process's life concerns.
 */
import { AssetLibrary } from "../assets/asset-library.ts";
import { AssetTransfer } from "../assets/transfer/transfer.ts";
import { MANIFEST_MEDIA_TYPE } from "../assets/verify/manifest.ts";
import { Custody } from "../custody/custody.ts";
import type { SeatHost } from "../custody/destination/seat-host.ts";
import { PARTY_CAPABILITY } from "../custody/shared/party.ts";
import { WAY_HOME_CAPABILITY } from "../custody/shared/reservation.ts";
import { RECEIPTS_CAPABILITY } from "../identity/receipt.ts";
import { TRADE_CAPABILITY } from "../identity/trade.ts";
import type { Moves } from "../custody/shared/moves.ts";
import { Discovery } from "../discovery/discovery.ts";
import { ListingReader } from "../discovery/listing-reader.ts";
import type { Populations } from "../discovery/server-entry.ts";
import { ServerPages } from "../discovery/server-pages.ts";
import { checkLink } from "../doctor/link-check.ts";
import { LinkCheckWishes } from "../doctor/wishes.ts";
import { FederationError } from "../errors.ts";
import { BegunSessions } from "../handshake/begun-sessions.ts";
import { decideTrust } from "../handshake/trust-policy.ts";
import { HandshakeManager } from "../handshake/handshake-manager.ts";
import { HandshakeService } from "../handshake/handshake-service.ts";
import { SessionKeeper } from "../handshake/session-keeper.ts";
import { HealthMemory } from "../health/health-memory.ts";
import { HealthMonitor } from "../health/health-monitor.ts";
import { Nonces } from "../http/inbound/nonces.ts";
import { createAssetSource } from "../http/outbound/asset-source.ts";
import { createListingClient } from "../http/outbound/listing-client.ts";
import { createLinkDialer } from "../http/outbound/link-dialer.ts";
import { createGuardedFetch } from "../http/outbound/outbound-guard.ts";
import { PeerClient } from "../http/outbound/peer-client.ts";
import { createUpgradeProbe } from "../http/outbound/upgrade-probe.ts";
import { Links } from "../link/links.ts";
import type { Clock, PeerCalls, Random } from "../ports.ts";
import { TrustState } from "../registry/federated-server.ts";
import { KeptRoutes } from "../routing/kept-routes.ts";
import type { RoutingTable } from "../routing/routing-table.ts";
import { ServerRegistry } from "../registry/server-registry.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { CrossingLog } from "./crossing-log.ts";
import type { EventBus } from "./events.ts";
import { CHANGES_MILLISECONDS, takeOverChanges } from "./operator-changes.ts";
import { knownMoves } from "./known-moves.ts";
import { meetIntroduced, withIntroductions } from "./introductions.ts";
import { OwnDescriptor } from "./own-descriptor.ts";
import { OwnHealth } from "./own-health.ts";
import type { Part } from "./part.ts";
import { auditPeers } from "./peer-audit.ts";
import { PeerHealthChecks } from "./peer-health.ts";
import { tellOfPeers } from "./peer-notices.ts";
import { termsOfLinks } from "./peer-links.ts";
import { PeerTrust } from "./peer-trust.ts";
import { Pulse } from "./pulse.ts";
import { Repeating } from "./repeating.ts";
import type { Resources } from "./resources.ts";
import type { ResolvedOptions } from "./settings.ts";
import { SharedProbing } from "./shared-probing.ts";
import { type ProcessLink, SiblingProcesses } from "./sibling-processes.ts";
import { TrustExchange } from "./trust-exchange.ts";

const AUTOSAVE_MILLISECONDS = 5_000;
/** What is told of a peer that has come to be trusted. */
const NEWLY_TRUSTED: ReadonlySet<string> = new Set([
  ...["added", "trust-changed", "recovered", "moved"],
]);
const SWEEP_MILLISECONDS = 10 * 60_000;

/** What the parts are made of. */
export interface CompositionOptions {
  readonly options: ResolvedOptions;
  readonly resources: Resources;
  readonly seats: SeatHost;
  readonly link: ProcessLink | undefined;
  /** Players in each world now. */
  readonly populations: () => Promise<Populations>;
  readonly events: EventBus;
  readonly routes: RoutingTable;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
}

/** All parts of one server. */
export interface Parts {
  readonly resources: Resources;
  readonly moves: Moves;
  readonly descriptor: OwnDescriptor;
  readonly registry: ServerRegistry;
  readonly keptRoutes: KeptRoutes;
  readonly crossingLog: CrossingLog;
  readonly trust: PeerTrust;
  readonly handshake: HandshakeService;
  readonly nonces: Nonces;
  readonly keeper: SessionKeeper;
  readonly peers: PeerClient;
  /** Calls to peers, by which health checks learn what became of them. */
  readonly calls: PeerCalls;
  /** Undefined: this server has none. */
  readonly links: Links | undefined;
  readonly health: HealthMonitor;
  readonly ownHealth: OwnHealth;
  readonly listings: ListingReader;
  readonly discovery: Discovery;
  readonly serverPages: ServerPages;
  readonly assets: AssetLibrary;
  readonly processes: SiblingProcesses | undefined;
  readonly custody: Custody;
  /** Begin with the start, in this order. */
  readonly local: readonly Part[];
  /** Begin once others can reach this server: they call peers. */
  readonly online: readonly Part[];
}

/** Puts the parts of one server together. */
export function composeParts(from: CompositionOptions): Parts {
  const { options, resources, seats, link, events, clock, random, populations, telemetry } = from;
  const { origin, logger, allowInsecure, allowPrivateNetwork } = options;
  const { store, transient, keys, files } = resources;
  const { signingKey } = keys;

  // Who we are.
  const { former = [], moves: statements } = resources.identity;
  const descriptor = new OwnDescriptor({ options, keys, clock, logger, moves: statements });

  // Whom we know.
  const named = [...new Set([...options.peers, ...options.routes.map(({ server }) => server)])];
  const namedPeers = new Set(named);
  const { maxPeers } = options;
  const registry = new ServerRegistry({ store, clock, maxPeers, named, logger });
  const moves = knownMoves(origin, former, registry);
  const trust = new PeerTrust({ origin, registry, keys, moves });
  const { issuerKey, mayGoTo } = trust;
  const keptRoutes = new KeptRoutes({ store, table: from.routes, self: origin, random, logger });

  // How we talk to them.
  const fetch = createGuardedFetch({ allowInsecure, allowPrivateNetwork });
  const dialling = { origin, signingKey, clock, random, allowInsecure, allowPrivateNetwork };
  const links = options.links
    ? new Links({
        ...{ origin, clock, random },
        ...termsOfLinks(registry),
        dial: createLinkDialer({
          ...dialling,
          keyFor: (peer, kid) => registry.keyFor(peer, kid),
        }),
      })
    : undefined;
  const begun = new BegunSessions(clock);
  const peers = new PeerClient({
    ...{ origin, signingKey, registry, fetch, clock, random, links, begun, telemetry },
  });
  const manager = new HandshakeManager({
    ...{ origin, signingKey, clock, random, allowInsecure },
    ownDescriptor: async () => (await descriptor.document()).jws,
    handshakeTimeoutSeconds: options.handshakeTimeoutSeconds,
  });
  // Whom others introduce.
  const isBlocked = (peer: string, kid?: string): boolean => registry.isBlocked(peer, kid);
  const listings = new ListingReader({
    ...{ clock, allowInsecure, isBlocked },
    transport: createListingClient(fetch, {
      fetchDescriptor: (at, ends) => peers.fetchDescriptor(at, ends),
    }),
  });
  const { trust: trustIntroduced, ...following } = options.discovery;
  const discovery: Discovery = new Discovery({
    ...{ ...following, origin, reader: listings, isBlocked, clock, random, logger },
    trusted: () => trust.trusted(),
    ...(trustIntroduced === undefined
      ? {}
      : {
          onIntroduced: (servers) =>
            meetIntroduced(servers, {
              ...{ logger, isKnown: (peer) => registry.has(peer) },
              wouldTrust: async (peer) => {
                const said = await listings.descriptor(peer);
                return (
                  said.verified &&
                  (await decideTrust(policyHere, said.descriptor, named)) === "trusted"
                );
              },
              connect: (peer) => handshake.connect(peer),
            }),
        }),
  });
  discovery.onChange(() => {
    events.emit("discovery", { servers: discovery.list() });
  });
  const policyHere =
    trustIntroduced === undefined
      ? options.trust
      : withIntroductions(options.trust, {
          ...{ trust: trustIntroduced, named },
          introducersOf: (peer) => discovery.introducersOf(peer),
        });
  const handshake = new HandshakeService({
    ...{ origin, manager, registry, named, store, clock, logger, allowInsecure },
    ...{ policy: policyHere, transport: peers, shared: link !== undefined, begun },
    moveGraceSeconds: options.moveGraceSeconds,
    telemetry,
  });
  const sessions = transient === undefined ? undefined : begun;
  const nonces = new Nonces({ store, clock, sessions });
  peers.reconnectBy((peer, over) => handshake.connect(peer, over));
  peers.relocateBy((peer) => handshake.relocate(peer));
  const keeper = new SessionKeeper({
    ...{ clock, random, logger },
    wanted: () => trust.wanted(named),
    isWanted: (peer) => trust.isWanted(peer, namedPeers),
    expiresAt: (peer) => registry.liveSession(peer)?.expiresAt,
    hasNews: (peer) => trust.lacksOurKeys(peer),
    connect: (peer) => handshake.connect(peer),
  });
  const health = new HealthMonitor({
    ...{ clock, random },
    probe: async (peer) => {
      const said = await peers.health(peer);
      const refusal = registry.get(peer)?.refusal?.code;
      return refusal === undefined
        ? said
        : { cause: { code: "session-refused", refusal }, ...said };
    },
    intervalSeconds: options.healthCheckIntervalSeconds,
  });
  const calls: PeerCalls = {
    call: async (peer, path, body, given) => {
      try {
        const answer = await peers.call(peer, path, body, given);
        // Verified, whatever it says: who answers is up.
        health.wake(peer);
        return answer;
      } catch (cause) {
        // Late is who is busy; where no connection stands, nobody is there.
        if (cause instanceof FederationError && cause.code === "ERR_FED_UNREACHABLE") {
          health.suspect(peer);
        }
        throw cause;
      }
    },
  };

  // What players wear.
  const download = createAssetSource({ allowInsecure, allowPrivateNetwork });
  const mediaTypes = new Set([...options.assets.policy.mediaTypes, MANIFEST_MEDIA_TYPE]);
  const policy = { ...options.assets.policy, mediaTypes };
  const transfer = new AssetTransfer({
    ...{ store: files, policy, open: download, endpointOf: trust.endpointOf },
    ...{ clock, random, logger, telemetry },
    onMismatch: (event) => {
      events.emit("asset", { type: "mismatch", ...event });
    },
  });
  const assets = new AssetLibrary({
    ...{ origin, allowInsecure, policy, store: files, transfer, peers },
    ...{ timeoutSeconds: options.assets.timeoutSeconds, clock, signingKey, issuerKey },
  });

  // Where players are.
  const processes =
    link === undefined ? undefined : new SiblingProcesses({ link, store, clock, random, logger });
  const crossingLog = new CrossingLog({ store, clock, random, logger });
  const custody = new Custody({
    ...{ origin, store, transient, clock, random, logger, peers: calls, seats, signingKey },
    ...{ issuerKey, mayGoTo, takesPlayersOf: trust.takesPlayersOf },
    knowsTrades: (peer) => registry.get(peer)?.protocols.includes(TRADE_CAPABILITY) === true,
    knowsReceipts: (peer) => registry.get(peer)?.protocols.includes(RECEIPTS_CAPABILITY) === true,
    knowsParties: (peer) => registry.get(peer)?.protocols.includes(PARTY_CAPABILITY) === true,
    givesSeats: (peer) => registry.get(peer)?.protocols.includes(WAY_HOME_CAPABILITY) === true,
    hasAsset: async (hash) => (await files.stat(hash)) !== undefined,
    ...{ leaseSeconds: options.leaseSeconds, onAway: options.onAway, siblings: processes, moves },
    ...{ accept: options.accept, admit: options.admit, gifts: options.gifts, telemetry },
    perMinute: {
      crossingsOfPlayer: options.maxCrossingsPerMinutePerPlayer,
      seatsOfPeer: options.maxSeatsPerMinutePerPeer,
      roomsOfPeer: options.maxRoomsPerMinutePerPeer,
    },
    atOnce: {
      seatsOfPeer: options.maxSeatsWaitingPerPeer,
      visitorsOfPeer: options.maxVisitorsPerPeer,
    },
    peerKey: (named, kid) => {
      const peer = moves.currentOrigin(named);
      return peer === origin ? keys.dated(kid) : registry.datedKey(peer, kid);
    },
    onEvent: (event) => {
      if (event.type === "progress") events.emit("progress", event.progress);
      else if (event.type === "late") events.emit("late", event.late);
      else if (event.type === "trade") events.emit("trade", event.trade);
      else if (event.type === "arrival") events.emit("arrival", event.arrival);
      else if (event.type === "import") {
        events.emit("import", { player: event.player, notice: event.notice });
      } else if (event.type === "outcome") {
        crossingLog.add(event.player, event.outcome);
        events.emit("crossing", { player: event.player, outcome: event.outcome });
      }
    },
  });
  processes?.serve(custody);

  const ownHealth = new OwnHealth({
    ...{ store, clock },
    isDraining: () => custody.draining,
  });

  const serverPages = new ServerPages({
    ...{ origin, name: options.name, listing: options.listing, populations, clock },
    peers: () => registry.list({ trust: TrustState.Trusted }),
    claimed: (peer) => discovery.claimed(peer),
  });

  // What goes on beside.
  const shared =
    processes === undefined
      ? undefined
      : new SharedProbing({ health, store, clock, logger, processes });
  const leads = (): boolean => shared?.leads ?? true;
  const trustExchange = new TrustExchange({ registry, peers: calls, clock, logger, leads });
  if (shared !== undefined) {
    processes?.probeBy(shared);
    shared.onLead(() => {
      trustExchange.lookAtAll();
    });
  }
  auditPeers({ registry, log: resources.audit, clock, logger });
  tellOfPeers({ origin, registry, keys, clock, logger });
  const healthChecks = new PeerHealthChecks({
    ...{ health, registry, events, shared },
    memory: new HealthMemory({ health, store, clock, logger, writes: leads }),
  });
  registry.on((event) => {
    if (event.type !== "status-changed") keeper.look(event.origin);
    if (NEWLY_TRUSTED.has(event.type) && event.server?.trust === TrustState.Trusted)
      discovery.look();
    events.emit("peer", event);
    if (event.server?.trust === TrustState.Blocked) custody.endDealings(event.origin);
    links?.review(event.origin);
  });
  const autosave = new Repeating({
    work: () => custody.saveAll(),
    everyMilliseconds: AUTOSAVE_MILLISECONDS,
    onFailure: (cause) => {
      logger.error("what players carry could not be stored", cause);
    },
    clock,
  });
  const sweep = new Repeating({
    work: () => custody.sweep(),
    everyMilliseconds: SWEEP_MILLISECONDS,
    onFailure: (cause) => {
      logger.error("guests who never came back could not be forgotten", cause);
    },
    clock,
  });
  const probeUpgrade = createUpgradeProbe({ allowInsecure, allowPrivateNetwork });
  const own = {
    ...{ origin, signingKey, registry, isNamed: (peer: string) => namedPeers.has(peer) },
    connect: (peer: string) => handshake.connect(peer),
  };
  const linkChecks = new LinkCheckWishes({
    ...{ store, logger },
    check: (peer) => checkLink(peer, { fetch, probeUpgrade, clock, random, allowInsecure, own }),
  });
  const changes = new Repeating({
    work: async () => {
      await takeOverChanges({
        ...{ store, registry, handshake, keeper, keys, descriptor, custody, linkChecks, logger },
      });
      await keptRoutes.refresh();
    },
    everyMilliseconds: CHANGES_MILLISECONDS,
    onFailure: (cause) => {
      logger.error("changes of the operator could not be read", cause);
    },
    clock,
  });

  return {
    ...{ resources, descriptor, registry, trust, handshake, nonces, keeper, peers, links },
    ...{ health, ownHealth, listings, discovery, serverPages, calls, keptRoutes, crossingLog },
    ...{ assets, processes, custody, moves },
    local: [
      { stop: () => fetch.close() },
      { stop: () => download.close() },
      { stop: () => transfer.close() },
      { start: () => registry.load() },
      { start: () => keptRoutes.load() },
      ...(processes === undefined ? [] : [processes]),
      custody,
      ownHealth,
      // Ends before all others: what is under way is answered.
      { stop: () => links?.close() },
    ],
    online: [
      new Pulse({
        ...{ store, clock, name: options.name, routes: options.routes },
        named: named.filter((peer) => moves.currentOrigin(peer) !== origin),
        attempt: (peer) => keeper.attempt(peer),
      }),
      ...[crossingLog, healthChecks, keeper, trustExchange, autosave, sweep, changes],
      ...(options.discovery.depth > 0 ? [discovery] : []),
    ],
  };
}
