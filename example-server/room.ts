/** The room every example world runs: walk about, pick up coins, look at pictures, step into portals. */
import { type Client, Room, definePlugins } from "@colyseus/core";
import { type SchemaType, schema, t } from "@colyseus/schema";
import type { Federation, FederationAssetReference } from "aether-federation";
import { HATS, hatOf } from "./art/hats.ts";
import { type WorldArt, readOffer } from "./pictures.ts";
import { hashOf } from "./theme.ts";

export const WORLD_WIDTH = 1600;
export const WORLD_HEIGHT = 1000;
const SPEED = 230;
const TICK_MILLISECONDS = 1000 / 30;
const PICK_UP_DISTANCE = 34;
const PORTAL_RADIUS = 46;
const COINS_ON_GROUND = 14;
const PORTALS_UPDATE_MILLISECONDS = 500;
const MAX_COINS_CARRIED = 500;
const GALLERY_UPDATE_MILLISECONDS = 2_000;

const PlayerState = schema(
  {
    id: t.string(),
    name: t.string(),
    home: t.string(),
    colour: t.string(),
    hat: t.string(),
    hatHash: t.string(),
    hatUrl: t.string(),
    x: t.number(),
    y: t.number(),
    facing: t.number(),
    moving: t.boolean(),
    coins: t.number(),
    crossing: t.boolean(),
  },
  "Player",
);
type PlayerState = SchemaType<typeof PlayerState>;

const CoinState = schema({ x: t.number(), y: t.number() }, "Coin");

const PortalState = schema(
  {
    x: t.number(),
    y: t.number(),
    label: t.string(),
    host: t.string(),
    target: t.string(),
    status: t.string(),
  },
  "Portal",
);

const PictureState = schema(
  {
    x: t.number(),
    y: t.number(),
    title: t.string(),
    owner: t.string(),
    hash: t.string(),
    url: t.string(),
    status: t.string(),
    detail: t.string(),
  },
  "Picture",
);

const WorldState = schema(
  {
    world: t.string(),
    width: t.number(),
    height: t.number(),
    players: t.map(PlayerState),
    coins: t.map(CoinState),
    portals: t.map(PortalState),
    pictures: t.map(PictureState),
  },
  "World",
);

/** What a player carries from world to world. */
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- an interface is no JSON to the compiler
export type Belongings = {
  readonly coins: readonly string[];
  readonly colour: string;
  /** A file of the player's home server. */
  readonly hat?: FederationAssetReference;
  /** What the hat is called. */
  readonly hatName: string;
};

interface Body {
  coins: string[];
  hat: FederationAssetReference | undefined;
  dx: number;
  dy: number;
  /** The portal it stands in already, so that it enters once. */
  inPortal: string | undefined;
}

/** What makes one world differ from another. */
export interface WorldRoomOptions {
  readonly world: string;
  /** The world's own files; they are there before the first player is. */
  readonly art: Promise<WorldArt>;
  /** Whether the world hangs the pictures of the servers it trusts. */
  readonly gallery: boolean;
}

