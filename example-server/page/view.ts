/** What the page knows of a room, smoothed for the eye. */
import type { Room } from "@colyseus/sdk";
import type { Destination } from "aether-federation/client";
import { type Solid, solidsOf, step, wallAt } from "../layout.ts";
import { themeOf } from "../theme.ts";
import { gateLook } from "./gate-look.ts";
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
  /** Stamps of worlds. */
  stamps: number;
  /** Walk cycle, radians. */
  stride: number;
  /** What it says, and until when that is shown; `performance.now()`. */
  words: string;
  wordsUntil: number;
  /** Until when it waves. */
  wavesUntil: number;
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
  /** Kind of game behind it; empty: not known. */
  readonly kind: string;
  /** Players behind it, as its server claims. */
  readonly population?: number | undefined;
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
  readonly portals?: ReadonlyMap<string, Omit<Portal, "key" | "kind"> & { readonly kind?: string }>;
  readonly pictures?: ReadonlyMap<
    string,
    Omit<Picture, "key" | "image"> & { readonly hash: string; readonly url: string }
  >;
}

type AvatarState = Omit<
  Avatar,
  "key" | "stride" | "me" | "hatImage" | "words" | "wordsUntil" | "wavesUntil"
>;

const WORDS_MILLISECONDS = 6_000;
const WAVE_MILLISECONDS = 2_200;
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
  /** What the room says of where its portals lead. */
  destinations: readonly Destination[] = [];
  readonly #images: AssetImages;
  #solids: readonly Solid[] = [];
  #solidsKey = "";
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

  /** Whether the first state is there, with the player in it. */
  get isReady(): boolean {
    return this.world !== "" && this.#state.players?.has(this.room.sessionId) === true;
  }

  /** Worlds that can be reached from here, and this one. */
  get worlds(): number {
    return this.portals.filter(({ target }) => target !== "").length + 1;
  }

  /** What stands in the way of a walker. */
  get solids(): readonly Solid[] {
    return this.#solids;
  }

  get me(): Avatar | undefined {
    return this.#byKey.get(this.room.sessionId);
  }

  /** Somebody says something. */
  said(from: string, words: string): void {
    const avatar = this.#byKey.get(from);
    if (avatar === undefined) return;
    avatar.words = words.slice(0, 80);
    avatar.wordsUntil = performance.now() + WORDS_MILLISECONDS;
  }

  /** Somebody waves. */
  waved(from: string): void {
    const avatar = this.#byKey.get(from);
    if (avatar !== undefined) avatar.wavesUntil = performance.now() + WAVE_MILLISECONDS;
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
        avatar = {
          ...{ ...read(state), key, stride: 0, me, hatImage: undefined },
          ...{ words: "", wordsUntil: 0, wavesUntil: 0 },
        };
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
    const populations = new Map(this.destinations.map(({ uri, population }) => [uri, population]));
    this.portals = entries(portals).map(([key, portal]) => {
      const { x, y, label, host, target, status, kind = "" } = portal;
      return { key, x, y, label, host, target, status, kind, population: populations.get(target) };
    });
    this.#placeSolids();
    this.pictures = entries(pictures).map(([key, picture]) => {
      const { x, y, title, owner, status, detail, url, hash } = picture;
      const image = status === "hangs" ? this.#images.get(url, hash) : undefined;
      return { key, x, y, title, owner, status, detail, image };
    });
  }

  /** What stands in the way; again where something about it has changed. */
  #placeSolids(): void {
    const dead = this.portals.filter(({ status }) => !gateLook(status).alive);
    const key = `${this.world} ${this.height} ${dead.map((portal) => portal.key).join(" ")}`;
    if (key === this.#solidsKey) return;
    this.#solidsKey = key;
    const { width, height } = this;
    this.#solids = [
      ...solidsOf(themeOf(this.world).centrepiece, { width, height }),
      ...dead.map(wallAt),
    ];
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
      if (avatar.moving) {
        const { width, height } = this;
        const there = step(avatar, input.dx, input.dy, seconds, { width, height }, this.#solids);
        Object.assign(avatar, there);
      }
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
  const { stamps = 0 } = state as Partial<AvatarState>;
  return {
    ...{
      id,
      name,
      home,
      colour,
      hat,
      hatHash,
      hatUrl,
      x,
      y,
      facing,
      moving,
      crossing,
      coins,
      stamps,
    },
  };
}

function entries<Value>(map: ReadonlyMap<string, Value> | undefined): [string, Value][] {
  const all: [string, Value][] = [];
  map?.forEach((value, key) => all.push([key, value]));
  return all;
}
