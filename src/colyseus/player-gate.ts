/**
 * The gate of one server: what Colyseus' hooks and the rooms' portals ask of the federation.
 *
 * Seats at matchmaking are {@link Matchmaking}'s, sealed seats' connections {@link Connections}',
 * ways out {@link Departures}'; what is decided here is how a session begins at home, and how any ends.
 */
import type { AuthContext, Client, Room } from "@colyseus/core";
import type { GiftOutcome } from "../custody/holder/giving.ts";
import type { CrossingOutcome } from "../custody/source/crossings.ts";
import type { WaitingConnection } from "../custody/destination/gatherings.ts";
import type { IfSomeCannot } from "../custody/shared/party.ts";
import type { PartyOutcome } from "../custody/source/parties.ts";
import type { ImportPreview } from "../custody/home/import-policy.ts";
import { type FederatedPlayer, orphanhood } from "./federated-player.ts";
import type { Verdict } from "../http/inbound/answers.ts";
import type { PlayerKeysRequest } from "../http/inbound/player-keys.ts";
import type { HandOverAnswer, HandOverRequest } from "../http/inbound/hand-over.ts";
import type { TravelAnswer, TravelRequest } from "../http/inbound/travel.ts";
import type { Clock, Logger } from "../ports.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import type { AuthHost, SealedSeat } from "./auth-hooks.ts";
import { bringAssets } from "./belongings.ts";
import { Connections } from "./connections.ts";
import { Destinations } from "./destinations.ts";
import { Departures } from "./departures.ts";
import type { EntryForecast } from "./entry-forecast.ts";
import type { GiftOptions } from "./gift-options.ts";
import { Gifts } from "./gifts.ts";
import type { Connected, JoinHost } from "./join-hooks.ts";
import { type KnownPlayer, Logins, wishedName } from "./logins.ts";
import { openHandOver } from "./hand-over.ts";
import { isHomeOf } from "../custody/shared/player-id.ts";
import { Matchmaking } from "./matchmaking.ts";
import { keepGuest, playerKeys } from "./player-keys.ts";
import { PartyDepartures } from "./party-departures.ts";
import type { PortalsHost } from "./portals.ts";
import { type JoinRefusal, refusal } from "./refusal.ts";
import { type RoomPlayer, RoomSessions } from "./room-sessions.ts";
import { type Seal, Sealer } from "./seal.ts";
import { ColyseusSeats } from "./seats.ts";
import { travelWithoutRoom } from "./travel-without-room.ts";

/** No seat is good for longer (PROTOCOL 7). */
const SEAT_MILLISECONDS = 60_000;

/** The gate of one server. */
export class PlayerGate implements AuthHost, JoinHost, PortalsHost {
  readonly sessions: RoomSessions;
  readonly seats: ColyseusSeats;
  readonly destinations: Destinations;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly joinMilliseconds: number;
  readonly #runtime: FederationRuntime;
  readonly #departures: Departures;
  readonly #parties: PartyDepartures;
  readonly #logins: Logins;
  readonly #matchmaking: Matchmaking;
  readonly #connections: Connections;
  readonly #gifts: Gifts;
  /** Keys proven beside the host's own token, by their thumbprints. */
  readonly #proven = new WeakMap<Client, string>();
  #sealer: Sealer | undefined;
  /** Rooms whose maker has been told that the federation does not run. */
  readonly #noticed = new Set<string>();

  constructor(runtime: FederationRuntime) {
    this.#runtime = runtime;
    this.#logins = new Logins(runtime);
    const { clock, options } = runtime;
    this.clock = clock;
    this.logger = options.logger;
    this.joinMilliseconds = options.joinTimeoutSeconds * 1000;
    this.sessions = new RoomSessions(this, options.logger);
    const { origin, endpoint, worlds } = options;
    this.seats = new ColyseusSeats({
      ...{ origin, endpoint, worlds, clock },
      sealer: this.sealer,
      signingKey: runtime.signingKey,
    });
    const { sessions, seats, sealer } = this;
    const logins = this.#logins;
    this.#matchmaking = new Matchmaking({ runtime, logins, sealer });
    this.#connections = new Connections({ runtime, logins, sessions });
    this.#gifts = new Gifts({ runtime, sessions });
    this.destinations = new Destinations(runtime);
    const departures = new Departures({ runtime, sessions, seats });
    this.#departures = departures;
    this.#parties = new PartyDepartures({ runtime, sessions, departures });
    sessions.onJoined = (entry) => {
      if (entry.session === undefined) return;
      runtime.custody
        .tellNotKept(entry.session, (notice) => sessions.tellNotKept(entry, notice))
        .catch((cause: unknown) => {
          options.logger.error(`${entry.player.id} was not told what home kept`, cause, {
            player: entry.player.id,
          });
        });
    };
  }

