/**
 * The servers this one knows: who they are, by which keys, and whether they are trusted.
 *
 * Durable: every change of trust, keys or session is in the store before the method resolves.
 * Health is not: it is learnt anew after a restart. Bounded by `maxPeers`: under a flood of strangers
 * one of them gives way (`places.ts`). Whom the operator has named or decided about never does, and who is
 * named always has a place.
 */
import { FederationError, type FederationErrorCode, type Refusal, refuse } from "../errors.ts";
import type { DatedKey } from "../identity/dated-key.ts";
import type { ServerDescriptor } from "../identity/descriptor.ts";
import { type VerifyKey, importVerifyKey } from "../identity/ed25519.ts";
import { Quota } from "../limits/quota.ts";
import { type Clock, type Logger, type Store, systemClock } from "../ports.ts";
import { MemoryStore } from "../storage/memory-store.ts";
import { type BlockEntry, readBlockEntry } from "./block-entry.ts";
import { BlockList, matchesOrigin } from "./block-list.ts";
import { type BlockOutcome, type Reach, keysOf, publishedBy, reachOf } from "./blocking.ts";
import {
  type FederatedServer,
  type PeerSession,
  ServerStatus,
  type TrustRoles,
  TrustState,
} from "./federated-server.ts";
import { ConflictError, PeerRows, type ReadRow } from "./peer-rows.ts";
import { whoGivesWay } from "./places.ts";
import {
  type ClaimedMove,
  type OldOriginsWord,
  type ReadDescriptor,
  claimedMove,
  judgeMove,
} from "./move-verdict.ts";
import { MovedOrigins } from "./moved-origins.ts";
import { approvedPins, judgeDescriptor } from "./descriptor-verdict.ts";
import { type ServerListing, describeListing } from "./listing.ts";
import { inSlices } from "./slices.ts";
import { hasActiveKey, pinAll, verifyingKey, vouches } from "./pinned-keys.ts";

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
    | "recovered"
    | "moved"
    | "move-doubted"
    | "refuses-us"
    | "their-trust"
    | "blocked"
    | "unblocked";
  readonly origin: string;
  readonly server: FederatedServer | undefined;
  /** Another process made the change; this one has read it from the store. */
  readonly fromStore?: boolean;
}

/** Options of {@link ServerRegistry}. */
export interface ServerRegistryOptions {
  /** Default: one in memory. */
  readonly store?: Store;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default 128. */
  readonly maxPeers?: number;
  /** Origins that the configuration names. Default: none. */
  readonly named?: readonly string[] | undefined;
  /** Hears of damaged rows. Default: nobody does. */
  readonly logger?: Pick<Logger, "error">;
}

const DEFAULT_MAX_PEERS = 128;
const CONFLICT_TRIES = 8;
const REFUSAL_SECONDS = 60;
const TRUST_WORDS_PER_MINUTE = 6;
/** With a change of another process, all rows are read when they have not been for so long. */
const READ_ALL_MILLISECONDS = 5 * 60_000;

/** The registry of one server. Stands alone: `new ServerRegistry()` keeps what it knows in memory. */
export class ServerRegistry {
  readonly #clock: Clock;
  readonly #maxPeers: number;
  readonly #named: ReadonlySet<string>;
  readonly #servers = new Map<string, FederatedServer>();
  readonly #rows: PeerRows;
  readonly #blocks: BlockList;
  readonly #moved: MovedOrigins;
  readonly #listeners = new Set<(event: RegistryEvent) => void>();
  readonly #trustWords: Quota;
  /** When every row was read last, on the monotonic clock. */
  #allReadAt = -Infinity;
  /** Changes of one process are applied one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  /** @throws TypeError for a `maxPeers` below 1. */
  constructor(options: ServerRegistryOptions = {}) {
    const { clock = systemClock, maxPeers = DEFAULT_MAX_PEERS, named, logger } = options;
    if (!(maxPeers >= 1)) throw new TypeError("maxPeers must be at least 1");
    const store = options.store ?? new MemoryStore(clock);
    this.#clock = clock;
    this.#maxPeers = maxPeers;
    this.#named = new Set(named);
    this.#rows = new PeerRows(store, logger);
    this.#blocks = new BlockList(store);
    this.#moved = new MovedOrigins(store, logger);
    this.#trustWords = new Quota({ clock, perMinute: TRUST_WORDS_PER_MINUTE });
  }

