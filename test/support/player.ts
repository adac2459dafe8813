/** A player in the example worlds, as a real SDK client. */
import type { Room } from "@colyseus/sdk";
import {
  type Arrival,
  type Failure,
  type KeyStorage,
  type Leave,
  Traveler,
} from "aether-federation/client";
import { eventually } from "./eventually.ts";
import type { ServerProcess } from "./processes.ts";

interface WorldState {
  readonly players: ReadonlyMap<
    string,
    { id: string; name: string; x: number; y: number; coins: number; crossing: boolean }
  >;
  readonly coins: ReadonlyMap<string, { x: number; y: number }>;
  readonly portals: ReadonlyMap<string, { x: number; y: number; status: string; target: string }>;
}

/** What the example's rooms tell a client. */
export class RoomWatch {
  readonly room: Room;
  belongings: readonly string[] = [];
  #told = false;

  constructor(room: Room) {
    this.room = room;
    room.reconnection.enabled = false;
    room.onMessage("belongings", ({ coins }: { coins: string[] }) => {
      this.belongings = coins;
      this.#told = true;
    });
  }

  get state(): WorldState {
    return this.room.state as WorldState;
  }

  get me(): { id: string; name: string; x: number; y: number; coins: number; crossing: boolean } {
    const me = this.state.players.get(this.room.sessionId);
    if (me === undefined) throw new Error("not in the room's state");
    return me;
  }

  get portals(): { x: number; y: number; status: string; target: string }[] {
    return [...this.state.portals.values()];
  }

  leave(): Promise<unknown> {
    return this.room.leave();
  }

  async settled(): Promise<void> {
    await eventually(
      () => {
        if (!this.#told) throw new Error("the room has not said what the player carries");
        return this.me;
      },
      { what: "the player stands in the room" },
    );
  }

  /** Walks to a place of the world, or until `until` holds. */
  async walkTo(x: number, y: number, until: () => boolean = () => false): Promise<void> {
    await eventually(
      () => {
        const dx = x - this.me.x;
        const dy = y - this.me.y;
        if (Math.hypot(dx, dy) < 12 || until()) return;
        this.room.send("move", { dx: dx / 40, dy: dy / 40 });
        throw new Error(`still ${Math.round(Math.hypot(dx, dy))} away`);
      },
      { timeoutMilliseconds: 12_000, what: "the player has walked there" },
    );
    if (this.room.connection.isOpen) this.room.send("move", { dx: 0, dy: 0 });
  }

  /** Has stopped: what the room does with the last message is done, and told. */
  async #standing(): Promise<void> {
    if (!this.room.connection.isOpen) return;
    let answered = false;
    this.room.ping(() => {
      answered = true;
    });
    await eventually(() => {
      if (!answered) throw new Error("no answer yet");
    });
  }

  /** Picks up one coin more, or two that lie together. */
  async pickUpCoin(): Promise<void> {
    const before = this.belongings.length;
    const { x, y } = this.me;
    // The message that it was picked up may come before the patch that takes it off the ground.
    const nearest = [...this.state.coins.entries()]
      .filter(([serial, coin]) => !this.belongings.includes(serial) && this.#isFree(coin))
      .map(([, coin]) => coin)
      .reduce((best, coin) =>
        Math.hypot(coin.x - x, coin.y - y) < Math.hypot(best.x - x, best.y - y) ? coin : best,
      );
    await this.walkTo(nearest.x, nearest.y, () => this.belongings.length > before);
    await eventually(() => {
      if (this.belongings.length <= before) throw new Error("no coin yet");
    });
    await this.#standing();
  }

  /** Whether the way there leads through no portal. */
  #isFree(coin: { x: number; y: number }): boolean {
    const { x, y } = this.me;
    const [dx, dy] = [coin.x - x, coin.y - y];
    const length = Math.hypot(dx, dy) || 1;
    // What lies at one's feet is picked up by walking on, not by walking there.
    if (length < 40) return false;
    return this.portals.every((portal) => {
      const along = ((portal.x - x) * dx + (portal.y - y) * dy) / (length * length);
      const at = Math.min(1, Math.max(0, along));
      return Math.hypot(portal.x - x - dx * at, portal.y - y - dy * at) > 60;
    });
  }
}

/** A {@link Traveler} whose events are kept. */
export class Player {
  readonly traveler: Traveler;
  readonly arrivals: Arrival[] = [];
  readonly failures: Failure[] = [];
  readonly leaves: Leave[] = [];
  #watch: RoomWatch | undefined;

  constructor(home: string, name: string, storage?: KeyStorage) {
    this.traveler = new Traveler(home, {
      name,
      // What becomes of a player by itself is what these tests look at.
      comesHome: false,
      ...(storage === undefined ? {} : { storage }),
    });
    this.traveler.onArrive((arrival) => {
      this.#watch = new RoomWatch(arrival.room);
      this.arrivals.push(arrival);
    });
    this.traveler.onFailed((failure) => this.failures.push(failure));
    this.traveler.onLeave((leave) => this.leaves.push(leave));
  }

  get at(): RoomWatch {
    if (this.#watch === undefined) throw new Error("the player is nowhere");
    return this.#watch;
  }

  async join(world: string): Promise<void> {
    await this.traveler.join(world);
    await this.at.settled();
  }

  leave(): Promise<void> {
    return this.traveler.leave();
  }

  /** Crosses through a portal and waits for the arrival. */
  async cross(uri: string): Promise<Arrival> {
    const count = this.arrivals.length;
    const failures = this.failures.length;
    this.traveler.enter(uri);
    await eventually(
      () => {
        const failure = this.failures[failures];
        if (this.arrivals.length <= count && failure === undefined) throw new Error("on the way");
      },
      { timeoutMilliseconds: 15_000, what: "the crossing has ended" },
    );
    const failure = this.failures[failures];
    if (failure !== undefined) throw new Error(`stayed: ${failure.code} ${failure.message}`);
    await this.at.settled();
    return this.arrivals.at(-1)!;
  }

  async failure(): Promise<Failure> {
    const count = this.failures.length;
    return eventually(
      () => {
        const failure = this.failures[count] ?? this.failures[this.failures.length - 1];
        if (failure === undefined) throw new Error("no failure");
        return failure;
      },
      { what: "the crossing has failed" },
    );
  }
}

/** A player of an example server, standing in its world. */
export async function playerIn(
  home: ServerProcess,
  name: string,
  storage?: KeyStorage,
): Promise<Player> {
  const player = new Player(home.origin, name, storage);
  await player.join(home.spec.name);
  return player;
}
