/** A simulated server: the shipped custody code on simulated ports, with players who play. */
import type { SeatedParty } from "../../src/custody/destination/seat-book.ts";
import type { SeatClaim, SeatHost } from "../../src/custody/destination/seat-host.ts";
import { Custody } from "../../src/custody/custody.ts";
import type { PlayerSession } from "../../src/custody/shared/player-session.ts";
import { LettingIn, orOver } from "../../src/colyseus/letting-in.ts";
import { ERROR_CODES, FederationError, type FederationErrorCode } from "../../src/errors.ts";
import { agreeOnKeys, createEphemeralKey } from "../../src/link/keys.ts";
import type { LinkHandler, LinkedAnswer } from "../../src/link/link.ts";
import { Links, type OpenedSocket } from "../../src/link/links.ts";
import type { PeerAnswer, PeerCalls } from "../../src/ports.ts";
import { type VerifyKey, importVerifyKey } from "../../src/identity/ed25519.ts";
import { type SigningKey, generateSigningKey } from "../../src/identity/server-keys.ts";
import type { JsonValue } from "../../src/json.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import type { Addresses } from "./addresses.ts";
import { type Book, Connection, type Station, type Tape } from "./connection.ts";
import {
  type Carried,
  type Connection as ClientConnection,
  type RoomBody,
  UNREADABLE,
  carriedOf,
  lieOf,
} from "./room.ts";
import type { Trading } from "./trading.ts";
import {
  CrashingStore,
  type Disk,
  type DiskRow,
  DriftingClock,
  EPOCH,
  type World,
  never,
} from "./world.ts";

const CALL_TIMEOUT = 5_000;
const SEAT_LIFE = 15_000;
const LEASE_SECONDS = 15;
const STOP_MILLISECONDS = 10_000;
const JOIN_MILLISECONDS = 5_000;
/** Much longer than a recall may take. */
const HOSTAGE_MILLISECONDS = 1_200_000;
/** How long a damaged row stays before the operator has put it right. */
const REPAIR_MILLISECONDS = [2_000, 60_000] as const;
/** Rows that are damaged now and then, and texts that take their place. */
const ROTTING = ["custody/", "visitor/", "history/", "receipt/"];
const ROTTEN = ["", "{", "null", "[object Object]", "{}", '{"localId":7}', '"text"', "[1,2]"];
/** Columns of a custody row whose damage shows, whatever text stands there. */
const ROTTING_COLUMNS = ["epoch", "transfer", "last"];

/** Servers that can reach each other. */
export interface Neighbourhood {
  readonly world: World;
  readonly servers: readonly SimulatedServer[];
  /** Where they are. */
  readonly addresses: Addresses;
  /** Whether any servers have links. */
  readonly links: boolean;
  /** Whether two servers have links with each other; the others call each other by HTTP alone. */
  linked(one: string, other: string): boolean;
  /** Whether homes give seats with departures. */
  readonly wayHome: boolean;
  readonly tape: Tape;
  /** Calls and answers on links. */
  readonly book: Book;
  /** Takes a change of what a player carries down in the book of all changes. */
  grow(from: Carried | undefined, item: string | undefined, by?: string): Carried;
  /** What a server had recorded of a player is not what it said: it owes nothing of it. */
  disown(player: string, transferId?: string): void;
  /** A visitor's row is no more. */
  forgotten(origin: string, player: string): void;
  /** Servers that take nobody, or everybody, by origin: once all faults have ended. */
  readonly shut: ReadonlyMap<string, "full" | "unwell" | "open">;
  /** A server begins to let a player go. */
  departing(server: SimulatedServer, player: string): void;
  /** A party has its seats. */
  partySeated(asked: PartyAsked): void;
  /** A member of a party is let in: its session begins in this very turn. */
  partyBegins(party: SeatedParty, transferId: string, server: SimulatedServer): void;
  /** A seat was given for what `caller` sent. */
  seated(caller: string, body: unknown, to: SimulatedServer): void;
  /** A server's life ended without its memory. */
  died(origin: string, life: number): void;
  /** What players give each other; undefined where they give nothing. */
  readonly trading: Trading | undefined;
  /** Something that must never be. */
  violate(what: string): void;
}