  /** Reads what the store has. */
  async load(): Promise<void> {
    // The version first: what changes meanwhile is read once more.
    const news = await this.#rows.newVersion();
    await this.#read(false);
    if (news !== undefined) this.#rows.sawVersion(news.version);
    await this.#serially(() => this.#endMoves());
  }

  /**
   * Takes over what other processes have changed since: nothing, or whom the last changes are about, and
   * everybody now and then, since a process may have died before it told of its change.
   */
  async refresh(): Promise<void> {
    const news = await this.#rows.newVersion();
    if (news === undefined) return;
    await this.#serially(async () => {
      const all = this.#clock.monotonic() - this.#allReadAt >= READ_ALL_MILLISECONDS;
      const origins = all ? undefined : this.#rows.changedSince(news.version);
      if (origins === undefined) await this.#read(true);
      else for (const origin of origins) await this.#readOne(origin);
    });
    this.#rows.sawVersion(news.version);
  }

  async #readOne(origin: string): Promise<void> {
    const row = await this.#rows.readOne(origin);
    if (row === undefined) this.#gone(origin, true);
    else this.#take(row, true);
  }

  async #read(tell: boolean): Promise<void> {
    this.#allReadAt = this.#clock.monotonic();
    await this.#blocks.load();
    await this.#moved.load();
    const found = new Set<string>();
    for await (const row of this.#rows.read()) {
      found.add(row.server.origin);
      this.#take(row, tell);
    }
    for (const origin of [...this.#servers.keys()])
      if (!found.has(origin)) this.#gone(origin, tell);
  }

  #take({ server, changed }: ReadRow, tell: boolean): void {
    if (!changed) return;
    const { origin } = server;
    const before = this.#servers.get(origin);
    const current = { ...server, status: before?.status ?? server.status };
    this.#servers.set(origin, current);
    if (!tell) return;
    const type =
      before === undefined
        ? "added"
        : before.trust === current.trust
          ? "descriptor-changed"
          : "trust-changed";
    this.#emit({ type, origin, server: current, fromStore: true });
  }

  #gone(origin: string, tell: boolean): void {
    if (!this.#servers.delete(origin)) return;
    this.#rows.forget(origin);
    if (tell) this.#emit({ type: "removed", origin, server: undefined, fromStore: true });
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
   * Adds a server, which one that is known already stays as it is by. By its descriptor: at first sight, its
   * keys are pinned. By a listing: it has no keys until its own origin has said them, and is pending or what
   * its operator says.
   *
   * @param options - `trust`, default `pending`; `via`: the network address that it came from.
   * @throws FederationError `ERR_FED_TOO_MANY_PEERS`, `ERR_FED_BLOCKED`.
   * @throws TypeError for a listing whose `endpoint` is no URL of a server.
   */
  register(
    server: ServerDescriptor | ServerListing,
    options: { readonly trust?: TrustState; readonly via?: string | undefined } = {},
  ): Promise<FederatedServer> {
    const listed = "keys" in server ? undefined : server;
    const descriptor = "keys" in server ? server : describeListing(server);
    return this.#serially(async () => {
      const known = this.#servers.get(descriptor.origin);
      if (known !== undefined) return known;
      const kids = descriptor.keys.map(({ kid }) => kid);
      if ([undefined, ...kids].some((kid) => this.isBlocked(descriptor.origin, kid))) {
        throw new FederationError("ERR_FED_BLOCKED");
      }
      const left = this.leftBehind(descriptor.origin);
      if (left !== undefined) throw new FederationError(left.code, left.reason);
      await this.#makeRoom(descriptor.origin, options.via);
      const now = this.#seconds();
      const server: FederatedServer = {
        origin: descriptor.origin,
        ...told(descriptor),
        keys: pinAll(descriptor.keys, now),
        ...(descriptor.recovery === undefined ? {} : { recovery: descriptor.recovery }),
        status: listed?.status ?? ServerStatus.Offline,
        trust: options.trust ?? TrustState.Pending,
        ...(this.#named.has(descriptor.origin) || listed !== undefined ? {} : { byPolicy: true }),
        ...(options.via === undefined ? {} : { via: options.via }),
        session: undefined,
        lastHandshakeAt: undefined,
        firstSeenAt: now,
        listed: true,
      };
      await this.#write(server, "added");
      return server;
    });
  }

  /** Forgets a server and its keys, or that an origin was left. */
  remove(origin: string): Promise<boolean> {
    return this.#serially(async () => {
      if (await this.#moved.remove(origin)) {
        // Met anew, it is not what a move has left over.
        for (const { movedFrom, ...server } of this.list()) {
          if (movedFrom === origin) await this.#write(server, "descriptor-changed");
        }
        await this.#rows.bumpVersion();
        return true;
      }
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
   * The operator's decision. Taking a peer out of quarantine pins the keys it was
   * quarantined for, and only those. `roles` narrows what it is trusted for; `kids` pins nothing but the
   * keys that it names, of those the peer comes with.
   *
   * @throws TypeError for an unknown origin, and for a key that the peer does not come with.
   */
  setTrust(
    origin: string,
    trust: TrustState,
    { roles, kids }: { readonly roles?: TrustRoles; readonly kids?: readonly string[] } = {},
  ): Promise<void> {
    return this.#serially(async () => {
      const known = this.#known(origin);
      const { byPolicy: _byPolicy, ...rest } = known;
      const server = roles === undefined ? rest : { ...rest, roles };
      if (server.trust === trust && roles === undefined && kids === undefined) return;
      const approved = trust === TrustState.Trusted || trust === TrustState.Pending;
      if (!approved || (server.proposedKeys === undefined && kids === undefined)) {
        await this.#write({ ...server, trust }, "trust-changed");
        return;
      }
      const { proposedKeys: _keys, proposal: _proposal, ...kept } = server;
      const pins = approvedPins(server, kids, this.#seconds());
      await this.#write({ ...kept, ...pins, trust, session: undefined }, "trust-changed");
    });
  }

  /** The origin that the server of one has now: the same, unless it was left. */
  currentOrigin(origin: string): string {
    return this.#moved.current(origin);
  }

  /** Another number whenever more may be known of moves; 0 as long as no server has moved. */
  get movesVersion(): number {
    return this.#moved.version;
  }

  /** The origins that a server was known by before, the latest first. */
  formerOrigins(origin: string): readonly string[] {
    return this.#moved.former(origin);
  }

  /**
   * Why nobody is heard as an origin: its server has left it (`ERR_FED_MOVED`), or what is stored of that is
   * damaged (`ERR_FED_ROW_DAMAGED`). Undefined: it was not left.
   */
  leftBehind(origin: string): Refusal | undefined {
    if (this.#moved.isDamaged(origin)) {
      return refuse("ERR_FED_ROW_DAMAGED", "what is stored here of its move is damaged");
    }
    if (this.#moved.get(origin) === undefined) return undefined;
    return refuse("ERR_FED_MOVED", `it is ${this.#moved.current(origin)} from now on`);
  }

  /** Whose move a descriptor claims that its own origin serves: see {@link claimedMove}. */
  claimedMove(read: ReadDescriptor): ClaimedMove | Refusal | undefined {
    return claimedMove(read, {
      get: (origin) => this.#servers.get(origin),
      isBlocked: (origin, kid) => this.isBlocked(origin, kid),
      moved: this.#moved,
      now: this.#seconds(),
    });
  }

  /**
   * Follows a known server to the origin that a descriptor was read from, or leaves it in doubt: trust, pins
   * and all that is known of it go with it, and the old origin is nobody's any more. `word`: what that said
   * when it was asked. Refuses as {@link claimedMove}, and with `ERR_FED_MOVE_DOUBTED`.
   */
  followMove(
    read: ReadDescriptor,
    word: OldOriginsWord,
    graceSeconds: number,
  ): Promise<{ readonly accepted: true } | Refusal> {
    return this.#serially(async () => {
      const claim = this.claimedMove(read);
      if (claim === undefined) return { accepted: true };
      if (!claim.verified) return claim;
      const { server, to, keys, recovery } = claim;
      const now = this.#seconds();
      const verdict = judgeMove(claim, word, { now, graceSeconds, signedBy: read.signedBy });
      if (!verdict.follow) {
        const { silentSince } = verdict;
        const moving = {
          to,
          kid: read.signedBy,
          ...(silentSince === undefined ? {} : { silentSince }),
        };
        const isNews = server.moving?.to !== to || server.moving.kid !== read.signedBy;
        if (JSON.stringify(moving) !== JSON.stringify(server.moving)) {
          await this.#write({ ...server, moving }, isNews ? "move-doubted" : "descriptor-changed");
        }
        return refuse("ERR_FED_MOVE_DOUBTED", verdict.why);
      }
      const { moving: _doubt, refusal: _refusal, byPolicy, ...known } = server;
      const stays = byPolicy === true && !this.#named.has(server.origin);
      await this.#write(
        {
          ...{ ...known, origin: to, ...told(read.descriptor), keys, recovery },
          ...{ movedFrom: server.origin, session: undefined },
          // Whom the configuration names by its old origin has its place for good.
          ...(stays ? { byPolicy } : {}),
        },
        "moved",
      );
      await this.#endMoves();
      return { accepted: true };
    });
  }

  /** What a crash between the two steps of a move has left: the old origin goes once the new one is known. */
  async #endMoves(): Promise<void> {
    for (const { origin, movedFrom: from } of [...this.#servers.values()]) {
      if (from === undefined || this.#moved.isDamaged(from)) continue;
      if (this.#servers.has(from)) {
        await this.#moved.add({ from, to: origin, at: this.#seconds() });
        await this.#delete(from);
        await this.#rows.bumpVersion();
      }
    }
  }

  /**
   * The operator's word that a move in doubt is right, by the key that signs at the new origin: it is followed
   * when that is next read.
   *
   * @throws TypeError when no known server is said to have gone there, or another key signs there.
   */
  approveMove(to: string, kids: readonly string[]): Promise<void> {
    return this.#serially(async () => {
      const server = this.doubtedMove(to);
      if (server?.moving === undefined) {
        throw new TypeError(`no known server is said to have moved to "${to}"`);
      }
      const { moving } = server;
      const other = kids.find((kid) => kid !== moving.kid);
      if (other !== undefined || kids.length === 0) {
        throw new TypeError(`name the key that signs at "${to}": ${moving.kid}`);
      }
      await this.#write({ ...server, moving: { ...moving, approved: true } }, "trust-changed");
    });
  }

  /** The known server that is said to have gone to an origin, while that is in doubt. */
  doubtedMove(to: string): FederatedServer | undefined {
    return [...this.#servers.values()].find(({ moving }) => moving?.to === to);
  }

  /** No session with anybody counts any more: this server has another origin, which it has to prove. */
  endSessions(): Promise<void> {
    return this.#serially(async () => {
      for await (const server of inSlices(this.list())) {
        if (server.session !== undefined) {
          await this.#write({ ...server, session: undefined }, "session");
        }
      }
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
   * Takes a verified descriptor of a known server, read from the peer's own origin: name, endpoint,
   * worlds and keys. Nothing else says any of these (PROTOCOL 2). A pinned key must have signed it, or the
   * pinned recovery key must vouch for the one that did, which ends a quarantine, too. Anything else
   * quarantines a peer; one that nobody has trusted yet is met anew.
   */
  applyDescriptor(verified: {
    readonly descriptor: ServerDescriptor;
    readonly signedBy: string;
  }): Promise<{ readonly accepted: true } | Refusal> {
    return this.#serially(async () => {
      const { descriptor } = verified;
      const server = this.#known(descriptor.origin);
      if (descriptor.keys.some(({ kid }) => this.#blocks.has(descriptor.origin, kid))) {
        return refuse("ERR_FED_BLOCKED", "this server or one of its keys is blocked");
      }
      const now = this.#seconds();
      const pins = judgeDescriptor(server, verified, now);
      if (!pins.verified) {
        if (server.trust === TrustState.Pending || server.keys.length === 0) {
          // Nobody has trusted a key of it yet: it is the stranger of this origin, with whatever key.
          await this.#write(
            {
              ...{ ...server, ...told(descriptor), keys: pinAll(descriptor.keys, now) },
              ...{ recovery: descriptor.recovery, firstSeenAt: now, session: undefined },
            },
            "descriptor-changed",
          );
          return { accepted: true };
        }
        await this.#quarantine(server, verified);
        return pins;
      }
      const { keys, recovery, recovered } = pins;
      const { proposedKeys: _, proposal: _proposal, ...others } = server;
      const rest = heardOf(others);
      const quarantined = server.trust === TrustState.Quarantined;
      const next: FederatedServer = {
        ...rest,
        ...told(descriptor),
        keys,
        recovery,
        ...(recovered
          ? { session: undefined, trust: quarantined ? TrustState.Trusted : server.trust }
          : {}),
      };
      if (JSON.stringify(next) !== JSON.stringify(server)) {
        const keysChanged = JSON.stringify(keys) !== JSON.stringify(server.keys);
        const type = keysChanged ? "keys-changed" : "descriptor-changed";
        await this.#write(next, recovered ? "recovered" : type);
      }
      return { accepted: true };
    });
  }

  /** Whether a peer publishes a key now: only then it begins a session. */
  publishes(origin: string, kid: string): boolean {
    return vouches(this.#servers.get(origin)?.keys ?? [], kid);
  }

  /**
   * A handshake with this peer succeeded. A session ends with the descriptor it stands on.
   *
   * @param stays Whether the live session that is known stays instead; asked again when another process has
   * recorded one meanwhile. Default: none does.
   */
  recordSession(
    origin: string,
    session: PeerSession,
    stays: (live: PeerSession, lastHandshakeAt: number) => boolean = () => false,
  ): Promise<void> {
    return this.#serially(async () => {
      const server = this.#known(origin);
      const live = this.liveSession(origin);
      if (live !== undefined && stays(live, server.lastHandshakeAt ?? 0)) return;
      const expiresAt = Math.min(session.expiresAt, server.descriptorValidUntil);
      const lastHandshakeAt = this.#seconds();
      await this.#write(
        { ...heardOf(server), session: { ...session, expiresAt }, lastHandshakeAt },
        "session",
      );
    });
  }

  /**
   * A peer has said that it does not deal with this server, or (undefined) deals with it again. Of one that
   * says something else each time, one word a minute is kept.
   */
  noteRefusal(origin: string, code: FederationErrorCode | undefined): Promise<void> {
    const unchanged = (): boolean => {
      const before = this.#servers.get(origin)?.refusal;
      if (!this.#servers.has(origin) || before?.code === code) return true;
      const young = before !== undefined && this.#seconds() - before.at < REFUSAL_SECONDS;
      return young && code !== undefined;
    };
    if (unchanged()) return Promise.resolve();
    return this.#serially(async () => {
      if (unchanged()) return;
      const { refusal: _, ...rest } = this.#known(origin);
      const refusal = code === undefined ? undefined : { code, at: this.#seconds() };
      const server = refusal === undefined ? rest : { ...rest, refusal };
      await this.#write(server, code === undefined ? "session" : "refuses-us");
    });
  }

  /**
   * A peer has said what it trusts us for, and perhaps which of our keys it has pinned. Of one that says something
   * else each time, six words a minute are kept: how many seconds it has to wait for the next, 0 when this one is kept.
   */
  noteTheirTrust(
    origin: string,
    { inbound, outbound }: TrustRoles,
    kids?: readonly string[],
  ): Promise<number> {
    return this.#serially(async () => {
      const server = this.#known(origin);
      const { theirTrust: before, seenKeys: seen, refusal: _, ...rest } = server;
      const same =
        before?.inbound === inbound &&
        before.outbound === outbound &&
        server.refusal === undefined &&
        (kids === undefined || JSON.stringify(kids) === JSON.stringify(seen));
      if (same) return 0;
      const wait = this.#trustWords.take(origin);
      if (wait > 0) return wait;
      const seenKeys = kids ?? seen;
      const theirTrust = { inbound, outbound, at: this.#seconds() };
      await this.#write(
        { ...rest, theirTrust, ...(seenKeys === undefined ? {} : { seenKeys }) },
        "their-trust",
      );
      return 0;
    });
  }

  /** A peer has said which of our keys it has pinned. */
  noteSeenKeys(origin: string, kids: readonly string[]): Promise<void> {
    return this.#serially(async () => {
      const server = this.#known(origin);
      if (JSON.stringify(server.seenKeys) === JSON.stringify(kids)) return;
      await this.#write({ ...server, seenKeys: kids }, "session");
    });
  }

  /** The session that covers calls with this peer now. */
  liveSession(origin: string): PeerSession | undefined {
    const session = this.#servers.get(origin)?.session;
    return session !== undefined && session.expiresAt > this.#seconds() ? session : undefined;
  }

  /**
   * Blocks an origin, a host, a domain or a key: everybody known that it matches, and whoever shares a key
   * with them, so that an alias is no way round. With `!`, makes an exception to the domains.
   *
   * @throws TypeError for what cannot be blocked.
   */
  async block(value: string): Promise<BlockOutcome> {
    const entry = readBlockEntry(value);
    let before: ReadonlySet<string> | undefined;
    return this.#serially(async () => {
      before ??= await this.#blockedNow();
      const { matched, kids, spared } = await this.#reachOf(entry);
      await this.#blocks.set(entry.text, entry.kind === "exception" ? [] : kids);
      await this.#settleBlocks(entry, before);
      return outcomeOf(entry.text, matched, spared);
    });
  }

  /**
   * Takes a block away. Whom nothing else blocks becomes pending.
   *
   * @throws TypeError for what is not blocked.
   */
  async unblock(value: string): Promise<BlockOutcome> {
    const listed = this.#blocks.kidsOf(value) !== undefined;
    const entry: BlockEntry = listed ? { kind: "origin", text: value } : readBlockEntry(value);
    let before: ReadonlySet<string> | undefined;
    return this.#serially(async () => {
      if (before === undefined && this.#blocks.kidsOf(entry.text) === undefined) {
        throw new TypeError(`${entry.text} is not blocked`);
      }
      const blocked = (before ??= await this.#blockedNow());
      await this.#blocks.remove(entry.text);
      await this.#settleBlocks(readable(entry.text), blocked);
      const matched: string[] = [];
      for await (const origin of inSlices(blocked)) {
        if (!this.#isServerBlocked(origin)) matched.push(origin);
      }
      return { entry: entry.text, matched, spared: [] };
    });
  }

  /** The entries by which a known server is blocked, by the origins that it had included. */
  blockedBy(origin: string): string[] {
    const server = this.#servers.get(origin);
    const kids = server === undefined ? [] : publishedBy(server);
    const names = [origin, ...this.formerOrigins(origin)];
    return [...new Set(names.flatMap((name) => this.#blocks.reasons(name, kids)))];
  }

  /** What is blocked: origins, hosts, domains, key ids and `!` exceptions. */
  blocks(): string[] {
    return this.#blocks.list();
  }

  /** Whether an origin, one that its server had before, or one of its keys is blocked. */
  isBlocked(origin: string, kid?: string): boolean {
    if (this.#blocks.has(origin, kid)) return true;
    return this.formerOrigins(origin).some((former) => this.#blocks.has(former, undefined));
  }

  /** Makes the trust of every known server what the block list says. `before`: who was blocked by it. */
  async #settleBlocks(changed: BlockEntry | undefined, before: ReadonlySet<string>): Promise<void> {
    if (changed?.kind === "exception") await this.#judgeDomains();
    await this.#rows.bumpVersion();
    for await (const server of inSlices(this.list())) {
      const blocked = this.#isServerBlocked(server.origin);
      if (blocked && server.trust !== TrustState.Blocked) {
        await this.#write({ ...server, trust: TrustState.Blocked, session: undefined }, "blocked");
      } else if (!blocked && server.trust === TrustState.Blocked && before.has(server.origin)) {
        await this.#write({ ...server, trust: TrustState.Pending }, "unblocked");
      }
    }
  }

  /** An exception frees the keys of whom it means, its end blocks them. */
  async #judgeDomains(): Promise<void> {
    for (const text of this.#blocks.list()) {
      const entry = readable(text);
      if (entry?.kind !== "domain") continue;
      const free = new Set<string>();
      for await (const server of inSlices(this.list())) {
        const { origin } = server;
        if (matchesOrigin(entry, origin) && !this.#blocks.has(origin, undefined)) {
          for (const kid of keysOf(server)) free.add(kid);
        }
      }
      const reach = await this.#reachOf(entry);
      const kids = new Set([...(this.#blocks.kidsOf(text) ?? []), ...reach.kids]);
      await this.#blocks.set(
        text,
        [...kids].filter((kid) => !free.has(kid)),
      );
    }
  }

  #reachOf(entry: BlockEntry): Promise<Reach> {
    return reachOf(entry, this.list(), {
      isExcepted: (origin) => this.#blocks.isExcepted(origin),
      formerOrigins: (origin) => this.formerOrigins(origin),
    });
  }

  #isServerBlocked(origin: string): boolean {
    return this.blockedBy(origin).length > 0;
  }

  async #blockedNow(): Promise<Set<string>> {
    const blocked = new Set<string>();
    for await (const { origin } of inSlices(this.list())) {
      if (this.#isServerBlocked(origin)) blocked.add(origin);
    }
    return blocked;
  }

  /** Suspends a peer until its operator is asked; what is blocked stays blocked. */
  async #quarantine(
    server: FederatedServer,
    { descriptor, signedBy }: { readonly descriptor: ServerDescriptor; readonly signedBy: string },
  ): Promise<void> {
    if (server.trust === TrustState.Blocked) return;
    const next: FederatedServer = {
      ...server,
      trust: TrustState.Quarantined,
      proposedKeys: descriptor.keys,
      proposal: { signedBy, recovery: descriptor.recovery },
      session: undefined,
    };
    if (JSON.stringify(next) !== JSON.stringify(server)) await this.#write(next, "quarantined");
  }

  async #makeRoom(newcomer: string, via: string | undefined): Promise<void> {
    if (this.#servers.size < this.#maxPeers) return;
    const now = this.#seconds();
    const giving = whoGivesWay(this.#servers.values(), this.#named, { via, now });
    if (giving !== undefined) await this.#delete(giving.origin);
    else if (!this.#named.has(newcomer)) throw new FederationError("ERR_FED_TOO_MANY_PEERS");
  }

  #known(origin: string): FederatedServer {
    const server = this.#servers.get(origin);
    if (server === undefined) throw new TypeError(`no server "${origin}" is registered`);
    return server;
  }

  async #write(server: FederatedServer, type: RegistryEvent["type"]): Promise<void> {
    await this.#rows.write(server);
    await this.#rows.bumpVersion(server.origin);
    const status = this.#servers.get(server.origin)?.status ?? server.status;
    const current = { ...server, status };
    this.#servers.set(server.origin, current);
    this.#emit({ type, origin: server.origin, server: current });
  }

  async #delete(origin: string): Promise<void> {
    await this.#rows.delete(origin);
    this.#servers.delete(origin);
    await this.#rows.bumpVersion(origin);
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

function outcomeOf(
  entry: string,
  matched: readonly FederatedServer[],
  spared: readonly FederatedServer[],
): BlockOutcome {
  const origins = (servers: readonly FederatedServer[]): string[] =>
    servers.map(({ origin }) => origin).sort();
  return { entry, matched: origins(matched), spared: origins(spared) };
}

/** A listed entry; undefined for one that could not be blocked today. */
function readable(text: string): BlockEntry | undefined {
  try {
    return readBlockEntry(text);
  } catch {
    return undefined;
  }
}

/** Who answers is not silent: a move that it is said to have made is none, as long as it does. */
function heardOf<Server extends Pick<FederatedServer, "moving">>(server: Server): Server {
  const { moving } = server;
  if (moving?.silentSince === undefined) return server;
  const { silentSince: _silent, ...rest } = moving;
  return { ...server, moving: rest };
}

/** What a descriptor says of its server, but for the keys. */
function told({ name, endpoint, protocols, worlds, validUntil, listing }: ServerDescriptor) {
  return { name, endpoint, protocols, worlds, descriptorValidUntil: validUntil, listing };
}
