/** Everything around the canvas: bar, crossing card, toasts, dialogs. */
import { themeOf } from "../theme.ts";
import type { Avatar, Portal } from "./view.ts";

const byId = <Element extends HTMLElement = HTMLElement>(id: string): Element => {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page lacks #${id}`);
  return element as Element;
};

const TOAST_MILLISECONDS = 6_000;

/** The steps of a crossing, as the player sees them. */
export type CrossingStep = "assets" | "asking" | "reserved" | "connecting";
const STEPS: readonly [CrossingStep, string][] = [
  ["assets", "Sending ahead what you wear"],
  ["asking", "Asking your home and the other server"],
  ["reserved", "A seat is reserved for you"],
  ["connecting", "Stepping through"],
];

export class Hud {
  readonly #crossing = document.querySelector<HTMLElement>(".crossing");
  readonly #toasts = document.querySelector<HTMLElement>(".toasts");
  #coins = 0;

  /** Which server this is. */
  server(world: string, origin: string): void {
    const host = new URL(origin).host;
    byId("world-name").textContent = world;
    byId("server-name").textContent = host;
    document.title = `${world} · ${host}`;
    document.documentElement.style.setProperty("--accent", themeOf(world).accent);
    document
      .querySelector(".bar-where")
      ?.setAttribute("aria-label", `You are in ${world} on ${host}`);
  }

  /** Who you are. */
  player(me: Avatar): void {
    byId("player-name").textContent = me.name;
    const hat = byId("hat");
    if (hat.textContent !== me.hat) hat.textContent = me.hat;
    const id = byId("player-id");
    const short = shorten(me.id);
    if (id.textContent === short) return;
    id.textContent = short;
    id.title = me.id;
    const box = document.querySelector(".bar-who");
    box?.setAttribute("aria-label", `You are ${me.name}, ${me.id}`);
    box?.setAttribute("title", me.id);
    byId("face").setAttribute("fill", me.colour);
  }

  /** What you carry. */
  coins(count: number): void {
    if (count === this.#coins) return;
    const more = count > this.#coins;
    this.#coins = count;
    byId("coins").textContent = String(count);
    const box = document.querySelector<HTMLElement>(".bar-what");
    box?.setAttribute("aria-label", `You carry ${count} ${count === 1 ? "coin" : "coins"}`);
    if (!more || box === null) return;
    box.classList.remove("got");
    box.getBoundingClientRect();
    box.classList.add("got");
  }

  /** @param share How much of the step is done, 0–1, where that is known. */
  crossing(to: string, step: CrossingStep, share?: number): void {
    byId("crossing-title").textContent = `On your way to ${to}`;
    const now = STEPS.findIndex(([name]) => name === step);
    byId("crossing-steps").replaceChildren(
      ...STEPS.map(([, text], index) => {
        const item = document.createElement("li");
        const percent = index === now && share !== undefined ? ` ${Math.round(share * 100)} %` : "";
        item.textContent = `${text}${percent}`;
        item.className = index < now ? "done" : index === now ? "now" : "";
        return item;
      }),
    );
    this.#crossing?.removeAttribute("hidden");
  }

  crossingOver(): void {
    this.#crossing?.setAttribute("hidden", "");
  }

  /** The flash between two worlds. */
  wipe(): void {
    const wipe = byId("wipe");
    wipe.classList.remove("play");
    wipe.getBoundingClientRect();
    wipe.classList.add("play");
  }

  toast(title: string, text: string, calm = false): void {
    const toast = document.createElement("div");
    toast.className = calm ? "toast calm" : "toast";
    const strong = document.createElement("b");
    strong.textContent = title;
    toast.append(strong, text);
    this.#toasts?.replaceChildren(toast);
    setTimeout(() => {
      toast.remove();
    }, TOAST_MILLISECONDS);
  }

  hint(text: string): void {
    const hint = byId("hint");
    hint.textContent = text;
    setTimeout(() => {
      hint.classList.add("gone");
    }, 9_000);
  }

  /** Asks for a name; resolves with it. */
  welcome(world: string, suggestion: string): Promise<string> {
    const dialog = byId<HTMLDialogElement>("welcome");
    const input = byId<HTMLInputElement>("name");
    byId("motto").textContent = `${themeOf(world).motto}.`;
    input.value = suggestion;
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
    });
    return new Promise((resolve) => {
      dialog.addEventListener(
        "close",
        () => {
          resolve(input.value.trim() || suggestion);
        },
        { once: true },
      );
      dialog.showModal();
      input.select();
    });
  }

  /** Says that play has stopped; resolves when the player wants to go on. */
  stopped(title: string, text: string, button: string): Promise<void> {
    const dialog = byId<HTMLDialogElement>("stopped");
    byId("stopped-title").textContent = title;
    byId("stopped-text").textContent = text;
    byId("again").textContent = button;
    return new Promise((resolve) => {
      dialog.addEventListener(
        "close",
        () => {
          resolve();
        },
        { once: true },
      );
      if (!dialog.open) dialog.showModal();
    });
  }
}

/** `OJbYML…V2JeU@localhost:2567`: long keys in the middle are left out. */
export function shorten(id: string): string {
  const at = id.lastIndexOf("@");
  const local = id.slice(0, at);
  return local.length > 16 ? `${local.slice(0, 7)}…${local.slice(-5)}${id.slice(at)}` : id;
}

/** Where a portal URI leads, for people. */
export function placeName(uri: string, portals: readonly Portal[]): string {
  const portal = portals.find(({ target }) => target === uri);
  if (portal !== undefined && portal.label !== "") return portal.label;
  return uri.replace(/^aether:\/\//u, "");
}