/** One server over all its lives. */
export class SimulatedServer implements PeerCalls {
  /** The origin that it began with: its name in the simulation, wherever it is. */
  readonly origin: string;
  readonly disk: Disk = new Map();
  readonly key: SigningKey;
  readonly verifyKey: VerifyKey;
  readonly #hood: Neighbourhood;
  readonly #rate: number;
  readonly #offset: number;
  readonly #narrow: boolean;
  /** Whether it need not share with other processes what ends with its own. */
  readonly alone: boolean;
  #life = 0;
  #up = false;
  #ready = false;
  #stopping = false;
  #hungUntil = 0;
  #store: CrashingStore | undefined;
  #custody: Custody | undefined;
  #seats = new Map<string, { claim: SeatClaim; until: number }>();
  #cutUntil = new Map<string, number>();
  /** Until when it does not give a player back. */
  readonly #hostages = new Map<string, number>();
  /** Damaged rows: how to put each right. */
  readonly #damaged = new Map<string, () => void>();
  #clock: DriftingClock | undefined;
  #links: Links | undefined;
  #station: Omit<Station, "outOfSight"> | undefined;
  readonly #connections = new Set<Connection>();
  #minted = 0;

  constructor(hood: Neighbourhood, name: string) {
    this.#hood = hood;
    this.origin = `https://${name}.example`;
    hood.addresses.add(this.origin);
    this.key = generateSigningKey(hood.world.random);
    this.verifyKey = importVerifyKey(this.key.jwk);
    // Clocks run up to 4 % apart and show times up to 10 s apart.
    this.#rate = hood.world.between(0.98, 1.02);
    this.#offset = hood.world.between(-5_000, 5_000);
    this.#narrow = hood.world.random.fraction() < 0.5;
    this.alone = hood.world.random.fraction() < 0.5;
  }

  /** The origin that it has now. */
  get address(): string {
    return this.#hood.addresses.of(this.origin);
  }

  /** Where it believes another server to be. */
  wayTo({ origin }: SimulatedServer): string {
    return this.#hood.addresses.knownTo(this.origin).currentOrigin(origin);
  }

  get authority(): string {
    return new URL(this.origin).host;
  }

  /** The only trophy its rooms know of, where they do not just hand on what they are given. */
  get knows(): `trophy-${string}` | undefined {
    return this.#narrow ? `trophy-${this.authority}` : undefined;
  }

  get up(): boolean {
    return this.#up;
  }

  /** The custody code of the present life. */
  get custody(): Custody | undefined {
    return this.#up && this.#ready ? this.#custody : undefined;
  }

  /** Whether its process stands still. */
  get hung(): boolean {
    return this.#hood.world.now < this.#hungUntil;
  }

  /** The Unix milliseconds that its clock shows. */
  get shows(): number {
    return EPOCH + this.#hood.world.now + this.#offset;
  }

  /** Keys of rows that were damaged at some time. */
  readonly rotted = new Set<string>();

  /** Whether its store is away. */
  get storeAway(): boolean {
    return this.#store?.away === true;
  }

  /** The life it is in. */
  get life(): number {
    return this.#life;
  }

