/** The gates as buttons: where one could sail, who is there, and whether the way is open. */
import type { Destination } from "aether-federation/client";
import { by, make } from "./dom.ts";
import { hostOf } from "./journey.ts";

export interface GateActions {
  enter(uri: string): void;
  goHome(): void;
  /** A gate that is closed was tried. */
  closed(why: string): void;
}

export class Gates {
  readonly #list = by("gates");
  readonly #home = by<HTMLButtonElement>("home");
  readonly #none = by("no-gates");
  readonly #actions: GateActions;
  /** The same button stays for the same gate: the focus stays on it. */
  readonly #buttons = new Map<string, HTMLButtonElement>();
  #destinations: readonly Destination[] = [];

  constructor(actions: GateActions) {
    this.#actions = actions;
    this.#home.addEventListener("click", () => {
      actions.goHome();
    });
  }

  /** @param home Origin of the player's home. */
  show(destinations: readonly Destination[], home: string): void {
    this.#destinations = destinations;
    const isAtHome = home === location.origin;
    const own = destinations.find(({ origin }) => origin === home);
    this.#home.hidden = isAtHome;
    if (!isAtHome) {
      const detail = own === undefined ? hostOf(home) : detailOf(own);
      label(this.#home, `Home to ${own?.world ?? hostOf(home)}`, "your home", detail);
    }
    const others = destinations.filter(({ origin }) => origin !== home);
    const uris = new Set(others.map(({ uri }) => uri));
    for (const [uri, button] of this.#buttons) {
      if (uris.has(uri)) continue;
      button.parentElement?.remove();
      this.#buttons.delete(uri);
    }
    for (const gate of others) {
      const button = this.#buttons.get(gate.uri) ?? this.#add(gate.uri);
      label(button, gate.world, stateOf(gate).short, detailOf(gate));
      button.setAttribute("aria-disabled", String(!gate.mayEnter));
    }
    this.#none.hidden = others.length > 0 || !isAtHome;
  }

  #add(uri: string): HTMLButtonElement {
    const button = make("button", "", "gate");
    button.type = "button";
    button.addEventListener("click", () => {
      const gate = this.#destinations.find((destination) => destination.uri === uri);
      if (gate?.mayEnter === true) this.#actions.enter(uri);
      else if (gate !== undefined) this.#actions.closed(stateOf(gate).long);
    });
    const item = make("li");
    item.append(button);
    this.#list.append(item);
    this.#buttons.set(uri, button);
    return button;
  }
}

function label(button: HTMLElement, title: string, state: string, detail: string): void {
  const text = [title, state, detail].join("\n");
  if (button.dataset["text"] === text) return;
  button.dataset["text"] = text;
  button.replaceChildren(make("b", title), " ", make("i", state), " ", make("small", detail));
}

function stateOf({ status, mayEnter, world }: Destination): { short: string; long: string } {
  if (mayEnter) return { short: "open", long: "" };
  if (status === "down") {
    return { short: "does not answer", long: `${world} does not answer right now.` };
  }
  if (status === "unknown") {
    return { short: "not a friend yet", long: `This harbour has no way to ${world} yet.` };
  }
  return { short: "closed", long: `${world} takes nobody from here right now.` };
}

function detailOf({ kind, population, origin }: Destination): string {
  const people = population === 1 ? "1 player there" : `${population ?? 0} players there`;
  return [kind, population === undefined ? undefined : people, hostOf(origin)]
    .filter((part) => part !== undefined)
    .join(" · ");
}
