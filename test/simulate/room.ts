/** A room of the simulation: it says what its player carries, and now and then something else. */
import { EventEmitter } from "node:events";
import type { PlayerBody, TransitMessage } from "../../src/custody/shared/player-session.ts";
import { type JsonValue, checkState } from "../../src/json.ts";
import type { World } from "./world.ts";

/** What a server's visitors bring along from it. */
export interface Trophy {
  /** Of the change that made it what it is. */
  readonly n: number;
  readonly text: unknown;
}

/** A thing of its own: there is one of that id in the whole world. */
export interface Thing {
  readonly id: string;
}

/** What a player carries: every change has an id and remembers which one it grew from. */
export interface Carried {
  readonly id: number;
  /** As many changes as there have been: whoever takes a state over takes this, too. */
  readonly spent: number;
  readonly items: readonly string[];
  /** What can be given to others. */
  readonly inventory?: readonly Thing[];
  /** Takes room. */
  readonly pad?: string;
  readonly [trophy: `trophy-${string}`]: Trophy;
}

/** The members of a state that some server brought. */
export function trophiesOf(state: Carried): [name: `trophy-${string}`, trophy: Trophy][] {
  return Object.entries(state).filter(([name]) => name.startsWith("trophy-")) as never;
}

/** A state as the simulation knows it; undefined for whatever else a room has said. */
export function carriedOf(state: unknown): Carried | undefined {
  return typeof (state as Carried | null | undefined)?.id === "number"
    ? (state as Carried)
    : undefined;
}

/** The connection of a player's client. */
export class Connection {
  connected = true;
  readonly ref = new EventEmitter();

  /** As WebSockets count: 1 is open. */
  get readyState(): number {
    return this.connected ? 1 : 3;
  }

  cut(): void {
    if (!this.connected) return;
    this.connected = false;
    this.ref.emit("close");
  }
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let each = 0; each < levels; each += 1) value = each % 2 === 0 ? { in: value } : [value];
  return value;
}

/** What JSON can say, and no player carries. */
const SAYABLE: readonly (() => JsonValue)[] = [() => null, () => [], () => "x", () => 0];
/** What goes through no portal; JSON can say it all the same. */
export const UNREADABLE: readonly (() => JsonValue)[] = [
  () => nested(33) as JsonValue,
  () => ({ id: 1, deep: nested(38) as JsonValue }),
  () => "x".repeat(33_000),
];
const RUBBISH: readonly (() => unknown)[] = [
  ...SAYABLE,
  ...UNREADABLE,
  () => new Map([["gold", 1]]),
  () => ({ id: Number.NaN }),
  () => Promise.resolve({ gold: 1 }),
  () => undefined,
  () => {
    throw new Error("carry() throws");
  },
];

/** What a server that is not to be trusted says a player carries. */
export function lieOf(world: World): JsonValue {
  return world.pick([...SAYABLE, ...UNREADABLE])();
}

/** A player's body: carries, freezes, and tells its client what it is told. */
export class RoomBody implements PlayerBody {
  carried: Carried | undefined;
  frozen = false;
  /** Whether the room's `onJoin` is through. */
  joined = false;
  readonly connection: Connection;
  readonly #world: World;
  readonly #hears: (message: TransitMessage) => void;
  readonly #misspoke: () => void;
  /** What the room last said that can be carried. */
  #said: JsonValue | undefined;

  constructor(
    world: World,
    connection: Connection,
    hears: (message: TransitMessage) => void,
    misspoke: () => void,
  ) {
    this.#world = world;
    this.connection = connection;
    this.#hears = hears;
    this.#misspoke = misspoke;
  }

  /** What the player comes with; a room that knows only its own server's trophies leaves out the others. */
  begin(state: JsonValue | undefined, knows?: `trophy-${string}`): void {
    this.#said = state;
    const carried = carriedOf(state);
    this.carried =
      carried === undefined || knows === undefined
        ? carried
        : (Object.fromEntries(
            Object.entries(carried).filter(
              ([name]) => !name.startsWith("trophy-") || name === knows,
            ),
          ) as unknown as Carried);
  }

  /** What it has last said. */
  get said(): JsonValue | undefined {
    return this.#said;
  }

  get connected(): boolean {
    return this.connection.connected;
  }

  /** As a real room is asked: what cannot be carried leaves the last good answer. */
  carry(): JsonValue | undefined {
    if (!this.joined) return this.#said;
    let carried: unknown = this.carried;
    if (this.#world.strikes("rubbish")) {
      this.#misspoke();
      try {
        carried = this.#world.pick(RUBBISH)();
      } catch {
        return this.#said;
      }
    }
    if (carried === undefined) return this.#said;
    const checked = checkState(carried);
    if (checked.ok) this.#said = checked.state;
    return this.#said;
  }

  setFrozen(frozen: boolean): void {
    this.frozen = frozen;
  }

  transit(message: TransitMessage): void {
    this.#hears(message);
  }

  failed(): void {
    // The client stays where it is.
  }

  undecided(): void {
    // The client waits.
  }

  end(): void {
    this.connection.cut();
  }
}
