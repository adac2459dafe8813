/** One simulation: servers, players, faults, attacks, and the eye that watches them. */
import { idsOf } from "../../src/custody/shared/moves.ts";
import type { CrossingOutcome } from "../../src/custody/source/crossings.ts";
import type { Gift, GiftOutcome } from "../../src/custody/holder/giving.ts";
import type { SeatedParty } from "../../src/custody/destination/seat-book.ts";
import type { PartyOutcome } from "../../src/custody/source/parties.ts";
import { Addresses } from "./addresses.ts";
import { Attacks } from "./attacks.ts";
import { Book, type Tape } from "./connection.ts";
import type { Carried } from "./room.ts";
import { type PartyAsked, SimulatedServer } from "./server.ts";
import { type Place, type Stage, Traveller } from "./traveller.ts";
import { Violation } from "./violation.ts";
import { Watcher } from "./watcher.ts";
import { NO_TRADES, type TradeEnd, Trading } from "./trading.ts";
import { type Faults, NO_FAULTS, World } from "./world.ts";

export interface SimulationOptions {
  readonly seed: string;
  readonly crossings: number;
  readonly servers?: number;
  readonly players?: number;
  readonly faults?: Partial<Faults>;
  /** Whether some of the servers have links with each other. Default true. */
  readonly links?: boolean;
  /** Whether crossings name other servers to try where the first does not take the player. Default true. */
  readonly failover?: boolean;
  /** Whether homes give the seats of players who come home with their departures. Default true. */
  readonly wayHome?: boolean;
  /** Whether players also cross together. Default true. */
  readonly parties?: boolean;
  /** Whether players also give each other things. Default true. */
  readonly trades?: boolean;
  /** Lines of the trace to keep. Default 0. */
  readonly traceLength?: number;
}

export interface SimulationResult {
  readonly crossings: number;
  readonly arrived: number;
  readonly stayed: number;
  /** Crossings whose server died before it could tell. */
  readonly cutShort: number;
  readonly logins: number;
  readonly recalls: number;
  readonly parties: number;
  readonly partiesArrived: number;
  readonly partiesStayed: number;
  readonly trades: Readonly<Record<TradeEnd, number>>;
  readonly attacks: number;
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
  slow: 0.02,
  fail: 0.004,
  outage: 0.0004,
  stop: 0.002,
  hang: 0.002,
  rubbish: 0.01,
  unruly: 0.03,
  fickle: 0.03,
  unwell: 0.01,
  lie: 0.004,
  picky: 0.01,
  hostage: 0.01,
  cut: 0.003,
  halfOpen: 0.002,
  tamper: 0.002,
  noUpgrade: 0.03,
  rot: 0.1,
  move: 0.04,
};
/** When faults stop, this is how long until everybody can play again: a lease, a retry, a start. */
const RECOVERY_MILLISECONDS = 90_000;
/** A server is up again, and has settled what its former run left, after that. */
const STARTED_MILLISECONDS = 40_000;
/** How long a crossing may take when nothing goes wrong. */
const CALM_CROSSING_MILLISECONDS = 30_000;
const ATTACK_MILLISECONDS = 3_000;
/** Longer than any partition, restart and lease together: a player that cannot play is stuck. */
const STUCK_MILLISECONDS = 600_000;
const STEPS_BETWEEN_ROUNDS = 100;
/** As long as a trade may be open, what clocks may differ, and the longest wait for another try. */
const SETTLED_MILLISECONDS = 75_000;
const HOME_MILLISECONDS = 20_000;