/** Builds the room class of one world. */
export function defineWorldRoom(
  federation: Federation,
  { world, art, gallery }: WorldRoomOptions,
): new () => Room {
  return class WorldRoom extends Room<{ state: InstanceType<typeof WorldState> }> {
    override maxClients = 64;
    override patchRate = 50;
    override state = new WorldState();

    override plugins = definePlugins([
      federation.portals({
        carry: (client) => this.#belongings(client),
        freeze: (client) => {
          this.#setCrossing(client, true);
        },
        unfreeze: (client) => {
          this.#setCrossing(client, false);
        },
        allowEnter: true,
      }),
    ]);

    readonly #bodies = new Map<string, Body>();
    readonly #offers = new Set<string>();
    #serial = 0;

    override onCreate(): void {
      Object.assign(this.state, { world, width: WORLD_WIDTH, height: WORLD_HEIGHT });
      this.#serial = Math.floor(Date.now() / 1000) % 100_000_000;
      while (this.state.coins.size < COINS_ON_GROUND) this.#dropCoin();
      this.#updatePortals();
      this.clock.setInterval(() => {
        this.#updatePortals();
      }, PORTALS_UPDATE_MILLISECONDS);
      if (gallery) {
        this.#updateGallery();
        this.clock.setInterval(() => {
          this.#updateGallery();
        }, GALLERY_UPDATE_MILLISECONDS);
      }
      this.setTimestep((delta) => {
        this.#tick(delta / 1000);
      }, TICK_MILLISECONDS);
    }

    override messages = {
      move: (client: Client, message: unknown): void => {
        const body = this.#bodies.get(client.sessionId);
        const { dx, dy } = (message ?? {}) as { dx?: unknown; dy?: unknown };
        if (body === undefined || typeof dx !== "number" || typeof dy !== "number") return;
        if (!Number.isFinite(dx) || !Number.isFinite(dy)) return;
        const length = Math.hypot(dx, dy);
        body.dx = length > 1 ? dx / length : dx;
        body.dy = length > 1 ? dy / length : dy;
      },
    };

    override async onJoin(client: Client): Promise<void> {
      const who = this.plugins.federation.player(client);
      if (who === undefined) throw new Error("only players of the federation can play here");
      let carried = readBelongings(federation, who.carried, who.id);
      if (carried.hat === undefined && who.home === federation.origin) {
        const kind = hatOf(who.id);
        const { hats } = await art;
        carried = { ...carried, hat: hats[kind], hatName: `${HATS[kind]} from ${world}` };
      }
      const from = [...this.state.portals].find(([origin]) => origin === who.from)?.[1];
      const at =
        from === undefined ? { x: WORLD_WIDTH / 2, y: WORLD_HEIGHT / 2 + 190 } : beside(from);
      const player = new PlayerState();
      Object.assign(player, {
        id: who.id,
        name: who.name,
        home: who.home,
        colour: carried.colour,
        hat: carried.hatName,
        hatHash: "",
        hatUrl: "",
        x: at.x,
        y: at.y,
        facing: 1,
        moving: false,
        coins: carried.coins.length,
        crossing: false,
      });
      this.state.players.set(client.sessionId, player);
      this.#bodies.set(client.sessionId, {
        coins: [...carried.coins],
        hat: carried.hat,
        dx: 0,
        dy: 0,
        inPortal: undefined,
      });
      client.send("belongings", { coins: carried.coins });
      if (carried.hat !== undefined) void this.#wear(player, carried.hat);
    }

    override onLeave(client: Client): void {
      this.state.players.delete(client.sessionId);
      this.#bodies.delete(client.sessionId);
    }

    #belongings(client: Client): Belongings | undefined {
      const player = this.state.players.get(client.sessionId);
      const body = this.#bodies.get(client.sessionId);
      if (player === undefined || body === undefined) return undefined;
      const { coins, hat } = body;
      return {
        ...{ coins, colour: player.colour, hatName: player.hat },
        ...(hat === undefined ? {} : { hat }),
      };
    }

    /** A hat is worn once this server has the file and has found it to be the one named. */
    async #wear(player: PlayerState, hat: FederationAssetReference): Promise<void> {
      const { failed } = await federation.assets.prepare([hat]);
      if (failed.length > 0) return;
      Object.assign(player, { hatHash: hat.assetHash, hatUrl: federation.assets.urlOf(hat) });
    }

    #setCrossing(client: Client, crossing: boolean): void {
      const player = this.state.players.get(client.sessionId);
      if (player === undefined) return;
      player.crossing = crossing;
      player.moving = false;
    }

    #tick(seconds: number): void {
      for (const client of this.clients) {
        const player = this.state.players.get(client.sessionId);
        const body = this.#bodies.get(client.sessionId);
        if (player === undefined || body === undefined) continue;
        if (this.plugins.federation.isFrozen(client)) continue;
        const moving = body.dx !== 0 || body.dy !== 0;
        if (player.moving !== moving) player.moving = moving;
        if (!moving) continue;
        player.x = clamp(player.x + body.dx * SPEED * seconds, 24, WORLD_WIDTH - 24);
        player.y = clamp(player.y + body.dy * SPEED * seconds, 36, WORLD_HEIGHT - 20);
        if (body.dx !== 0) player.facing = body.dx > 0 ? 1 : -1;
        this.#pickUp(client, player, body);
        this.#enterPortal(client, player, body);
      }
    }

    #pickUp(client: Client, player: PlayerState, body: Body): void {
      for (const [serial, coin] of this.state.coins) {
        if (Math.hypot(coin.x - player.x, coin.y - player.y) > PICK_UP_DISTANCE) continue;
        if (body.coins.length >= MAX_COINS_CARRIED) return;
        this.state.coins.delete(serial);
        body.coins.push(serial);
        player.coins = body.coins.length;
        client.send("belongings", { coins: body.coins });
        this.clock.setTimeout(() => {
          this.#dropCoin();
        }, 8_000);
      }
    }

    #enterPortal(client: Client, player: PlayerState, body: Body): void {
      const inside = [...this.state.portals].find(
        ([, portal]) => Math.hypot(portal.x - player.x, portal.y - player.y) < PORTAL_RADIUS,
      );
      const [origin, portal] = inside ?? [];
      if (origin === body.inPortal) return;
      body.inPortal = origin;
      if (portal === undefined || portal.target === "") return;
      void this.plugins.federation.enter(client, portal.target);
    }

    #dropCoin(): void {
      const coin = new CoinState();
      do {
        coin.x = 80 + Math.random() * (WORLD_WIDTH - 160);
        coin.y = 100 + Math.random() * (WORLD_HEIGHT - 180);
      } while (Math.hypot(coin.x - WORLD_WIDTH / 2, coin.y - WORLD_HEIGHT / 2) < 150);
      this.#serial += 1;
      this.state.coins.set(`${world}-${this.#serial}`, coin);
    }

    #updateGallery(): void {
      for (const { origin, trust, status } of federation.peers.list()) {
        if (trust !== "trusted" || status !== "online" || this.#offers.has(origin)) continue;
        this.#offers.add(origin);
        void this.#hang(origin).catch(() => {
          // Asked again at the next turn.
          this.#offers.delete(origin);
        });
      }
    }

    async #hang(origin: string): Promise<void> {
      const offered = await readOffer(federation, origin);
      await Promise.all(
        offered.map(async ({ title, reference }) => {
          const key = reference.assetHash;
          const picture = this.state.pictures.get(key) ?? new PictureState();
          const owner = new URL(origin).host;
          const place = picturePlace(this.state.pictures.size);
          Object.assign(picture, { ...place, title, owner, hash: key, url: "", detail: "" });
          picture.status = "coming";
          this.state.pictures.set(key, picture);
          const { failed } = await federation.assets.prepare([reference]);
          const [why] = failed;
          picture.url = why === undefined ? federation.assets.urlOf(reference) : "";
          picture.detail = why?.code ?? "";
          picture.status = why === undefined ? "hangs" : "refused";
        }),
      );
    }

    #updatePortals(): void {
      const peers = federation.peers.list();
      const known = new Set(peers.map(({ origin }) => origin));
      for (const origin of [...this.state.portals.keys()]) {
        if (!known.has(origin)) this.state.portals.delete(origin);
      }
      peers.forEach((peer, index) => {
        let portal = this.state.portals.get(peer.origin);
        if (portal === undefined) {
          portal = new PortalState();
          Object.assign(portal, portalPlace(index));
          this.state.portals.set(peer.origin, portal);
        }
        const [name = ""] = peer.worlds;
        const authority = new URL(peer.origin).host;
        portal.label = name === "" ? peer.name : name;
        portal.host = authority;
        portal.target = name === "" ? "" : `aether://${authority}/${name}`;
        portal.status = statusOf(peer.trust, peer.status);
      });
    }
  };
}

