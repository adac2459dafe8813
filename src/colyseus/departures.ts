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
import { MAX_DESTINATIONS, type TriedDestination } from "../custody/source/failover.ts";
import { type Forecast, preflight } from "../custody/source/preflight.ts";
import { orderedId } from "../custody/shared/ordered-id.ts";
import type { PlayerSession } from "../custody/shared/player-session.ts";
import type { ResolvedDestination } from "../routing/routing-table.ts";
import type { EntryForecast } from "./entry-forecast.ts";
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

/** Where a portal leads now. */
export interface Destinations {
  readonly ok: true;
  /** The first server that players can be sent to. */
  readonly destination: ResolvedDestination;
  /** The others, in the order in which they are tried. */
  readonly next: readonly ResolvedDestination[];
  /** Those that nobody can be sent to now. */
  readonly skipped: readonly TriedDestination[];
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
    const transferId = orderedId(runtime.random, runtime.clock);
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
    const { skipped } = found;
    const ways = [found.destination, ...found.next];
    const local = ways.find((way) => way.local);
    const here = async (): Promise<CrossingOutcome | undefined> => {
      if (local === undefined || session.ended) return undefined;
      const outcome = await this.#enterHere(local, entry, session, stayQuietly(uri, transferId));
      return outcome.kind === "arrived" ? outcome : undefined;
    };
    if (found.destination.local) {
      if (ways.length === 1) return this.#enterHere(found.destination, entry, session, stay);
      const outcome = await here();
      if (outcome !== undefined) return outcome;
    }
    let [destination, ...next] = ways.filter((way) => !way.local);
    if (destination === undefined) return this.#enterHere(found.destination, entry, session, stay);
    if (referencesIn(sessions.carry(entry)).length > 0) {
      let ready: Ready = { ok: true };
      for (; destination !== undefined; [destination, ...next] = next) {
        const { origin } = destination;
        ready = await this.sendAhead(entry, client, { transferId, uri, origin });
        if (ready.ok || ready.code === "ERR_FED_CROSSING_ABANDONED") break;
      }
      if (!ready.ok) return (await here()) ?? stay(ready.code, ready.reason);
      // The others do not have what it brings.
      if (ready.waited === true) next = [];
    }
    if (destination === undefined || session.ended) {
      return stay("ERR_FED_NOT_A_PLAYER", "You are not here any more.");
    }
    // It may have gathered more meanwhile. The freeze comes in this very turn.
    const late = cannot();
    if (late !== undefined) return late;
    const { origin, world, options } = destination;
    return runtime.custody.crossings.cross(session, { uri, origin, world, options }, transferId, {
      next: next.map((way) => ({ ...{ uri, origin: way.origin }, world: way.world, options })),
      ...{ skipped, here },
    });
  }

  /** One that ends before it begins is counted as one that ended. */
  #count(code: FederationErrorCode): void {
    const { telemetry, clock } = this.#options.runtime;
    const ending = { outcome: "stayed", code };
    telemetry.note({ kind: "crossing", startedAt: clock.now(), ending, hasSpan: false });
  }

  /** The player changed its mind, or could not get in. Without an id, the one way that it is on now ends. */
  abandon(player: string, named: string | undefined): void {
    const sending = this.#sendingAhead.get(player);
    const { custody } = this.#options.runtime;
    const session = custody.sessions.get(player);
    const transferId =
      named ??
      sending?.transferId ??
      custody.crossings.transferOf(player) ??
      (session && custody.moves.transferOf(session));
    if (transferId === undefined) return;
    if (sending?.transferId === transferId) sending.abort.abort();
    custody.crossings.abandon(player, transferId);
    const promised = session && custody.moves.takeBack(session, transferId);
    if (promised === undefined) return;
    const [code, message] = [
      "ERR_FED_CROSSING_ABANDONED",
      "You did not get into the other room.",
    ] as const;
    session?.body.failed({ transferId, to: promised.to, code, message });
  }

  /**
   * Whether a player would get through a portal, as far as can be known without moving it: nobody is frozen,
   * and nothing is decided. Servers are asked in the order in which a crossing tries them, four at most.
   */
  async canEnter(room: Room, client: Client, uri: string): Promise<EntryForecast> {
    const { runtime, sessions } = this.#options;
    const entry = sessions.get(room, client.sessionId);
    const session = entry?.session;
    const no = (code: FederationErrorCode, message: string): EntryForecast => ({
      ...{ to: uri, mayEnter: "no", code, message, room: "unknown" },
    });
    if (entry === undefined || session === undefined || session.ended) {
      return no("ERR_FED_NOT_A_PLAYER", "This connection is not a player of the federation.");
    }
    const found = this.destination(uri);
    if (!found.ok) return no(found.code, found.reason);
    const fault = sessions.faultOf(entry);
    if (fault !== undefined) return no("ERR_FED_STATE_INVALID", cannotTravel(fault.kind));
    const preview = runtime.custody.preview(session);
    const assets = referencesIn(sessions.carry(entry)).map(({ assetHash }) => assetHash);
    const ask = async (way: ResolvedDestination): Promise<EntryForecast> => {
      const { origin: destination, world } = way;
      const said = way.local
        ? await this.#forecastHere(way, session)
        : await preflight(runtime.calls, session, { ...way, options: { ...way.options } }, assets);
      const { admitted: mayEnter, missingAssets, ...rest } = said;
      const missing = missingAssets === undefined ? {} : { missingAssets };
      return { to: uri, mayEnter, destination, world, ...missing, ...rest };
    };
    let refused: EntryForecast | undefined;
    let answer: EntryForecast | undefined;
    for (const way of [found.destination, ...found.next].slice(0, MAX_DESTINATIONS)) {
      const said = await ask(way);
      if (said.mayEnter !== "no") {
        answer = said;
        break;
      }
      refused ??= said;
    }
    const losses = (await preview)?.losses;
    const said = answer ?? refused ?? no("ERR_FED_NO_ROUTE", "This portal leads nowhere.");
    return losses === undefined ? said : { ...said, losses };
  }

  /** The same for a room of this very server. */
  async #forecastHere(
    { world, options }: ResolvedDestination,
    { player, name, home, atHome }: PlayerSession,
  ): Promise<Forecast> {
    const { runtime, seats } = this.#options;
    const { admit, logger, origin: from } = runtime.options;
    const unknown = { room: "unknown", missingAssets: undefined } as const;
    if (!seats.hasWorld(world)) {
      const message = "This server has no such world.";
      return { ...unknown, admitted: "no", code: "ERR_FED_WORLD_UNKNOWN", message };
    }
    const asked = { player, name, home, from, world, options, preflight: true };
    const admission = atHome || (await admitted(admit, asked, logger));
    if (admission !== true) {
      const message = admission.reason;
      return { ...unknown, admitted: "no", code: "ERR_FED_ADMISSION_REFUSED", message };
    }
    const room = (await seats.hasRoom(world, options)) ? "free" : "unknown";
    return { admitted: "yes", room, missingAssets: 0 };
  }

  /** Where a portal URI leads now, for players of this server. */
  destination(uri: string): Destinations | JoinRefusal {
    const { runtime } = this.#options;
    const here = runtime.options.origin;
    const ways = runtime.routes.ways(uri).map((way) => {
      const origin = runtime.currentOrigin(way.origin);
      return origin === way.origin ? way : { ...way, origin, local: origin === here };
    });
    const usable: ResolvedDestination[] = [];
    const skipped: TriedDestination[] = [];
    for (const way of ways) {
      const no = way.local ? undefined : runtime.noWayOut(way.origin);
      if (no === undefined) usable.push(way);
      else if (usable.length === 0) {
        skipped.push({ destination: way.origin, code: no.code, message: no.message });
      }
    }
    const [destination, ...next] = usable;
    if (destination !== undefined) return { ok: true, destination, next, skipped };
    const [first] = skipped;
    return first === undefined
      ? refusal("ERR_FED_NO_ROUTE", "Nobody here knows where this portal leads.")
      : refusal(first.code, first.message);
  }

  /**
   * Has the destination fetch what the player wears. The player plays on meanwhile: it is frozen
   * only once that is done, where the room waits for it at all.
   */
  async sendAhead(
    entry: RoomPlayer,
    client: Client,
    { transferId, uri, origin }: { transferId: string; uri: string; origin: string },
  ): Promise<Ready> {
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
      const sent = await assets.sendAhead(origin, references, {
        signal: abort.signal,
        onProgress: ({ receivedBytes, totalBytes }) => {
          if (entry.session?.ended === true) abort.abort();
          const progress = { transferId, to: uri, stage: "assets", receivedBytes, totalBytes };
          client.send("federation:progress", progress);
        },
      });
      return sent.ok ? { ok: true, waited: true } : sent;
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
    const transferId = orderedId(runtime.random, runtime.clock);
    const { reservation, expiresAt } = seat;
    const vouched = await seats.vouch(reservation);
    if (session.ended) return stay("ERR_FED_NOT_A_PLAYER", "You are not here any more.");
    custody.moves.promise(session, { seat: sessionId, transferId, to, expiresAt });
    session.body.transit({
      ...{ transferId, to, origin, reservation, world, expiresAt },
      ...(vouched === undefined ? {} : { seat: vouched }),
    });
    return { kind: "arrived", transferId, to, destination: origin };
  }
}

/** Whether another server has what a player wears; `waited`: the player was kept here until it had. */
type Ready = { readonly ok: true; readonly waited?: boolean } | JoinRefusal;

/** Stays without a word to the client: there is another way. */
function stayQuietly(to: string, transferId: string): Stay {
  return (code, message) => ({ kind: "stayed", transferId, to, code, message });
}
