/** A simulated server: the shipped custody code on simulated ports, with players who play. */
import type { SeatClaim, SeatHost } from "../../src/custody/destination/seat-host.ts";
import { Custody } from "../../src/custody/custody.ts";
import type {
  PlayerBody,
  PlayerSession,
  TransitMessage,
} from "../../src/custody/shared/player-session.ts";
import { ERROR_CODES, FederationError } from "../../src/errors.ts";
import type { PeerAnswer, PeerCalls } from "../../src/ports.ts";
import { type VerifyKey, importVerifyKey } from "../../src/identity/ed25519.ts";
import { type SigningKey, generateSigningKey } from "../../src/identity/server-keys.ts";
import type { JsonValue } from "../../src/json.ts";
import { CrashingStore, type Disk, DriftingClock, EPOCH, type World, never } from "./world.ts";

/** What a player carries: every change has an id and remembers which one it grew from. */
export interface Carried {
  readonly id: number;
  readonly items: readonly string[];
}

const CALL_TIMEOUT = 5_000;
const SEAT_LIFE = 15_000;
const LEASE_SECONDS = 15;
const STOP_MILLISECONDS = 10_000;

/** Servers that can reach each other. */
export interface Neighbourhood {
  readonly world: World;
  readonly servers: readonly SimulatedServer[];
  /** Takes a change of what a player carries down in the book of all changes. */
  grow(from: Carried | undefined, item: string | undefined): Carried;
  /** A seat was given for what `caller` sent. */
  seated(caller: string, body: unknown, to: SimulatedServer): void;
  /** A server's life ended without its memory. */
  died(origin: string, life: number): void;
  /** Something that must never be. */
  violate(what: string): void;
}

/** One server over all its lives. */
export class SimulatedServer implements PeerCalls {
  readonly origin: string;
  readonly disk: Disk = new Map();
  readonly key: SigningKey;
  readonly verifyKey: VerifyKey;
  readonly #hood: Neighbourhood;
  readonly #rate: number;
  readonly #offset: number;
  #life = 0;
  #up = false;
  #ready = false;
  #stopping = false;
  #hungUntil = 0;
  #store: CrashingStore | undefined;
  #custody: Custody | undefined;
  #seats = new Map<string, { claim: SeatClaim; until: number }>();
  #cutUntil = new Map<string, number>();
  #minted = 0;

  constructor(hood: Neighbourhood, name: string) {
    this.#hood = hood;
    this.origin = `https://${name}.example`;
    this.key = generateSigningKey(hood.world.random);
    this.verifyKey = importVerifyKey(this.key.jwk);
    // Clocks run up to 4 % apart and show times up to 10 s apart.
    this.#rate = hood.world.between(0.98, 1.02);
    this.#offset = hood.world.between(-5_000, 5_000);
  }

  get authority(): string {
    return new URL(this.origin).host;
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
    this.#custody = new Custody({
      origin: this.origin,
      store,
      clock: new DriftingClock(world, process, this.#rate, this.#offset),
      random: world.random,
      logger: { debug: silent, info: silent, warn: silent, error: silent },
      peers: { call: (origin, path, body) => this.#callAs(alive, origin, path, body) },
      seats: this.#seatHost(alive),
      signingKey: () => this.key,
      issuerKey: (issuer, kid) => {
        const server = this.#hood.servers.find(({ origin }) => origin === issuer);
        return server?.key.kid === kid ? server.verifyKey : undefined;
      },
      leaseSeconds: LEASE_SECONDS,
    });
    // As the real one: nobody is let in before what a former run left open is settled.
    this.#ready = false;
    this.#custody.start().then(
      () => {
        if (alive()) this.#ready = true;
      },
      () => {
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
    world.schedule(milliseconds, () => {
      world.note(() => `${this.authority} is started again`);
      this.start();
    });
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
    bodyOf: (state: JsonValue | undefined) => PlayerBody,
  ): Promise<PlayerSession | undefined> {
    const custody = this.custody;
    const { sessionId } = reservation as { sessionId: string };
    const seat = this.#seats.get(sessionId);
    if (custody === undefined || seat === undefined || seat.until < this.#hood.world.now) return;
    const record = await custody.seats.find(seat.claim, sessionId);
    if (record === undefined) return;
    const claimed = await custody.arrivals.claim(seat.claim, record);
    if (!claimed.ok || this.custody !== custody) return;
    this.#seats.delete(sessionId);
    return custody.arrivals.begin(claimed.arrival, bodyOf(claimed.arrival.state));
  }

  #seatHost(alive: () => boolean): SeatHost {
    const { world } = this.#hood;
    return {
      hasWorld: () => true,
      reserve: async ({ sessionId, claim }) => {
        if (!alive()) return never();
        if (world.random.fraction() < 0.02) {
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
  #callAs(alive: () => boolean, to: string, path: string, body: unknown): Promise<PeerAnswer> {
    const { world, servers } = this.#hood;
    const target = servers.find(({ origin }) => origin === to);
    const text = JSON.stringify(body);
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
          target?.answer(this.origin, path, JSON.parse(text), created).then(
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

  /** What the router does with a verified call. */
  async answer(
    caller: string,
    path: string,
    body: unknown,
    created: number,
  ): Promise<PeerAnswer | undefined> {
    const custody = this.custody;
    if (custody === undefined) return undefined;
    const answered = await (
      path === "/reservations"
        ? custody.seats.reserve(caller, body)
        : path === "/reservations/cancel"
          ? custody.seats.cancel(caller, body)
          : custody.answer(caller, path.slice("/custody/".length), body, created)
    ).catch((cause: unknown) => cause);
    if (this.custody !== custody) return undefined;
    // As the router: the caller hears that the store does not answer.
    if (answered instanceof Error) {
      const code = "ERR_FED_STORE_UNAVAILABLE";
      return { ok: false, status: ERROR_CODES[code][0], code, detail: answered.message };
    }
    const result = answered as Awaited<ReturnType<Custody["answer"]>>;
    if (result.ok) {
      if (path === "/reservations") this.#hood.seated(caller, body, this);
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

/** A body in the simulation: carries, freezes, and tells its client what it is told. */
export function bodyOf(
  state: JsonValue | undefined,
  client: { connected: boolean; transit(message: TransitMessage): void; ended(): void },
): PlayerBody & { carried: Carried | undefined; frozen: boolean } {
  return {
    // As in a room whose onJoin has not run yet: nobody can say.
    carried: state as unknown as Carried | undefined,
    frozen: false,
    get connected() {
      return client.connected;
    },
    carry() {
      return this.carried as unknown as JsonValue | undefined;
    },
    setFrozen(frozen: boolean) {
      this.frozen = frozen;
    },
    transit(message) {
      client.transit(message);
    },
    failed() {
      // The client stays where it is.
    },
    undecided() {
      // The client waits.
    },
    end() {
      client.ended();
    },
  };
}
