/** Players who travel between simulated servers, and the eye that watches that nothing goes wrong. */
import type { CrossingOutcome } from "../../src/custody/crossing.ts";
import type { Custody } from "../../src/custody/custody.ts";
import type { LedgerRow } from "../../src/custody/ledger-row.ts";
import type { PlayerSession, TransitMessage } from "../../src/custody/player-session.ts";
import type { JsonValue } from "../../src/json.ts";
import { type Carried, type Neighbourhood, SimulatedServer, bodyOf } from "./server.ts";
import { type Faults, NO_FAULTS, World } from "./world.ts";

export interface SimulationOptions {
  readonly seed: string;
  readonly crossings: number;
  readonly servers?: number;
  readonly players?: number;
  readonly faults?: Partial<Faults>;
}

export interface SimulationResult {
  readonly crossings: number;
  readonly arrived: number;
  readonly stayed: number;
  /** Crossings whose server died before it could tell. */
  readonly cutShort: number;
  readonly logins: number;
  readonly recalls: number;
  readonly faults: Readonly<Record<keyof Faults, number>>;
  readonly virtualSeconds: number;
  readonly violation: string | undefined;
  /** What happened last, oldest first. */
  readonly trace: readonly string[];
}

const DEFAULT_FAULTS: Faults = {
  loss: 0.06,
  duplication: 0.08,
  delay: 0.06,
  crash: 0.006,
  partition: 0.006,
};
/** When faults stop, this is how long until everybody can play again: a lease, a retry, a start. */
const RECOVERY_MILLISECONDS = 90_000;
const TRACE_LENGTH = 80;

class Violation extends Error {}

/** A place a player plays in, as its client knows it. */
interface Place {
  readonly server: SimulatedServer;
  readonly custody: Custody;
  readonly session: PlayerSession;
  readonly body: ReturnType<typeof bodyOf>;
  readonly connection: { connected: boolean };
}

