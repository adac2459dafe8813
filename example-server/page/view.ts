/** What the page knows of a room, smoothed for the eye. */
import type { Room } from "@colyseus/sdk";
import type { Direction } from "./input.ts";

export interface Avatar {
  readonly key: string;
  id: string;
  name: string;
  home: string;
  colour: string;
  hat: string;
  /** Where it is drawn. */
  x: number;
  y: number;
  facing: number;
  moving: boolean;
  crossing: boolean;
  coins: number;
  /** Walk cycle, radians. */
  stride: number;
  readonly me: boolean;
}

export interface Portal {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly label: string;
  readonly host: string;
  readonly target: string;
  readonly status: string;
}

export interface Coin {
  readonly key: string;
  readonly x: number;
  readonly y: number;
}

/** Nothing is there before the first patch. */
interface RoomState {
  readonly world?: string;
  readonly width?: number;
  readonly height?: number;
  readonly players?: ReadonlyMap<string, Omit<Avatar, "key" | "stride" | "me">>;
  readonly coins?: ReadonlyMap<string, Omit<Coin, "key">>;
  readonly portals?: ReadonlyMap<string, Omit<Portal, "key">>;
}

const SPEED = 230;
/** How fast drawings follow what the server says, per second. */
const FOLLOW_OTHERS = 12;
const FOLLOW_ME = 5;
const JUMP = 220;

export class View {
  readonly room: Room;
  readonly origin: string;
  avatars: Avatar[] = [];
  coins: Coin[] = [];
  portals: Portal[] = [];
  readonly #byKey = new Map<string, Avatar>();

  constructor(room: Room, origin: string) {
    this.room = room;
    this.origin = origin;
  }

  get #state(): RoomState {
    return this.room.state as RoomState;
  }

  get world(): string {
    return this.#state.world ?? "";
  }

  get width(): number {
    return this.#state.width ?? 1600;
  }

  get height(): number {
    return this.#state.height ?? 1000;
  }

  get me(): Avatar | undefined {
    return this.#byKey.get(this.room.sessionId);
  }

  /** Reads the state and moves the drawings along by `seconds`. */
  update(seconds: number, input: Direction): void {
    const { players, coins, portals } = this.#state;
    const seen = new Set<string>();
    players?.forEach((state, key) => {
      seen.add(key);
      let avatar = this.#byKey.get(key);
      if (avatar === undefined) {
        avatar = { ...read(state), key, stride: 0, me: key === this.room.sessionId };
        this.#byKey.set(key, avatar);
      }
      const { x, y } = avatar;
      Object.assign(avatar, read(state), { x, y });
      this.#move(avatar, state, seconds, input);
    });
    for (const key of [...this.#byKey.keys()]) if (!seen.has(key)) this.#byKey.delete(key);
    this.avatars = [...this.#byKey.values()];
    this.coins = entries(coins).map(([key, { x, y }]) => ({ key, x, y }));
    this.portals = entries(portals).map(([key, { x, y, label, host, target, status }]) => ({
      key,
      x,
      y,
      label,
      host,
      target,
      status,
    }));
  }

  #move(
    avatar: Avatar,
    state: { readonly x: number; readonly y: number },
    seconds: number,
    input: Direction,
  ): void {
    const still = avatar.crossing;
    if (avatar.me && !still) {
      // The own avatar answers at once and is drawn back gently to where the server has it.
      avatar.moving = input.dx !== 0 || input.dy !== 0;
      avatar.x = clamp(avatar.x + input.dx * SPEED * seconds, 24, this.width - 24);
      avatar.y = clamp(avatar.y + input.dy * SPEED * seconds, 36, this.height - 20);
      if (input.dx !== 0) avatar.facing = input.dx > 0 ? 1 : -1;
    }
    const far = Math.hypot(state.x - avatar.x, state.y - avatar.y) > JUMP;
    const rate = avatar.me && avatar.moving ? FOLLOW_ME : FOLLOW_OTHERS;
    const share = far ? 1 : 1 - Math.exp(-rate * seconds);
    avatar.x += (state.x - avatar.x) * share;
    avatar.y += (state.y - avatar.y) * share;
    avatar.stride = avatar.moving && !still ? avatar.stride + seconds * 11 : 0;
  }
}

function read(state: Omit<Avatar, "key" | "stride" | "me">): Omit<Avatar, "key" | "stride" | "me"> {
  const { id, name, home, colour, hat, x, y, facing, moving, crossing, coins } = state;
  return { id, name, home, colour, hat, x, y, facing, moving, crossing, coins };
}

function entries<Value>(map: ReadonlyMap<string, Value> | undefined): [string, Value][] {
  const all: [string, Value][] = [];
  map?.forEach((value, key) => all.push([key, value]));
  return all;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
