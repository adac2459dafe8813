/**
 * Players on their way out of a room: where the portal leads, what they wear sent ahead, the
 * crossing itself.
 */
import type { Client, Room } from "@colyseus/core";
import { referencesIn } from "../assets/verify/references-in.ts";
import { admitted } from "../custody/destination/admission.ts";
import type { CrossingOutcome } from "../custody/source/crossings.ts";
import { cannotTravel } from "../custody/source/departing.ts";
import type { FederationErrorCode } from "../errors.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { TrustState } from "../registry/federated-server.ts";
import type { ResolvedDestination } from "../routing/routing-table.ts";
import { type JoinRefusal, refusal } from "./refusal.ts";
import type { RoomPlayer, RoomSessions } from "./room-sessions.ts";
import { newSessionId } from "./seal.ts";
import type { ColyseusSeats } from "./seats.ts";

/** Options of {@link Departures}. */
export interface DeparturesOptions {
  readonly runtime: FederationRuntime;
  readonly sessions: RoomSessions;
  readonly seats: ColyseusSeats;
}

type Stay = (code: FederationErrorCode, message: string) => CrossingOutcome;

/** All departures from this process's rooms. */
export class Departures {
  readonly #options: DeparturesOptions;
  /** Players whose belongings are being sent ahead; nothing has been decided about them. */
  readonly #sendingAhead = new Map<string, { transferId: string; abort: AbortController }>();

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  /** Sends the player of a connection through a portal. Tells the client how it ended. */
  async enter(room: Room, client: Client, uri: string): Promise<CrossingOutcome> {
    const { runtime, sessions } = this.#options;
    const transferId = runtime.random.uuid();
    const entry = sessions.get(room, client.sessionId);
    const session = entry?.session;
    const stay: Stay = (code, message) => {
      client.send("federation:failed", { transferId, to: uri, code, message });
      this.#count(code);
      return { kind: "stayed", transferId, to: uri, code, message };
    };
    if (entry === undefined || session === undefined || session.ended) {
      return stay("ERR_FED_NOT_A_PLAYER", "This connection is not a player of the federation.");
    }
    const found = this.destination(uri);
    if (!found.ok) return stay(found.code, found.reason);
    const { destination } = found;
    const { origin, world, options } = destination;
    if (this.#sendingAhead.has(session.player)) {
      // Its client hears of the crossing it is on, not of this one: rooms may ask at every step.
      const [code, message] = ["ERR_FED_CROSSING_BUSY", "You are on your way already."] as const;
      return { kind: "stayed", transferId, to: uri, code, message };
    }
    const cannot = (): CrossingOutcome | undefined => {
      const fault = sessions.faultOf(entry);
      return fault && stay("ERR_FED_STATE_INVALID", cannotTravel(fault.kind));
    };
    const held = cannot();
    if (held !== undefined) return held;
    if (destination.local) return this.#enterHere(destination, entry, session, stay);
    const ready = await this.#sendAhead(entry, client, { transferId, uri, origin });
    if (!ready.ok) return stay(ready.code, ready.reason);
    // It may have gathered more meanwhile. The freeze comes in this very turn.
    const late = cannot();
    if (late !== undefined) return late;
    return runtime.custody.crossings.cross(session, { uri, origin, world, options }, transferId);
  }

