/** A player of the simulation, with a client. */
import type { CrossingOutcome } from "../../src/custody/source/crossings.ts";
import type { CrossingDestination } from "../../src/custody/source/departing.ts";
import type { Custody } from "../../src/custody/custody.ts";
import type { PartyOutcome } from "../../src/custody/source/parties.ts";
import type { PlayerSession, TransitMessage } from "../../src/custody/shared/player-session.ts";
import type { Gift, GiftOutcome } from "../../src/custody/holder/giving.ts";
import { type Carried, Connection, RoomBody, carriedOf } from "./room.ts";
import type { Neighbourhood, SimulatedServer } from "./server.ts";

/** What a player needs of the simulation it lives in. */
export interface Stage extends Neighbourhood {
  readonly tally: {
    crossings: number;
    arrived: number;
    stayed: number;
    logins: number;
    recalls: number;
    parties: number;
    partiesArrived: number;
    partiesStayed: number;
  };
  readonly open: Map<Promise<CrossingOutcome>, Place>;
  /** Crossings whose source has said another state than the player left with. */
  readonly lied: ReadonlySet<string>;
  /** Whether crossings name other servers to try. */
  readonly failover: boolean;
  /** Whether players also cross together. */
  readonly parties: boolean;
  /** Those who play in the same place, but for this one. */
  companions(place: Place): readonly Traveller[];
  /** Everybody. */
  readonly players: readonly Traveller[];
  /** Players who turned round before they were told of a seat, after the server they leave. */
  readonly turnedRound: Set<string>;
  ended(outcome: CrossingOutcome): void;
  /** All or nobody was to go, and this is how it ended. */
  partyEnded(outcome: PartyOutcome): void;
  /** A player is told how its gift ended. */
  gave(giver: Traveller, gift: Gift, outcome: GiftOutcome): void;
  /** A server tells a client of its seat. */
  told(player: string, transferId: string): void;
  /** A server has recorded what a player carries: it may be late, never lost, while its memory lives. */
  owes(server: SimulatedServer, player: string, carried: Carried): void;
}

/** A place a player plays in, as its client knows it. */
export interface Place {
  readonly server: SimulatedServer;
  readonly custody: Custody;
  readonly session: PlayerSession;
  readonly body: RoomBody;
}

/** How long a client waits until a room has let it in. */
const ENTERING_MILLISECONDS = 60_000;
const AWAY_MILLISECONDS = 120_000;
/** Longer than any seat waits. */
const SLEEP_MILLISECONDS = 40_000;

/** A player with a client: logs in at home, finds things, crosses, leaves, comes back. */
export class Traveller {
  readonly name: string;
  calm = false;
  /** When it was last seen playing. */
  playedAt = 0;
  readonly #stage: Stage;
  readonly #home: SimulatedServer;
  #place: Place | undefined;
  /** Where it is just coming in: until then it goes nowhere else. */
  /** Until then nobody sits at its client. */
  #awayUntil = 0;
  #entering:
    { readonly server: SimulatedServer; readonly custody: Custody; until: number } | undefined;
  /** Until then it stays where it is: not everybody is on the move all the time. */
  #restsUntil = 0;

  constructor(stage: Stage, name: string, home: SimulatedServer) {
    this.#stage = stage;
    this.name = name;
    this.#home = home;
  }

  get home(): SimulatedServer {
    return this.#home;
  }

  /** `<local id>@<home authority>`, wherever its home is now. */
  get id(): string {
    return `${this.name}@${this.#home.authority}`;
  }

  /** Where it plays now. */
  get place(): Place | undefined {
    return this.#live();
  }

  get plays(): boolean {
    const place = this.#live();
    return place !== undefined && !place.session.frozen;
  }

