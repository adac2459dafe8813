/** The server side of aether-federation. The client side is `aether-federation/client`. */
import "./colyseus/version.ts";
export { type Federation, createFederation } from "./federation/federation.ts";
export type {
  FederationAssetsOptions,
  FederationDiscoveryOptions,
  FederationOptions,
} from "./federation/federation-options.ts";
export type { GameOptions, GameWorldOptions } from "./federation/game-options.ts";
export type { Game, GameSaid, GameWorld } from "./identity/game-pages.ts";
export type { ListedOptions, WorldOptions } from "./federation/listing-options.ts";
export { type ServerDescriptor, verifyDescriptor } from "./identity/descriptor.ts";
export type { ListedPicture, PictureReference } from "./identity/listed-as.ts";
export {
  type CarriedItem,
  type WellKnown,
  type WellKnownChanges,
  readCarried,
  writeCarried,
} from "./carried/well-known.ts";
export type { DiscoveredServer } from "./discovery/discovery.ts";
export type { Discovered, IntroducedServer } from "./discovery/listing-reader.ts";
export { type ServerList, verifyServerList } from "./discovery/server-list.ts";
export type { ListedStatus, ServerEntry, WorldEntry } from "./discovery/server-entry.ts";
export type { IntroducedCandidate, TrustIntroduced } from "./runtime/introductions.ts";
export type { HostLogger } from "./federation/logging.ts";
export type { Middleware } from "./http/inbound/middleware.ts";
export {
  type AccountId,
  type Identify,
  type IdentifiedPlayer,
  identifyByAuthId,
} from "./identity/local-id.ts";
export type { FederatedPlayer } from "./colyseus/federated-player.ts";
export type { JsonValue } from "./json.ts";
export type { FederationEvents } from "./runtime/events.ts";
export { FederationRuntime } from "./runtime/federation-runtime.ts";
export {
  type ProvenKey,
  type VerifiedPass,
  verifyPass,
  verifyProof,
} from "./federation/host-routes.ts";
export type { RuntimeOptions } from "./runtime/settings.ts";
export type { FederationPeers } from "./federation/peers.ts";
export type { PeerSummary } from "./operator/peers.ts";
export type { FederationAssets } from "./federation/assets.ts";
export { ERROR_CODES, FederationError, type FederationErrorCode, type Refusal } from "./errors.ts";
export type {
  Clock,
  Fetch,
  LogFields,
  Logger,
  Random,
  Store,
  Table,
  TableRow,
  TableSpec,
  TableValues,
} from "./ports.ts";
export type { Destination } from "./colyseus/destinations.ts";
export type { EntryForecast } from "./colyseus/entry-forecast.ts";
export type {
  Carried,
  FederationPortals,
  Party,
  PartyOptions,
  PortalsOptions,
} from "./colyseus/portals.ts";
export {
  type LeftOut,
  type RestoreOptions,
  type SchemaField,
  carrySchema,
  restoreSchema,
} from "./colyseus/schema-state.ts";

export {
  HandshakeManager,
  type HandshakeManagerOptions,
  type HandshakeSender,
  HandshakeState,
  type ProvenSession,
} from "./handshake/handshake-manager.ts";
export {
  type CredentialsOptions,
  type HandshakeCredentials,
  createCredentials,
} from "./handshake/credentials.ts";
export type {
  HandshakeChallenge,
  HandshakeCompletion,
  HandshakeResponse,
  HandshakeSession,
} from "./handshake/messages.ts";
export type { TrustCandidate, TrustDecision, TrustPolicy } from "./handshake/trust-policy.ts";
export { type FederatedServer, ServerStatus, TrustState } from "./registry/federated-server.ts";
export type { BlockOutcome } from "./registry/blocking.ts";
export type { ServerListing } from "./registry/listing.ts";
export { ServerRegistry, type ServerRegistryOptions } from "./registry/server-registry.ts";
export {
  type PortalRoute,
  type ExplainedWay,
  type ResolvedDestination,
  type RouteExplanation,
  RoutingTable,
  type RoutingTableOptions,
  type WayState,
} from "./routing/routing-table.ts";
export { type PortalUri, parsePortalUri } from "./routing/portal-uri.ts";
export {
  HealthMonitor,
  type HealthMonitorOptions,
  type HealthProbe,
  probeByFetch,
} from "./health/health-monitor.ts";
export { type HealthCause, type HealthCauseCode, causeText } from "./health/health-cause.ts";
export {
  type HealthRecord,
  type HealthSample,
  HealthStatus,
  type HealthTransition,
  type RememberedHealth,
} from "./health/peer-record.ts";
export type { ObservedShare, Uptime, UptimeSlice, UptimeWindow } from "./health/uptime-history.ts";
export type { IfSomeCannot, PartyRefusal } from "./custody/shared/party.ts";
export type { CrossingOutcome, CrossingProgress } from "./custody/source/crossings.ts";
export type { PartyOutcome } from "./custody/source/parties.ts";
export type { TriedDestination } from "./custody/source/failover.ts";
export type {
  AdmissionDecision,
  AdmissionPolicy,
  AdmissionRequest,
  FederationAuthRequest,
  FederationAuthResult,
} from "./custody/destination/admission.ts";
export type { VisitorLimit } from "./custody/destination/crowd.ts";
export type { Arrival } from "./custody/destination/arrivals.ts";
export type { ImportNotice } from "./custody/home/import-notices.ts";
export {
  type ImportPolicy,
  type ImportPreview,
  acceptEverything,
} from "./custody/home/import-policy.ts";
export {
  type ImportReasons,
  type ImportRule,
  type ImportRules,
  type ImportRuleSet,
  policy,
} from "./custody/home/import-rules.ts";
export type { GiftPolicy, GiftRequest, TradeRecord } from "./custody/home/trades.ts";
export type { GiftFailure, GiftOutcome, GiftWords } from "./custody/holder/giving.ts";
export type { GiftOptions } from "./colyseus/gift-options.ts";
export type { CrossingRecord } from "./custody/shared/history.ts";
export type { LateReturn } from "./custody/home/late-returns.ts";
export {
  type Countersigned,
  type ReceiptClaims,
  type ReceiptKeys,
  digestOfState,
  verifyReceipt,
} from "./identity/receipt.ts";
export type { DatedKey } from "./identity/dated-key.ts";
export { KeyvStore } from "./storage/keyv-store.ts";
export { type MemoryDisk, MemoryStore } from "./storage/memory-store.ts";
export {
  type PostgresClient,
  type PostgresConnection,
  PostgresEngine,
  type PostgresEngineOptions,
  type PostgresResult,
} from "./storage/postgres-engine.ts";
export { type RedisClient, RedisEngine, type RedisEngineOptions } from "./storage/redis-engine.ts";
export { SqliteEngine, type SqliteEngineOptions } from "./storage/sqlite-engine.ts";
export type { CompareAndSetEngine } from "./storage/engine.ts";
export {
  type AssetIntegrityPolicy,
  type AssetMismatchPolicy,
  type CompleteAssetReference,
  type FederationAssetReference,
  HashMismatchAction,
} from "./assets/verify/reference.ts";
export {
  AssetVerification,
  type AssetVerifier,
  type ExpectedAsset,
  type VerificationResult,
  VerifiedBytes,
} from "./assets/verify/verification.ts";
export { ContentStore, type ContentStoreOptions } from "./assets/store/content-store.ts";
export type { StoredAsset } from "./assets/store/stored-asset.ts";
export type { PreparationStatus } from "./assets/transfer/preparations.ts";