function statusOf(trust: string, status: string): string {
  if (trust !== "trusted") return "not approved";
  if (status === "online") return "up";
  return status === "degraded" ? "slow" : "down";
}

/** Portals stand along the right, left, top and bottom edge, in this order. */
function portalPlace(index: number): { x: number; y: number } {
  const places = [
    { x: WORLD_WIDTH - 150, y: WORLD_HEIGHT / 2 },
    { x: 150, y: WORLD_HEIGHT / 2 },
    { x: WORLD_WIDTH / 2, y: 150 },
    { x: WORLD_WIDTH / 2, y: WORLD_HEIGHT - 130 },
  ];
  const place = places[index % places.length] ?? { x: 150, y: 150 };
  const row = Math.floor(index / places.length);
  return { x: clamp(place.x + row * 130, 100, WORLD_WIDTH - 100), y: place.y };
}

/** Pictures stand in two rows, between the portals. */
function picturePlace(index: number): { x: number; y: number } {
  const columns = [300, 540, WORLD_WIDTH - 540, WORLD_WIDTH - 300];
  const column = columns[index % columns.length] ?? 300;
  return { x: column, y: Math.floor(index / columns.length) % 2 === 0 ? 270 : 800 };
}

/** Newcomers stand in front of the portal they came through, on the side of the centre. */
function beside(portal: { readonly x: number; readonly y: number }): { x: number; y: number } {
  const dx = WORLD_WIDTH / 2 - portal.x;
  const dy = WORLD_HEIGHT / 2 - portal.y;
  const length = Math.hypot(dx, dy) || 1;
  return { x: portal.x + (dx / length) * 110, y: portal.y + (dy / length) * 110 };
}

/** Whatever another operator's server sends is checked before it is believed. */
function readBelongings(federation: Federation, carried: unknown, id: string): Belongings {
  const { coins, colour, hat, hatName } = (carried ?? {}) as Record<string, unknown>;
  const hash = hashOf(id);
  const worn = federation.assets.read(hat);
  return {
    coins: Array.isArray(coins)
      ? coins
          .filter((coin): coin is string => typeof coin === "string" && coin.length <= 80)
          .slice(0, MAX_COINS_CARRIED)
      : [],
    colour:
      typeof colour === "string" && /^hsl\(\d{1,3} \d{1,3}% \d{1,3}%\)$/u.test(colour)
        ? colour
        : `hsl(${hash % 360} 70% 52%)`,
    hatName: typeof hatName === "string" ? hatName.slice(0, 60) : "",
    ...(worn === undefined ? {} : { hat: worn }),
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