/** Runs one simulation. The same options give the same run. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options);
  return simulation.run();
}

class Simulation implements Neighbourhood {
  readonly world: World;
  readonly servers: SimulatedServer[];
  readonly #options: SimulationOptions;
  readonly #players: Traveller[];
  readonly #parents = new Map<number, number>();
  readonly #rows = new Map<string, { text: string; row: LedgerRow }>();
  readonly trace: string[] = [];
  readonly tally = { crossings: 0, arrived: 0, stayed: 0, logins: 0, recalls: 0 };
  readonly open = new Map<Promise<CrossingOutcome>, Place>();
  #changes = 0;
  violation: string | undefined;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.world = new World(options.seed);
    this.servers = Array.from(
      { length: options.servers ?? 4 },
      (_, index) => new SimulatedServer(this, `s${index}`),
    );
    this.#players = Array.from(
      { length: options.players ?? 12 },
      (_, index) => new Traveller(this, `p${index}`, this.world.pick(this.servers)),
    );
  }

  async run(): Promise<SimulationResult> {
    const { world } = this;
    for (const server of this.servers) server.start();
    Object.assign(world.faults, DEFAULT_FAULTS, this.#options.faults);
    for (const player of this.#players) void player.live();
    const goal = this.#options.crossings;
    const busy = (): boolean => this.violation === undefined && this.tally.crossings < goal;
    await world.run(
      goal * 60_000 + 600_000,
      () => !busy(),
      () => this.watch(),
    );
    if (this.violation === undefined && this.tally.crossings < goal) {
      this.violate(`only ${this.tally.crossings} crossings were begun: players are stuck`);
    }
    const injected = { ...world.counts };
    if (this.violation === undefined) await this.#recover();
    const unresolved = [...this.open.values()];
    return {
      ...this.tally,
      cutShort: unresolved.filter(({ server, custody }) => server.custody !== custody).length,
      faults: injected,
      virtualSeconds: Math.round(world.now / 1000),
      violation: this.violation,
      trace: this.trace,
    };
  }

  grow(from: Carried | undefined, item: string | undefined): Carried {
    this.#changes += 1;
    if (from !== undefined) this.#parents.set(this.#changes, from.id);
    const items = from?.items ?? [];
    return { id: this.#changes, items: item === undefined ? items : [...items, item].slice(-40) };
  }

  note(what: string): void {
    this.trace.push(`${(this.world.now / 1000).toFixed(3).padStart(9)}  ${what}`);
    if (this.trace.length > TRACE_LENGTH) this.trace.shift();
  }

  violate(what: string): void {
    this.violation ??= what;
    this.note(`VIOLATION ${what}`);
  }

  /** After every event: one place each, epochs that rise, one line of states. */
  watch(): void {
    try {
      this.#watchSessions();
      this.#watchLedgers();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.violate(error.message);
    }
  }

  #watchSessions(): void {
    const playing = new Map<string, string>();
    for (const server of this.servers) {
      for (const session of server.custody?.sessions.all() ?? []) {
        if (session.frozen) continue;
        const elsewhere = playing.get(session.player);
        if (elsewhere !== undefined) {
          throw new Violation(
            `${session.player} is simulated at ${elsewhere} and at ${server.authority}`,
          );
        }
        playing.set(session.player, server.authority);
      }
    }
  }

  #watchLedgers(): void {
    for (const [id, text] of this.world.written) {
      const before = this.#rows.get(id);
      if (text === "" || before?.text === text) continue;
      const row = JSON.parse(text) as LedgerRow;
      this.#rows.set(id, { text, row });
      if (before !== undefined) this.#compare(id, before.row, row);
    }
    this.world.written.clear();
  }

  #compare(key: string, before: LedgerRow, after: LedgerRow): void {
    if (after.epoch < before.epoch) throw new Violation(`${key}: the epoch fell`);
    if (after.holder !== before.holder && after.epoch === before.epoch) {
      throw new Violation(`${key}: the holder changed without a new epoch`);
    }
    const [old, now] = [before.state, after.state] as unknown as (Carried | undefined)[];
    if (old === undefined || now === undefined || old.id === now.id) return;
    for (let id: number | undefined = now.id; id !== old.id; id = this.#parents.get(id)) {
      if (id === undefined || id < old.id) {
        throw new Violation(`${key}: state ${now.id} did not grow from state ${old.id}: a fork`);
      }
    }
  }

  /** Faults stop: every crossing ends, every player can play again. */
  async #recover(): Promise<void> {
    const { world } = this;
    Object.assign(world.faults, NO_FAULTS);
    for (const player of this.#players) player.calm = true;
    const end = world.now + RECOVERY_MILLISECONDS;
    await world.run(
      end,
      () => this.violation !== undefined,
      () => this.watch(),
    );
    for (const { server, custody, session } of this.open.values()) {
      if (server.custody === custody) this.violate(`${session.player}'s crossing never ended`);
    }
    for (const player of this.#players) {
      if (!player.plays)
        this.violate(
          `${player.name} cannot play ${RECOVERY_MILLISECONDS / 1000} s after the last fault`,
        );
    }
  }
}

/** A player with a client: logs in at home, finds things, crosses, leaves, comes back. */
class Traveller {
  readonly name: string;
  calm = false;
  readonly #simulation: Simulation;
  readonly #home: SimulatedServer;
  #place: Place | undefined;

  constructor(simulation: Simulation, name: string, home: SimulatedServer) {
    this.#simulation = simulation;
    this.name = name;
    this.#home = home;
  }

  get plays(): boolean {
    const place = this.#live();
    return place !== undefined && !place.session.frozen;
  }

  async live(): Promise<void> {
    const { world } = this.#simulation;
    for (;;) {
      await world.sleep(world.between(50, this.calm ? 1_000 : 2_500));
      const place = this.#live();
      // A server that dies meanwhile never answers; the player asks again.
      if (place === undefined) await Promise.race([this.#login(), world.sleep(12_000)]);
      else if (!place.session.frozen) this.#act(place);
    }
  }

  /** Where it plays, if its server still lives and has not ended the session. */
  #live(): Place | undefined {
    const place = this.#place;
    if (place === undefined) return undefined;
    const { server, custody, session } = place;
    if (server.custody === custody && !session.ended) return place;
    this.#place = undefined;
    return undefined;
  }

  #act(place: Place): void {
    const { world } = this.#simulation;
    if (this.calm) return;
    const what = world.random.fraction();
    if (what < 0.35) {
      place.body.carried = this.#simulation.grow(place.body.carried, place.server.mint());
    } else if (what < 0.85) this.#cross(place);
    else if (what < 0.95) this.#leave(place);
    else {
      // Another device of the same player, while this one plays.
      this.#simulation.tally.recalls += 1;
      void this.#login();
    }
  }

