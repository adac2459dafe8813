/** The game itself: the world that is drawn, the one that comes next, and what the player does in it. */
import type { Room } from "@colyseus/sdk";
import { themeOf } from "../theme.ts";
import { Scene } from "./draw/scene.ts";
import { follow } from "./federation/address.ts";
import { type Belongings, NOTHING, inWords, readBelongings } from "./federation/belongings.ts";
import { placeOf, uriOf } from "./federation/journey.ts";
import { Wishes } from "./federation/wishes.ts";
import { gateLook } from "./gate-look.ts";
import { Around, type Deeds } from "./hud/around.ts";
import { showBelongings, showPlace, showPlayer } from "./hud/bar.ts";
import { Company } from "./hud/company.ts";
import { byId, capital, say } from "./hud/element.ts";
import { tellGift } from "./hud/gifts.ts";
import { Passage } from "./hud/passage.ts";
import { Pointers } from "./hud/pointers.ts";
import { toast } from "./hud/toasts.ts";
import { Trouble } from "./hud/trouble.ts";
import { AssetImages } from "./images.ts";
import { Input } from "./input.ts";
import { type Portal, View } from "./view.ts";

/** How near a gate one stands to be on the way through it. */
const AT_GATE = 130;
const NEAR_GATE = 220;
const LISTS_MILLISECONDS = 400;
const LONGEST_FRAME_SECONDS = 0.1;
/** How long a room has to say what the player has, before the player is greeted. */
const TELLING_MILLISECONDS = 1_500;

/** A world whose first state has not come yet. */
interface Coming {
  readonly view: View;
  readonly origin: string;
  /** Where the player comes from; undefined: from nowhere. */
  readonly from: string | undefined;
  /** When the room has said what the player has, or it is not waited for any more; `performance.now()`. */
  toldAt: number;
}

export class Game {
  readonly passage: Passage;
  readonly trouble = new Trouble();
  readonly company = new Company();
  /** Where the player said that it wants to go; also while another page asks this one for its word. */
  readonly wishes = new Wishes();
  readonly input: Input;
  readonly scene: Scene;
  belongings: Belongings = NOTHING;
  readonly #ownUri: string;
  readonly #images = new AssetImages();
  readonly #pointers = new Pointers();
  readonly #around: Around;
  #view: View | undefined;
  #coming: Coming | undefined;
  #isFirst = true;
  #wasCrossing = false;
  /** The stamp that this world has just given. */
  #stamped: string | undefined;
  #last = performance.now();
  #listedAt = 0;

