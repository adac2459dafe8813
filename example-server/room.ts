/**
 * The room every example world runs: walk about, pick up coins, wave and say something, step into gates. What is done
 * between servers is in `federation/`.
 */
import { type Client, Room, definePlugins } from "@colyseus/core";
import type { Federation } from "aether-federation";
import { placeOfCoin } from "./coins.ts";
import { type WorldArt, giveHat, showHat } from "./federation/assets.ts";
import { Belongings } from "./federation/belongings.ts";
import { Gallery } from "./federation/gallery.ts";
import { Gates, isOpen } from "./federation/gates.ts";
import { Gifts, giveFlower } from "./federation/gifts.ts";
import { MAX_PLAYERS } from "./federation/server.ts";
import { stamp, stampsOf, visitedBy } from "./federation/stamps.ts";
import { Together } from "./federation/together.ts";
import {
  PORTAL_RADIUS,
  SQUARE,
  type Size,
  type Solid,
  besidePortal,
  solidsOf,
  spawnPlace,
  step,
  wallAt,
  worldSize,
} from "./layout.ts";
import { Pace, directionOf, membersOf, spokenLine } from "./messages.ts";
import { CoinState, PlayerState, WorldState } from "./state.ts";
import { themeOf } from "./theme.ts";

const TICK_MILLISECONDS = 1000 / 30;
const PICK_UP_DISTANCE = 34;
const COINS_ON_GROUND = 14;
const COIN_COMES_AGAIN_MILLISECONDS = 8_000;
const GATES_UPDATE_MILLISECONDS = 500;
const GALLERY_UPDATE_MILLISECONDS = 2_000;
const MAX_SAID_LENGTH = 80;
const SOCIAL_MILLISECONDS = 1_000;

/** A player as the room moves it; what others see of it is in the state. */
interface Body {
  readonly belongings: Belongings;
  dx: number;
  dy: number;
  /** The gate it stands in already, so that it enters once. */
  inPortal: string | undefined;
}

/** What makes one world differ from another. */
export interface WorldRoomOptions {
  readonly world: string;
  /** The world's own files. */
  readonly art: WorldArt;
  /** Whether the world hangs the pictures of the servers it trusts. */
  readonly gallery: boolean;
  /** How long a place is kept for a player whose connection is lost, or who reloads the page. */
  readonly graceSeconds: number;
}

