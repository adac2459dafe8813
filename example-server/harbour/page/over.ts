/** What comes over the evening: a lost connection, a word from the harbour, the ship that sails, the name box. */
import { by, say } from "./dom.ts";

const BACK_MILLISECONDS = 4_000;
/** Whoever has only just gone aboard does not turn round by mistake. */
const CANCEL_MILLISECONDS = 2_000;
const NAMES = ["Marlow", "Skua", "Tern", "Pelorus", "Dory", "Wren", "Saltash", "Petrel"];

export class Banner {
  readonly #element = by("banner");
  #timer: ReturnType<typeof setInterval> | undefined;

  /** One banner that stands until `back`, however often it is said again. */
  lost(title: string, text: string, seconds?: number): void {
    clearInterval(this.#timer);
    this.#element.hidden = false;
    say(by("banner-title"), title);
    say(by("banner-text"), text);
    this.#countDown(seconds);
  }

  back(): void {
    if (this.#element.hidden) return;
    clearInterval(this.#timer);
    say(by("banner-title"), "You are back.");
    say(by("banner-text"), "You sit on the pier again.");
    say(by("banner-time"), "");
    this.#timer = setInterval(() => {
      this.hide();
    }, BACK_MILLISECONDS);
  }

  hide(): void {
    clearInterval(this.#timer);
    this.#element.hidden = true;
  }

  #countDown(seconds: number | undefined): void {
    const until = seconds === undefined ? undefined : Date.now() + seconds * 1000;
    const show = (): void => {
      const left = until === undefined ? 0 : Math.ceil((until - Date.now()) / 1000);
      say(by("banner-time"), left > 0 ? `${left} s` : "");
    };
    show();
    this.#timer = setInterval(show, 500);
  }
}

export class Notice {
  readonly #element = by("notice");
  readonly #again = by("notice-again");

  constructor() {
    this.#again.addEventListener("click", () => {
      location.reload();
    });
    by("notice-close").addEventListener("click", () => {
      this.hide();
    });
  }

  /**
   * @param code For whoever is asked for help.
   * @param isOver Nobody plays here any more: what is left is to try again.
   */
  show(title: string, text: string, code = "", isOver = false): void {
    this.#again.hidden = !isOver;
    this.#element.hidden = false;
    say(by("notice-title"), title);
    say(by("notice-text"), text);
    say(by("notice-code"), code);
    by("notice-details").hidden = code === "";
  }

  hide(): void {
    this.#element.hidden = true;
  }
}

/** The crossing: the ship that sails, from its first sign until the other page is there. */
export class Cover {
  readonly #element = by<HTMLDialogElement>("cover");
  readonly #cancel = by<HTMLButtonElement>("cover-cancel");
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turnRound: () => void = () => undefined;

  constructor() {
    this.#cancel.addEventListener("click", () => {
      this.#turnBack();
    });
    this.#element.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (!this.#cancel.hidden) this.#turnBack();
    });
  }

  sail(to: string, turnRound: () => void): void {
    this.#turnRound = turnRound;
    say(by("cover-title"), `Setting sail for ${to}`);
    say(by("cover-text"), "All that you carry comes along.");
    this.#cancel.hidden = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#cancel.hidden = false;
    }, CANCEL_MILLISECONDS);
    if (!this.#element.open) this.#element.showModal();
  }

  over(): void {
    clearTimeout(this.#timer);
    if (this.#element.open) this.#element.close();
  }

  #turnBack(): void {
    this.#cancel.hidden = true;
    say(by("cover-text"), "Turning round …");
    this.#turnRound();
  }
}

/** What a newcomer wants to be called. */
export async function askName(): Promise<string> {
  const box = by<HTMLDialogElement>("newcomer");
  const field = by<HTMLInputElement>("name");
  field.value = NAMES[Math.floor(Math.random() * NAMES.length)] ?? "Wren";
  box.showModal();
  field.select();
  await new Promise((resolve) => {
    box.addEventListener("close", resolve, { once: true });
  });
  return field.value.trim() || "Wren";
}
