/** Who comes along: somebody asks, the others say so, and all go together or nobody does (docs/parties.md). */
import type { PartyProgress } from "aether-federation/client";
import type { Room } from "@colyseus/sdk";
import { byId, button, capital, make } from "./element.ts";

const STAGES: Readonly<Record<PartyProgress["members"][number]["stage"], string>> = {
  departing: "asks home",
  reserved: "has a place there",
  waiting: "waits at the gate",
  arrived: "is there",
  stayed: "stays",
};

export class Company {
  readonly #box = byId("company");
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Hears what a room says of it. `goes`: the player has said yes to go there. */
  listen(room: Room, goes: (uri: string) => void): void {
    const asked = new Set<string>();
    room.onMessage("gathering", (message: unknown) => {
      const { id, by, to, label, seconds } = members(message);
      asked.add(text(id));
      this.#ask(text(by), text(label), Number(seconds), () => {
        goes(text(to));
        room.send("along", { id });
      });
    });
    room.onMessage("together", (message: unknown) => {
      const { id, members: names, over, message: why } = members(message);
      if (over === true) {
        this.#say("You stay together, here", text(why), [], 5_000);
        return;
      }
      const list = Array.isArray(names) ? names.map(text) : [];
      // Who was not asked has called.
      const setOff = !asked.has(text(id))
        ? button(
            "Set off now",
            () => {
              room.send("set-off", { id });
            },
            "first",
          )
        : undefined;
      this.#say("Going together", `${list.join(", ")} will go in a moment, all or nobody.`, [
        setOff,
      ]);
    });
  }

  /** How far each is. */
  progress({ members: all }: PartyProgress): void {
    this.#say(
      "Going together",
      all.map(({ name, stage }) => `${name} ${STAGES[stage]}`).join(", "),
      [],
      20_000,
    );
  }

  over(): void {
    clearTimeout(this.#timer);
    this.#box.hidden = true;
  }

  #ask(by: string, label: string, seconds: number, along: () => void): void {
    this.#say(
      `${by} asks: who comes along?`,
      `To ${capital(label)}, all together or nobody.`,
      [
        button("Come along", along, "first"),
        button("Stay", () => {
          this.over();
        }),
      ],
      Math.min(30, Math.max(2, seconds || 8)) * 1000,
    );
  }

  #say(
    title: string,
    words: string,
    buttons: readonly (HTMLButtonElement | undefined)[],
    milliseconds = 15_000,
  ): void {
    clearTimeout(this.#timer);
    this.#box.replaceChildren(
      make("h2", { textContent: title }),
      make("p", { textContent: words }),
      make("div", { className: "row" }, ...buttons),
    );
    this.#box.hidden = false;
    this.#timer = setTimeout(() => {
      this.over();
    }, milliseconds);
  }
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 120) : "";
}