  start(): void {
    const { world } = this.#hood;
    const life = ++this.#life;
    this.#up = true;
    this.#stopping = false;
    this.#hungUntil = 0;
    this.#seats = new Map();
    const alive = (): boolean => this.#up && this.#life === life;
    const process = { alive, hungUntil: () => this.#hungUntil };
    const store = new CrashingStore(world, this.origin, this.disk, process, () => {
      this.crash();
    });
    this.#store = store;
    const silent = (): void => undefined;
    const clock = new DriftingClock(world, process, this.#rate, this.#offset);
    this.#clock = clock;
    this.#station = { name: this.origin, ...process };
    this.#links = this.#hood.links ? this.#linksOf(alive, clock) : undefined;
    const moves = this.#hood.addresses.knownTo(this.origin);
    this.#custody = new Custody({
      ...{ origin: this.address, moves },
      store,
      transient: this.alone ? new MemoryStore(clock) : undefined,
      clock,
      random: world.random,
      logger: { debug: silent, info: silent, warn: silent, error: silent },
      peers: { call: (origin, path, body) => this.#callAs(alive, origin, path, body) },
      seats: this.#seatHost(alive),
      signingKey: () => this.key,
      issuerKey: (issuer, kid) => {
        const { servers, addresses } = this.#hood;
        const there = moves.currentOrigin(issuer);
        const name = addresses.hears(this.origin, there) ? addresses.nameOf(there) : undefined;
        const server = servers.find(({ origin }) => origin === name);
        return server?.key.kid === kid ? server.verifyKey : undefined;
      },
      leaseSeconds: LEASE_SECONDS,
      ...this.#hood.trading?.options,
      givesSeats: () => this.#hood.wayHome,
      onEvent: (event) => {
        if (event.type !== "progress" || event.progress.stage !== "departing") return;
        this.#hood.departing(this, event.progress.player);
      },
    });
    // As the real one: nobody is let in before what a former run left open is settled.
    this.#ready = false;
    this.#custody.start().then(
      () => {
        if (alive()) this.#ready = true;
      },
      (cause: unknown) => {
        if ((cause as FederationError).code !== "ERR_FED_STORE_UNAVAILABLE") {
          this.#hood.violate(`${this.authority} does not start: ${String(cause)}`);
        }
        // As the real one: it says why and ends; somebody starts it again.
        if (alive()) this.#endLife(1_000);
      },
    );
  }

