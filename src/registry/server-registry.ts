/**
 * The servers this one knows: who they are, by which keys, and whether they are trusted.
 *
 * Durable: every change of trust, keys or session is in the store before the method resolves.
 * Health is not: it is learnt anew after a restart. Bounded by `maxPeers`; under a flood of
 * strangers the oldest pending ones give way, trusted, quarantined and blocked ones never do.
 */
import { FederationError, type Refusal, refuse } from "../errors.ts";
import type { DatedKey } from "../identity/dated-key.ts";
import type { ServerDescriptor } from "../identity/descriptor.ts";
import { type PublicJwk, type VerifyKey, importVerifyKey } from "../identity/ed25519.ts";
import type { Clock, Logger, Store } from "../ports.ts";
import { BlockList } from "./block-list.ts";
import {
  type FederatedServer,
  type PeerSession,
  ServerStatus,
  type TrustRoles,
  TrustState,
} from "./federated-server.ts";
import { ConflictError, PeerRows } from "./peer-rows.ts";
import {
  hasActiveKey,
  pinAll,
  repin,
  repinApproved,
  verifyingKey,
  vouches,
} from "./pinned-keys.ts";

/** What changed about a peer. */
export interface RegistryEvent {
  readonly type:
    | "added"
    | "removed"
    | "trust-changed"
    | "status-changed"
    | "session"
    | "keys-changed"
    | "descriptor-changed"
    | "quarantined"
    | "blocked"
    | "unblocked";
  readonly origin: string;
  readonly server: FederatedServer | undefined;
  /** Another process made the change; this one has read it from the store. */
  readonly fromStore?: boolean;
}