  async live(): Promise<void> {
    const { world } = this.#stage;
    for (;;) {
      await world.sleep(world.between(50, this.calm ? 1_000 : 2_500));
      const place = this.#live();
      // A server that dies meanwhile never answers; the player asks again.
      const isAway = !this.calm && world.now < this.#awayUntil;
      if (place === undefined && (isAway || this.#isEntering())) continue;
      if (place === undefined) await Promise.race([this.#login(), world.sleep(12_000)]);
      // Nobody hears what it sends to a server that stands still.
      else if (place.server.hung) continue;
      else if (!place.session.frozen) this.#act(place);
      else if (this.calm) continue;
      else if (world.strikes("fickle")) this.#leave(place);
      else if (world.random.fraction() < 0.15) this.#anotherDevice();
    }
  }

  #isEntering(): boolean {
    const entering = this.#entering;
    return (
      entering !== undefined &&
      entering.server.custody === entering.custody &&
      !entering.server.hung &&
      this.#stage.world.now < entering.until
    );
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
    const { world } = this.#stage;
    if (this.calm) return;
    if (this.#stage.trading?.wishes() === true) {
      void this.#giveAway(place);
      return;
    }
    const what = world.random.fraction();
    if (what < 0.35) {
      this.#give(place, place.server.mint());
    } else if (what < 0.85) {
      if (world.now < this.#restsUntil) return;
      if (world.random.fraction() < 0.15)
        this.#restsUntil = world.now + world.between(5_000, 60_000);
      else if (this.#stage.parties && world.random.fraction() < 0.4) this.#crossTogether(place);
      else void this.#cross(place);
    } else if (what < 0.95) this.#leave(place);
    else this.#anotherDevice();
  }

  /** The room gives the player something; without an item it puts down what it can do without. */
  #give({ body, server, session }: Place, item: string | undefined): void {
    if (body.carried === undefined && server !== this.#home) return;
    const carried = this.#stage.grow(body.carried, item, server.authority);
    body.carried = carried;
    this.#stage.world.note(
      () => `${this.name} is given state ${carried.id} at ${server.authority}`,
    );
    this.#stage.owes(server, session.player, carried);
  }

  /** What it begins with at home, beside what waits for it there already. */
  #firstState(state: unknown): Carried {
    const first = this.#stage.grow(undefined, undefined);
    const { trading } = this.#stage;
    return trading === undefined ? first : { ...first, inventory: trading.mint(this, state) };
  }

  /** The player gives a thing to somebody, and asks again where nobody can say whether it did. */
  async #giveAway(place: Place): Promise<void> {
    const { trading, world } = this.#stage;
    const gift = trading?.choose(this, place, this.#stage.companions(place), this.#stage.players);
    if (trading === undefined || gift === undefined) return;
    world.note(() => `${this.name} gives ${gift.item} to ${gift.to} (${gift.tradeId.slice(0, 4)})`);
    let outcome = await this.#asksToGive(place, gift);
    if (outcome.kind === "undecided") {
      await world.sleep(trading.pause());
      const now = this.#live();
      // Whoever is on its way asks nobody.
      if (now?.session.frozen === false)
        outcome = await this.#asksToGive(now, trading.signed(this, gift), place.session);
    }
    world.note(() => `${this.name} hears that ${gift.item} is ${outcome.kind}`);
    this.#stage.gave(this, gift, outcome);
  }

  async #asksToGive(
    place: Place,
    gift: Gift,
    first: PlayerSession = place.session,
  ): Promise<GiftOutcome> {
    const { trading } = this.#stage;
    const outcome = await place.custody.give(place.session, gift);
    const gone = outcome.kind !== "undecided" && trading?.hasLeft(outcome) === true;
    const { body } = place;
    // What a later session began with is what home had then. Some rooms go on as if the player still had it.
    if (
      gone &&
      place.session === first &&
      body.carried?.inventory !== undefined &&
      trading.isTakenOut()
    ) {
      const inventory = body.carried.inventory.filter(({ id }) => id !== gift.item);
      body.carried = { ...body.carried, inventory };
    }
    return outcome;
  }

  /** Goes home, and comes in there anew. */
  goHome(): void {
    const place = this.#live();
    if (place === undefined) return;
    this.#give(place, undefined);
    this.#leave(place);
  }

  /** The same player somewhere else, while this one plays or waits. */
  #anotherDevice(): void {
    this.#stage.tally.recalls += 1;
    void this.#login();
    if (this.#stage.world.strikes("fickle")) void this.#login();
  }

  #leave(place: Place): void {
    this.#stage.world.note(() => `${this.name} leaves ${place.server.authority}`);
    this.#place = undefined;
    this.#goes(place);
  }

  /** The connection is gone, and its room hears of it. */
  #goes({ body, custody, session }: Place): void {
    // The last moment at which the room is asked.
    const carried = session.frozen ? body.said : body.carry();
    body.connection.cut();
    custody.leave(session, carried).catch((error: unknown) => {
      this.#stage.violate(`leaving rejected: ${String(error)}`);
    });
  }

