/** Puts a whole frame together. */
import { type Theme, themeOf } from "../../theme.ts";
import type { Input } from "../input.ts";
import type { Coin, View } from "../view.ts";
import { drawAvatar } from "./avatar.ts";
import { type Tag, drawTags, drawWords } from "./tags.ts";
import { type Ground, disc, drawGround } from "./ground.ts";
import { drawPicture } from "./picture.ts";
import { drawPortal } from "./portal.ts";
import { type Prop, propsOf } from "./props.ts";

const TURN = Math.PI * 2;
/** How much of the world is seen across the shorter side, at least: a gate on either side of who comes in. */
const SHORT_SIDE = 650;
/** How much is seen from top to bottom of what nothing covers, at least: the player, and a gate behind it. */
const CLEAR_HEIGHT = 420;
const ZOOM = { least: 0.49, most: 1.5 } as const;
/** Letters are at least so large, as a share of their size, however small the world is drawn. */
const LEAST_LETTERS = 0.85;
/** Above its feet is the middle of a player. */
const MIDDLE = 45;
/** A larger picture of the ground would take more memory than it is worth. */
const MAX_GROUND_PIXELS = 12_000_000;

interface Spark {
  readonly x: number;
  readonly y: number;
  readonly from: number;
  readonly text: string;
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export class Scene {
  readonly #canvas: HTMLCanvasElement;
  readonly #g: CanvasRenderingContext2D;
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #ground: Ground | undefined;
  #props: Prop[] = [];
  #theme: Theme = themeOf("");
  #groundKey = "";
  #sparks: Spark[] = [];
  #camera: { x: number; y: number } | undefined;
  #zoom = 1;
  /** The names that were drawn last, in the world. */
  tags: readonly Tag[] = [];
  /** The part of the canvas that nothing covers, in pixels: the player is in its middle. */
  clear = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    const g = canvas.getContext("2d", { alpha: false });
    if (g === null) throw new Error("this browser has no 2D canvas");
    this.#g = g;
  }

  /** Something nice happened here. */
  spark(x: number, y: number, text: string): void {
    this.#sparks.push({ x, y, from: performance.now() / 1000, text });
  }

  /** The next frame shows another world: no camera pan across it. */
  jump(): void {
    this.#camera = undefined;
    this.#sparks = [];
  }