const CONFLICT_TRIES = 8;
/** The registry of one server. */
export class ServerRegistry {
  readonly #clock: Clock;
  readonly #maxPeers: number;
  readonly #servers = new Map<string, FederatedServer>();
  readonly #rows: PeerRows;
  readonly #blocks: BlockList;
  readonly #listeners = new Set<(event: RegistryEvent) => void>();
  /** Changes of one process are applied one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: {
    store: Store;
    clock: Clock;
    maxPeers: number;
    /** Hears of damaged rows. Default: nobody does. */
    logger?: Pick<Logger, "error">;
  }) {
    if (!(options.maxPeers >= 1)) throw new TypeError("maxPeers must be at least 1");
    this.#clock = options.clock;
    this.#maxPeers = options.maxPeers;
    this.#rows = new PeerRows(options.store, options.logger);
    this.#blocks = new BlockList(options.store);
  }

  /** Reads what the store has. */
  async load(): Promise<void> {
    await this.#read(false);
    const news = await this.#rows.newVersion();
    if (news !== undefined) this.#rows.sawVersion(news.version);
  }

  /** Takes over what other processes have changed since; cheap when nothing has. */
  async refresh(): Promise<void> {
    const news = await this.#rows.newVersion();
    if (news === undefined) return;
    await this.#serially(() => this.#read(true));
    this.#rows.sawVersion(news.version);
  }

  async #read(tell: boolean): Promise<void> {
    await this.#blocks.load();
    const found = new Set<string>();
    for await (const { server, changed } of this.#rows.read()) {
      const { origin } = server;
      found.add(origin);
      if (!changed) continue;
      const before = this.#servers.get(origin);
      const current = { ...server, status: before?.status ?? server.status };
      this.#servers.set(origin, current);
      if (!tell) continue;
      const type =
        before === undefined
          ? "added"
          : before.trust === current.trust
            ? "descriptor-changed"
            : "trust-changed";
      this.#emit({ type, origin, server: current, fromStore: true });
    }
    for (const origin of [...this.#servers.keys()]) {
      if (found.has(origin)) continue;
      this.#servers.delete(origin);
      this.#rows.forget(origin);
      if (tell) this.#emit({ type: "removed", origin, server: undefined, fromStore: true });
    }
  }

  /** Hears every change once it is durable. Returns how to stop. */
  on(listener: (event: RegistryEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get size(): number {
    return this.#servers.size;
  }

  get(origin: string): FederatedServer | undefined {
    return this.#servers.get(origin);
  }

  has(origin: string): boolean {
    return this.#servers.has(origin);
  }

  /** Whether what is stored of a server is damaged: it is not met anew before it is removed. */
  isDamaged(origin: string): boolean {
    return this.#rows.isDamaged(origin);
  }

  /** Known servers, optionally only those of one trust or status. */
  list(filter: { trust?: TrustState; status?: ServerStatus } = {}): FederatedServer[] {
    return [...this.#servers.values()].filter(
      (server) =>
        (filter.trust === undefined || server.trust === filter.trust) &&
        (filter.status === undefined || server.status === filter.status),
    );
  }

  /**
   * Adds a server at first sight and pins its keys; one that is known already is left as it is.
   *
   * @throws FederationError `ERR_FED_TOO_MANY_PEERS`, `ERR_FED_BLOCKED`.
   */
  register(descriptor: ServerDescriptor, options: { trust: TrustState }): Promise<FederatedServer> {
    return this.#serially(async () => {
      const known = this.#servers.get(descriptor.origin);
      if (known !== undefined) return known;
      if (descriptor.keys.some(({ kid }) => this.isBlocked(descriptor.origin, kid))) {
        throw new FederationError("ERR_FED_BLOCKED");
      }
      await this.#makeRoom();
      const now = this.#seconds();
      const server: FederatedServer = {
        origin: descriptor.origin,
        name: descriptor.name,
        endpoint: descriptor.endpoint,
        protocols: descriptor.protocols,
        worlds: descriptor.worlds,
        keys: pinAll(descriptor.keys, now),
        status: ServerStatus.Offline,
        trust: options.trust,
        session: undefined,
        lastHandshakeAt: undefined,
        descriptorValidUntil: descriptor.validUntil,
        firstSeenAt: now,
        listed: true,
      };
      await this.#write(server, "added");
      return server;
    });
  }

  /** Forgets a server and its keys. */
  remove(origin: string): Promise<boolean> {
    return this.#serially(async () => {
      if (!this.#servers.has(origin) && !this.#rows.isDamaged(origin)) return false;
      await this.#delete(origin);
      return true;
    });
  }

  /**
   * A pinned key of the peer; undefined for unknown ones and for those it stopped publishing longer
   * ago than a pass can live, so that a rotation refuses nothing that was under way.
   */
  keyFor(origin: string, kid: string): VerifyKey | undefined {
    const jwk = verifyingKey(this.#servers.get(origin)?.keys ?? [], kid, this.#seconds());
    return jwk === undefined ? undefined : importVerifyKey(jwk);
  }

  /** A pinned key of the peer, however long it is retired, and when it was seen to be in use. */
  datedKey(origin: string, kid: string): DatedKey | undefined {
    const pinned = this.#servers.get(origin)?.keys.find(({ jwk }) => jwk.kid === kid);
    return pinned === undefined ? undefined : { jwk: pinned.jwk, retiredAt: pinned.retiredAt };
  }

  /** Whether anything is pinned for an origin, so that only those keys speak for it. */
  hasPinnedKey(origin: string): boolean {
    return hasActiveKey(this.#servers.get(origin)?.keys ?? []);
  }

  /**
   * The operator's or the policy's decision. Taking a peer out of quarantine pins the keys it was
   * quarantined for, and only those. `roles` narrows what it is trusted for.
   *
   * @throws TypeError for an unknown origin.
   */
  setTrust(origin: string, trust: TrustState, roles?: TrustRoles): Promise<void> {
    return this.#serially(async () => {
      const known = this.#known(origin);
      const server = roles === undefined ? known : { ...known, roles };
      if (server.trust === trust && roles === undefined) return;
      const { proposedKeys, ...rest } = server;
      const approved = trust === TrustState.Trusted || trust === TrustState.Pending;
      if (!approved || proposedKeys === undefined) {
        await this.#write({ ...server, trust }, "trust-changed");
        return;
      }
      const keys = repinApproved(server.keys, proposedKeys, this.#seconds());
      await this.#write({ ...rest, trust, keys, session: undefined }, "trust-changed");
    });
  }

  /** What health checks say; not durable. */
  setStatus(origin: string, status: ServerStatus): void {
    const server = this.#servers.get(origin);
    if (server === undefined || server.status === status) return;
    const changed = { ...server, status };
    this.#servers.set(origin, changed);
    this.#emit({ type: "status-changed", origin, server: changed });
  }

  /**
   * Takes a verified descriptor of a known server when a key that is pinned now signed it: name,
   * endpoint, worlds and keys. Anything else quarantines the peer, but only when the descriptor came
   * from the peer's own origin. `fromOwnOrigin: false` is for one that a completed handshake carried
   * (PROTOCOL 2).
   */
  applyDescriptor(
    verified: { readonly descriptor: ServerDescriptor; readonly signedBy: string },
    options: { readonly fromOwnOrigin: boolean },
  ): Promise<{ readonly accepted: true } | Refusal> {
    return this.#serially(async () => {
      const { descriptor, signedBy } = verified;
      const server = this.#known(descriptor.origin);
      if (!vouches(server.keys, signedBy)) {
        if (options.fromOwnOrigin) await this.#quarantine(server, descriptor.keys);
        return refuse(
          "ERR_FED_KEY_CHANGED",
          "no pinned key vouches for the key that signed the descriptor",
        );
      }
      const keys = repin(server.keys, descriptor.keys, { now: this.#seconds() });
      const { proposedKeys: _, ...rest } = server;
      const next: FederatedServer = {
        ...rest,
        name: descriptor.name,
        endpoint: descriptor.endpoint,
        protocols: descriptor.protocols,
        worlds: descriptor.worlds,
        keys,
        descriptorValidUntil: descriptor.validUntil,
      };
      if (JSON.stringify(next) !== JSON.stringify(server)) {
        const keysChanged = JSON.stringify(keys) !== JSON.stringify(server.keys);
        await this.#write(next, keysChanged ? "keys-changed" : "descriptor-changed");
      }
      return { accepted: true };
    });
  }

  /** A handshake with this peer succeeded. A session ends with the descriptor it stands on. */
  recordSession(origin: string, session: PeerSession): Promise<void> {
    return this.#serially(async () => {
      const server = this.#known(origin);
      const expiresAt = Math.min(session.expiresAt, server.descriptorValidUntil);
      const lastHandshakeAt = this.#seconds();
      await this.#write(
        { ...server, session: { ...session, expiresAt }, lastHandshakeAt },
        "session",
      );
    });
  }

  /** The session that covers calls with this peer now. */
  liveSession(origin: string): PeerSession | undefined {
    const session = this.#servers.get(origin)?.session;
    return session !== undefined && session.expiresAt > this.#seconds() ? session : undefined;
  }

  /** Blocks an origin (or `*.domain`), and the keys known for it, so that an alias is no way round. */
  block(pattern: string): Promise<void> {
    return this.#serially(async () => {
      const kids = (this.#servers.get(pattern)?.keys ?? []).map(({ jwk }) => jwk.kid);
      await this.#blocks.add([pattern, ...kids]);
      await this.#rows.bumpVersion();
      const server = this.#servers.get(pattern);
      if (server !== undefined) {
        await this.#write({ ...server, trust: TrustState.Blocked, session: undefined }, "blocked");
      }
    });
  }

  /** Takes a block away; a known peer becomes pending. */
  unblock(pattern: string): Promise<void> {
    return this.#serially(async () => {
      const kids = (this.#servers.get(pattern)?.keys ?? []).map(({ jwk }) => jwk.kid);
      await this.#blocks.remove([pattern, ...kids]);
      await this.#rows.bumpVersion();
      const server = this.#servers.get(pattern);
      if (server?.trust === TrustState.Blocked) {
        await this.#write({ ...server, trust: TrustState.Pending }, "unblocked");
      }
    });
  }

  /** What is blocked: origins, domains, key ids and `!` exceptions. */
  blocks(): string[] {
    return this.#blocks.list();
  }

  /** Whether an origin or one of its keys is blocked. */
  isBlocked(origin: string, kid?: string): boolean {
    return this.#blocks.has(origin, kid);
  }

  /** Suspends a peer until its operator is asked; what is blocked stays blocked. */
  async #quarantine(server: FederatedServer, proposedKeys: readonly PublicJwk[]): Promise<void> {
    if (server.trust === TrustState.Blocked) return;
    const same =
      server.trust === TrustState.Quarantined &&
      JSON.stringify(server.proposedKeys) === JSON.stringify(proposedKeys);
    if (same) return;
    await this.#write(
      { ...server, trust: TrustState.Quarantined, proposedKeys, session: undefined },
      "quarantined",
    );
  }

  async #makeRoom(): Promise<void> {
    if (this.#servers.size < this.#maxPeers) return;
    const oldest = oldestPending(this.#servers.values());
    if (oldest === undefined) throw new FederationError("ERR_FED_TOO_MANY_PEERS");
    await this.#delete(oldest.origin);
  }

  #known(origin: string): FederatedServer {
    const server = this.#servers.get(origin);
    if (server === undefined) throw new TypeError(`no server "${origin}" is registered`);
    return server;
  }

  async #write(server: FederatedServer, type: RegistryEvent["type"]): Promise<void> {
    await this.#rows.write(server);
    await this.#rows.bumpVersion();
    const status = this.#servers.get(server.origin)?.status ?? server.status;
    const current = { ...server, status };
    this.#servers.set(server.origin, current);
    this.#emit({ type, origin: server.origin, server: current });
  }

  async #delete(origin: string): Promise<void> {
    await this.#rows.delete(origin);
    this.#servers.delete(origin);
    await this.#rows.bumpVersion();
    this.#emit({ type: "removed", origin, server: undefined });
  }

  /** Whoever loses a race with another process reads what that one wrote and decides again. */
  #serially<T>(work: () => Promise<T>): Promise<T> {
    const attempt = async (tries: number): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ConflictError) || tries >= CONFLICT_TRIES) throw error;
        await this.#read(true);
        return attempt(tries + 1);
      }
    };
    const result = this.#queue.then(() => attempt(1));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #emit(event: RegistryEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #seconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }
}

/** Who gives way when there is no more room: of those that wait for the operator, the oldest. */
function oldestPending(servers: Iterable<FederatedServer>): FederatedServer | undefined {
  let oldest: FederatedServer | undefined;
  for (const server of servers) {
    if (server.trust !== TrustState.Pending) continue;
    if (oldest === undefined || server.firstSeenAt < oldest.firstSeenAt) oldest = server;
  }
  return oldest;
}