  /** @param ownUri Of the world of this page's own server. */
  constructor(ownUri: string, deeds: Deeds & { readonly turnBack: () => void }) {
    this.#ownUri = ownUri;
    const canvas = byId<HTMLCanvasElement>("view");
    this.scene = new Scene(canvas);
    this.#around = new Around(deeds);
    this.passage = new Passage(deeds.turnBack);
    this.input = new Input(canvas, ({ dx, dy }) => {
      if (this.#view?.room.connection.isOpen === true) this.send("move", { dx, dy });
    });
    requestAnimationFrame((now) => {
      this.#frame(now);
    });
  }

  /** What is drawn. */
  get view(): View | undefined {
    return this.#view;
  }

  /** Where the player is, as a portal's URI. */
  get here(): string {
    const { view, origin } = this.#coming ?? { view: this.#view, origin: this.#view?.origin };
    if (view === undefined || origin === undefined) return this.#ownUri;
    return uriOf(origin, view.world === "" ? view.room.name : view.world);
  }

  /** Says something to the room that the player is in. */
  send(type: string, message: object): void {
    this.#view?.room.send(type, message);
  }

  /** Hears from a room where its portals lead. */
  destinations(all: View["destinations"]): void {
    for (const view of [this.#view, this.#coming?.view]) {
      if (view !== undefined) view.destinations = all;
    }
  }

  /** Whether the player stands at the gate that leads there. */
  isAtGate(uri: string): boolean {
    const { me, portals } = this.#view ?? { me: undefined, portals: [] };
    return portals.some(
      ({ target, x, y }) =>
        target === uri && me !== undefined && Math.hypot(x - me.x, y - me.y) < AT_GATE,
    );
  }

  /** Covers the world with the one that the player is on its way to. */
  close(uri: string): void {
    const { host, world } = placeOf(uri);
    const portal = this.#view?.portals.find(({ target }) => target === uri);
    const gate = portal && this.scene.onScreen({ x: portal.x, y: portal.y - 40 });
    this.trouble.over();
    this.passage.close({ world, host }, gate);
  }

  /** A room is there: what it shows is drawn once its first state has come. */
  show(room: Room, origin: string, from: string | undefined): void {
    const next = new View(room, origin, this.#images);
    const coming = { view: next, origin, from, toldAt: performance.now() + TELLING_MILLISECONDS };
    this.#coming = coming;
    room.onMessage("belongings", (message: unknown) => {
      const more = readBelongings(message);
      const coins = more.coins.length - this.belongings.coins.length;
      this.belongings = more;
      coming.toldAt = 0;
      if (coins <= 0 || this.#view !== next || next.me === undefined) return;
      this.scene.spark(next.me.x, next.me.y, `+${coins}`);
    });
    room.onMessage("stamped", ({ name }: { readonly name?: unknown }) => {
      if (typeof name === "string") this.#stamped = name.slice(0, 60);
    });
    room.onMessage("said", ({ from: who, text }: { from: string; text: string }) => {
      next.said(who, text);
    });
    room.onMessage("waved", ({ from: who }: { from: string }) => {
      next.waved(who);
    });
    room.onMessage("gift", tellGift);
    this.company.listen(room, (uri) => {
      this.wishes.add(uri);
    });
    // Whoever comes through a gate stands still, until the new world is seen.
    if (from === undefined) room.send("move", this.input.direction);
  }

  #frame(now: number): void {
    const seconds = Math.min(LONGEST_FRAME_SECONDS, (now - this.#last) / 1000);
    this.#last = now;
    this.#coming?.view.update(seconds, this.input.direction);
    this.#settle();
    const view = this.#view;
    if (view !== undefined) {
      view.update(seconds, this.input.direction);
      this.scene.clear = clearPart();
      this.scene.draw(view, this.input);
      this.#watch(view, now);
      // Drawn at least once: what is behind the cover is the new world.
      if (this.#coming === undefined && view.me?.crossing !== true) this.passage.open();
    }
    requestAnimationFrame((then) => {
      this.#frame(then);
    });
  }

  /** The new world's first state is here: it takes the place of the former, name and all. */
  #settle(): void {
    if (this.#coming === undefined || !this.#coming.view.isReady) return;
    if (performance.now() < this.#coming.toldAt) return;
    if (this.passage.isClosed && !this.passage.hidesAll) return;
    const { view, origin, from } = this.#coming;
    this.#coming = undefined;
    this.#view = view;
    // Whoever still walks would step right back through the gate behind it.
    if (from !== undefined) this.input.release();
    this.passage.arrive();
    this.#wasCrossing = false;
    this.scene.jump();
    showPlace(view.world, origin);
    follow(this.here, this.#ownUri, this.#isFirst);
    this.wishes.done(this.here);
    this.company.over();
    say(byId("lead"), `${themeOf(view.world).motto}. ${howToPlay()}`);
    this.#greet(view, from);
    this.#stamped = undefined;
    this.#isFirst = false;
  }

  #greet({ world, origin }: View, from: string | undefined): void {
    const place = capital(world);
    const { host } = new URL(origin);
    if (from === undefined || from === origin) {
      this.trouble.well(this.#isFirst ? "You are back." : `You are back in ${place}.`);
      return;
    }
    this.trouble.over();
    const stamp =
      this.#stamped === undefined ? "" : ` New: the stamp of ${capital(this.#stamped)}.`;
    toast(
      `You are in ${place}`,
      `On ${host}, and with you came ${inWords(this.belongings)}.${stamp}`,
      {
        calm: true,
      },
    );
  }

  #watch(view: View, now: number): void {
    const { me, portals } = view;
    this.#pointers.show(portals, me, (place) => this.scene.onScreen(place), this.scene.clear);
    if (me === undefined) return;
    const near = gateNear(view);
    if (me.crossing !== this.#wasCrossing) {
      this.#wasCrossing = me.crossing;
      if (!me.crossing) this.passage.arrive();
      const uri = this.wishes.last ?? near?.target;
      if (me.crossing && uri !== undefined) {
        // Whoever walks into a gate has said where to, also to the page that is asked on the way.
        if (this.isAtGate(uri)) this.wishes.add(uri);
        this.close(uri);
        this.passage.step("asking");
      }
    }
    if (now - this.#listedAt < LISTS_MILLISECONDS) return;
    this.#listedAt = now;
    showPlayer(me);
    showBelongings(this.belongings, view.worlds);
    this.#around.show(portals, [me, ...view.avatars.filter((avatar) => !avatar.me)]);
    if (near !== undefined) say(byId("lead"), leadAt(near));
  }
}

function gateNear({ me, portals }: View): Portal | undefined {
  if (me === undefined) return undefined;
  const far = (portal: Portal): number => Math.hypot(portal.x - me.x, portal.y - me.y);
  const [nearest] = [...portals].sort((a, b) => far(a) - far(b));
  return nearest !== undefined && far(nearest) < NEAR_GATE ? nearest : undefined;
}

function leadAt({ label, host, status, population }: Portal): string {
  const { word, alive } = gateLook(status);
  const inside = population === undefined ? "" : `, ${population} inside`;
  return alive
    ? `${capital(label)} on ${host}${inside}. Walk in to go there.`
    : `${capital(label)} is ${word}.`;
}

function howToPlay(): string {
  const walk = matchMedia("(pointer: coarse)").matches
    ? "Drag to walk."
    : "Walk with the arrow keys.";
  return `${walk} Collect a stamp of every world: walk through a gate.`;
}

/** The part of the world that bar, buttons and lists leave free, in pixels. */
function clearPart(): Scene["clear"] {
  const bar = document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0;
  const foot = document.querySelector(".foot")?.getBoundingClientRect().top ?? innerHeight;
  const panel = byId("around");
  const isBeside = !panel.hidden && panel.offsetWidth < innerWidth / 2;
  const right = isBeside ? panel.offsetLeft : innerWidth;
  // Where little is left, the world is seen through what covers it.
  const bottom = Math.max(foot, bar + 120);
  return { left: 8, top: bar + 8, right: right - 8, bottom: bottom - 8 };
}