/** Builds the room class of one world. */
export function defineWorldRoom(
  federation: Federation,
  { world, art, gallery, graceSeconds }: WorldRoomOptions,
): new () => Room {
  const { centrepiece } = themeOf(world);

  return class WorldRoom extends Room<{ state: InstanceType<typeof WorldState> }> {
    override maxClients = MAX_PLAYERS;
    override patchRate = 50;
    override state = new WorldState();

    override plugins = definePlugins([
      federation.portals({
        carry: (client) => this.#bodies.get(client.sessionId)?.belongings.carried(),
        freeze: (client) => {
          this.#setCrossing(client, true);
        },
        unfreeze: (client) => {
          this.#setCrossing(client, false);
        },
        allowEnter: true,
        destinations: true,
      }),
    ]);

    readonly #bodies = new Map<string, Body>();
    readonly #paces = {
      wave: new Pace(SOCIAL_MILLISECONDS),
      say: new Pace(SOCIAL_MILLISECONDS),
      belongings: new Pace(SOCIAL_MILLISECONDS),
    };
    #size: Size = SQUARE;
    #solids: readonly Solid[] = solidsOf(centrepiece, SQUARE);
    #serial = Math.floor(Date.now() / 1000) % 100_000_000;

    readonly #gates = new Gates(federation, this.state.portals);
    readonly #gallery = new Gallery(federation, this.state.pictures);
    readonly #gifts = new Gifts({
      portals: this.plugins.federation,
      clientOf: (sessionId) => this.#clientOf(sessionId),
      belongingsOf: ({ sessionId }) => this.#bodies.get(sessionId)?.belongings,
      changed: (client) => {
        this.#tellBelongings(client);
      },
    });
    readonly #together = new Together({
      portals: this.plugins.federation,
      clientOf: (sessionId) => this.#clientOf(sessionId),
      nameOf: (sessionId) => this.state.players.get(sessionId)?.name ?? "Somebody",
      labelOf: (uri) =>
        [...this.state.portals.values()].find(({ target }) => target === uri)?.label,
      broadcast: (type, message, options) => {
        this.broadcast(type, message, options);
      },
      after: (milliseconds, then) => this.clock.setTimeout(then, milliseconds),
    });

    override onCreate(): void {
      this.state.world = world;
      this.#updateGates();
      for (let count = 0; count < COINS_ON_GROUND; count += 1) this.#dropCoin();
      this.clock.setInterval(() => {
        this.#updateGates();
      }, GATES_UPDATE_MILLISECONDS);
      if (gallery) {
        this.#gallery.update();
        this.clock.setInterval(() => {
          this.#gallery.update();
        }, GALLERY_UPDATE_MILLISECONDS);
      }
      this.setTimestep((delta) => {
        this.#tick(delta / 1000);
      }, TICK_MILLISECONDS);
    }

    override messages = {
      move: (client: Client, message: unknown): void => {
        const body = this.#bodies.get(client.sessionId);
        const direction = directionOf(message);
        if (body !== undefined && direction !== undefined) Object.assign(body, direction);
      },
      wave: ({ sessionId }: Client): void => {
        if (this.#paces.wave.allows(sessionId)) this.broadcast("waved", { from: sessionId });
      },
      say: ({ sessionId }: Client, message: unknown): void => {
        const text = spokenLine(membersOf(message)["text"], MAX_SAID_LENGTH);
        if (text === undefined || !this.#paces.say.allows(sessionId)) return;
        this.broadcast("said", { from: sessionId, text });
      },
      belongings: (client: Client): void => {
        if (this.#paces.belongings.allows(client.sessionId)) this.#tellBelongings(client);
      },
      give: (client: Client, message: unknown): Promise<void> => this.#gifts.give(client, message),
      gather: (client: Client, message: unknown): void => {
        this.#together.gather(client, message);
      },
      along: (client: Client, message: unknown): void => {
        this.#together.along(client, message);
      },
      "set-off": (client: Client, message: unknown): void => {
        this.#together.setOff(client, message);
      },
    };

    override onJoin(client: Client): void {
      const who = this.plugins.federation.player(client);
      if (who === undefined) throw new Error("only players of the federation can play here");
      const belongings = new Belongings(federation, who);
      if (who.home === federation.origin) {
        giveHat(belongings, who.id, world, art);
        giveFlower(belongings, who, world);
      }
      const isNew = stamp(belongings, federation.origin, world);
      const gate = who.from === undefined ? undefined : this.state.portals.get(who.from);
      const at =
        gate === undefined
          ? { ...spawnPlace([...this.state.players.values()]), facing: 1 }
          : besidePortal({ x: gate.x, y: gate.y }, this.#size);
      const player = new PlayerState();
      Object.assign(player, {
        ...{ id: who.id, name: who.name, home: who.home, colour: belongings.colour },
        ...{ hat: belongings.hatName, hatHash: "", hatUrl: "" },
        ...{ ...at, moving: false, crossing: false },
        ...{ coins: belongings.coins.length, stamps: stampsOf(belongings).length },
      });
      this.state.players.set(client.sessionId, player);
      this.#bodies.set(client.sessionId, { belongings, dx: 0, dy: 0, inPortal: undefined });
      // The page greets the player once it hears what it has.
      if (isNew) this.#tellOfStamp(client, player);
      this.#tellBelongings(client);
      void showHat(federation, belongings.hat, player);
    }

    /** The place is kept: a reload goes on here. */
    override onDrop(client: Client): void {
      const body = this.#bodies.get(client.sessionId);
      if (body !== undefined) [body.dx, body.dy] = [0, 0];
      const player = this.state.players.get(client.sessionId);
      if (player !== undefined) player.moving = false;
      this.#together.without(client.sessionId);
      if (graceSeconds > 0) this.allowReconnection(client, graceSeconds).catch(() => undefined);
    }

    override onReconnect(client: Client): void {
      this.#tellBelongings(client);
    }

    override onLeave({ sessionId }: Client): void {
      this.#together.without(sessionId);
      this.state.players.delete(sessionId);
      this.#bodies.delete(sessionId);
      for (const pace of Object.values(this.#paces)) pace.forget(sessionId);
    }

    #clientOf(sessionId: string): Client | undefined {
      return this.clients.find((client) => client.sessionId === sessionId);
    }

    #tellBelongings(client: Client): void {
      const belongings = this.#bodies.get(client.sessionId)?.belongings;
      if (belongings === undefined) return;
      const { coins, hatName } = belongings;
      const inventory = belongings.things();
      client.send("belongings", {
        ...{ coins, hatName, inventory },
        ...{ stamps: stampsOf(belongings), visited: visitedBy(belongings) },
        flower: inventory.find(({ kind }) => kind === "flower"),
      });
    }

    #tellOfStamp(client: Client, { stamps }: PlayerState): void {
      // How many there are is said once: of a world that was met a moment ago, too.
      this.#updateGates();
      const gates = [...this.state.portals.values()].filter(({ target }) => target !== "");
      client.send("stamped", { name: world, count: stamps, of: gates.length + 1 });
    }

    #setCrossing(client: Client, crossing: boolean): void {
      const player = this.state.players.get(client.sessionId);
      if (player !== undefined) Object.assign(player, { crossing, moving: false });
    }

    #tick(seconds: number): void {
      for (const client of this.clients) {
        const player = this.state.players.get(client.sessionId);
        const body = this.#bodies.get(client.sessionId);
        if (player === undefined || body === undefined) continue;
        if (this.plugins.federation.isFrozen(client)) continue;
        const { dx, dy } = body;
        const moving = dx !== 0 || dy !== 0;
        if (player.moving !== moving) player.moving = moving;
        if (!moving) continue;
        Object.assign(player, step(player, dx, dy, seconds, this.#size, this.#solids));
        if (dx !== 0) player.facing = dx > 0 ? 1 : -1;
        this.#pickUp(client, player, body);
        this.#enterPortal(client, player, body);
      }
    }

    #pickUp(client: Client, player: PlayerState, { belongings }: Body): void {
      for (const [serial, coin] of this.state.coins) {
        if (Math.hypot(coin.x - player.x, coin.y - player.y) > PICK_UP_DISTANCE) continue;
        if (!belongings.addCoin(serial)) return;
        this.state.coins.delete(serial);
        player.coins = belongings.coins.length;
        this.#tellBelongings(client);
        this.clock.setTimeout(() => {
          this.#dropCoin();
        }, COIN_COMES_AGAIN_MILLISECONDS);
      }
    }

    #enterPortal(client: Client, player: PlayerState, body: Body): void {
      const inside = [...this.state.portals].find(
        ([, portal]) => Math.hypot(portal.x - player.x, portal.y - player.y) < PORTAL_RADIUS,
      );
      const [origin, portal] = inside ?? [];
      if (origin === body.inPortal) return;
      body.inPortal = origin;
      const { target = "", status = "" } = portal ?? {};
      if (target !== "" && isOpen(status)) void this.plugins.federation.enter(client, target);
    }

    #dropCoin(): void {
      const place = placeOfCoin(this.#solids);
      if (place === undefined) return;
      this.#serial += 1;
      this.state.coins.set(`${world}-${this.#serial}`, Object.assign(new CoinState(), place));
    }

    /** A world of more gates is a larger one; it does not grow smaller around its players. */
    #updateGates(): void {
      this.#gates.update(this.plugins.federation.destinations());
      const size = worldSize(this.#gates.count);
      if (size.height > this.#size.height) this.#size = size;
      const closed = [...this.state.portals.values()].filter(({ status }) => !isOpen(status));
      this.#solids = [...solidsOf(centrepiece, this.#size), ...closed.map(wallAt)];
      Object.assign(this.state, this.#size);
    }
  };
}
