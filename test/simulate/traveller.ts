/** A player of the simulation, with a client. */
import type { CrossingOutcome } from "../../src/custody/source/crossings.ts";
import type { Custody } from "../../src/custody/custody.ts";
import type { PlayerSession, TransitMessage } from "../../src/custody/shared/player-session.ts";
import type { JsonValue } from "../../src/json.ts";
import { type Carried, type Neighbourhood, type SimulatedServer, bodyOf } from "./server.ts";

/** What a player needs of the simulation it lives in. */
export interface Stage extends Neighbourhood {
  readonly tally: {
    crossings: number;
    arrived: number;
    stayed: number;
    logins: number;
    recalls: number;
  };
  readonly open: Map<Promise<CrossingOutcome>, Place>;
  ended(outcome: CrossingOutcome): void;
  /** A server has recorded what a player carries: it may be late, never lost, while its memory lives. */
  owes(server: SimulatedServer, player: string, carried: Carried): void;
}

/** A place a player plays in, as its client knows it. */
export interface Place {
  readonly server: SimulatedServer;
  readonly custody: Custody;
  readonly session: PlayerSession;
  readonly body: ReturnType<typeof bodyOf>;
  readonly connection: { connected: boolean };
}

/** A player with a client: logs in at home, finds things, crosses, leaves, comes back. */
export class Traveller {
  readonly name: string;
  calm = false;
  /** When it was last seen playing. */
  playedAt = 0;
  readonly #stage: Stage;
  readonly #home: SimulatedServer;
  #place: Place | undefined;
  /** Until then it stays where it is: not everybody is on the move all the time. */
  #restsUntil = 0;

  constructor(stage: Stage, name: string, home: SimulatedServer) {
    this.#stage = stage;
    this.name = name;
    this.#home = home;
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
      if (place === undefined) await Promise.race([this.#login(), world.sleep(12_000)]);
      // Nobody hears what it sends to a server that stands still.
      else if (place.server.hung) continue;
      else if (!place.session.frozen) this.#act(place);
      else if (!this.calm && world.random.fraction() < 0.15) this.#anotherDevice();
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
    const { world } = this.#stage;
    if (this.calm) return;
    const what = world.random.fraction();
    if (what < 0.35) {
      const carried = this.#stage.grow(place.body.carried, place.server.mint());
      place.body.carried = carried;
      this.#stage.world.note(
        () => `${this.name} is given state ${carried.id} at ${place.server.authority}`,
      );
      this.#stage.owes(place.server, place.session.player, carried);
    } else if (what < 0.85) {
      if (world.now < this.#restsUntil) return;
      if (world.random.fraction() < 0.15)
        this.#restsUntil = world.now + world.between(5_000, 60_000);
      else void this.#cross(place);
    } else if (what < 0.95) this.#leave(place);
    else this.#anotherDevice();
  }

  /** The same player somewhere else, while this one plays or waits. */
  #anotherDevice(): void {
    this.#stage.tally.recalls += 1;
    void this.#login();
  }

  #leave(place: Place): void {
    this.#stage.world.note(() => `${this.name} leaves ${place.server.authority}`);
    place.connection.connected = false;
    this.#place = undefined;
    place.custody.leave(place.session, place.body.carry()).catch((error: unknown) => {
      this.#stage.violate(`leaving rejected: ${String(error)}`);
    });
  }

  async #login(): Promise<void> {
    const home = this.#home;
    const custody = home.custody;
    if (custody === undefined || home.hung) return;
    const entry = this.#entry();
    this.#stage.tally.logins += 1;
    const result = await custody
      .login(this.name, { name: this.name, jkt: undefined, guest: false }, entry.body)
      .catch(() => undefined);
    if (result?.ok !== true || home.custody !== custody) return;
    entry.body.carried =
      (result.state as unknown as Carried | undefined) ?? this.#stage.grow(undefined, undefined);
    this.#stage.world.note(
      () => `${this.name} plays at home, ${home.authority}@${result.session.epoch}`,
    );
    // Another device: whatever the player still has elsewhere is for the servers to end.
    this.#place = { server: home, custody, session: result.session, ...entry };
  }

  /** Crosses from where it plays; undefined when it plays nowhere. */
  async crossNow(): Promise<CrossingOutcome | undefined> {
    const place = this.#live();
    return place === undefined ? undefined : void this.#cross(place);
  }

  #cross(place: Place): Promise<CrossingOutcome> {
    const stage = this.#stage;
    const { world, servers, tally } = stage;
    const target = world.pick(servers.filter((server) => server !== place.server));
    tally.crossings += 1;
    world.note(() => `${this.name} walks from ${place.server.authority} to ${target.authority}`);
    const outcome = place.custody.crossings.cross(place.session, {
      uri: `aether://${target.authority}/world`,
      origin: target.origin,
      world: "world",
      options: {},
    });
    stage.open.set(outcome, place);
    void outcome.then(
      (ended) => {
        stage.open.delete(outcome);
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
    return outcome;
  }

  /** A connection that follows the transits it is sent. */
  #entry(state?: JsonValue): Pick<Place, "body" | "connection"> {
    const { world } = this.#stage;
    const connection = { connected: true };
    const body = bodyOf(state, {
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

  async #follow(
    { origin, reservation }: TransitMessage,
    departed: Carried | undefined,
  ): Promise<void> {
    const stage = this.#stage;
    const server = stage.servers.find((each) => each.origin === origin);
    const custody = server?.custody;
    if (server === undefined || custody === undefined || server.hung) return;
    let entry: Pick<Place, "body" | "connection"> | undefined;
    const session = await server
      .connect(reservation, (state) => {
        if ((state as unknown as Carried | undefined)?.id !== departed?.id) {
          stage.violate(`${this.name} arrived with another state than it left with`);
        }
        entry = this.#entry(state);
        return entry.body;
      })
      .catch(() => undefined);
    if (session === undefined || entry === undefined || server.custody !== custody) return;
    stage.world.note(() => `${this.name} plays at ${server.authority}@${session.epoch}`);
    this.#arrive({ server, custody, session, ...entry });
  }

  /** The old room is left only once the new one is joined. */
  #arrive(place: Place): void {
    const old = this.#place;
    this.#place = place;
    if (old === undefined || old.session === place.session) return;
    old.connection.connected = false;
    if (old.server.custody !== old.custody) return;
    old.custody.leave(old.session, old.body.carry()).catch((error: unknown) => {
      this.#stage.violate(`leaving rejected: ${String(error)}`);
    });
  }
}
