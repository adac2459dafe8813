/** The rules of fishing: one angler's line, from the cast to the catch. */
import { BITE_MILLISECONDS, type Caught, type LineState } from "./messages.ts";

const FIRST_BITE_MILLISECONDS = 2_000;
const LAST_BITE_MILLISECONDS = 6_000;
/** Of a hundred catches. */
const BOOTS = 8;
const FISH = [
  { share: 34, name: "Roach", from: 12, to: 30 },
  { share: 28, name: "Perch", from: 15, to: 45 },
  { share: 16, name: "Bream", from: 25, to: 60 },
  { share: 10, name: "Pike", from: 45, to: 110 },
  { share: 4, name: "Eel", from: 40, to: 90 },
] as const;

/** Time and chance, so that a test has both in its hands. */
export interface Water {
  /** At least 0, less than 1. */
  readonly random: () => number;
  later(milliseconds: number, run: () => void): { clear(): void };
}

/** Tells what becomes of a line. */
export interface LineEvents {
  changed(state: LineState): void;
  escaped(): void;
}

export class Line {
  readonly #water: Water;
  readonly #events: LineEvents;
  #state: LineState = "ashore";
  #timer: { clear(): void } | undefined;

  constructor(water: Water, events: LineEvents) {
    this.#water = water;
    this.#events = events;
  }

  get state(): LineState {
    return this.#state;
  }

  /** Throws the float out; nothing happens where it lies in the water already. */
  cast(): void {
    if (this.#state !== "ashore") return;
    const span = LAST_BITE_MILLISECONDS - FIRST_BITE_MILLISECONDS;
    this.#turn("out", FIRST_BITE_MILLISECONDS + this.#water.random() * span, () => {
      this.#turn("bite", BITE_MILLISECONDS, () => {
        this.takeIn();
        this.#events.escaped();
      });
    });
  }

  /** What hung on it; `early` where nothing had bitten, undefined where it was not in the water. */
  reel(): Caught | "early" | undefined {
    const was = this.#state;
    if (was === "ashore") return undefined;
    this.takeIn();
    return was === "bite" ? pull(this.#water.random) : "early";
  }

  takeIn(): void {
    this.#timer?.clear();
    this.#timer = undefined;
    if (this.#state === "ashore") return;
    this.#state = "ashore";
    this.#events.changed("ashore");
  }

  #turn(state: LineState, milliseconds: number, then: () => void): void {
    this.#state = state;
    this.#timer = this.#water.later(milliseconds, then);
    this.#events.changed(state);
  }
}

/** What the sea gives. Large fish are rare: two rolls of the dice, and the smaller counts. */
export function pull(random: () => number): Caught {
  let roll = random() * 100;
  if (roll < BOOTS) {
    const size = 38 + Math.floor(random() * 9);
    return { kind: "boot", name: `Old boot, size ${size}`, centimetres: 0 };
  }
  roll -= BOOTS;
  const fish = FISH.find(({ share }) => (roll -= share) < 0) ?? FISH[0];
  const part = Math.min(random(), random());
  const centimetres = fish.from + Math.floor(part * (fish.to - fish.from + 1));
  return { kind: "fish", name: `${fish.name}, ${centimetres} cm`, centimetres };
}