/** Runs one simulation. The same options give the same run. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options);
  return simulation.run();
}

class Simulation implements Stage {
  readonly world: World;
  readonly servers: SimulatedServer[];
  readonly addresses: Addresses;
  readonly tally = {
    ...{ crossings: 0, arrived: 0, stayed: 0, logins: 0, recalls: 0 },
    ...{ parties: 0, partiesArrived: 0, partiesStayed: 0 },
  };
  readonly open = new Map<Promise<CrossingOutcome>, Place>();
  readonly tape: Tape = new Map();
  readonly book = new Book();
  /** Pairs of servers that have links; between the others, calls overtake each other and come twice. */
  readonly #linked = new Set<string>();
  /** Crossings whose source has said another state than the player left with. */
  readonly lied = new Set<string>();
  readonly turnedRound = new Set<string>();
  readonly shut = new Map<string, "full" | "unwell" | "open">();
  readonly #options: SimulationOptions;
  readonly players: Traveller[];
  readonly trading: Trading | undefined;
  readonly #watcher: Watcher;
  readonly #attacks: Attacks;
  #violation: string | undefined;
  #steps = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.world = new World(options.seed);
    this.world.traceLength = options.traceLength ?? 0;
    this.addresses = new Addresses(this.world);
    if (options.trades ?? true)
      this.trading = new Trading(options.seed, this.world, this.addresses);
    this.servers = Array.from(
      { length: options.servers ?? 4 },
      (_, index) => new SimulatedServer(this, `s${index}`),
    );
    if (options.links ?? true) this.#pair();
    this.#watcher = new Watcher(this.world, this.servers, this.addresses, this.trading?.things);
    this.#attacks = new Attacks(
      this.world,
      this.servers,
      this.#watcher,
      (what) => {
        this.violate(what);
      },
      { parties: this.parties, trading: this.trading },
    );
    this.players = Array.from(
      { length: options.players ?? 12 },
      (_, index) => new Traveller(this, `p${index}`, this.world.pick(this.servers)),
    );
  }

  /** Somewhat more than half of the pairs. */
  #pair(): void {
    for (const { origin: one } of this.servers) {
      for (const { origin: other } of this.servers) {
        if (one < other && this.world.random.fraction() < 0.6) this.#linked.add(`${one} ${other}`);
      }
    }
  }

  get links(): boolean {
    return this.#linked.size > 0;
  }

  get failover(): boolean {
    return this.#options.failover ?? true;
  }

  get wayHome(): boolean {
    return this.#options.wayHome ?? true;
  }

  get parties(): boolean {
    return this.#options.parties ?? true;
  }

  companions({ server, custody, session }: Place): readonly Traveller[] {
    return this.players.filter(({ place, calm }) => {
      const there = place?.server === server && place.custody === custody;
      return there && !calm && place.session !== session && !place.session.frozen;
    });
  }

  partySeated(asked: PartyAsked): void {
    this.#watcher.partySeated(asked);
  }

  partyEnded(outcome: PartyOutcome): void {
    this.#must(() => {
      this.#watcher.partyEnded(outcome);
    });
  }

  partyBegins(party: SeatedParty, transferId: string, server: SimulatedServer): void {
    this.#must(() => {
      this.#watcher.partyBegins(party, transferId, server);
    });
  }

  departing(server: SimulatedServer, player: string): void {
    const turned = `${server.origin} ${server.life} ${this.addresses.player(player)}`;
    if (!this.turnedRound.has(turned)) return;
    this.violate(`${player} has turned round, and ${server.authority} sends it to another server`);
  }

  linked(one: string, other: string): boolean {
    return this.#linked.has(one < other ? `${one} ${other}` : `${other} ${one}`);
  }

  async run(): Promise<SimulationResult> {
    const { world } = this;
    for (const server of this.servers) server.start();
    Object.assign(world.faults, DEFAULT_FAULTS, this.#options.faults);
    for (const player of this.players) void player.live();
    void this.#attacks.goOn(ATTACK_MILLISECONDS);
    const goal = this.#options.crossings;
    await this.#play(goal * 60_000 + 600_000, () => this.tally.crossings >= goal);
    if (this.tally.crossings < goal) {
      this.violate(`only ${this.tally.crossings} crossings were begun: players are stuck`);
    }
    const injected = { ...world.counts };
    await this.#recover();
    const unresolved = [...this.open.values()];
    return {
      ...this.tally,
      cutShort: unresolved.filter(({ server, custody }) => server.custody !== custody).length,
      trades: this.trading?.ends ?? NO_TRADES,
      attacks: this.#attacks.tried,
      faults: injected,
      virtualSeconds: Math.round(world.now / 1000),
      violation: this.#violation,
      trace: world.trace,
    };
  }

  grow(from: Carried | undefined, item: string | undefined, by?: string): Carried {
    return this.#watcher.grow(from, item, by);
  }

  disown(player: string, transferId?: string): void {
    if (transferId !== undefined) this.lied.add(transferId);
    this.#watcher.disown(player);
  }

  forgotten(origin: string, player: string): void {
    this.#watcher.forgotten(origin, player);
  }

  owes(server: SimulatedServer, player: string, carried: Carried): void {
    this.#watcher.owes(server.origin, server.life, player, carried);
  }

  died(origin: string, life: number): void {
    this.#watcher.died(origin, life);
  }

  seated(caller: string, body: unknown, to: SimulatedServer): void {
    this.#attacks.seated(caller, body, to);
  }

  violate(what: string): void {
    if (this.#violation !== undefined) return;
    this.#violation = what;
    this.world.note(() => `VIOLATION ${what}`);
  }

  told(player: string, transferId: string): void {
    this.#must(() => {
      this.#watcher.told(player, transferId);
    });
  }

  gave(giver: Traveller, gift: Gift, outcome: GiftOutcome): void {
    this.#must(() => {
      this.#watcher.look();
      this.trading?.told(giver, gift, outcome);
    });
  }

  ended(outcome: CrossingOutcome): void {
    this.#must(() => {
      this.#watcher.ended(outcome);
    });
  }

  #must(look: () => void): void {
    try {
      look();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.violate(error.message);
    }
  }

  async #play(until: number, done: () => boolean): Promise<void> {
    await this.world.run(
      until,
      () => this.#violation !== undefined || done(),
      () => {
        this.#must(() => {
          this.#watcher.look();
          this.#steps += 1;
          if (this.#steps % STEPS_BETWEEN_ROUNDS === 0) this.#round();
        });
      },
    );
  }

  /** What shows only after a while. */
  #round(): void {
    this.#watcher.lookForOrphans();
    const { now } = this.world;
    for (const player of this.players) {
      if (player.plays) player.playedAt = now;
      else if (now - player.playedAt > STUCK_MILLISECONDS) {
        throw new Violation(
          `${player.name} has not been able to play for ${STUCK_MILLISECONDS / 1000} s`,
        );
      }
    }
  }

  /** Faults stop: every crossing ends, every player can play again, and travel. */
  async #recover(): Promise<void> {
    const { world } = this;
    if (this.#violation !== undefined) return;
    world.note(() => "all faults stop");
    Object.assign(world.faults, NO_FAULTS);
    for (const player of this.players) player.calm = true;
    for (const server of this.servers) server.repair();
    await this.#play(world.now + RECOVERY_MILLISECONDS, () => false);
    for (const { server, custody, session } of this.open.values()) {
      if (server.custody === custody) this.violate(`${session.player}'s crossing never ended`);
    }
    for (const player of this.players) {
      if (!player.plays) {
        this.violate(
          `${player.name} cannot play ${RECOVERY_MILLISECONDS / 1000} s after the last fault`,
        );
      }
    }
    this.#must(() => {
      this.#watcher.settled();
    });
    if (this.#violation !== undefined) return;
    const crossings = this.players.map((player) => player.crossNow());
    let over = false;
    void Promise.all(crossings).then((outcomes) => {
      over = true;
      for (const outcome of outcomes) {
        // A room may be full even on a good day.
        if (outcome?.kind === "stayed" && outcome.code !== "ERR_FED_WORLD_FULL") {
          this.violate(`nothing goes wrong any more, and a player stayed: ${outcome.code}`);
        }
      }
    });
    await this.#play(world.now + CALM_CROSSING_MILLISECONDS, () => over);
    if (!over) this.violate("nothing goes wrong any more, and a crossing does not end");
    if (this.parties && this.#violation === undefined) await this.#travelTogether();
    if (this.failover && this.#violation === undefined) await this.#failOver();
    if (this.trading !== undefined && this.#violation === undefined) await this.#goHome();
    if (this.#violation === undefined) await this.#startAgain();
  }

  /** Everybody's server dies once more: what that left open in the history is made up for. */
  async #startAgain(): Promise<void> {
    for (const server of this.servers) server.crash();
    await this.#play(this.world.now + STARTED_MILLISECONDS, () => false);
    this.#must(() => {
      this.#watcher.startedAgain();
    });
  }

  /** Everybody comes home, twice: what was not taken in time is there again by then. */
  async #goHome(): Promise<void> {
    this.shut.clear();
    for (const milliseconds of [SETTLED_MILLISECONDS, HOME_MILLISECONDS]) {
      for (const player of this.players) player.goHome();
      await this.#play(this.world.now + milliseconds, () => false);
    }
    this.#must(() => {
      this.trading?.things.settled();
    });
  }

  /** Everybody who is in one place goes to another, and all arrive. */
  async #travelTogether(): Promise<void> {
    for (const server of this.servers) this.shut.set(server.origin, "open");
    const outcomes: PartyOutcome[] = [];
    let over = false;
    const all = this.servers.map(async (server, at) => {
      const [first, ...others] = this.players.filter(({ place }) => place?.server === server);
      const target = this.servers[(at + 1) % this.servers.length];
      if (first === undefined || others.length === 0 || target === undefined) return;
      const outcome = await first.crossWith(others.slice(0, 7), target);
      if (outcome !== undefined) outcomes.push(outcome);
    });
    void Promise.all(all).then(() => {
      over = true;
    });
    await this.#play(this.world.now + CALM_CROSSING_MILLISECONDS, () => over);
    if (!over) this.violate("nothing goes wrong any more, and a party's crossing does not end");
    for (const { kind, reason } of outcomes) {
      const large = reason?.code === "ERR_FED_STATE_INVALID";
      if (kind !== "arrived" && !large) {
        this.violate(`nothing goes wrong any more, and a party ${kind}: ${reason?.code ?? ""}`);
      }
    }
    this.shut.clear();
  }

  /** Two servers take nobody, one of them only after it has made a seat: all get to a third one. */
  async #failOver(): Promise<void> {
    const { world } = this;
    const [full, unwell, ...open] = this.servers;
    if (full === undefined || unwell === undefined || open.length === 0) return;
    this.shut.set(full.origin, "full").set(unwell.origin, "unwell");
    for (const { origin } of open) this.shut.set(origin, "open");
    let over = false;
    const outcomes: CrossingOutcome[] = [];
    const all = this.players.map(async (player) => {
      const outcome = await player.crossOver([full, unwell, ...open]);
      if (outcome !== undefined) outcomes.push(outcome);
    });
    void Promise.all(all).then(() => {
      over = true;
    });
    await this.#play(world.now + CALM_CROSSING_MILLISECONDS, () => over);
    // What is sent beside a crossing has arrived by then.
    await this.#play(world.now + 1_000, () => false);
    if (!over) this.violate("a crossing that two servers refuse does not end");
    for (const outcome of outcomes) {
      if (outcome.kind === "stayed") {
        this.violate(`two servers are full, another is not, and a player stayed: ${outcome.code}`);
      }
    }
    const tried = new Set(
      outcomes
        .flatMap((each) => ("tried" in each ? (each.tried ?? []) : []))
        .map((each) => each.transferId),
    );
    for (const player of this.players) {
      const moves = this.addresses.knownTo(unwell.origin);
      const ids = idsOf(moves, player.id, player.home.origin);
      const seats = await Promise.all(
        ids.map(async (id) => (await unwell.custody?.seats.of(id)) ?? []),
      );
      for (const seat of seats.flat()) {
        if (!tried.has(seat.transferId)) continue;
        this.violate(`${unwell.authority} keeps a seat for ${player.id}, who went elsewhere`);
      }
    }
  }
}