  /** Ends as it is told to, and comes back some time later. */
  async stop(): Promise<void> {
    const { world } = this.#hood;
    const { custody, life } = { custody: this.custody, life: this.#life };
    if (custody === undefined || this.#stopping || this.hung) return;
    this.#stopping = true;
    world.note(() => `${this.authority} is stopping`);
    const since = world.now;
    await custody.drain(STOP_MILLISECONDS);
    if (!this.#up || this.#life !== life) return;
    // What a store that did not answer has not taken is lost with the memory, and that is said.
    const refused = custody.unstored - custody.sessions.all().length;
    const clean = refused === 0 && (this.#store?.awayUntil ?? 0) <= since;
    if (!clean) this.#hood.died(this.origin, life);
    world.note(
      () => `${this.authority} has stopped${clean ? "" : ", with states it could not store"}`,
    );
    if (this.#links !== undefined) await this.#links.close();
    if (!this.#up || this.#life !== life) return;
    custody.stop();
    this.#endLife(world.between(300, 8_000));
  }

  /** Stands still for a while, as on a machine that swaps. */
  hang(): void {
    const { world } = this.#hood;
    if (this.hung || !this.#up) return;
    this.#hungUntil = world.now + world.between(500, 40_000);
    world.note(
      () => `${this.authority} stands still for ${Math.round(this.#hungUntil - world.now)} ms`,
    );
  }

  #endLife(milliseconds: number): void {
    const { world } = this.#hood;
    this.#up = false;
    for (const connection of this.#connections) if (!connection.dead) connection.cut();
    this.#connections.clear();
    if (world.strikes("rot")) this.#rot();
    if (world.strikes("move")) this.#hood.addresses.move(this.origin);
    world.schedule(milliseconds, () => {
      world.note(() => `${this.authority} is started again`);
      this.start();
    });
  }

  /** A row is damaged while nobody looks after it. */
  #rot(): void {
    const { world } = this.#hood;
    const keys = [...this.disk.keys()].filter(
      (key) => ROTTING.some((prefix) => key.startsWith(prefix)) && !this.#damaged.has(key),
    );
    if (keys.length === 0) return;
    const key = world.pick(keys);
    const entry = this.disk.get(key);
    if (entry === undefined) return;
    const value = key.startsWith("custody/") ? rotten(world, entry.value) : world.pick(ROTTEN);
    this.disk.set(key, { ...entry, value });
    world.note(() => `${this.authority} has a damaged row: ${key}`);
    this.rotted.add(key);
    this.#damaged.set(key, () => {
      this.#damaged.delete(key);
      // A custody row comes from the backup; a visitor's is let go of, as the log says.
      if (key.startsWith("custody/")) this.disk.set(key, entry);
      if (!key.startsWith("visitor/")) return;
      this.disk.delete(key);
      const player = key.slice("visitor/".length);
      this.#hood.forgotten(this.origin, player);
      this.#hood.disown(player);
    });
    world.schedule(world.between(...REPAIR_MILLISECONDS), () => this.#damaged.get(key)?.());
  }

  /** The operator puts every damaged row right. */
  repair(): void {
    for (const mend of [...this.#damaged.values()]) mend();
  }

  /** Dies, and comes back some time later. */
  crash(): void {
    if (!this.#up) return;
    const { world } = this.#hood;
    world.note(() => `${this.authority} dies`);
    this.#hood.died(this.origin, this.#life);
    this.#endLife(world.between(50, 20_000));
  }

  call(origin: string, path: string, body: unknown): Promise<PeerAnswer> {
    return this.#callAs(() => this.#up, origin, path, body);
  }

  /** A new thing, found here and nowhere else. */
  mint(): string {
    this.#minted += 1;
    return `${this.authority}-${this.#life}-${this.#minted}`;
  }

  /** A client comes with a reservation: as the real gate does, claim first, then the session. */
  async connect(
    reservation: JsonValue,
    connection: ClientConnection,
    bodyOf: (state: JsonValue | undefined) => RoomBody,
  ): Promise<PlayerSession | undefined> {
    const custody = this.custody;
    const { sessionId } = reservation as { sessionId: string };
    const seat = this.#seats.get(sessionId);
    if (custody === undefined || seat === undefined || seat.until < this.#hood.world.now) return;
    const record = await custody.seats.find(seat.claim, sessionId);
    if (record === undefined) return;
    const { party } = record;
    // Some go while they wait for the others.
    if (party !== undefined && this.#hood.world.strikes("fickle")) {
      this.#hood.world.schedule(this.#hood.world.between(0, 2_000), () => {
        connection.cut();
      });
    }
    const claimed = await custody.gatherings.arrive(seat.claim, record, {
      isOpen: () => connection.connected,
      onClose: (listener) => {
        connection.ref.once("close", listener);
        return () => connection.ref.removeListener("close", listener);
      },
    });
    if (!claimed.ok || this.custody !== custody) return;
    if (party !== undefined && !connection.connected) {
      await custody.arrivals.abort(claimed.arrival).catch(() => undefined);
      return;
    }
    if (party !== undefined) this.#hood.partyBegins(party, seat.claim.transferId, this);
    this.#seats.delete(sessionId);
    const body = bodyOf(claimed.arrival.state);
    return this.letIn(custody, custody.arrivals.begin(claimed.arrival, body), body);
  }

  /** The room's `onJoin`, with the code that guards it. Undefined when the player is not let in. */
  async letIn(
    custody: Custody,
    session: PlayerSession,
    body: RoomBody,
  ): Promise<PlayerSession | undefined> {
    const { world } = this.#hood;
    const { connection } = body;
    const came = body.said;
    const clock = this.#clock;
    if (clock === undefined) return undefined;
    const unruly = world.strikes("unruly") ? world.pick(["throws", "stalls", "dawdles"]) : "";
    const gone = world.strikes("fickle");
    if (gone) {
      world.schedule(world.between(0, 4_000), () => {
        if (!body.joined) connection.cut();
      });
    }
    const onJoin = async (): Promise<void> => {
      if (unruly === "stalls") return never();
      if (unruly === "dawdles" || gone) await world.sleep(world.between(10, 4_500));
      if (unruly === "throws") throw new Error("onJoin throws");
    };
    try {
      await orOver(
        () => new LettingIn(clock).run(connection, JOIN_MILLISECONDS, onJoin),
        () => custody.leave(session, came),
      );
    } catch {
      world.note(() => `${session.player} is not let in at ${this.authority}`);
      connection.cut();
      return undefined;
    }
    body.joined = true;
    return session;
  }

  #seatHost(alive: () => boolean): SeatHost {
    const { world } = this.#hood;
    return {
      hasWorld: () => true,
      reserve: async ({ sessionId, claim }) => {
        if (!alive()) return never();
        const shut = this.#hood.shut.get(this.origin);
        if (shut === undefined ? world.random.fraction() < 0.02 : shut === "full") {
          return { ok: false, code: "ERR_FED_WORLD_FULL", reason: "full" };
        }
        for (const seat of this.#seats.values()) {
          const same = seat.claim.caller === claim.caller && seat.until > world.now;
          if (same && seat.claim.transferId === claim.transferId) {
            this.#hood.violate(
              `${this.authority} gave two seats for one transfer of ${claim.player}`,
            );
          }
        }
        this.#seats.set(sessionId, { claim, until: world.now + SEAT_LIFE });
        const now = EPOCH + world.now + this.#offset;
        const reservation = { sessionId, roomId: "r", processId: "p", name: "world" };
        return { ok: true, reservation, expiresAt: Math.floor((now + SEAT_LIFE) / 1000) };
      },
      reserveTogether: async ({ members }) => {
        if (!alive()) return never();
        const shut = this.#hood.shut.get(this.origin);
        if (shut === undefined ? world.random.fraction() < 0.02 : shut === "full") {
          return { ok: false, code: "ERR_FED_WORLD_FULL", reason: "full" };
        }
        for (const { sessionId, claim } of members) {
          this.#seats.set(sessionId, { claim, until: world.now + SEAT_LIFE });
        }
        const now = EPOCH + world.now + this.#offset;
        const expiresAt = Math.floor((now + SEAT_LIFE) / 1000);
        const reservations = members.map(({ sessionId }) => ({
          ...{ sessionId, roomId: "r", processId: "p", name: "world" },
        }));
        return { ok: true, reservations, expiresAt };
      },
      isReserved: async (reservation) => {
        const { sessionId } = reservation as { sessionId: string };
        return (this.#seats.get(sessionId)?.until ?? 0) > world.now;
      },
      release: async (reservation) => {
        this.#seats.delete((reservation as { sessionId: string }).sessionId);
      },
    };
  }

  /** A signed call, as far as custody can tell: an answer, or nobody knows. */
  #callAs(alive: () => boolean, named: string, path: string, body: unknown): Promise<PeerAnswer> {
    const { world, servers, addresses } = this.#hood;
    // Nobody answers where nobody is any more, nor where nobody is known to be.
    const way = addresses.knownTo(this.origin).currentOrigin(named);
    const target = servers.find(({ address }) => address === way);
    const to = addresses.nameOf(way);
    const caller = this.address;
    const { text, lied } = this.#told(path, body);
    const linked =
      target === undefined ? undefined : this.#callByLink(alive, to, { path, text, lied });
    if (linked !== undefined) return linked;
    const created = Math.floor((EPOCH + world.now + this.#offset) / 1000);
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        if (alive()) finish();
      };
      world.schedule(CALL_TIMEOUT, () => {
        settle(() => {
          reject(new FederationError("ERR_FED_TIMEOUT"));
        });
      });
      const deliver = (): void => {
        const line = (): string =>
          `${this.authority} → ${target?.authority ?? to} ${tellCall(path, text)}`;
        if (this.#cut(to) || world.strikes("loss")) {
          world.note(() => `${line()}: lost`);
          return;
        }
        if (target !== undefined && world.strikes("stop")) void target.stop();
        if (target !== undefined && world.strikes("hang")) target.hang();
        const arrive = (): void => {
          if (target?.hung === true) {
            world.schedule(target.#hungUntil - world.now, arrive);
            return;
          }
          world.note(line);
          if (target === undefined) return;
          target.#answered(caller, path, text, lied, created).then(
            (answer) => {
              if (answer === undefined) return;
              const told = answer.ok ? "ok" : answer.code;
              if (world.strikes("loss")) {
                world.note(() => `${line()}: ${told}, but the answer is lost`);
                return;
              }
              const back = (): void => {
                if (this.hung) {
                  world.schedule(this.#hungUntil - world.now, back);
                  return;
                }
                world.note(() => `${line()}: ${told}`);
                settle(() => {
                  resolve(answer);
                });
              };
              world.schedule(travel(world), back);
            },
            () => undefined,
          );
        };
        world.schedule(travel(world), arrive);
      };
      deliver();
      if (world.strikes("duplication")) deliver();
    });
  }

  /** The shipped links of one life. */
  #linksOf(alive: () => boolean, clock: DriftingClock): Links {
    const { world } = this.#hood;
    const links = new Links({
      ...{ origin: this.origin, clock, random: world.random },
      termsOf: (origin) =>
        this.#hood.linked(this.origin, origin)
          ? { sessionId: "session", endpoint: origin }
          : undefined,
      standing: () => ({ stands: true }),
      dial: (origin) => this.#dial(alive, origin),
    });
    links.serve(this.#linkHandler());
    return links;
  }

  #linkHandler(): LinkHandler {
    const { world, book } = this.#hood;
    const answerOf = (answer: PeerAnswer): LinkedAnswer => ({
      status: answer.status,
      body: JSON.stringify(answer.ok ? answer.body : { code: answer.code, detail: answer.detail }),
    });
    return {
      answer: async ({ origin }, { path, body, sentAt }) => {
        const text = body.toString();
        const written = book.take(`${origin} → ${this.origin} ${path} ${text}`);
        if (written === undefined) {
          this.#hood.violate(
            `${this.authority} acts on a call over a link that ${origin} has not sent, or not again: ${path} ${text}`,
          );
          return never();
        }
        world.note(() => `${new URL(origin).host} ⇒ ${this.authority} ${tellCall(path, text)}`);
        if (world.strikes("stop")) void this.stop();
        if (world.strikes("hang")) this.hang();
        const caller = this.#hood.addresses.of(origin);
        const answer = await this.#answered(caller, path, text, written.lied, sentAt);
        if (answer === undefined) return never();
        const told = answerOf(answer);
        book.wrote(`${this.origin} → ${origin} ${told.status} ${told.body}`);
        return told;
      },
      refuse: (code) =>
        answerOf({ ok: false, status: ERROR_CODES[code][0], code, detail: "not now" }),
      health: () => '{"status":"pass"}',
    };
  }

  /** A call over a link, where there is one that takes it. */
  #callByLink(
    alive: () => boolean,
    to: string,
    { path, text, lied }: { readonly path: string; readonly text: string; readonly lied: boolean },
  ): Promise<PeerAnswer> | undefined {
    const { book } = this.#hood;
    const links = alive() && !this.hung ? this.#links : undefined;
    if (links?.has(to) === true) book.wrote(`${this.origin} → ${to} ${path} ${text}`, lied);
    return links?.call(to, path, text, CALL_TIMEOUT)?.then(({ status, body }) => {
      if (!alive()) return never();
      if (book.take(`${to} → ${this.origin} ${status} ${body}`) === undefined) {
        this.#hood.violate(`${this.authority} takes an answer that ${to} has not given: ${body}`);
      }
      const said = JSON.parse(body) as { code: FederationErrorCode; detail: string };
      return status < 300 ? { ok: true, status, body: said } : { ok: false, status, ...said };
    });
  }

  /** Opens a connection to another server, with keys as the shipped opening agrees on them. */
  #dial(alive: () => boolean, to: string): Promise<OpenedSocket> {
    const { world, servers, tape } = this.#hood;
    const target = servers.find(({ origin }) => origin === to);
    return new Promise((resolve, reject) => {
      const refuse = (code: FederationErrorCode): void => {
        if (alive()) reject(new FederationError(code));
      };
      const refused = world.strikes("noUpgrade");
      const lost = this.#cut(to) || world.strikes("loss");
      const arrive = (): void => {
        const there = target?.up === true && !target.hung ? target.#station : undefined;
        const here = alive() ? this.#station : undefined;
        if (here === undefined) return;
        if (target === undefined || there === undefined || lost) {
          refuse("ERR_FED_UNREACHABLE");
          return;
        }
        if (refused || target.#links === undefined) {
          refuse("ERR_FED_NOT_FOUND");
          return;
        }
        const outOfSight = (): boolean => world.now < (this.#cutUntil.get(to) ?? 0);
        const opening = new Connection(
          world,
          tape,
          { ...here, outOfSight },
          { ...there, outOfSight },
        );
        this.#connections.add(opening);
        target.#connections.add(opening);
        const [own, theirs] = [createEphemeralKey(world.random), createEphemeralKey(world.random)];
        const keys = agreeOnKeys(own, theirs.publicKey, {
          ...{ opener: this.origin, accepter: to },
          ...{ requestSignature: world.random.bytes(64), answerSignature: world.random.bytes(64) },
        });
        if (keys === undefined) throw new Error("no keys");
        const { byOpener, byAccepter } = keys;
        target.#links.accept(this.origin, "session", {
          socket: opening.accepter,
          kid: this.key.kid,
          keys: { sending: byAccepter, receiving: byOpener },
        });
        world.schedule(world.between(1, 60), () => {
          if (!alive()) return;
          resolve({
            socket: opening.opener,
            kid: target.key.kid,
            keys: { sending: byOpener, receiving: byAccepter },
          });
        });
      };
      world.schedule(travel(world), arrive);
    });
  }

