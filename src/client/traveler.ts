/**
 * `Traveler`: a player's side of the federation, over the Colyseus SDK, in browsers and in Node.
 *
 *   const traveler = new Traveler("https://worlds.example.com", { name: "Ada" });
 *   traveler.onArrive(({ room, origin }) => show(room, origin));
 *   await traveler.join("plaza");
 *
 * It keeps the old room until the new one is joined, so a crossing that fails leaves the player
 * where it was. After a reload, `resume` goes on where the player was instead of `join`.
 */
import type { Room } from "@colyseus/sdk";
import { ask, joinAtHome, leaveQuietly, reconnect, takeSeat } from "./connections.ts";
import { Emitter } from "./emitter.ts";
import type { Arrival, Departure, Failure, Kept, Leave, Progress } from "./events.ts";
import { Identity } from "./identity.ts";
import { type Transit, parseFailed, parseKept, parseProgress, parseTransit } from "./messages.ts";
import { type Place, PlaceKeeper } from "./place.ts";
import type { KeyStorage } from "./storage.ts";
import { requestTravel } from "./travel-request.ts";

/** Options of {@link Traveler}. */
export interface TravelerOptions {
  /** Name the player wishes to be shown with; its home decides. */
  readonly name?: string;
  /**
   * Where the key is kept. Default: `localStorage` where there is one; otherwise the key lives as
   * long as this object. `null` travels as a guest: no key, nothing kept, nothing proven.
   */
  readonly storage?: KeyStorage | null;
  /**
   * Where the present place is kept for {@link Traveler.resume}. Default: `sessionStorage` where
   * there is one, so that each tab has its own; `null` keeps nothing.
   */
  readonly placeStorage?: KeyStorage | null;
}

/** One player, travelling. */
export class Traveler {
  /** Origin of the player's home server. */
  readonly home: string;
  readonly #identity: Identity;
  readonly #places: PlaceKeeper;
  readonly #arrive = new Emitter<Arrival>();
  readonly #depart = new Emitter<Departure>();
  readonly #progress = new Emitter<Progress>();
  readonly #failed = new Emitter<Failure>();
  readonly #leave = new Emitter<Leave>();
  readonly #kept = new Emitter<Kept>();
  #room: Room | undefined;
  #origin: string | undefined;
  #crossing: string | undefined;

  /** @param home URL of the server the player logs in at; its origin becomes the player's home. */
  constructor(home: string, options: TravelerOptions = {}) {
    this.#identity = new Identity(home, options.name, options.storage);
    this.home = this.#identity.home;
    this.#places = new PlaceKeeper(this.home, options.placeStorage);
  }

  /** The room the player is in. */
  get room(): Room | undefined {
    return this.#room;
  }

  /** The server the player is on. */
  get origin(): string | undefined {
    return this.#origin;
  }

  /** `<local id>@<home authority>` where the key is the account; known after {@link join}. */
  get playerId(): string | undefined {
    return this.#identity.playerId;
  }

  /** Hears every arrival, the first join included. Returns how to stop. */
  onArrive(listener: (arrival: Arrival) => void): () => void {
    return this.#arrive.on(listener);
  }

  /** Hears that a crossing has begun. */
  onDepart(listener: (departure: Departure) => void): () => void {
    return this.#depart.on(listener);
  }

  /** Hears how far a crossing has got. */
  onProgress(listener: (progress: Progress) => void): () => void {
    return this.#progress.on(listener);
  }

  /** Hears that the player stays, and why. */
  onFailed(listener: (failure: Failure) => void): () => void {
    return this.#failed.on(listener);
  }

  /** Hears, back at home, that home did not keep all of what the player carried elsewhere. */
  onKept(listener: (kept: Kept) => void): () => void {
    return this.#kept.on(listener);
  }

  /** Hears that the connection has ended for good. */
  onLeave(listener: (leave: Leave) => void): () => void {
    return this.#leave.on(listener);
  }

