/**
 * Lets players into rooms and out of them: logins at home, arrivals, portals.
 */
import type { AuthContext, Client, Room } from "@colyseus/core";
import { referencesIn } from "../assets/verify/references-in.ts";
import type { Arrival } from "../custody/destination/arrival.ts";
import type { CrossingOutcome } from "../custody/source/crossing.ts";
import type { ImportPreview } from "../custody/home/import-policy.ts";
import type { FederatedPlayer } from "./federated-player.ts";
import { verifyPass } from "../identity/pass.ts";
import type { PlayerBody } from "../custody/shared/player-session.ts";
import type { TravelAnswer, TravelRequest } from "../http/inbound/travel.ts";
import { tokenType } from "../identity/proof.ts";
import type { IdentifiedPlayer } from "../federation/options.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { Departures } from "./departures.ts";
import type { JoinHost } from "./join-hooks.ts";
import { Logins, wishedName } from "./logins.ts";
import type { PortalsHost } from "./portals.ts";
import { type JoinRefusal, refusal } from "./refusal.ts";
import { type RoomPlayer, RoomSessions } from "./room-sessions.ts";
import { type Seal, Sealer } from "./seal.ts";
import { ColyseusSeats } from "./seats.ts";
import { travelWithoutRoom } from "./travel-without-room.ts";

type Connected =
  | { ok: true; entry(room: Room, sessionId: string): RoomPlayer; abort(): Promise<void> }
  | JoinRefusal;

/** The gate of one server. */
export class PlayerGate implements JoinHost, PortalsHost {
  readonly sessions: RoomSessions;
  readonly seats: ColyseusSeats;
  readonly #runtime: FederationRuntime;
  readonly #departures: Departures;
  readonly #logins: Logins;
  #sealer: Sealer | undefined;
  /** Key-holding players whose seat's connection is being made: thumbprint by room session. */
  readonly #keys = new WeakMap<RoomPlayer, string>();

  constructor(runtime: FederationRuntime) {
    this.#runtime = runtime;
    this.#logins = new Logins(runtime);
    const { clock, options } = runtime;
    this.sessions = new RoomSessions(this, options.logger);
    this.seats = new ColyseusSeats({
      worlds: options.worlds,
      sealer: () => this.sealer(),
      clock,
    });
    const { sessions, seats } = this;
    const newSessionId = (): string => this.#newSessionId();
    this.#departures = new Departures({ runtime, sessions, seats, newSessionId });
  }

  readonly sealer = (): Sealer => {
    this.#sealer ??= new Sealer(this.#runtime.signingKey());
    return this.#sealer;
  };

  // --- matchmaking ---------------------------------------------------------------------------

  async loginByKey(
    token: string,
  ): Promise<{ ok: true; seal: string; sessionId: string } | JoinRefusal> {
    const proof = await this.#logins.proof(token, undefined);
    if ("ok" in proof) return proof;
    const used = await this.#logins.useProof(proof, "matchmaking");
    if (used !== undefined) return used;
    const sessionId = this.#newSessionId();
    const seal = this.sealer().seal({
      kind: "login",
      jkt: proof.jkt,
      jti: proof.jti,
      localId: proof.jkt,
      sessionId,
    });
    return { ok: true, seal, sessionId };
  }

  async joinByPass(
    token: string,
    roomName: string,
  ): Promise<{ ok: true; seal: string; sessionId: string } | JoinRefusal> {
    const { custody, options, clock } = this.#runtime;
    const verified = await verifyPass(token, {
      now: clock.now(),
      audience: options.origin,
      keyFor: (issuer, kid) => this.#runtime.issuerKey(issuer, kid),
    });
    if (!verified.verified) return refusal(verified.code, verified.reason);
    const { claims } = verified;
    if (options.worlds[claims.world] !== roomName) {
      return refusal("ERR_FED_PASS_WORLD", "the pass is for another world");
    }
    const reserved = await custody.arrivals.seat(claims, claims.src, {}, ({ sessionId }) =>
      Promise.resolve({ ok: true, reservation: { sessionId }, expiresAt: claims.exp }),
    );
    if (!reserved.ok) return reserved;
    const { sessionId } = reserved.seat;
    const player = `${claims.sub}@${new URL(claims.iss).host}`;
    const seal = this.sealer().seal({
      kind: "arrival",
      player,
      caller: claims.src,
      transferId: claims.xfer,
      sessionId,
    });
    return { ok: true, seal, sessionId };
  }

