/**
 * Connections that take a sealed seat, by kind of seat: who arrives by a crossing, who logs in with
 * a key, who changes rooms on this server.
 */
import type { AuthContext, Room } from "@colyseus/core";
import type { Arrival } from "../custody/destination/arrivals.ts";
import type { WaitingConnection } from "../custody/destination/gatherings.ts";
import type { PlayerBody } from "../custody/shared/player-session.ts";
import { verifyDelegation } from "../identity/delegation.ts";
import { type ProofClaims, tokenType } from "../identity/proof.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { isHomeOf } from "../custody/shared/player-id.ts";
import { bringAssets } from "./belongings.ts";
import { orphanhood } from "./federated-player.ts";
import type { Connected } from "./join-hooks.ts";
import type { Logins } from "./logins.ts";
import { type JoinRefusal, refusal, refusalError } from "./refusal.ts";
import type { RoomPlayer, RoomSessions } from "./room-sessions.ts";
import type { ArrivalSeal, LoginSeal, MoveSeal, Seal } from "./seal.ts";

/** Connections to one server's rooms. */
export class Connections {
  readonly #runtime: FederationRuntime;
  readonly #logins: Logins;
  readonly #sessions: RoomSessions;

  constructor(options: { runtime: FederationRuntime; logins: Logins; sessions: RoomSessions }) {
    this.#runtime = options.runtime;
    this.#logins = options.logins;
    this.#sessions = options.sessions;
  }

  /** Holds a connection against its seat's seal: proof, then custody. A delegation is for a crossing's seat alone. */
  async connect(
    seal: Seal,
    context: AuthContext,
    connection: WaitingConnection,
    delegation: string | undefined,
  ): Promise<Connected | JoinRefusal> {
    if (seal.kind === "arrival") return this.#arrival(seal, context, connection, delegation);
    if (delegation !== undefined) {
      return refusal("ERR_FED_DELEGATION_INVALID", "no delegation is taken for this seat");
    }
    if (seal.kind === "login") return this.#login(seal, context);
    return this.#move(seal, context);
  }

