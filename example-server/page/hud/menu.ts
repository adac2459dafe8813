/** The menu on the player's name: who one is, what one carries, where one has been, and the key that proves it. */
import { type Belongings, inWords } from "../federation/belongings.ts";
import { type KeyDeeds, keyDeeds } from "../federation/keys.ts";
import { type Travel, travels } from "../federation/travels.ts";
import { confirmed } from "./choose.ts";
import { button, byId, capital, make } from "./element.ts";

/** Who opens it. */
export interface Self {
  readonly name: string;
  readonly id: string;
  readonly home: string;
  /** Whether this is the page of the player's home, which has its key. */
  readonly isOwn: boolean;
  readonly belongings: Belongings;
  /** Where it is, as a portal's URI. */
  readonly place: string;
  /** Whether it is at home now. */
  readonly isAtHome: boolean;
  readonly rename: (name: string) => void;
  /** Comes in again, as whoever this browser's key is now. */
  readonly comeAgain: () => Promise<void>;
}

/** Opens the menu. */
export function openMenu(self: Self): void {
  const menu = byId<HTMLDialogElement>("menu");
  menu.replaceChildren(
    button("Close", () => menu.close(), "close plain"),
    make("h2", { id: "menu-title", textContent: self.name }),
    make(
      "p",
      {},
      `Your home is ${new URL(self.home).host}. Every world knows you as `,
      make("code", { textContent: self.id }),
      ".",
    ),
    ...(self.isOwn ? nameOf(self, menu) : []),
    ...carrying(self.belongings),
    ...been(travels()),
    ...(self.isOwn
      ? [...keyOf(keyDeeds(self.home), self.comeAgain), ...elsewhere(self.place)]
      : [
          make("h3", { textContent: "Your key" }),
          make("p", {
            textContent: `It stays with your home, ${new URL(self.home).host}: rename yourself or copy the key there.`,
          }),
        ]),
  );
  if (!menu.open) menu.showModal();
}

function nameOf({ name, isAtHome, rename }: Self, menu: HTMLDialogElement): Node[] {
  const input = make("input", { value: name, maxLength: 24, required: true, id: "new-name" });
  const form = make("form", { className: "row" }, input, make("button", { textContent: "Rename" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wished = input.value.trim();
    if (wished === "") return;
    menu.close();
    rename(wished);
  });
  return [
    make("h3", {}, make("label", { htmlFor: input.id, textContent: "Name" })),
    ...(isAtHome
      ? []
      : [make("p", { textContent: "Your home gives names: this takes you home." })]),
    form,
  ];
}

function carrying(belongings: Belongings): Node[] {
  const { things } = belongings;
  return [
    make("h3", { textContent: "What you carry" }),
    make("p", { textContent: `${capital(inWords(belongings))}.` }),
    make(
      "ul",
      {},
      ...things
        .slice(0, 60)
        .map(({ name, count }) =>
          make("li", { textContent: count === 1 ? name : `${name} × ${count}` }),
        ),
    ),
  ];
}

function been(all: readonly Travel[]): Node[] {
  const entries = all.slice(0, 12).map(({ from, to, at, home }) => {
    const when = new Date(at * 1000).toLocaleString([], {
      dateStyle: "medium",
      timeStyle: "short",
    });
    return make(
      "li",
      {},
      `${hostOf(from)} → ${hostOf(to)}`,
      make("small", { textContent: `${when}, signed by ${hostOf(home)}` }),
    );
  });
  return [
    make("h3", { textContent: "Where you have been" }),
    ...(entries.length === 0
      ? [make("p", { textContent: "Nowhere yet. Your home signs a receipt for every crossing." })]
      : [make("ul", {}, ...entries)]),
  ];
}

function keyOf(deeds: KeyDeeds, comeAgain: () => Promise<void>): Node[] {
  const status = make("p", { role: "status" });
  const shown = make("p", { className: "words", hidden: true });
  const tell = (words: string): void => {
    status.textContent = words;
    const last = [added, shown, status].find(({ hidden }) => !hidden);
    last?.scrollIntoView({ block: "nearest" });
  };
  const run = (work: () => Promise<string>) => (): void => {
    work().then(tell, (error: unknown) => {
      tell(
        error instanceof Error ? error.message.replace(/^ERR_\w+: /u, "") : "That did not work.",
      );
    });
  };
  const lock = button(
    "I have them: lock the key here",
    run(async () => {
      const told = await deeds.lock();
      shown.hidden = true;
      lock.hidden = true;
      return told;
    }),
  );
  lock.hidden = true;
  const added = button("It is added: be that player", () => void comeAgain(), "first");
  added.hidden = true;
  const text = make("input", {
    id: "key-text",
    autocomplete: "off",
    placeholder: "24 words, or a request",
  });
  return [
    make("h3", { textContent: "Your key" }),
    make("p", {
      textContent:
        "No account: this browser keeps a key, and who has it is you. Write its words down, and keep them to yourself.",
    }),
    make(
      "div",
      { className: "row" },
      ...(deeds.isLocked
        ? []
        : [
            button(
              "Show its 24 words",
              run(async () => {
                shown.textContent = await deeds.words();
                shown.hidden = false;
                lock.hidden = false;
                return "Whoever has these words is you.";
              }),
            ),
            lock,
          ]),
      button(
        "Ask to join my player",
        run(async () => {
          shown.textContent = await deeds.request();
          shown.hidden = false;
          added.hidden = false;
          return "Show this text to the device that you play on already: “Add a device” there. Good for ten minutes.";
        }),
      ),
    ),
    status,
    shown,
    added,
    make("label", { htmlFor: text.id, textContent: "From another device" }),
    make("div", { className: "row" }, text),
    make(
      "div",
      { className: "row" },
      button(
        "Be the player of these words",
        run(async () => {
          await deeds.restore(text.value);
          await comeAgain();
          return "You are that player now.";
        }),
      ),
      button(
        "Add a device",
        run(() => deeds.add(text.value, isSure)),
      ),
    ),
  ];
}

function isSure(): Promise<boolean> {
  return confirmed(
    "Leave that one behind?",
    "The device has played as somebody of its own. It is you from now on, and what that one has stays behind.",
    "Leave it behind",
    "Do not add it",
  );
}

function elsewhere(place: string): Node[] {
  const input = make("input", {
    id: "other-home",
    placeholder: "https://their-world.example",
    inputMode: "url",
  });
  const form = make(
    "form",
    { className: "row" },
    input,
    make("button", { textContent: "Go there" }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = input.value.trim();
    const text = /^https?:/u.test(given) ? given : `https://${given}`;
    if (given === "" || !URL.canParse(text)) return;
    // That home's own page has the key, and brings the player here.
    const url = new URL("/", text);
    url.searchParams.set("to", place);
    location.assign(url);
  });
  return [
    make("h3", {}, make("label", { htmlFor: input.id, textContent: "I have a home elsewhere" })),
    make("p", {
      textContent: "Its page has your key, and brings you here with all that is yours.",
    }),
    form,
  ];
}

function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : origin;
}