  /** What goes over the wire: now and then another state than the room said. */
  #told(path: string, body: unknown): { readonly text: string; readonly lied: boolean } {
    const text = JSON.stringify(body);
    if (!text.includes('"state":') || !this.#hood.world.strikes("lie")) {
      return { text, lied: false };
    }
    const sent = JSON.parse(text) as Sent;
    const entries = (sent.players ?? [sent]).filter(({ state }) => state !== undefined);
    if (entries.length === 0) return { text, lied: false };
    const entry = this.#hood.world.pick(entries);
    entry.state = lieOf(this.#hood.world);
    this.#hood.disown(entry.player, sent.transferId);
    return { text: JSON.stringify(sent), lied: true };
  }

  /** {@link answer}, from a server that is not always well, nor always honest. */
  async #answered(
    caller: string,
    path: string,
    text: string,
    lied: boolean,
    created: number,
  ): Promise<PeerAnswer | undefined> {
    const { world } = this.#hood;
    const body = JSON.parse(text) as unknown;
    const refusing = (code: FederationErrorCode): PeerAnswer => ({
      ...{ ok: false, status: ERROR_CODES[code][0], code, detail: "not now" },
    });
    if (path.startsWith("/custody/return") && this.#dislikes(body as Sent)) {
      return refusing("ERR_FED_MALFORMED");
    }
    if (path === "/custody/revoke" && this.#keeps((body as Sent).player)) {
      return refusing("ERR_FED_UNAVAILABLE");
    }
    const unwell = world.strikes("unwell") ? world.pick(["before", "after", "garbled"]) : "";
    if (unwell === "before")
      return refusing(world.pick(["ERR_FED_UNAVAILABLE", "ERR_FED_RATE_LIMITED"]));
    const said = await this.answer(caller, path, body, created);
    const answer = said && (this.#hood.trading?.answered(this.origin, path, said) ?? said);
    if (path === "/reservations" && this.#hood.shut.get(this.origin) === "unwell") {
      return refusing("ERR_FED_UNAVAILABLE");
    }
    if (lied && answer?.ok === false && answer.code === "ERR_FED_MALFORMED" && isMany(path)) {
      this.#hood.violate(`one bad state has all of a ${path} refused`);
    }
    if (answer === undefined || unwell === "") {
      if (answer?.ok !== true || path !== "/custody/claim" || !world.strikes("lie")) return answer;
      return { ...answer, body: { ...(answer.body as object), state: world.pick(UNREADABLE)() } };
    }
    return unwell === "after"
      ? refusing("ERR_FED_UNAVAILABLE")
      : { ok: true, status: 200, body: { sorry: [1] } };
  }

  /** A foreign home takes not every state; the one it does not take today, it does not take tomorrow. */
  #dislikes(sent: Sent): boolean {
    const { world } = this.#hood;
    const ids = (sent.players ?? [sent]).flatMap(({ state }) => carriedOf(state)?.id ?? []);
    if (ids.length > 0 && world.strikes("picky")) world.disliked.add(world.pick(ids));
    return ids.some((id) => world.disliked.has(id));
  }

  /** Whether it does not give this player back: it plays it on, and answers every recall so. */
  #keeps(player: string): boolean {
    const { world } = this.#hood;
    if (world.now < (this.#hostages.get(player) ?? 0)) return world.faults.hostage > 0;
    if (!world.strikes("hostage")) return false;
    this.#hostages.set(player, world.now + HOSTAGE_MILLISECONDS);
    world.note(() => `${this.authority} keeps ${player}`);
    return true;
  }

  /** What the router does with a verified call. */
  async answer(
    caller: string,
    path: string,
    body: unknown,
    created: number,
  ): Promise<PeerAnswer | undefined> {
    const custody = this.custody;
    if (custody === undefined) return undefined;
    // Who has left an origin, or is not known by its new one, gets no answer that it could act on.
    if (!this.#hood.addresses.hears(this.origin, caller)) return undefined;
    const answered = await (
      path === "/reservations"
        ? custody.seats.reserve(caller, body)
        : path === "/reservations/cancel"
          ? custody.seats.cancel(caller, body)
          : path === "/parties"
            ? custody.partySeats.reserve(caller, body)
            : path === "/parties/progress"
              ? Promise.resolve(custody.parties.progress(caller, body))
              : custody.answer(caller, path.slice("/custody/".length), body, created)
    ).catch((cause: unknown) => cause);
    if (this.custody !== custody) return undefined;
    // As the router: the caller hears that the store does not answer, or what does not.
    if (answered instanceof Error) {
      const code =
        answered instanceof FederationError ? answered.code : "ERR_FED_STORE_UNAVAILABLE";
      return { ok: false, status: ERROR_CODES[code][0], code, detail: answered.message };
    }
    const result = answered as Awaited<ReturnType<Custody["answer"]>>;
    if (result.ok) {
      if (path === "/reservations") this.#hood.seated(caller, body, this);
      if (path === "/custody/depart" && Object.hasOwn(result.body as object, "seat")) {
        this.#hood.seated(caller, { ...(body as object), ...(result.body as object) }, this);
      }
      if (path === "/parties") this.#hood.partySeated(body as PartyAsked);
      const text = JSON.stringify(result.body);
      return { ok: true, status: 200, body: JSON.parse(text) as unknown };
    }
    const { code, reason } = result;
    return { ok: false, status: ERROR_CODES[code][0], code, detail: reason };
  }

  #cut(to: string): boolean {
    const { world, servers } = this.#hood;
    const until = this.#cutUntil.get(to) ?? 0;
    if (world.now < until) return true;
    if (!world.strikes("partition")) return false;
    const end = world.now + world.between(1_000, 45_000);
    this.#cutUntil.set(to, end);
    for (const server of servers) if (server.origin === to) server.#cutUntil.set(this.origin, end);
    return true;
  }
}

