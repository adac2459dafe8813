/** What is on the canvas, as lists with buttons: the gates and the people, for whoever does not see or point. */
import type { Avatar, Portal } from "../view.ts";
import { gateLook } from "../gate-look.ts";
import { byId, button, capital, make, say } from "./element.ts";

/** What the buttons do. */
export interface Deeds {
  readonly enter: (portal: Portal) => void;
  readonly gather: (portal: Portal) => void;
  readonly give: (to: Avatar) => void;
}

const MAX_PEOPLE = 64;
const WIDE = matchMedia("(min-width: 1100px)");

export class Around {
  readonly #deeds: Deeds;
  readonly #panel = byId("around");
  readonly #toggle = byId("around-toggle");
  readonly #items = new Map<string, { readonly element: HTMLElement; text: string }>();

  constructor(deeds: Deeds) {
    this.#deeds = deeds;
    this.#toggle.addEventListener("click", () => {
      this.#show(this.#panel.hidden !== false);
    });
    this.#panel.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape") return;
      this.#show(false);
      this.#toggle.focus();
    });
    this.#show(WIDE.matches);
  }

  /** Shows what is there now; what has not changed is left as it is, with the focus on it. */
  show(portals: readonly Portal[], people: readonly Avatar[]): void {
    this.#list(
      byId("gates"),
      [...portals].sort((a, b) => a.label.localeCompare(b.label)),
      (portal) => {
        const { label, host, population } = portal;
        const { word, alive } = gateLook(portal.status);
        const crowd = population === undefined || !alive ? "" : ` · ${population} inside`;
        const kind = portal.kind === "" ? "" : ` · ${portal.kind}`;
        return {
          key: `gate ${portal.key}`,
          text: `${label} ${host} ${word}${crowd}${kind} ${people.length > 1 ? "more" : "alone"}`,
          make: () => {
            const go = button("Go", () => {
              this.#deeds.enter(portal);
            });
            go.disabled = !alive;
            go.ariaLabel = `Go to ${label} on ${host}`;
            const along = button("Together", () => {
              this.#deeds.gather(portal);
            });
            along.disabled = !alive;
            along.ariaLabel = `Together to ${label}: ask who comes along`;
            const state = make("small", { className: "state", textContent: `${word}${crowd}` });
            state.style.setProperty("--state", gateLook(portal.status).colour);
            return make(
              "li",
              {},
              make("span", { className: "world", textContent: capital(label || host) }),
              make("small", { textContent: `${host}${kind}` }),
              state,
              make("span", { className: "acts" }, go, people.length > 1 ? along : undefined),
            );
          },
        };
      },
      "No gate leads from here yet.",
    );
    this.#list(
      byId("people"),
      people.slice(0, MAX_PEOPLE),
      (avatar) => {
        const { name, home, stamps, me } = avatar;
        const from = home === "" ? "" : `from ${new URL(home).host}`;
        const count = stamps === 1 ? "1 stamp" : `${stamps} stamps`;
        return {
          key: `person ${avatar.key}`,
          text: `${name} ${from} ${count}`,
          make: () => {
            const give = button("Give", () => {
              this.#deeds.give(avatar);
            });
            give.ariaLabel = `Give ${name} something`;
            return make(
              "li",
              {},
              make("span", { textContent: me ? `${name} (you)` : name }),
              make("small", { textContent: from }),
              make("small", { textContent: count }),
              make("span", { className: "acts" }, me ? undefined : give),
            );
          },
        };
      },
      "Nobody is here.",
    );
    say(byId("around-count"), `(${portals.length + Math.max(0, people.length - 1)})`);
  }

  #show(open: boolean): void {
    this.#panel.hidden = !open;
    this.#toggle.ariaExpanded = String(open);
  }

  #list<Entry>(
    list: HTMLElement,
    entries: readonly Entry[],
    read: (entry: Entry) => { key: string; text: string; make: () => HTMLElement },
    none: string,
  ): void {
    const wanted = entries.map(read);
    const keys = new Set(wanted.map(({ key }) => key));
    const kind = list.id;
    for (const [key, { element }] of this.#items) {
      if (element.parentElement !== list || keys.has(key)) continue;
      element.remove();
      this.#items.delete(key);
    }
    wanted.forEach(({ key, text, make: build }, index) => {
      let item = this.#items.get(key);
      if (item?.text !== text) {
        const focused = item?.element.contains(document.activeElement) ?? false;
        const at = focused
          ? [...(item?.element.querySelectorAll("button") ?? [])].indexOf(
              document.activeElement as HTMLButtonElement,
            )
          : -1;
        const element = build();
        item?.element.replaceWith(element);
        item = { element, text };
        this.#items.set(key, item);
        element.querySelectorAll("button")[at]?.focus();
      }
      if (list.children[index] !== item.element) {
        list.insertBefore(item.element, list.children[index] ?? null);
      }
    });
    const empty = `${kind} none`;
    if (wanted.length > 0 || this.#items.has(empty)) return;
    const element = make("li", { textContent: none });
    list.append(element);
    this.#items.set(empty, { element, text: none });
  }
}
