/**
 * The way from world to world: the destination's colours, name and picture grow out of the gate, cover the screen, and
 * are held until the first state of the new world is drawn. Steps are shown when they happen, and only forwards.
 */
import { themeOf } from "../../theme.ts";
import { drawEmblem } from "../draw/emblem.ts";
import { byId, make, say } from "./element.ts";

/** What happens on the way, in the order in which it does; not every way has every step. */
export type Step = "asking" | "assets" | "reserved" | "connecting";

const ORDER: readonly Step[] = ["asking", "assets", "reserved", "connecting"];
const WORDS: Readonly<Record<Step, string>> = {
  asking: "Your home and the other server are asked",
  assets: "What you wear is sent ahead",
  reserved: "A place is kept for you there",
  connecting: "You step through",
};
const TURN_BACK_MILLISECONDS = 2_000;
/** The cover grows for so long, as the stylesheet has it; then it is held, to be read. */
const GROWS_MILLISECONDS = 550;
const HELD_MILLISECONDS = 1_100;

export class Passage {
  readonly #element = byId("passage");
  readonly #steps = byId("passage-steps");
  readonly #turnBack = byId<HTMLButtonElement>("turn-back");
  #at = -1;
  #shown = "";
  #closedAt = -Infinity;
  #isCrossing = false;
  #turnsBack = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #focused: Element | null = null;

  /** @param turnBack Gives the crossing up, wherever it is. */
  constructor(turnBack: () => void) {
    this.#turnBack.addEventListener("click", () => {
      this.#turnBack.disabled = true;
      say(this.#turnBack, "Turning back …");
      this.#turnsBack = true;
      turnBack();
    });
  }

  /** Whether it covers the world. */
  get isClosed(): boolean {
    return this.#element.dataset["state"] !== "open";
  }

  /** Whether nothing of the world is seen: what is behind the cover can be changed. */
  get hidesAll(): boolean {
    return this.isClosed && performance.now() - this.#closedAt > GROWS_MILLISECONDS;
  }

  /** Whether the player has said that it turns back. */
  get turnsBack(): boolean {
    return this.#turnsBack;
  }

  /**
   * Covers the screen, from the gate outwards.
   *
   * @param gate Where the gate is on the screen, in pixels; undefined: the middle.
   */
  close(
    to: { readonly world: string; readonly host: string },
    gate?: { readonly x: number; readonly y: number },
  ): void {
    const { world, host } = to;
    if (this.isClosed && this.#shown === world) return;
    this.#shown = world;
    // What covers already goes on from there.
    if (!this.isClosed) this.#closedAt = performance.now();
    const theme = themeOf(world);
    const { style } = this.#element;
    style.setProperty("--way", theme.accent);
    style.setProperty("--ground", theme.ground[1]);
    style.setProperty("--x", gate === undefined ? "50%" : `${Math.round(gate.x)}px`);
    style.setProperty("--y", gate === undefined ? "50%" : `${Math.round(gate.y)}px`);
    this.#element.getBoundingClientRect();
    say(byId("passage-name"), world);
    say(byId("passage-where"), host);
    drawEmblem(byId<HTMLCanvasElement>("emblem"), world);
    this.#at = -1;
    this.#steps.replaceChildren();
    this.#focused = document.activeElement;
    this.#element.dataset["state"] = "closed";
    this.#isCrossing = false;
    this.#turnsBack = false;
    this.#turnBack.hidden = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#offer();
    }, TURN_BACK_MILLISECONDS);
  }

  /** A step has begun; one that comes late is not told. */
  step(step: Step, share?: number): void {
    this.#isCrossing = true;
    this.#offer();
    const at = ORDER.indexOf(step);
    if (at < this.#at) return;
    const part = share === undefined || share === 0 ? "" : ` (${Math.round(share * 100)} %)`;
    const text = `${WORDS[step]}${part}`;
    if (at === this.#at && this.#steps.lastElementChild instanceof HTMLElement) {
      say(this.#steps.lastElementChild, text);
      return;
    }
    this.#at = at;
    this.#steps.append(make("li", { textContent: text }));
  }

  /** The way is over: what is drawn by now may be shown. */
  arrive(): void {
    this.#isCrossing = false;
  }

  /** Opens on what is drawn by now, once it has been held for a moment; `atOnce`: the player stays where it was. */
  open(atOnce = false): void {
    if (!this.isClosed || (this.#isCrossing && !atOnce)) return;
    if (!atOnce && performance.now() - this.#closedAt < HELD_MILLISECONDS) return;
    clearTimeout(this.#timer);
    this.#isCrossing = false;
    this.#turnBack.hidden = true;
    this.#element.dataset["state"] = "open";
    const back =
      this.#focused instanceof HTMLElement && this.#focused.isConnected ? this.#focused : undefined;
    if (document.activeElement === this.#turnBack || document.activeElement === document.body) {
      (back ?? byId("view")).focus({ preventScroll: true });
    }
  }

  /** After two seconds on the way, and once. */
  #offer(): void {
    const isOffered = !this.#turnBack.hidden;
    if (this.#timer !== undefined || !this.#isCrossing || !this.isClosed || isOffered) return;
    this.#turnBack.hidden = false;
    this.#turnBack.disabled = false;
    say(this.#turnBack, "Turn back");
    this.#turnBack.focus({ preventScroll: true });
  }
}