  async #arrival(
    seal: ArrivalSeal,
    context: AuthContext,
    connection: WaitingConnection,
    delegation: string | undefined,
  ): Promise<Connected | JoinRefusal> {
    const { custody } = this.#runtime;
    const seat = await custody.seats.find(seal, seal.sessionId);
    if (seat === undefined) return refusal("ERR_FED_SEAT_UNKNOWN", "the seat is gone");
    const shown =
      delegation === undefined
        ? await this.#prove(seat.jkt, seal.sessionId, context)
        : await this.#proveFor(seat.jkt, seal, context, delegation);
    if (!shown.ok) return shown;
    const claimed = await custody.gatherings.arrive(seal, seat, connection);
    if (!claimed.ok) return claimed;
    const { arrival } = claimed;
    return {
      ok: true,
      entry: (room, sessionId) => this.#arrive(room, sessionId, arrival, shown.jkt),
      abort: () => custody.arrivals.abort(arrival),
    };
  }

  /** A seat that is bound to a key is for whoever proves it, for that very seat. Returns which key that is. */
  async #prove(
    jkt: string | undefined,
    sessionId: string,
    context: AuthContext,
  ): Promise<{ readonly ok: true; readonly jkt: string | undefined } | JoinRefusal> {
    if (jkt === undefined) return { ok: true, jkt };
    const proof = await this.#seatProof(sessionId, context);
    if ("ok" in proof) return proof;
    if (proof.jkt !== jkt) {
      return refusal("ERR_FED_PROOF_INVALID", "the proof is of another key");
    }
    return (await this.#logins.useSeatProof(proof)) ?? { ok: true, jkt };
  }

  /**
   * The key of a page that the player's own key has let take this very seat: the session is that key's. Home
   * knows its players by their own keys alone.
   */
  async #proveFor(
    jkt: string | undefined,
    { player, sessionId, transferId }: ArrivalSeal,
    context: AuthContext,
    token: string,
  ): Promise<{ readonly ok: true; readonly jkt: string } | JoinRefusal> {
    const { clock, options } = this.#runtime;
    const invalid = (reason: string): JoinRefusal => refusal("ERR_FED_DELEGATION_INVALID", reason);
    if (jkt === undefined) return invalid("this seat is bound to no key");
    if (isHomeOf(options.origin, player)) return invalid("a player shows its own key at its home");
    const proof = await this.#seatProof(sessionId, context);
    if ("ok" in proof) return proof;
    const verified = verifyDelegation(token, {
      ...{ now: clock.now(), audience: options.origin, seat: sessionId, transferId },
    });
    if (!verified.verified) return refusal(verified.code, verified.reason);
    const { delegation } = verified;
    if (delegation.jkt !== jkt) return invalid("the delegation is by another key");
    if (delegation.cnf.jkt !== proof.jkt) return invalid("the delegation is for another key");
    return (await this.#logins.useSeatProof(proof)) ?? { ok: true, jkt: proof.jkt };
  }

  async #seatProof(
    sessionId: string,
    { token = "" }: AuthContext,
  ): Promise<ProofClaims | JoinRefusal> {
    // A direct join sends its pass along with the connection, too: it proves nothing.
    if (token === "" || tokenType(token) === "aether-pass+jwt") {
      return refusal("ERR_FED_PROOF_REQUIRED", "this seat is bound to the player's key");
    }
    return this.#logins.proof(token, { seat: sessionId });
  }

  #arrive(room: Room, sessionId: string, arrival: Arrival, jkt: string | undefined): RoomPlayer {
    const entry = this.#sessions.add(
      room,
      sessionId,
      {
        id: arrival.player,
        name: arrival.name,
        home: arrival.home,
        carried: arrival.state,
        from: arrival.from,
        ...orphanhood({ orphanOf: arrival.orphanOf }),
      },
      true,
    );
    if (jkt !== undefined) entry.jkt = jkt;
    entry.carriedAtLeave = arrival.state;
    entry.session = this.#runtime.custody.arrivals.begin(arrival, this.#sessions.body(entry));
    bringAssets(this.#runtime, entry, [arrival.from, arrival.home]);
    return entry;
  }

  async #login(seal: LoginSeal, context: AuthContext): Promise<Connected | JoinRefusal> {
    const proof = await this.#logins.proof(context.token ?? "", "login");
    if ("ok" in proof) return proof;
    if (proof.jkt !== seal.jkt || proof.jti !== seal.jti) {
      return refusal(
        "ERR_FED_PROOF_INVALID",
        "the proof is not the one the seat was reserved with",
      );
    }
    const used = await this.#logins.useProof(proof, { takenSeat: seal.sessionId });
    if (used !== undefined) return used;
    return {
      ok: true,
      entry: (room, sessionId) => {
        const player = this.#logins.player(seal.localId, undefined);
        const entry = this.#sessions.add(room, sessionId, player, false);
        entry.jkt = seal.jkt;
        return entry;
      },
      abort: () => Promise.resolve(),
    };
  }

  async #move(seal: MoveSeal, context: AuthContext): Promise<Connected | JoinRefusal> {
    const { custody, life } = this.#runtime;
    const { player, sessionId: seat } = seal;
    const gone = refusal("ERR_FED_SEAT_UNKNOWN", "the seat is not promised to the player any more");
    const isHere = seal.life === life;
    // Before a proof is used up for nothing.
    if (isHere && custody.moves.promisee(player, seat) === undefined) return gone;
    const shown = await this.#prove(seal.jkt, seat, context);
    if (!shown.ok) return shown;
    if (!isHere) {
      const moved =
        seal.life === undefined ? undefined : await custody.moveFrom(seal.life, player, seat);
      if (moved === undefined) return gone;
      return {
        ok: true,
        entry: (room, sessionId) =>
          this.#moved(room, sessionId, seal, moved, (body) => ({
            session: moved.begin(body),
            state: moved.state,
          })),
        abort: () => moved.abort(),
      };
    }
    const former = custody.moves.promisee(player, seat);
    if (former === undefined) return gone;
    return {
      ok: true,
      entry: (room, sessionId) =>
        this.#moved(room, sessionId, seal, former, (body) => custody.move(player, seat, body)),
      abort: () => Promise.resolve(),
    };
  }

  /** @throws ServerError when the session has ended in this very moment. */
  #moved(
    room: Room,
    sessionId: string,
    { player: id, jkt }: MoveSeal,
    { name, home }: { readonly name: string; readonly home: string },
    begin: (body: PlayerBody) => ReturnType<FederationRuntime["custody"]["move"]>,
  ): RoomPlayer {
    const player = { id, name, home, carried: undefined, from: this.#runtime.options.origin };
    const entry = this.#sessions.add(room, sessionId, player, true);
    if (jkt !== undefined) entry.jkt = jkt;
    const moved = begin(this.#sessions.body(entry));
    if (moved === undefined) {
      this.#sessions.remove(entry);
      throw refusalError({
        code: "ERR_FED_SEAT_UNKNOWN",
        reason: "the player is not here any more",
      });
    }
    entry.session = moved.session;
    entry.carriedAtLeave = moved.state;
    entry.player = { ...entry.player, carried: moved.state, ...orphanhood(moved.session) };
    bringAssets(this.#runtime, entry, []);
    return entry;
  }
}