  draw(view: View, input: Input): void {
    const time = performance.now() / (this.#calm.matches ? 4000 : 1000);
    const ratio = Math.min(3, devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const { left, top, right, bottom } = this.clear;
    if (this.#canvas.width !== Math.round(width * ratio))
      this.#canvas.width = Math.round(width * ratio);
    if (this.#canvas.height !== Math.round(height * ratio)) {
      this.#canvas.height = Math.round(height * ratio);
    }
    this.#prepare(view, ratio);
    const g = this.#g;
    const wanted = Math.min(Math.min(width, height) / SHORT_SIDE, (bottom - top) / CLEAR_HEIGHT);
    const aim = Math.max(ZOOM.least, Math.min(ZOOM.most, wanted));
    const zoom = this.#camera === undefined ? aim : this.#zoom + (aim - this.#zoom) * 0.14;
    this.#zoom = zoom;
    const { x, y } = this.#follow(view, (right - left) / zoom, (bottom - top) / zoom);
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.fillStyle = this.#theme.beyond;
    g.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    const scale = ratio * zoom;
    g.setTransform(
      scale,
      0,
      0,
      scale,
      ((left + right) / 2 - x * zoom) * ratio,
      ((top + bottom) / 2 - y * zoom) * ratio,
    );
    const ground = this.#ground;
    if (ground !== undefined) {
      const { margin } = ground;
      g.drawImage(
        ground.image,
        -margin,
        -margin,
        view.width + 2 * margin,
        view.height + 2 * margin,
      );
    }
    for (const coin of view.coins) drawCoin(g, coin, time);
    this.#drawStanding(view, time);
    this.#drawSparks();
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawStick(g, input);
  }

  /** Where a place of the world is on the screen, in pixels of the canvas, as it was drawn last. */
  onScreen({ x, y }: { readonly x: number; readonly y: number }): { x: number; y: number } {
    const { left, top, right, bottom } = this.clear;
    const camera = this.#camera ?? { x, y };
    return {
      x: (x - camera.x) * this.#zoom + (left + right) / 2,
      y: (y - camera.y) * this.#zoom + (top + bottom) / 2,
    };
  }

  /** As {@link onScreen}, of a part of the world. */
  boxOf({ x, y, width, height }: Box): Box {
    return {
      ...this.onScreen({ x, y }),
      ...{ width: width * this.#zoom, height: height * this.#zoom },
    };
  }

  #prepare(view: View, ratio: number): void {
    const key = `${view.world} ${view.width} ${view.height}`;
    if (key === this.#groundKey || view.world === "") return;
    this.#groundKey = key;
    this.#theme = themeOf(view.world);
    const finest = Math.sqrt(MAX_GROUND_PIXELS / (view.width * view.height));
    this.#ground = drawGround(view.width, view.height, this.#theme, Math.min(2, ratio, finest));
    this.#props = propsOf(view.width, view.height, this.#theme);
  }

  #follow(view: View, width: number, height: number): { x: number; y: number } {
    const me = view.me;
    const slack = 150;
    const limit = (value: number, size: number, seen: number): number => {
      const low = seen / 2 - slack;
      const high = size - seen / 2 + slack;
      return low > high ? size / 2 : Math.min(high, Math.max(low, value));
    };
    const target = {
      x: limit(me?.x ?? view.width / 2, view.width, width),
      y: limit((me?.y ?? view.height / 2) - MIDDLE, view.height, height),
    };
    const camera = this.#camera ?? target;
    this.#camera = {
      x: camera.x + (target.x - camera.x) * 0.14,
      y: camera.y + (target.y - camera.y) * 0.14,
    };
    return this.#camera;
  }

  #drawStanding(view: View, time: number): void {
    const g = this.#g;
    const letters = Math.max(1, LEAST_LETTERS / this.#zoom);
    const standing: { y: number; draw: () => void }[] = [
      ...this.#props.map((prop) => ({
        y: prop.y,
        draw: () => {
          prop.draw(g, time);
        },
      })),
      ...view.portals.map((portal) => ({
        y: portal.y,
        draw: () => {
          drawPortal(g, portal, time, letters);
        },
      })),
      ...view.pictures.map((picture) => ({
        y: picture.y,
        draw: () => {
          drawPicture(g, picture, time);
        },
      })),
      ...view.avatars.map((avatar) => ({
        y: avatar.y,
        draw: () => {
          drawAvatar(g, avatar, time);
        },
      })),
    ];
    standing.sort((a, b) => a.y - b.y);
    for (const thing of standing) thing.draw();
    this.tags = drawTags(g, view.avatars, letters);
    const now = performance.now();
    for (const avatar of view.avatars) if (avatar.wordsUntil > now) drawWords(g, avatar, letters);
  }

  #drawSparks(): void {
    const now = performance.now() / 1000;
    const g = this.#g;
    this.#sparks = this.#sparks.filter((spark) => now - spark.from < 0.9);
    for (const spark of this.#sparks) {
      const age = (now - spark.from) / 0.9;
      for (let ray = 0; ray < 10; ray += 1) {
        const angle = (ray / 10) * TURN;
        const reach = 10 + age * 44;
        g.fillStyle = `rgb(255 214 92 / ${1 - age})`;
        disc(
          g,
          spark.x + Math.cos(angle) * reach,
          spark.y - 14 + Math.sin(angle) * reach,
          3.4 * (1 - age),
        );
      }
      g.font = "800 20px ui-rounded, system-ui, sans-serif";
      g.textAlign = "center";
      g.lineWidth = 4;
      g.strokeStyle = `rgb(60 35 0 / ${0.7 * (1 - age)})`;
      g.fillStyle = `rgb(255 232 150 / ${1 - age})`;
      g.strokeText(spark.text, spark.x, spark.y - 78 - age * 34);
      g.fillText(spark.text, spark.x, spark.y - 78 - age * 34);
    }
  }
}

function drawCoin(g: CanvasRenderingContext2D, coin: Coin, time: number): void {
  const phase = time * 2.4 + coin.x * 0.05;
  const turn = Math.abs(Math.cos(phase));
  const hover = Math.sin(time * 2.6 + coin.y) * 3;
  g.fillStyle = "rgb(30 15 0 / 0.25)";
  disc(g, coin.x, coin.y + 3, 11, 4);
  g.save();
  g.translate(coin.x, coin.y - 13 + hover);
  g.scale(0.28 + turn * 0.72, 1);
  g.fillStyle = "#9c6a07";
  disc(g, 1.6, 1, 12.4);
  const gold = g.createRadialGradient(-4, -5, 1, 0, 0, 13);
  gold.addColorStop(0, "#fff3b8");
  gold.addColorStop(0.45, "#f9c83c");
  gold.addColorStop(1, "#d3930f");
  g.fillStyle = gold;
  disc(g, 0, 0, 12);
  g.strokeStyle = "rgb(156 106 7 / 0.8)";
  g.lineWidth = 1.6;
  g.beginPath();
  g.arc(0, 0, 8, 0, TURN);
  g.stroke();
  g.restore();
  if (turn > 0.985) {
    g.fillStyle = "rgb(255 255 255 / 0.9)";
    disc(g, coin.x - 4, coin.y - 18 + hover, 2.2);
  }
}

function drawStick(g: CanvasRenderingContext2D, { stick }: Input): void {
  if (stick === undefined) return;
  const dx = stick.toX - stick.x;
  const dy = stick.toY - stick.y;
  const length = Math.hypot(dx, dy) || 1;
  const reach = Math.min(length, 56);
  g.fillStyle = "rgb(255 255 255 / 0.12)";
  disc(g, stick.x, stick.y, 60);
  g.strokeStyle = "rgb(255 255 255 / 0.35)";
  g.lineWidth = 2;
  g.stroke();
  g.fillStyle = "rgb(255 255 255 / 0.55)";
  disc(g, stick.x + (dx / length) * reach, stick.y + (dy / length) * reach, 25);
}