  readonly sealer = (): Sealer => {
    this.#sealer ??= new Sealer(this.#runtime.signingKey());
    return this.#sealer;
  };

  // --- matchmaking ---------------------------------------------------------------------------

  loginByKey(token: string): Promise<SealedSeat | JoinRefusal> {
    return this.#matchmaking.loginByKey(token);
  }

  joinByPass(token: string, roomName: string): Promise<SealedSeat | JoinRefusal> {
    return this.#matchmaking.joinByPass(token, roomName);
  }

  // --- connection ----------------------------------------------------------------------------

  isOfThisHome(seal: Seal): boolean {
    return seal.kind === "login" || isHomeOf(this.#runtime.options.origin, seal.player);
  }

  async prove(client: Client, token: string): Promise<JoinRefusal | undefined> {
    const proof = await this.#logins.proof(token, "login");
    if ("ok" in proof) return proof;
    const used = await this.#logins.useProof(proof);
    if (used === undefined) this.#proven.set(client, proof.jkt);
    return used;
  }

  async isAccountOf(seal: Seal, auth: unknown, options: unknown): Promise<boolean> {
    if (seal.kind === "login" || typeof auth !== "object" || auth === null) return true;
    const account = await this.#logins.account(auth, { options, sessionId: seal.sessionId });
    return account === undefined || this.#logins.player(account.id, undefined).id === seal.player;
  }

  connect(
    seal: Seal,
    context: AuthContext,
    connection: WaitingConnection,
    delegation: string | undefined,
  ): Promise<Connected | JoinRefusal> {
    return this.#connections.connect(seal, context, connection, delegation);
  }

  async beforeJoin(
    room: Room,
    client: Client,
    options: unknown,
  ): Promise<{ ok: true } | JoinRefusal> {
    const known = this.sessions.get(room, client.sessionId);
    if (known?.session !== undefined) return { ok: true };
    // Without the plugin a room is told who proved a key, so that player has a session like any other.
    // An account of the host's own stays the host's business there: a lobby beside the game, say.
    const isBare = this.sessions.portalsOf(room) === undefined && known === undefined;
    const jkt = known?.jkt ?? this.#proven.get(client);
    const wished = wishedName(options);
    const auth = client.auth as unknown;
    // An `onAuth` that answers true says yes and names nobody.
    const hasHostAuth =
      auth !== undefined && auth !== null && auth !== true && auth !== known?.player;
    if (isBare && (hasHostAuth || jkt === undefined)) return { ok: true };
    const account = hasHostAuth
      ? await this.#logins.account(auth, { options, sessionId: client.sessionId })
      : undefined;
    const byKey =
      account !== undefined || jkt === undefined ? undefined : await this.#logins.byKey(jkt);
    if (byKey !== undefined && "ok" in byKey) {
      if (known !== undefined) this.sessions.remove(known);
      return byKey;
    }
    const identified: KnownPlayer | undefined = account ?? byKey;
    if (identified === undefined && hasHostAuth) return { ok: true };
    const localId = identified?.id ?? this.#logins.guestId();
    const name = identified?.name ?? wished;
    const player = this.#logins.player(localId, name);
    const entry = known ?? this.sessions.add(room, client.sessionId, player, false);
    if (jkt !== undefined) entry.jkt = jkt;
    const login = await this.#runtime.custody.login(
      localId,
      { name, jkt, guest: identified === undefined },
      this.sessions.body(entry),
    );
    if (!login.ok) {
      this.sessions.remove(entry);
      return refusal(login.code, login.reason);
    }
    entry.session = login.session;
    entry.carriedAtLeave = login.state;
    entry.player = {
      ...entry.player,
      id: login.session.player,
      name: login.session.name,
      carried: login.state,
      ...orphanhood(login.session),
    };
    bringAssets(this.#runtime, entry, []);
    // A host that has its own auth keeps its own payload; `portals.player(client)` has ours.
    if (!hasHostAuth) client.auth = entry.player;
    return { ok: true };
  }

  async left(entry: RoomPlayer): Promise<void> {
    this.sessions.remove(entry);
    if (entry.session === undefined || entry.session.ended) return;
    const { handedOver } = entry;
    delete entry.handedOver;
    if (
      handedOver !== undefined &&
      this.#runtime.custody.moves.hasPromised(entry.session, handedOver)
    ) {
      // Another page takes the seat, or nobody does: the player has left then.
      this.clock.setTimeout(() => void this.left(entry), SEAT_MILLISECONDS);
      return;
    }
    try {
      const { session } = entry;
      const state = session.frozen ? session.carry() : entry.carriedAtLeave;
      await this.#runtime.custody.leave(session, state);
    } catch (cause) {
      this.#runtime.options.logger.error(
        `${entry.player.id} left, but what it carries could not be stored`,
        cause,
        { player: entry.player.id },
      );
    }
  }