  // --- connection ----------------------------------------------------------------------------

  async connect(seal: Seal, context: AuthContext): Promise<Connected> {
    if (seal.kind === "arrival") return this.#connectArrival(seal, context);
    if (seal.kind === "login") return this.#connectLogin(seal, context);
    return this.#connectMove(seal);
  }

  async beforeJoin(
    room: Room,
    client: Client,
    options: unknown,
  ): Promise<{ ok: true } | JoinRefusal> {
    const known = this.sessions.get(room, client.sessionId);
    if (known?.session !== undefined) return { ok: true };
    if (this.sessions.portalsOf(room) === undefined) return { ok: true };
    const jkt = known === undefined ? undefined : this.#keys.get(known);
    const wished = wishedName(options);
    const auth = client.auth as unknown;
    // An `onAuth` that answers true says yes and names nobody.
    const hasHostAuth =
      auth !== undefined && auth !== null && auth !== true && auth !== known?.player;
    const account = hasHostAuth
      ? await this.#logins.account(auth, { options, sessionId: client.sessionId })
      : undefined;
    const identified: IdentifiedPlayer | undefined =
      account ?? (jkt === undefined ? undefined : { id: jkt });
    if (identified === undefined && hasHostAuth) return { ok: true };
    const localId = identified?.id ?? this.#logins.guestId();
    const { home, authority } = this.#self();
    const entry =
      known ??
      this.sessions.add(
        room,
        client.sessionId,
        {
          id: `${localId}@${authority}`,
          name: identified?.name ?? wished ?? "Traveler",
          home,
          carried: undefined,
          from: undefined,
        },
        false,
      );
    const login = await this.#runtime.custody.login(
      localId,
      { name: identified?.name ?? wished, jkt, guest: identified === undefined },
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
    };
    this.#bringAssets(entry, []);
    // A host that has its own auth keeps its own payload; `portals.player(client)` has ours.
    if (!hasHostAuth) client.auth = entry.player;
    return { ok: true };
  }

  async left(entry: RoomPlayer): Promise<void> {
    this.sessions.remove(entry);
    if (entry.session === undefined || entry.session.ended) return;
    try {
      await this.#runtime.custody.leave(entry.session, entry.carriedAtLeave);
    } catch (cause) {
      this.#runtime.options.logger.error(
        `${entry.player.id} left, but what it carries could not be stored`,
        cause,
      );
    }
  }

  // --- portals -------------------------------------------------------------------------------

  player(room: Room, client: Client): FederatedPlayer | undefined {
    return this.sessions.get(room, client.sessionId)?.player;
  }

  isFrozen(room: Room, client: Client): boolean {
    return this.sessions.get(room, client.sessionId)?.frozen ?? false;
  }

  async preview(room: Room, client: Client): Promise<ImportPreview | undefined> {
    const session = this.sessions.get(room, client.sessionId)?.session;
    return session === undefined ? undefined : this.#runtime.custody.preview(session);
  }

  receipt(room: Room, client: Client): string | undefined {
    return this.sessions.get(room, client.sessionId)?.receipt;
  }

  abandon(room: Room, client: Client, transferId: string): void {
    const session = this.sessions.get(room, client.sessionId)?.session;
    if (session !== undefined) this.#departures.abandon(session.player, transferId);
  }

  enter(room: Room, client: Client, uri: string): Promise<CrossingOutcome> {
    return this.#departures.enter(room, client, uri);
  }

  travel(request: TravelRequest): Promise<TravelAnswer> {
    const [runtime, logins, departures] = [this.#runtime, this.#logins, this.#departures];
    return travelWithoutRoom({ runtime, logins, departures }, request);
  }

  // --- connections, by kind of seat ----------------------------------------------------------

  async #connectArrival(
    seal: Extract<Seal, { kind: "arrival" }>,
    context: AuthContext,
  ): Promise<Connected> {
    const { custody } = this.#runtime;
    const seat = await custody.arrivals.find(seal, seal.sessionId);
    if (seat === undefined) return refusal("ERR_FED_SEAT_UNKNOWN", "the seat is gone");
    if (seat.jkt !== undefined) {
      // A direct join sends its pass along with the connection, too: it proves nothing.
      const { token = "" } = context;
      if (token === "" || tokenType(token) === "aether-pass+jwt") {
        return refusal("ERR_FED_PROOF_REQUIRED", "this seat is bound to the player's key");
      }
      const proof = await this.#logins.proof(token, seal.sessionId);
      if ("ok" in proof) return proof;
      if (proof.jkt !== seat.jkt) {
        return refusal("ERR_FED_PROOF_INVALID", "the proof is of another key");
      }
      const used = await this.#logins.useProof(proof, "arrival");
      if (used !== undefined) return used;
    }
    const claimed = await custody.arrivals.claim(seal, seat);
    if (!claimed.ok) return claimed;
    const { arrival } = claimed;
    return {
      ok: true,
      entry: (room, sessionId) => this.#arrive(room, sessionId, arrival),
      abort: () => custody.abortArrival(arrival),
    };
  }

  #arrive(room: Room, sessionId: string, arrival: Arrival): RoomPlayer {
    const entry = this.sessions.add(
      room,
      sessionId,
      {
        id: arrival.player,
        name: arrival.name,
        home: arrival.home,
        carried: arrival.state,
        from: arrival.from,
      },
      true,
    );
    entry.carriedAtLeave = arrival.state;
    entry.receipt = arrival.receipt;
    entry.session = this.#runtime.custody.arrive(arrival, this.sessions.body(entry));
    this.#bringAssets(entry, [arrival.from, arrival.home]);
    return entry;
  }

  async #connectLogin(
    seal: Extract<Seal, { kind: "login" }>,
    context: AuthContext,
  ): Promise<Connected> {
    const proof = await this.#logins.proof(context.token ?? "", undefined);
    if ("ok" in proof) return proof;
    if (proof.jkt !== seal.jkt || proof.jti !== seal.jti) {
      return refusal(
        "ERR_FED_PROOF_INVALID",
        "the proof is not the one the seat was reserved with",
      );
    }
    const used = await this.#logins.useProof(proof, "connection");
    if (used !== undefined) return used;
    const { home, authority } = this.#self();
    return {
      ok: true,
      entry: (room, sessionId) => {
        const entry = this.sessions.add(
          room,
          sessionId,
          {
            id: `${seal.localId}@${authority}`,
            name: "Traveler",
            home,
            carried: undefined,
            from: undefined,
          },
          false,
        );
        this.#keys.set(entry, seal.jkt);
        return entry;
      },
      abort: () => Promise.resolve(),
    };
  }

  async #connectMove(seal: Extract<Seal, { kind: "move" }>): Promise<Connected> {
    const { custody, life } = this.#runtime;
    const gone = refusal("ERR_FED_SEAT_UNKNOWN", "the player is not here any more");
    if (seal.life !== life) {
      const moved =
        seal.life === undefined ? undefined : await custody.moveFrom(seal.life, seal.player);
      if (moved === undefined) return gone;
      return {
        ok: true,
        entry: (room, sessionId) =>
          this.#moved(room, sessionId, seal.player, moved, (body) => ({
            session: moved.begin(body),
            state: moved.state,
          })),
        abort: () => moved.abort(),
      };
    }
    const former = custody.sessions.get(seal.player);
    if (former === undefined || former.frozen) return gone;
    return {
      ok: true,
      entry: (room, sessionId) =>
        this.#moved(room, sessionId, seal.player, former, (body) =>
          custody.move(seal.player, body),
        ),
      abort: () => Promise.resolve(),
    };
  }

  #moved(
    room: Room,
    sessionId: string,
    id: string,
    { name, home }: { readonly name: string; readonly home: string },
    begin: (body: PlayerBody) => ReturnType<FederationRuntime["custody"]["move"]>,
  ): RoomPlayer {
    const player = { id, name, home, carried: undefined, from: this.#self().home };
    const entry = this.sessions.add(room, sessionId, player, true);
    const moved = begin(this.sessions.body(entry));
    if (moved !== undefined) {
      entry.session = moved.session;
      entry.carriedAtLeave = moved.state;
      entry.player = { ...entry.player, carried: moved.state };
      this.#bringAssets(entry, []);
    }
    return entry;
  }

  /** What a player wears is fetched, and spared by eviction while it is here. */
  #bringAssets(entry: RoomPlayer, sources: readonly string[]): void {
    const references = referencesIn(entry.player.carried);
    if (references.length === 0) return;
    entry.releaseAssets?.();
    entry.releaseAssets = this.#runtime.assets.hold(references, sources);
  }

  #self(): { home: string; authority: string } {
    const { origin } = this.#runtime.options;
    return { home: origin, authority: new URL(origin).host };
  }

  #newSessionId(): string {
    return Buffer.from(this.#runtime.random.bytes(15)).toString("base64url");
  }
}
