/** How the player comes in: the first time, after a reload, when its place is lost, under another name. */
import type { Game } from "../game.ts";
import { capital } from "../hud/element.ts";
import { stopped } from "../hud/toasts.ts";
import { askForName } from "../hud/welcome.ts";
import { randomName } from "../names.ts";
import { addressed, onAddress } from "./address.ts";
import type { Journey } from "./journey.ts";

const NAME_KEY = "aether-example:name";
const RETRY_MILLISECONDS = 3_000;
const SAFE = "What you carry is safe.";

/** What an entry needs. */
export interface EntryOptions {
  readonly game: Game;
  readonly journey: Journey;
  /** The world of this page's own server, and its portal URI. */
  readonly world: string;
  readonly ownUri: string;
  /** Goes through the portal of that URI. */
  readonly enter: (uri: string) => void;
}

export class Entry {
  readonly #options: EntryOptions;
  /** Until the player has chosen one. */
  readonly #suggestion = randomName();
  #name = keptName();

  constructor(options: EntryOptions) {
    this.#options = options;
  }

  /** Comes in, and goes where the address says. */
  async start(): Promise<void> {
    const { game, journey, ownUri, enter } = this.#options;
    // The address follows the player as soon as it is somewhere.
    const to = addressed();
    await this.#comeIn(() => journey.begin(this.#wish()));
    onAddress(ownUri, (uri) => {
      if (uri !== game.here) enter(uri);
    });
    if (to !== undefined && to !== game.here) enter(to);
    // Whom another page hands over has its name from its home.
    else if (this.#name === undefined && journey.isOwn) await this.#welcome();
  }

  /** Another name: home gives names, at a login. */
  async rename(name: string): Promise<void> {
    this.#name = name;
    keepName(name);
    this.#options.game.input.release();
    await this.#goHome();
  }

  /** The place is lost: home, or wherever the player plays now. */
  async afterLoss(why: { code: string; message: string; comesHome: boolean }): Promise<void> {
    const { game } = this.#options;
    game.input.release();
    game.passage.open(true);
    game.company.over();
    if (why.code.includes("ERR_FED_SUPERSEDED")) {
      game.trouble.over();
      await stopped(
        "You are playing somewhere else",
        "The same key has joined from another tab or device: a player is in one place only.",
        "Play here instead",
      );
    } else {
      game.trouble.ill({
        title: "Your place here is lost",
        text: `${why.message} You are on your way home.`,
        safe: "What you carry is safe: your home has it.",
        ...(why.code === "" ? {} : { detail: why.code }),
      });
      if (why.comesHome) return;
    }
    await this.#goHome();
  }

  async #goHome(): Promise<void> {
    const { journey } = this.#options;
    // Its key is on the page of its home.
    if (journey.isOwn) await this.#comeIn(() => journey.goHome(this.#wish()));
    else location.assign(journey.home);
  }

  /** However often it takes. */
  async #comeIn(first: () => Promise<void>): Promise<void> {
    const { journey, world } = this.#options;
    for (let way = first; ; way = () => journey.goHome(this.#wish())) {
      try {
        await way();
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : "";
        const isAway = message.includes("ERR_FED_AWAY");
        await this.#pause({
          title: isAway ? "You are still elsewhere" : `${capital(world)} does not answer`,
          text: isAway
            ? "Another server holds you for some seconds more; then your home takes you back."
            : "It is tried again and again.",
          detail: message || "no answer",
        });
      }
    }
  }

  #pause(ill: { title: string; text: string; detail: string }): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, RETRY_MILLISECONDS);
      const run = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#options.game.trouble.ill({ ...ill, safe: SAFE, act: { label: "Try now", run } });
    });
  }

  async #welcome(): Promise<void> {
    const { game } = this.#options;
    const chosen = await askForName(this.#suggestion, (listener) => game.input.onWalk(listener));
    if (chosen !== this.#suggestion) {
      await this.rename(chosen);
      return;
    }
    this.#name = chosen;
    keepName(chosen);
  }

  #wish(): string {
    return this.#name ?? this.#suggestion;
  }
}

function keptName(): string | undefined {
  try {
    return localStorage.getItem(NAME_KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

function keepName(name: string): void {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // Forbidden: it is asked again at the next visit.
  }
}