  async #login(): Promise<void> {
    const home = this.#home;
    const custody = home.custody;
    if (custody === undefined || home.hung) return;
    const body = this.#body();
    this.#stage.tally.logins += 1;
    const result = await custody
      .login(
        this.name,
        { name: this.name, jkt: this.#stage.trading?.jktOf(this), guest: false },
        body,
      )
      .catch(() => undefined);
    if (result?.ok !== true || home.custody !== custody) return;
    body.begin(result.state, home.knows);
    const session = await home.letIn(custody, result.session, body);
    if (session === undefined || home.custody !== custody) return;
    body.carried ??= this.#firstState(result.state);
    this.#stage.world.note(
      () => `${this.name} plays at home, ${home.authority}@${result.session.epoch}`,
    );
    // Another device: whatever the player still has elsewhere is for the servers to end.
    this.#place = { server: home, custody, session, body };
  }

  /** Crosses from where it plays; undefined when it plays nowhere. */
  async crossNow(): Promise<CrossingOutcome | undefined> {
    const place = this.#live();
    if (place === undefined) return undefined;
    // Whoever carries too much puts something down, and everybody can pass.
    this.#give(place, undefined);
    return this.#cross(place);
  }

  /** Crosses to the first of these servers that takes the player. */
  async crossOver(servers: readonly SimulatedServer[]): Promise<CrossingOutcome | undefined> {
    const place = this.#live();
    if (place === undefined) return undefined;
    this.#give(place, undefined);
    const [target, ...next] = servers.filter((server) => server !== place.server);
    return target && this.#cross(place, target, next);
  }

  #cross(
    place: Place,
    target = this.#stage.world.pick(
      this.#stage.servers.filter((server) => server !== place.server),
    ),
    next = this.#others(place, target),
  ): Promise<CrossingOutcome> {
    const stage = this.#stage;
    const { world, tally } = stage;
    tally.crossings += 1;
    world.note(() => `${this.name} walks from ${place.server.authority} to ${target.authority}`);
    const to = (server: SimulatedServer): CrossingDestination => ({
      ...{ uri: `aether://${target.authority}/world`, origin: place.server.wayTo(server) },
      ...{ world: "world", options: {} },
    });
    const transferId = world.random.uuid();
    const { crossings } = place.custody;
    const outcome = crossings.cross(place.session, to(target), transferId, {
      next: next.map(to),
    });
    const turned = `${place.server.origin} ${place.server.life} ${this.id}`;
    if (next.length > 0 && !this.calm && world.random.fraction() < 0.1) {
      world.schedule(world.between(0, 200), () => {
        if (place.server.custody !== place.custody || place.server.hung) return;
        const { player } = place.session;
        if (!stage.open.has(outcome) || crossings.transferOf(player) === undefined) return;
        // By its id, or whatever it is on.
        crossings.abandon(
          player,
          world.now % 2 === 0 ? transferId : (crossings.transferOf(player) ?? transferId),
        );
        stage.turnedRound.add(turned);
      });
    }
    this.#follows(place, outcome, () => stage.turnedRound.delete(turned));
    return outcome;
  }

  /** With those who are in the same place, as many as it likes; alone where there is nobody. */
  #crossTogether(place: Place): void {
    const { world } = this.#stage;
    const friends = this.#stage.companions(place).filter(() => world.random.fraction() < 0.7);
    const elsewhere = this.#stage.servers.filter((server) => server !== place.server);
    if (friends.length === 0) void this.#cross(place);
    else {
      const others = world.random.fraction() < 0.25 ? "others" : "nobody";
      void this.crossWith(friends.slice(0, 4), world.pick(elsewhere), others);
    }
  }

  /** Crosses together with others, who play in the same place. */
  async crossWith(
    friends: readonly Traveller[],
    target: SimulatedServer,
    ifSomeCannot: "nobody" | "others" = "nobody",
  ): Promise<PartyOutcome | undefined> {
    const stage = this.#stage;
    const all = [this, ...friends];
    const places = all.flatMap((each) => each.place ?? []);
    const [place] = places;
    if (place === undefined || places.length < all.length) return undefined;
    stage.tally.crossings += all.length;
    stage.world.note(
      () =>
        `${all.map(({ name }) => name).join(", ")} walk together from ${place.server.authority} to ${target.authority}`,
    );
    const outcome = place.custody.parties.enter(
      places.map(({ session }) => session),
      {
        ...{ uri: `aether://${target.authority}/world`, origin: place.server.wayTo(target) },
        ...{ world: "world", options: {} },
      },
      ifSomeCannot,
    );
    stage.tally.parties += 1;
    void outcome.then((ended) => {
      const { kind } = ended;
      if (ifSomeCannot === "nobody") stage.partyEnded(ended);
      if (kind === "arrived") stage.tally.partiesArrived += 1;
      if (kind === "stayed") stage.tally.partiesStayed += 1;
    });
    for (const [at, each] of all.entries()) {
      const own = places[at] ?? place;
      each.#follows(
        own,
        outcome.then(({ members }) => {
          const member = members[at];
          if (member === undefined) throw new Error("a party's outcome says nothing of a member");
          return member.outcome;
        }),
      );
    }
    return outcome;
  }

  /** Takes down how a crossing ends. */
  #follows(
    place: Place,
    outcome: Promise<CrossingOutcome>,
    over: () => void = () => undefined,
  ): void {
    const stage = this.#stage;
    const { world, tally } = stage;
    stage.open.set(outcome, place);
    void outcome.then(
      (ended) => {
        stage.open.delete(outcome);
        over();
        const tooMuch = ended.kind === "stayed" && ended.code === "ERR_FED_STATE_INVALID";
        if (tooMuch && this.#live() === place && !place.session.frozen) {
          this.#give(place, undefined);
        }
        if (ended.kind !== "undecided") tally[ended.kind] += 1;
        world.note(
          () => `${this.name} ${ended.kind}${ended.kind === "stayed" ? ` (${ended.code})` : ""}`,
        );
        stage.ended(ended);
      },
      (error: unknown) => {
        stage.violate(`a crossing rejected: ${String(error)}`);
      },
    );
  }

  /** Where else it would go, now and then. */
  #others(place: Place, target: SimulatedServer): readonly SimulatedServer[] {
    const { failover, servers, world } = this.#stage;
    if (!failover || world.random.fraction() < 0.5) return [];
    return servers.filter((server) => server !== place.server && server !== target);
  }

  /** A body whose client follows the transits it is sent. */
  #body(connection = new Connection()): RoomBody {
    const { world } = this.#stage;
    const body: RoomBody = new RoomBody(
      world,
      connection,
      (message) => {
        this.#stage.told(`${this.name}@${this.#home.authority}`, message.transferId);
        if (world.strikes("loss")) return;
        // Some sleep on it, and some turn round.
        const asleep = world.strikes("fickle");
        const delay = asleep ? world.between(0, SLEEP_MILLISECONDS) : world.between(5, 400);
        world.schedule(delay, () => void this.#follow(message, body));
        if (asleep) world.schedule(world.between(0, delay), () => this.#turnRound(message));
        // A second tab with the same reservation.
        if (world.strikes("duplication")) {
          world.schedule(world.between(5, 2_000), () => void this.#follow(message, body));
        }
      },
      () => {
        this.#stage.disown(`${this.name}@${this.#home.authority}`);
      },
    );
    return body;
  }

  /** The client tells the room that it could not get in, or does not want to. */
  #turnRound({ transferId }: TransitMessage): void {
    const place = this.#live();
    if (place === undefined || place.server.hung) return;
    place.custody.crossings.abandon(place.session.player, transferId);
  }

  async #follow(message: TransitMessage, left: RoomBody): Promise<void> {
    const stage = this.#stage;
    const { origin, reservation, transferId } = message;
    const server = stage.servers.find((each) => each.address === origin);
    const custody = server?.custody;
    if (server === undefined || custody === undefined || server.hung) return;
    const departed = carriedOf(left.said);
    let body: RoomBody | undefined;
    const connection = new Connection();
    const entering = { server, custody, until: stage.world.now + ENTERING_MILLISECONDS };
    this.#entering = entering;
    const session = await server
      .connect(reservation, connection, (state) => {
        const honest = departed !== undefined && !stage.lied.has(transferId);
        if (honest && carriedOf(state)?.id !== departed.id) {
          stage.violate(`${this.name} arrived with another state than it left with`);
        }
        body = this.#body(connection);
        body.begin(state, server.knows);
        // What begins abroad is whoever's began it, and no third server may alter it.
        if (server === this.#home) body.carried ??= this.#firstState(state);
        return body;
      })
      .catch(() => undefined);
    if (this.#entering === entering) this.#entering = undefined;
    if (session === undefined || body === undefined || server.custody !== custody) {
      if (stage.world.random.fraction() < 0.5) this.#turnRound(message);
      // Some have had enough for a while.
      if (stage.world.random.fraction() < 0.2) {
        this.#awayUntil = stage.world.now + stage.world.between(0, AWAY_MILLISECONDS);
      }
      return;
    }
    stage.world.note(() => `${this.name} plays at ${server.authority}@${session.epoch}`);
    this.#arrive({ server, custody, session, body });
  }

  /** The old room is left only once the new one is joined. */
  #arrive(place: Place): void {
    const old = this.#place;
    this.#place = place;
    if (old === undefined || old.session === place.session) return;
    if (old.server.custody !== old.custody) old.body.connection.cut();
    else this.#goes(old);
  }
}