  #leave(place: Place): void {
    this.#simulation.note(`${this.name} leaves ${place.server.authority}`);
    place.connection.connected = false;
    this.#place = undefined;
    void place.custody.leave(place.session, place.body.carry());
  }

  async #login(): Promise<void> {
    const home = this.#home;
    const custody = home.custody;
    if (custody === undefined) return;
    const entry = this.#entry();
    this.#simulation.tally.logins += 1;
    const result = await custody
      .login(this.name, { name: this.name, jkt: undefined, guest: false }, entry.body)
      .catch(() => undefined);
    if (result?.ok !== true || home.custody !== custody) return;
    const carried = result.state as unknown as Carried | undefined;
    if (carried !== undefined) entry.body.carried = carried;
    this.#simulation.note(`${this.name} plays at home ${home.authority}@${result.session.epoch}`);
    // Another device: whatever the player still has elsewhere is for the servers to end.
    this.#place = { server: home, custody, session: result.session, ...entry };
  }

  #cross(place: Place): void {
    const simulation = this.#simulation;
    const { world, servers, tally } = simulation;
    const target = world.pick(servers.filter((server) => server !== place.server));
    tally.crossings += 1;
    simulation.note(`${this.name} ${place.server.authority} → ${target.authority}`);
    const outcome = place.custody.crossings.cross(place.session, {
      uri: `aether://${target.authority}/world`,
      origin: target.origin,
      world: "world",
      options: {},
    });
    simulation.open.set(outcome, place);
    void outcome.then(
      ({ kind }) => {
        simulation.open.delete(outcome);
        tally[kind] += 1;
      },
      (error: unknown) => {
        simulation.violate(`a crossing rejected: ${String(error)}`);
      },
    );
  }

  /** A connection that follows the transits it is sent. */
  #entry(state?: JsonValue): Pick<Place, "body" | "connection"> {
    const { world } = this.#simulation;
    const connection = { connected: true };
    const body = bodyOf(this.#simulation, state, {
      get connected() {
        return connection.connected;
      },
      transit: (message) => {
        if (world.strikes("loss")) return;
        world.schedule(world.between(5, 400), () => void this.#follow(message, body.carried));
        // A second tab with the same reservation.
        if (world.strikes("duplication")) {
          world.schedule(world.between(5, 2_000), () => void this.#follow(message, body.carried));
        }
      },
      ended: () => {
        connection.connected = false;
      },
    });
    return { body, connection };
  }

  async #follow({ origin, reservation }: TransitMessage, departed: Carried): Promise<void> {
    const simulation = this.#simulation;
    const server = simulation.servers.find((each) => each.origin === origin);
    const custody = server?.custody;
    if (server === undefined || custody === undefined) return;
    let entry: Pick<Place, "body" | "connection"> | undefined;
    const session = await server
      .connect(reservation, (state) => {
        if ((state as unknown as Carried | undefined)?.id !== departed.id) {
          simulation.violate(`${this.name} arrived with another state than it left with`);
        }
        entry = this.#entry(state);
        return entry.body;
      })
      .catch(() => undefined);
    if (session === undefined || entry === undefined || server.custody !== custody) return;
    simulation.note(`${this.name} plays at ${server.authority}@${session.epoch}`);
    this.#arrive({ server, custody, session, ...entry });
  }

  /** The old room is left only once the new one is joined. */
  #arrive(place: Place): void {
    const old = this.#place;
    this.#place = place;
    if (old === undefined || old.session === place.session) return;
    old.connection.connected = false;
    if (old.server.custody === old.custody) void old.custody.leave(old.session, old.body.carry());
  }
}