  /**
   * Logs in at home and joins a room there. Rejects with the SDK's error; its message begins with
   * the code where the federation refused, e.g. `ERR_FED_AWAY: …`.
   */
  async join(roomName: string, options: Readonly<Record<string, unknown>> = {}): Promise<Room> {
    await this.#identity.learnPlayerId();
    const room = await joinAtHome(this.#identity, roomName, options);
    await this.#arriveIn(room, { origin: this.home, world: roomName });
    return room;
  }

  /**
   * Goes on where the player was before its page was reloaded: into the room a crossing was leading
   * to, or back into the room it was in, where that room still keeps its place (Colyseus'
   * `allowReconnection`). Otherwise, and the first time, it joins `roomName` at home, which brings
   * the player back from wherever it is.
   */
  async resume(roomName: string, options: Readonly<Record<string, unknown>> = {}): Promise<Room> {
    await this.#identity.learnPlayerId();
    const place = this.#places.read();
    if (place !== undefined) {
      const room = await this.#wayBack(place).catch(() => undefined);
      if (room !== undefined) return room;
    }
    return this.join(roomName, options);
  }

  /**
   * Travels without being in a room: home is asked for a seat behind the portal, and the player
   * stands there. Ends whatever session the player has elsewhere, as a login does. Rejects with an
   * error whose message begins with the code of the refusal.
   *
   * @param uri Portal URI, e.g. `aether://arena.example.org/pit`.
   */
  async travel(uri: string): Promise<Room> {
    if (this.#crossing !== undefined) throw new TypeError("a crossing is under way");
    const { key, name } = this.#identity;
    if (key === undefined) throw new TypeError("travelling without a room needs a key");
    await this.#identity.learnPlayerId();
    const transit = await requestTravel(this.home, await key.prove(this.home), {
      to: uri,
      ...(name === undefined ? {} : { name }),
    });
    const { transferId, to, origin } = transit;
    this.#crossing = transferId;
    this.#depart.emit({ transferId, to, origin });
    try {
      const room = await takeSeat(this.#identity, transit);
      await this.#arriveIn(room, {
        origin,
        world: transit.reservation.name,
        from: this.home,
        transferId,
      });
      return room;
    } finally {
      this.#crossing = undefined;
    }
  }

  /**
   * What the player would lose if it went home with what it carries now, as JSON Pointers into it;
   * undefined when its home does not say. Empty: nothing.
   */
  async preview(): Promise<readonly string[] | undefined> {
    const { losses } = await ask(this.#present(), "federation:preview");
    return Array.isArray(losses)
      ? losses.filter((loss): loss is string => typeof loss === "string")
      : undefined;
  }

  /** Home's signed receipt of the crossing that led into this room, a JWS; undefined for a login. */
  async receipt(): Promise<string | undefined> {
    const { receipt } = await ask(this.#present(), "federation:receipt");
    return typeof receipt === "string" ? receipt : undefined;
  }

  /** Asks the room to let the player through a portal; only rooms that allow it do. */
  enter(uri: string): void {
    if (this.#room === undefined) throw new TypeError("join a room before entering a portal");
    this.#room.send("federation:enter", { to: uri });
  }

  /**
   * Gives a crossing up, as a player who turns round; {@link Progress} names it. It ends in
   * {@link onFailed} with `ERR_FED_CROSSING_ABANDONED`, or in an arrival where it is too late.
   */
  cancel(transferId: string): void {
    this.#room?.send("federation:cancel", { transferId });
  }

  /** Leaves the current room for good. */
  async leave(): Promise<void> {
    const room = this.#room;
    this.#room = undefined;
    this.#origin = undefined;
    this.#places.forget();
    if (room !== undefined) await leaveQuietly(room);
  }

  /** The room is the player's now; a former one is left once the new one is joined. */
  async #arriveIn(
    room: Room,
    where: {
      readonly origin: string;
      readonly world: string;
      readonly from?: string;
      readonly transferId?: string;
    },
  ): Promise<void> {
    const former = this.#room;
    // Listeners are called in the same turn, so that no message of the new room is missed.
    this.#enter(room, where.origin, where.world);
    this.#arrive.emit({ room, from: undefined, transferId: undefined, ...where });
    if (former !== undefined) await leaveQuietly(former);
  }

  async #wayBack({ origin, world, reconnectionToken, transit }: Place): Promise<Room | undefined> {
    if (transit !== undefined && transit.expiresAt * 1000 > Date.now()) {
      const room = await takeSeat(this.#identity, transit).catch(() => undefined);
      if (room !== undefined) {
        await this.#arriveIn(room, {
          origin: transit.origin,
          world: transit.reservation.name,
          from: origin,
          transferId: transit.transferId,
        });
        return room;
      }
    }
    const room = await reconnect(origin, reconnectionToken);
    await this.#arriveIn(room, { origin, world });
    return room;
  }

  #present(): Room {
    if (this.#room === undefined) throw new TypeError("join a room first");
    return this.#room;
  }

  #enter(room: Room, origin: string, world: string): void {
    this.#room = room;
    this.#origin = origin;
    const keep = (transit?: Transit): void => {
      if (this.#room !== room) return;
      const { reconnectionToken } = room;
      this.#places.keep({ origin, world, reconnectionToken, ...(transit && { transit }) });
    };
    keep();
    // The SDK sets the new token right after it has said so.
    room.onReconnect(() => {
      queueMicrotask(keep);
    });
    room.onMessage("federation:transit", (message: unknown) => {
      const transit = parseTransit(message);
      if (transit === undefined || this.#room !== room) return;
      keep(transit);
      void this.#follow(room, transit);
    });
    room.onMessage("federation:failed", (message: unknown) => {
      const failed = parseFailed(message);
      if (failed === undefined || this.#room !== room) return;
      this.#crossing = undefined;
      keep();
      this.#failed.emit(failed);
    });
    room.onMessage("federation:progress", (message: unknown) => {
      const progress = parseProgress(message);
      if (progress === undefined || this.#room !== room) return;
      this.#progress.emit({ ...progress, stage: "assets" });
    });
    room.onMessage("federation:kept", (message: unknown) => {
      const kept = parseKept(message);
      if (kept !== undefined && this.#room === room) this.#kept.emit(kept);
    });
    room.onLeave((code, reason) => {
      if (this.#room !== room || this.#crossing !== undefined) return;
      this.#room = undefined;
      this.#origin = undefined;
      this.#leave.emit({ code, reason: reason ?? "" });
    });
  }

  async #follow(old: Room, transit: Transit): Promise<void> {
    if (this.#crossing !== undefined) return;
    const { transferId, to, origin } = transit;
    const from = this.#origin;
    this.#crossing = transferId;
    this.#depart.emit({ transferId, to, origin });
    this.#progress.emit({ transferId, to, stage: "reserved" });
    let room: Room;
    try {
      this.#progress.emit({ transferId, to, stage: "connecting" });
      room = await takeSeat(this.#identity, transit);
    } catch (error) {
      this.#stay(old, transit, error);
      return;
    }
    this.#crossing = undefined;
    this.#progress.emit({ transferId, to, stage: "arrived" });
    await this.#arriveIn(room, {
      origin,
      world: transit.reservation.name,
      transferId,
      ...(from === undefined ? {} : { from }),
    });
  }

  /** Gives the crossing up; the room answers with `federation:failed` once home has decided. */
  #stay(old: Room, { transferId, to }: Transit, error: unknown): void {
    const message = error instanceof Error ? error.message : "the other world cannot be entered";
    if (this.#room === old && old.connection.isOpen) {
      this.#crossing = undefined;
      old.send("federation:cancel", { transferId });
      return;
    }
    this.#crossing = undefined;
    this.#room = undefined;
    this.#origin = undefined;
    const code = /ERR_FED_[A-Z_]+/u.exec(message)?.[0] ?? "ERR_FED_CROSSING_ABANDONED";
    this.#failed.emit({ transferId, to, code, message });
    this.#leave.emit({ code: 1006, reason: "Both worlds are out of reach." });
  }
}
