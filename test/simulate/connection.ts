/**
 * A connection between two simulated servers, as the shipped links see one: whole messages, in order, until
 * it breaks. It may be cut, or die without a word; and somebody on the way repeats, changes, swaps and turns
 * back what passes.
 */
import type { LinkEars, LinkSocket } from "../../src/link/socket.ts";
import type { World } from "./world.ts";

/** Who is at an end, as far as the connection can tell. */
export interface Station {
  readonly name: string;
  readonly alive: () => boolean;
  /** Until then it stands still. */
  readonly hungUntil: () => number;
  /** Whether it and the other one have lost sight of each other. */
  readonly outOfSight: () => boolean;
}

/** What passed on former connections, by who sent it to whom, in its order. */
export type Tape = Map<string, readonly Buffer[]>;

const ATTACKS = ["repeat", "change", "swap", "turnBack", "former"] as const;

/** Both ends of a connection. */
export class Connection {
  readonly opener: End;
  readonly accepter: End;
  readonly world: World;
  /** Nothing goes through any more, and nobody was told. */
  dead = false;

  constructor(world: World, tape: Tape, opener: Station, accepter: Station) {
    this.world = world;
    this.opener = new End(this, opener, tape.get(directionOf(opener, accepter)) ?? []);
    this.accepter = new End(this, accepter, tape.get(directionOf(accepter, opener)) ?? []);
    this.opener.other = this.accepter;
    this.accepter.other = this.opener;
    tape.set(directionOf(opener, accepter), this.opener.sent);
    tape.set(directionOf(accepter, opener), this.accepter.sent);
  }

  /** Breaks it: what is on its way is lost, and both hear of it soon. */
  cut(): void {
    this.dead = true;
    for (const end of [this.opener, this.accepter]) {
      this.world.schedule(this.world.between(0, 200), () => {
        end.hearClosed();
      });
    }
  }
}

/** One end. */
export class End implements LinkSocket {
  /** What was sent is on its way at once. */
  readonly bufferedBytes = 0;
  /** What its link has sent. */
  readonly sent: Buffer[] = [];
  other: End | undefined;
  readonly #connection: Connection;
  readonly station: Station;
  /** What was sent this way over the connection before. */
  readonly #former: readonly Buffer[];
  #ears: LinkEars | undefined;
  #early: Buffer[] = [];
  #closed = false;
  #told = false;
  #arrivesAt = 0;
  #held: Buffer | undefined;

  constructor(connection: Connection, station: Station, former: readonly Buffer[]) {
    this.#connection = connection;
    this.station = station;
    this.#former = former;
  }

  listen(ears: LinkEars): void {
    this.#ears = ears;
    for (const message of this.#early.splice(0)) ears.message(message);
    if (this.#told) ears.closed();
  }

  read(): void {
    // Nothing is ever unsent, so that nobody stops reading.
  }

  send(message: Buffer): void {
    const { world } = this.#connection;
    if (this.#closed) return;
    this.sent.push(message);
    if (this.#connection.dead) return;
    if (this.station.outOfSight() || world.strikes("halfOpen")) {
      world.note(() => `the link of ${this.station.name} and ${this.other?.name ?? ""} is dead`);
      this.#connection.dead = true;
      return;
    }
    if (world.strikes("cut")) {
      world.note(() => `the link of ${this.station.name} and ${this.other?.name ?? ""} is cut`);
      this.#connection.cut();
      return;
    }
    for (const passing of this.#passing(message)) this.#deliver(passing);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#connection.dead) return;
    this.#arrive(() => {
      this.other?.hearClosed();
    });
  }

  get name(): string {
    return this.station.name;
  }

  /** It is closed by the other side, or by nobody. */
  hearClosed(): void {
    if (this.#told) return;
    this.#told = true;
    this.#closed = true;
    if (this.station.alive()) this.#ears?.closed();
  }

  /** What somebody on the way makes of a message. */
  #passing(message: Buffer): Buffer[] {
    const { world } = this.#connection;
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) return [message, held];
    if (!world.strikes("tamper")) return [message];
    const index = this.sent.length - 1;
    const attack = world.pick(ATTACKS);
    world.note(() => `somebody between ${this.name} and ${this.other?.name ?? ""}: ${attack}`);
    switch (attack) {
      case "repeat":
        return [message, message];
      case "change": {
        const other = Buffer.from(message);
        const at = Math.floor(world.random.fraction() * other.length);
        other[at] = (other[at] ?? 0) ^ 1;
        return [other];
      }
      case "swap":
        this.#held = message;
        return [];
      case "turnBack":
        return [this.other?.sent[index] ?? message];
      case "former":
        return [this.#former[index] ?? message];
    }
  }

  #deliver(message: Buffer): void {
    this.#arrive(() => {
      this.other?.receive(message);
    });
  }

  /** In its order, and not while the other process stands still. */
  #arrive(run: () => void): void {
    const { world } = this.#connection;
    const travel = world.strikes("delay") ? world.between(500, 3_000) : world.between(1, 60);
    this.#arrivesAt = Math.max(this.#arrivesAt, world.now + travel);
    const arrive = (): void => {
      const left = (this.other?.station.hungUntil() ?? 0) - world.now;
      if (left > 0) world.schedule(left, arrive);
      else if (!this.#connection.dead) run();
    };
    world.schedule(this.#arrivesAt - world.now, arrive);
  }

  receive(message: Buffer): void {
    if (this.#closed) return;
    if (!this.station.alive()) this.#connection.cut();
    else if (this.#ears === undefined) this.#early.push(message);
    else this.#ears.message(message);
  }
}

function directionOf(from: Station, to: Station): string {
  return `${from.name} → ${to.name}`;
}

/** What was sent over links and not acted on: nothing else may be acted on, and nothing twice. */
export class Book {
  readonly #open = new Map<string, { count: number; lied: boolean }>();

  wrote(what: string, lied = false): void {
    const entry = this.#open.get(what) ?? { count: 0, lied };
    entry.count += 1;
    this.#open.set(what, entry);
  }

  /** Strikes one out. Undefined when there is none. */
  take(what: string): { readonly lied: boolean } | undefined {
    const entry = this.#open.get(what);
    if (entry === undefined) return undefined;
    entry.count -= 1;
    if (entry.count === 0) this.#open.delete(what);
    return entry;
  }
}