  // --- portals -------------------------------------------------------------------------------

  noticeRoom(roomName: string): void {
    if (this.#runtime.started || this.#noticed.has(roomName)) return;
    this.#noticed.add(roomName);
    this.logger.error(
      `room "${roomName}" has portals, but its federation does not run: call federation.attach(server) before server.listen()`,
    );
  }

  player(room: Room, client: Client): FederatedPlayer | undefined {
    return this.sessions.get(room, client.sessionId)?.player;
  }

  isFrozen(room: Room, client: Client): boolean {
    const entry = this.sessions.get(room, client.sessionId);
    return entry !== undefined && this.sessions.isFrozen(entry);
  }

  async preview(room: Room, client: Client): Promise<ImportPreview | undefined> {
    const session = this.sessions.get(room, client.sessionId)?.session;
    return session === undefined ? undefined : this.#runtime.custody.preview(session);
  }

  canEnter(room: Room, client: Client, uri: string): Promise<EntryForecast> {
    return this.#departures.canEnter(room, client, uri);
  }

  async receipt(room: Room, client: Client): Promise<string | undefined> {
    return this.sessions.get(room, client.sessionId)?.session?.receipt;
  }

  abandon(room: Room, client: Client, transferId: string | undefined): void {
    const session = this.sessions.get(room, client.sessionId)?.session;
    if (session !== undefined) this.#departures.abandon(session.player, transferId);
  }

  /**
   * The player goes on from another page, and its connection will be closed: that is no leave where the other page
   * takes a seat of this very server. A crossing to another one is left to itself in any case.
   */
  handedOver(room: Room, client: Client, transferId: string): void {
    const entry = this.sessions.get(room, client.sessionId);
    if (entry !== undefined) entry.handedOver = transferId;
  }

  enter(room: Room, client: Client, uri: string): Promise<CrossingOutcome> {
    return this.#departures.enter(room, client, uri);
  }

  async keep(room: Room, client: Client, token: unknown): Promise<{ ok: true } | JoinRefusal> {
    const entry = this.sessions.get(room, client.sessionId);
    if (entry === undefined) return refusal("ERR_FED_NOT_A_PLAYER", "you are no player here");
    return keepGuest({ runtime: this.#runtime, logins: this.#logins }, entry, token);
  }

  give(room: Room, client: Client, gift: GiftOptions): Promise<GiftOutcome> {
    return this.#gifts.give(room, client, gift);
  }

  gives(client: Client, message: unknown): void {
    this.#gifts.answered(client, message);
  }

  playerKeys(request: PlayerKeysRequest): Promise<Verdict> {
    return playerKeys({ runtime: this.#runtime, logins: this.#logins }, request);
  }

  enterTogether(
    room: Room,
    clients: readonly Client[],
    uri: string,
    ifSomeCannot: IfSomeCannot,
  ): Promise<PartyOutcome> {
    return this.#parties.enter(room, clients, uri, ifSomeCannot);
  }

  travel(request: TravelRequest): Promise<TravelAnswer> {
    const [runtime, logins, departures] = [this.#runtime, this.#logins, this.#departures];
    return travelWithoutRoom({ runtime, logins, departures }, request);
  }

  handOver(request: HandOverRequest): Promise<HandOverAnswer> {
    return openHandOver({ runtime: this.#runtime, logins: this.#logins }, request);
  }
}
