/** What the page knows of a room, smoothed for the eye. */
import type { Room } from "@colyseus/sdk";
import type { AssetImages } from "./images.ts";
import type { Direction } from "./input.ts";

export interface Avatar {
  readonly key: string;
  id: string;
  name: string;
  home: string;
  colour: string;
  /** What the hat is called; empty: none. */
  hat: string;
  /** The hat's file, as its home names it and as this server serves it. */
  hatHash: string;
  hatUrl: string;
  /** The hat, once it has been loaded and found to be the one that its hash names. */
  hatImage: CanvasImageSource | undefined;
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

export interface Picture {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly title: string;
  /** Authority of the server that owns it. */
  readonly owner: string;
  readonly status: "coming" | "hangs" | "refused";
  /** The code that the operator was told, where it is refused. */
  readonly detail: string;
  readonly image: CanvasImageSource | undefined;
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
  readonly players?: ReadonlyMap<string, AvatarState>;
  readonly coins?: ReadonlyMap<string, Omit<Coin, "key">>;
  readonly portals?: ReadonlyMap<string, Omit<Portal, "key">>;
  readonly pictures?: ReadonlyMap<
    string,
    Omit<Picture, "key" | "image"> & { readonly hash: string; readonly url: string }
  >;
}

type AvatarState = Omit<Avatar, "key" | "stride" | "me" | "hatImage">;

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
  pictures: Picture[] = [];
  readonly #images: AssetImages;
  readonly #byKey = new Map<string, Avatar>();

  constructor(room: Room, origin: string, images: AssetImages) {
    this.room = room;
    this.origin = origin;
    this.#images = images;
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
    const { players, coins, portals, pictures } = this.#state;
    const seen = new Set<string>();
    players?.forEach((state, key) => {
      seen.add(key);
      let avatar = this.#byKey.get(key);
      if (avatar === undefined) {
        const me = key === this.room.sessionId;
        avatar = { ...read(state), key, stride: 0, me, hatImage: undefined };
        this.#byKey.set(key, avatar);
      }
      const { x, y } = avatar;
      Object.assign(avatar, read(state), { x, y });
      avatar.hatImage = this.#images.get(avatar.hatUrl, avatar.hatHash);
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
    this.pictures = entries(pictures).map(([key, picture]) => {
      const { x, y, title, owner, status, detail, url, hash } = picture;
      const image = status === "hangs" ? this.#images.get(url, hash) : undefined;
      return { key, x, y, title, owner, status, detail, image };
    });
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

function read(state: AvatarState): AvatarState {
  const { id, name, home, colour, hat, hatHash, hatUrl, x, y, facing, moving, crossing, coins } =
    state;
  return { id, name, home, colour, hat, hatHash, hatUrl, x, y, facing, moving, crossing, coins };
}

function entries<Value>(map: ReadonlyMap<string, Value> | undefined): [string, Value][] {
  const all: [string, Value][] = [];
  map?.forEach((value, key) => all.push([key, value]));
  return all;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
