/**
 * `Traveler`: a player's side of the federation, over the Colyseus SDK, in browsers and in Node.
 *
 *   const traveler = new Traveler("https://worlds.example.com", { name: "Ada" });
 *   traveler.onArrive(({ room, origin }) => show(room, origin));
 *   await traveler.join("plaza");
 *
 * It keeps the old room until the new one is joined, so a crossing that fails leaves the player
 * where it was. After a reload, `resume` goes on where the player was instead of `join`. When the
 * player's place is lost (its server stops, hangs or fails, or a room does not let it in), it
 * is brought home: `onLeave` says why, `onArrive` that it is there.
 *
 * One attempt to get into a room is under way at a time; a newer one takes its place, and nothing of
 * the former is left in any room.
 */
import type { Room } from "@colyseus/sdk";
import { Attempt } from "./attempt.ts";
import {
  ask,
  joinAtHome,
  leaveQuietly,
  mayPassAtHome,
  reconnect,
  takeSeat,
} from "./connections.ts";
import { letGo } from "./connector.ts";
import { Emitter } from "./emitter.ts";
import { type Ending, codeAndSentence, leadsHome, reasonOf, sentenceOf } from "./ending.ts";
import type {
  Arrival,
  Departure,
  Failure,
  Forecast,
  Freeze,
  HandOver,
  Kept,
  Leave,
  Progress,
  Recall,
} from "./events.ts";
import { listenTo } from "./hearing.ts";
import { KIT } from "./kit.ts";
import { Identity, type StorageTrouble } from "./identity.ts";
import type { Transit } from "./messages.ts";
import { backOff, pause } from "./patience.ts";
import { type Place, PlaceKeeper } from "./place.ts";
import { watchPulse } from "./pulse.ts";
import type {
  JoinOptions,
  RoomName,
  RoomOf,
  RoomTypeOf,
  RoomTypes,
  ServerTypes,
} from "./server-types.ts";
import type { TravelerOptions } from "./traveler-options.ts";
import { VISIT, type Visit, type Visiting } from "./visit.ts";
import { Whereabouts, isOpenPage } from "./whereabouts.ts";
import type { ArriveOptions } from "./hand-over/arrive.ts";
import type { Destination } from "./later/destinations.ts";

/** What {@link Traveler.arrive} has come to. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export interface Arrived<Server extends ServerTypes = any> {
  readonly traveler: Traveler<Server>;
  readonly room: Room;
}

/** The room at home that the player goes to. */
interface HomeRoom {
  readonly world: string;
  readonly options: object;
}

/** A room that an attempt has got into. */
interface Found {
  readonly room: Room;
  readonly origin: string;
  readonly world: string;
  readonly from?: string | undefined;
  readonly transferId?: string | undefined;
}

/** How long a room has for its word on a crossing that its client gave up. */
const WORD_MILLISECONDS = 20_000;
const SILENCE_SECONDS = 30;
const CONFIRM = /^(?:onward|always|never)$/u;
/** A room may have to ask several servers, one after the other. */
const FORECAST_MILLISECONDS = 30_000;
const MAX_SILENCE_SECONDS = 3600;
const FIRST_WAIT_MILLISECONDS = 500;
const LONGEST_WAIT_MILLISECONDS = 10_000;
/** How often home may say no, for reasons that do not pass by themselves. */
const MAX_REFUSALS_AT_HOME = 3;

/**
 * One player, travelling.
 *
 * `Traveler<typeof server>` knows the home server's rooms by their types, as the SDK's
 * `Client<typeof server>` does.
 */