/** A source asks for the seats of a party. */
export interface PartyAsked {
  readonly partyId: string;
  readonly ifSomeCannot: "nobody" | "others";
  readonly members: readonly { readonly transferId: string }[];
}

/** A call with a state, or several. */
interface Sent {
  readonly player: string;
  readonly transferId?: string;
  state?: JsonValue;
  readonly players?: Sent[];
}

/** A row of a table with one column damaged. */
function rotten(world: World, text: string): string {
  const row = JSON.parse(text) as DiskRow;
  const values = { ...row.values, [world.pick(ROTTING_COLUMNS)]: world.pick(ROTTEN) };
  return JSON.stringify({ ...row, values });
}

function isMany(path: string): boolean {
  return path === "/custody/renew" || path === "/custody/returns";
}

/** A call in a few words. */
function tellCall(path: string, text: string): string {
  const body = JSON.parse(text) as {
    transferId?: string;
    player?: string;
    epoch?: number;
    players?: { player: string; epoch: number }[];
  };
  const who =
    body.players?.map(({ player, epoch }) => `${player.split("@")[0] ?? ""}@${epoch}`).join(" ") ??
    `${body.player?.split("@")[0] ?? ""}${body.epoch === undefined ? "" : `@${body.epoch}`}`;
  return [path.replace("/custody/", ""), who, body.transferId?.slice(0, 4) ?? ""]
    .filter((part) => part !== "")
    .join(" ");
}

function travel(world: World): number {
  return world.strikes("delay") ? world.between(500, 12_000) : world.between(1, 60);
}