  /** One that ends before it begins is counted as one that ended. */
  #count(code: FederationErrorCode): void {
    const { telemetry, clock } = this.#options.runtime;
    const ending = { outcome: "stayed", code };
    telemetry.note({ kind: "crossing", startedAt: clock.now(), ending, hasSpan: false });
  }

  /** The player changed its mind, or could not get in. */
  abandon(player: string, transferId: string): void {
    const sending = this.#sendingAhead.get(player);
    if (sending?.transferId === transferId) sending.abort.abort();
    const { custody } = this.#options.runtime;
    custody.crossings.abandon(player, transferId);
    const session = custody.sessions.get(player);
    const promised = session && custody.moves.takeBack(session, transferId);
    if (promised === undefined) return;
    const [code, message] = [
      "ERR_FED_CROSSING_ABANDONED",
      "You did not get into the other room.",
    ] as const;
    session?.body.failed({ transferId, to: promised.to, code, message });
  }

  /** Where a portal URI leads now, for players of this server. */
  destination(
    uri: string,
  ): { readonly ok: true; readonly destination: ResolvedDestination } | JoinRefusal {
    const { runtime } = this.#options;
    const { routes, registry, options } = runtime;
    const destination = routes.resolve(uri);
    if (destination === undefined) {
      return refusal("ERR_FED_NO_ROUTE", "Nobody here knows where this portal leads.");
    }
    if (destination.local) return { ok: true, destination };
    const { origin } = destination;
    const trust = registry.get(origin)?.trust;
    const known = trust === TrustState.Trusted;
    if (!(known || options.peers.includes(origin)) || !runtime.mayGoTo(origin)) {
      return registry.isBlocked(origin)
        ? refusal("ERR_FED_BLOCKED", "This server does not send players to the other.")
        : refusal(
            "ERR_FED_NOT_TRUSTED",
            trust === TrustState.Quarantined
              ? "This server does not trust the other any more, until its operator has looked at it."
              : "This server and the other do not trust each other yet.",
          );
    }
    return destination.healthy
      ? { ok: true, destination }
      : refusal("ERR_FED_DESTINATION_DOWN", "The other server is down right now.");
  }

  /**
   * Has the destination fetch what the player wears. The player plays on meanwhile: it is frozen
   * only once that is done, where the room waits for it at all.
   */
  async #sendAhead(
    entry: RoomPlayer,
    client: Client,
    { transferId, uri, origin }: { transferId: string; uri: string; origin: string },
  ): Promise<{ readonly ok: true } | JoinRefusal> {
    const { runtime, sessions } = this.#options;
    const { assets } = runtime;
    const { player } = entry;
    const references = referencesIn(sessions.carry(entry));
    if (references.length === 0) return { ok: true };
    if (sessions.portalsOf(entry.room)?.waitsForAssets !== true) {
      assets.announce(origin, references);
      return { ok: true };
    }
    const abort = new AbortController();
    this.#sendingAhead.set(player.id, { transferId, abort });
    try {
      return await assets.sendAhead(origin, references, {
        signal: abort.signal,
        onProgress: ({ receivedBytes, totalBytes }) => {
          if (entry.session?.ended === true) abort.abort();
          const progress = { transferId, to: uri, stage: "assets", receivedBytes, totalBytes };
          client.send("federation:progress", progress);
        },
      });
    } finally {
      this.#sendingAhead.delete(player.id);
    }
  }

  /** A portal to this server itself is a plain seat reservation (PROTOCOL 6), for this very session. */
  async #enterHere(
    { uri: to, world, options }: ResolvedDestination,
    { player: { id, name, home }, jkt }: RoomPlayer,
    session: NonNullable<RoomPlayer["session"]>,
    stay: Stay,
  ): Promise<CrossingOutcome> {
    const { runtime, seats } = this.#options;
    const { custody, life } = runtime;
    const { origin, admit, logger } = runtime.options;
    if (!session.atHome) {
      // The same question as at an arrival: that it was admitted to one world says nothing of another.
      const asked = { player: id, name, home, from: origin, world, options };
      const admission = await admitted(admit, asked, logger);
      if (admission !== true) return stay("ERR_FED_ADMISSION_REFUSED", admission.reason);
    }
    const sessionId = newSessionId(runtime.random);
    const seat = await seats.reserveSealed(world, options, {
      ...{ kind: "move", player: session.player, sessionId },
      ...(jkt === undefined ? {} : { jkt }),
      ...(life === undefined ? {} : { life }),
    });
    if (!seat.ok) return stay(seat.code, seat.reason);
    const transferId = runtime.random.uuid();
    const { reservation, expiresAt } = seat;
    const vouched = await seats.vouch(reservation);
    if (session.ended) return stay("ERR_FED_NOT_A_PLAYER", "You are not here any more.");
    custody.moves.promise(session, { seat: sessionId, transferId, to });
    session.body.transit({
      ...{ transferId, to, origin, reservation, expiresAt },
      ...(vouched === undefined ? {} : { seat: vouched }),
    });
    return { kind: "arrived", transferId, to, destination: origin };
  }
}