// `any` is the SDK's own default for a server without a type.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export class Traveler<Server extends ServerTypes = any> {
  readonly #identity: Identity;
  readonly #places: PlaceKeeper;
  readonly #whereabouts = new Whereabouts(later);
  readonly #arrive = new Emitter<Arrival<Server>>();
  readonly #depart = new Emitter<Departure>();
  readonly #progress = new Emitter<Progress>();
  readonly #failed = new Emitter<Failure>();
  readonly #undecided = new Emitter<Failure>();
  readonly #frozen = new Emitter<Freeze>();
  readonly #thawed = new Emitter<void>();
  readonly #recalled = new Emitter<Recall>();
  readonly #leave = new Emitter<Leave>();
  readonly #handOver = new Emitter<HandOver>();
  readonly #destinationsHeard = new Emitter<readonly Destination[]>();
  #destinations: readonly Destination[] = [];
  readonly #storageTrouble = new Emitter<StorageTrouble>();
  #toldOfTrouble = false;
  readonly #comesHome: boolean;
  readonly #silenceMilliseconds: number;
  readonly #visit: Visit | undefined;
  readonly #options: Pick<TravelerOptions, "confirm" | "plays">;
  /** The portal that the player asked to go through last. */
  #wished: string | undefined;
  #homeRoom: HomeRoom | undefined;
  readonly #kept = new Emitter<Kept>();
  #room: Room | undefined;
  #origin: string | undefined;
  #attempt: Attempt | undefined;
  /** The room was lost while an attempt was under way: what follows depends on how that ends. */
  #ending: Ending | undefined;
  /** Why the other world could not be entered: the room has not said yet what becomes of the player. */
  #refused: Failure | undefined;
  #waitForWord: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param home URL of the server the player logs in at, `http(s):` or `ws(s):`; its origin becomes the
   * player's home.
   * @throws TypeError naming the option that is wrong. Storage that throws is none: see
   * {@link onStorageTrouble}.
   */
  constructor(home: string | URL, options: TravelerOptions = {}) {
    const { placeStorage, comesHome = true, silenceSeconds = SILENCE_SECONDS } = options;
    if (!(silenceSeconds >= 1 && silenceSeconds <= MAX_SILENCE_SECONDS)) {
      throw new TypeError(`silenceSeconds must be 1 to ${MAX_SILENCE_SECONDS}`);
    }
    this.#silenceMilliseconds = silenceSeconds * 1000;
    const { confirm = "onward" } = options;
    if (typeof confirm !== "function" && !CONFIRM.test(confirm)) {
      throw new TypeError('confirm must be "onward", "always", "never" or a function');
    }
    this.#options = options;
    this.#visit = (options as Visiting)[VISIT];
    this.#identity = new Identity(home, options, this.#visit);
    this.#places = new PlaceKeeper(this.home, placeStorage);
    this.#comesHome = comesHome !== false;
    if (typeof comesHome === "string") this.#homeRoom = { world: comesHome, options: {} };
  }

  /**
   * What a game's page calls first: goes on with a player that another page hands over (PROTOCOL 8), lets a page of
   * another server act for a player whose home this is, or goes on here after a reload, as {@link resume} does; the
   * first time, it joins `world`. It does not settle where the browser is sent to another page meanwhile. Rejects as
   * {@link join} does, and with `ERR_FED_HAND_OVER_FAILED` where the player's home has no page to go to.
   *
   * @param server URL of the server whose page this is.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  static async arrive<Server extends ServerTypes = any>(
    server: string | URL,
    options: ArriveOptions<Traveler<Server>>,
  ): Promise<Arrived<Server>> {
    return (await later()).arrive<Traveler<Server>>(server, options, {
      whereabouts: new Whereabouts(later),
      make: (home, given) => new Traveler<Server>(home, given),
      identityOf: (traveler) => traveler.#identity,
      take: (traveler, transit, from) =>
        traveler.#run(traveler.#begin("join", transit), (signal) =>
          traveler.#through(transit, from, signal),
        ),
      fail: (traveler, failure) => {
        traveler.#failed.emit(failure);
      },
    });
  }

  /** Origin of the player's home server, as that calls itself. */
  get home(): string {
    return this.#identity.home;
  }

  /** The room the player is in. */
  get room(): Room | undefined {
    return this.#room;
  }

  /** The server the player is on. */
  get origin(): string | undefined {
    return this.#origin;
  }

  /** `<local id>@<home authority>` where the key is the account; known after {@link join}; undefined for an account. */
  get playerId(): string | undefined {
    return this.#identity.playerId;
  }

  /** Hears every arrival, the first join included. Returns how to stop. */
  onArrive(listener: (arrival: Arrival<Server>) => void): () => void {
    return this.#arrive.on(listener);
  }

  /** Hears that a crossing has begun. */
  onDepart(listener: (departure: Departure) => void): () => void {
    return this.#depart.on(listener);
  }

  /** Where the player could go from its room, as the room said last; empty where it does not say. */
  get destinations(): readonly Destination[] {
    return this.#destinations;
  }

  /**
   * Hears where the player could go, all of it, whenever the room says that it has changed; of a new room, from
   * the beginning. At most 128. Only rooms whose portals have the option `destinations` say so.
   */
  onDestinations(listener: (destinations: readonly Destination[]) => void): () => void {
    return this.#destinationsHeard.on(listener);
  }

  /**
   * Hears that another page goes on with the player, as the world that it enters has a page of its own: whoever
   * listens opens `url` in this tab's place. Where nobody listens, this page does. The player is kept for that page
   * until its seat lapses; then {@link onFailed} says that it stays, where this page is still there.
   */
  onHandOver(listener: (handOver: HandOver) => void): () => void {
    return this.#handOver.on(listener);
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

  /**
   * Hears that nobody knows yet how a crossing ended: the player stays frozen until that is settled;
   * then it is thawed where it is, or the connection ends.
   */
  onUndecided(listener: (failure: Failure) => void): () => void {
    return this.#undecided.on(listener);
  }

  /** Hears that nobody plays the player for the moment, and why. */
  onFrozen(listener: (freeze: Freeze) => void): () => void {
    return this.#frozen.on(listener);
  }

  /** Hears that the player is played again. */
  onThawed(listener: () => void): () => void {
    return this.#thawed.on(listener);
  }

  /** Hears that the server ends the player's session, and why; {@link onLeave} follows. */
  onRecalled(listener: (recall: Recall) => void): () => void {
    return this.#recalled.on(listener);
  }

  /**
   * Hears that the connection has ended for good, and whether the player is brought home; once more
   * when home does not let it in.
   */
  onLeave(listener: (leave: Leave) => void): () => void {
    return this.#leave.on(listener);
  }

  /**
   * Hears, at the first login, that storage has not given or taken the key, so that the player plays
   * under one that is gone with this object. Where nobody listens, it is said on the console.
   */
  onStorageTrouble(listener: (trouble: StorageTrouble) => void): () => void {
    return this.#storageTrouble.on(listener);
  }

  /**
   * Logs in at home and joins a room there. Rejects with the SDK's error; its message begins with
   * the code where the federation refused, e.g. `ERR_FED_AWAY: …`. Whatever attempt is under way is
   * called off, and rejects.
   */
  join<Name extends RoomName<Server>>(
    roomName: Name,
    options?: JoinOptions<RoomTypeOf<Server, Name>>,
  ): Promise<RoomOf<Server, Name>>;
  join<RoomType extends RoomTypes>(
    roomName: string,
    options?: JoinOptions<RoomType>,
  ): Promise<Room<RoomType>>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  join<State = any>(roomName: string, options?: object): Promise<Room<any, State>>;
  join(roomName: string, options: object = {}): Promise<Room> {
    // A room is what its caller says.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-return
    return this.#run(this.#begin("join"), (signal) => this.#logIn(roomName, options, signal));
  }

  /**
   * Goes on where the player was before its page was reloaded: into the room a crossing was leading
   * to, or back into the room it was in, where that room still keeps its place (Colyseus'
   * `allowReconnection`). Otherwise, and the first time, it joins `roomName` at home, which brings
   * the player back from wherever it is.
   */
  resume<Name extends RoomName<Server>>(
    roomName: Name,
    options?: JoinOptions<RoomTypeOf<Server, Name>>,
  ): Promise<RoomOf<Server, Name>>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  resume<State>(roomName: RoomName<Server>, options?: object): Promise<Room<any, State>>;
  resume(roomName: string, options: object = {}): Promise<Room> {
    // A room is what its caller says.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-return
    return this.#run(this.#begin("join"), async (signal) => {
      this.#tellOfTrouble();
      await this.#identity.learnPlayerId();
      const place = this.#places.read();
      const found = place === undefined ? undefined : await this.#wayBack(place, signal);
      if (found === undefined) return this.#logIn(roomName, options, signal);
      this.#homeRoom = { world: roomName, options };
      return found;
    });
  }

  /**
   * Travels without being in a room: home is asked for a seat behind the portal, and the player
   * stands there. Ends whatever session the player has elsewhere, as a login does. Rejects with an
   * error whose message begins with the code of the refusal.
   *
   * @param uri Portal URI, e.g. `aether://arena.example.org/pit`.
   */
  async travel(uri: string): Promise<Room> {
    if (this.#attempt?.transit !== undefined) throw new TypeError("a crossing is under way");
    const { name } = this.#identity;
    const attempt = this.#begin("travel");
    return this.#run(attempt, async (signal) => {
      this.#tellOfTrouble();
      const body = { to: uri, ...(name === undefined ? {} : { name }) };
      const transit = await (
        await later()
      ).requestTravel(this.#whereabouts, this.#identity, body, signal);
      attempt.transit = transit;
      const { transferId, to, origin } = transit;
      this.#depart.emit({ transferId, to, origin });
      this.#wished = to;
      await this.#goOn(transit, attempt);
      return this.#through(transit, this.home, signal);
    });
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

  /**
   * Whether the player would get through a portal now, and what it would meet there. The room asks the
   * destination; nobody is frozen, nothing is decided. Rejects when the room does not answer within 30 s.
   *
   * @param uri Portal URI, e.g. `aether://arena.example.org/pit`.
   */
  async canEnter(uri: string): Promise<Forecast> {
    const answer = await ask(this.#present(), "federation:can-enter", {
      payload: { to: uri },
      isAnswer: ({ to }) => to === uri,
      milliseconds: FORECAST_MILLISECONDS,
    });
    return (await later()).parseForecast(answer, uri);
  }

  /**
   * A proof of the player's key for a purpose of its home's own, such as its shop, which verifies it with
   * `verifyProof`: good once, for under a minute, for nothing else. Undefined for a guest, and on a page that has not
   * the player's own key, as it was handed over to ({@link arrive}).
   *
   * @param purpose 1–64 of `A-Za-z0-9_-`, as the host calls it; or the trade of a digest (`onGift`).
   * @param origin A server other than home that is to be shown it.
   */
  async prove(
    purpose: string | { readonly trade: string },
    origin = this.home,
  ): Promise<string | undefined> {
    const use = typeof purpose === "string" ? { purpose } : purpose;
    if (!/^[\w-]{1,64}$/u.test(Object.values(use)[0] ?? "")) {
      throw new TypeError("purpose must be 1–64 of A-Za-z0-9_-");
    }
    if (this.#visit !== undefined) return undefined;
    return this.#identity.prove(origin, use);
  }

  /** Home's signed receipt of the crossing that led into this room, a JWS; undefined for a login. */
  async receipt(): Promise<string | undefined> {
    const { receipt } = await ask(this.#present(), "federation:receipt");
    return typeof receipt === "string" ? receipt : undefined;
  }

  /** Asks the room to let the player through a portal; only rooms that allow it do. */
  enter(uri: string): void {
    if (this.#room === undefined) throw new TypeError("join a room before entering a portal");
    this.#wished = uri;
    this.#room.send("federation:enter", { to: uri });
  }

  /**
   * Gives a crossing up, as a player who turns round. It ends in {@link onFailed} with
   * `ERR_FED_CROSSING_ABANDONED`, or in an arrival where it is too late.
   *
   * @param transferId Which one, as {@link Progress} names it. Default: the one that the player is on.
   */
  cancel(transferId?: string): void {
    this.#room?.send("federation:cancel", { transferId });
  }

  /** Leaves the current room for good, and calls off whatever attempt is under way. */
  async leave(): Promise<void> {
    this.#callOff();
    const room = this.#room;
    this.#room = undefined;
    this.#origin = undefined;
    this.#forgetRefusal();
    this.#ending = undefined;
    this.#places.forget();
    if (room !== undefined) await leaveQuietly(room);
  }

  #begin(kind: Attempt["kind"], transit?: Transit): Attempt {
    this.#callOff();
    const attempt = new Attempt(kind, transit);
    this.#attempt = attempt;
    return attempt;
  }

  #callOff(): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt === undefined) return;
    attempt.callOff();
    // Without it, the room would keep the player for a seat that nobody takes.
    if (attempt.kind === "crossing" && attempt.transit !== undefined) {
      this.cancel(attempt.transit.transferId);
    }
  }

  /** Follows an attempt to its end. What it has found is let go when it is the present one no more. */
  async #run(
    attempt: Attempt,
    find: (signal: AbortSignal) => Promise<Found>,
    onFailure?: (error: unknown) => void,
  ): Promise<Room> {
    let found: Found;
    try {
      found = await find(attempt.signal);
    } catch (error) {
      if (this.#attempt !== attempt) throw attempt.signal.reason;
      this.#attempt = undefined;
      onFailure?.(error);
      this.#afterLoss();
      throw error;
    }
    if (this.#attempt !== attempt) {
      letGo(found.room);
      throw attempt.signal.reason;
    }
    this.#attempt = undefined;
    this.#arriveIn(found);
    return found.room;
  }

  /** The room is the player's now; a former one is left once the new one is joined. */
  #arriveIn({ room, origin, world, from, transferId }: Found): void {
    const former = this.#room;
    this.#ending = undefined;
    this.#forgetRefusal();
    // Listeners are called in the same turn, so that no message of the new room is missed.
    this.#enter(room, origin, world);
    if (former !== undefined) void leaveQuietly(former);
    const atHome = origin === this.home;
    // What is told apart by type only is told apart by the listener.
    this.#arrive.emit({ room, origin, world, from, transferId, atHome } as Arrival<Server>);
  }

  async #logIn(world: string, options: object, signal: AbortSignal): Promise<Found> {
    // Its own key is at home: from here it can only go there.
    if (this.#visit !== undefined) return this.#visit.goHome(signal);
    this.#tellOfTrouble();
    const room = await joinAtHome(this.#identity, this.#whereabouts, world, options, signal);
    this.#homeRoom = { world, options };
    return { room, origin: this.home, world };
  }

  #tellOfTrouble(): void {
    const { trouble } = this.#identity;
    if (trouble === undefined || this.#toldOfTrouble) return;
    this.#toldOfTrouble = true;
    if (this.#storageTrouble.emit(trouble)) return;
    // Nobody listens, and silence would cost the player what it has.
    // eslint-disable-next-line no-console
    console.warn(trouble.message, trouble.cause);
  }

  async #through(transit: Transit, from: string | undefined, signal: AbortSignal): Promise<Found> {
    const { origin, reservation, transferId } = transit;
    const room = await takeSeat(this.#identity, this.#whereabouts, transit, signal);
    return { room, origin, world: reservation.name, from, transferId };
  }

  async #wayBack(place: Place, signal: AbortSignal): Promise<Found | undefined> {
    const { origin, world, reconnectionToken, transit, handedOver } = place;
    try {
      if (transit !== undefined && transit.expiresAt * 1000 > Date.now()) {
        const found = await this.#through(transit, origin, signal).catch(() => undefined);
        if (found !== undefined) return found;
      }
      signal.throwIfAborted();
      const room = await reconnect(origin, this.#whereabouts, reconnectionToken, signal);
      // The player has come back to this page instead.
      if (handedOver !== undefined) room.send("federation:cancel", { transferId: handedOver });
      return { room, origin, world };
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
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
    this.#destinations = [];
    listenTo(room, {
      isPresent: () => this.#room === room,
      destinations: (message) => {
        // In the order in which they came: each waits for the same.
        void later().then(
          ({ parseDestinations, withChange }) => {
            const change = this.#room === room ? parseDestinations(message) : undefined;
            if (change === undefined) return;
            this.#destinations = withChange(this.#destinations, change);
            this.#destinationsHeard.emit(this.#destinations);
          },
          () => undefined,
        );
      },
      transit: (transit) => {
        if (this.#attempt !== undefined) return;
        keep(transit);
        this.#follow(transit);
      },
      failed: (failed) => {
        keep();
        this.#stayed(failed);
      },
      undecided: (undecided) => {
        // The room will say how it ended, however long that takes.
        clearTimeout(this.#waitForWord);
        this.#undecided.emit(undecided);
      },
      progress: (progress) => {
        this.#progress.emit({ ...progress, stage: "assets" });
      },
      kept: (kept) => {
        this.#kept.emit(kept);
      },
      frozen: (freeze) => {
        this.#frozen.emit(freeze);
      },
      thawed: () => {
        this.#thawed.emit();
      },
      recalled: (recall) => {
        this.#recalled.emit(recall);
      },
      lost: (how) => {
        this.#lost(room, how);
      },
    });
    watchPulse(room, this.#silenceMilliseconds, () => {
      this.#giveUpOn(room);
    });
  }

  #follow(transit: Transit): void {
    const { transferId, to, origin } = transit;
    const from = this.#origin;
    const attempt = this.#begin("crossing", transit);
    this.#depart.emit({ transferId, to, origin });
    this.#progress.emit({ transferId, to, stage: "reserved" });
    const find = async (signal: AbortSignal): Promise<Found> => {
      await this.#goOn(transit, attempt);
      this.#progress.emit({ transferId, to, stage: "connecting" });
      const found = await this.#through(transit, from, signal);
      if (!signal.aborted) this.#progress.emit({ transferId, to, stage: "arrived" });
      return found;
    };
    this.#run(attempt, find, (error) => {
      this.#refuse(transit, error);
    }).catch(() => undefined);
  }

  /** Asks the player where it has to, and hands it over where another page plays that world: then it never settles. */
  async #goOn(transit: Transit, attempt: Attempt): Promise<void> {
    const { to, origin, world } = transit;
    const { signal } = attempt;
    const { confirm = "onward", plays } = this.#options;
    const [identity, visit, from] = [this.#identity, this.#visit, this.#origin];
    const isOnward =
      this.#wished !== to &&
      ![from, this.home].includes(origin) &&
      from !== this.home &&
      from !== undefined;
    this.#wished = undefined;
    const page = await this.#whereabouts.pageOf(origin, world, signal);
    const asks = confirm !== "never" && (confirm !== "onward" || isOnward);
    if (!asks && visit === undefined && (page === undefined || isOpenPage(page))) return;
    const { goOn } = await later();
    await goOn({
      ...{ transit, page, signal, confirm, isOnward, identity, visit, from, plays },
      ...{ whereabouts: this.#whereabouts, room: this.#room, listener: this.#handOver },
      left: (place) => {
        attempt.handedOver = true;
        if (place !== undefined) this.#places.keep(place);
      },
    });
  }

  /**
   * The other world cannot be entered. The room is told, and answers with `federation:failed`, or by
   * ending the connection where the player had been let go of already.
   */
  #refuse({ transferId, to }: Transit, error: unknown): void {
    const { code, sentence } = codeAndSentence(error instanceof Error ? error.message : "");
    this.#refused = {
      ...{ transferId, to },
      code: code ?? (mayPassAtHome(error) ? "ERR_FED_UNREACHABLE" : "ERR_FED_JOIN_REFUSED"),
      message: sentence === "" ? "The other world cannot be reached." : sentence,
    };
    const room = this.#room;
    if (room === undefined) return;
    this.cancel(transferId);
    this.#waitForWord = setTimeout(() => {
      this.#giveUpOn(room);
    }, WORD_MILLISECONDS);
  }

  /** The room says nothing any more. */
  #giveUpOn(room: Room): void {
    if (this.#room !== room) return;
    letGo(room);
    this.#lost(room, { code: 1006, reason: "", recall: undefined });
  }

  /** The room says that the player stays. */
  #stayed(failed: Failure): void {
    const refused = this.#refused;
    if (
      this.#attempt?.kind === "crossing" &&
      this.#attempt.transit?.transferId === failed.transferId
    ) {
      // Home has decided: the seat is worth nothing any more.
      const attempt = this.#attempt;
      this.#attempt = undefined;
      attempt.callOff();
    }
    if (refused?.transferId !== failed.transferId) {
      this.#failed.emit(failed);
      return;
    }
    this.#forgetRefusal();
    // What kept the player out is known here; the room knows only that it was given up.
    this.#failed.emit(failed.code === "ERR_FED_CROSSING_ABANDONED" ? refused : failed);
  }

  #forgetRefusal(): void {
    clearTimeout(this.#waitForWord);
    this.#refused = undefined;
  }

  #lost(room: Room, how: Pick<Ending, "code" | "reason" | "recall">): void {
    if (this.#room !== room) return;
    this.#room = undefined;
    this.#origin = undefined;
    const onTheWay = this.#attempt?.kind === "crossing" || this.#refused !== undefined;
    const handedOver = this.#attempt?.handedOver === true;
    // The other page is there, or home has the player back.
    if (handedOver) this.#callOff();
    this.#ending = { ...how, onTheWay, handedOver };
    if (this.#attempt === undefined) this.#afterLoss();
  }

  /** The player is nowhere, and nothing is under way: says so, and brings it home. */
  #afterLoss(): void {
    const ending = this.#ending;
    if (ending === undefined) return;
    this.#ending = undefined;
    const refused = this.#refused;
    this.#forgetRefusal();
    const homeRoom = this.#homeRoom;
    const comesHome = this.#comesHome && homeRoom !== undefined && leadsHome(ending);
    const attempt = comesHome ? this.#begin("homecoming") : undefined;
    if (refused !== undefined) this.#failed.emit(refused);
    this.#leave.emit({
      ...{ code: ending.code, reason: reasonOf(ending), message: sentenceOf(ending) },
      comesHome,
    });
    // A listener may have gone its own way.
    if (attempt === undefined || homeRoom === undefined || this.#attempt !== attempt) return;
    this.#run(
      attempt,
      (signal) => this.#goHome(homeRoom, signal),
      (error) => {
        const { message: reason } = error as Error;
        const message = codeAndSentence(reason).sentence;
        this.#leave.emit({ code: ending.code, reason, message, comesHome: false });
      },
    ).catch(() => undefined);
  }

  async #goHome({ world, options }: HomeRoom, signal: AbortSignal): Promise<Found> {
    let refusals = 0;
    for (let failures = 0; ; failures += 1) {
      await pause(backOff(failures, FIRST_WAIT_MILLISECONDS, LONGEST_WAIT_MILLISECONDS), signal);
      try {
        return await this.#logIn(world, options, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        if (!mayPassAtHome(error)) refusals += 1;
        if (refusals >= MAX_REFUSALS_AT_HOME) throw error;
      }
    }
  }
}

/** Loaded when it is needed: most players are at home on the page that they have. */
async function later() {
  const part = await import("./later/index.ts");
  part.use(KIT);
  return part;
}
