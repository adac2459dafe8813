/** Texts that were read before: what they say and where they led, so that neither is worked out again. */
import { type PortalUri, readPortalUri } from "./portal-uri.ts";

/** Texts that are remembered, at most: about 2 MiB, 11 MiB at worst. */
export const MAX_KNOWN_TEXTS = 4096;
/** Longest text that is remembered. */
export const MAX_KNOWN_LENGTH = 256;
/** When all places are taken, one unknown text in so many gets one. */
export const ADMIT_ONE_IN = 64;

const scratch = Buffer.allocUnsafeSlow(MAX_KNOWN_LENGTH);

/** A text that was read before. `T`: what it matches; `D`: where it leads. */
export interface KnownText<T, D> {
  readonly text: string;
  /** Undefined: it is refused. */
  readonly uri: PortalUri | undefined;
  /** What it matches, as of `version`. */
  target: T | undefined;
  /** Of the table; -1: never looked for. */
  version: number;
  /** What was answered the last time; it may have changed since. */
  answer: D | undefined;
  /** Whether it was asked for since the hand came by. */
  used: boolean;
}

/**
 * A clock: a text that is asked for at least once while the hand goes round stays. The hand moves by one
 * place for one admission, and passes over those in use: texts that come once, however many, can push
 * out only what nobody asks for.
 */
export class KnownTexts<T, D> {
  readonly #byText = new Map<string, KnownText<T, D>>();
  readonly #places: KnownText<T, D>[] = [];
  #hand = 0;
  #unknown = 0;

  /** Texts remembered. */
  get size(): number {
    return this.#byText.size;
  }

  get(text: string): KnownText<T, D> | undefined {
    const known = this.#byText.get(text);
    if (known !== undefined) known.used = true;
    return known;
  }

  /** Remembers a text that {@link get} did not know; or not, when there are others. */
  note(text: string): void {
    if (text.length > MAX_KNOWN_LENGTH) return;
    const full = this.#places.length >= MAX_KNOWN_TEXTS;
    if (full) {
      this.#unknown += 1;
      if (this.#unknown < ADMIT_ONE_IN) return;
      this.#unknown = 0;
    }
    // A text may be a piece of a long message, and would keep all of it in memory.
    const length = scratch.write(text, "latin1");
    const own = scratch.toString("latin1", 0, length);
    if (own !== text) return;
    const read = readPortalUri(own);
    const known: KnownText<T, D> = {
      text: own,
      uri: typeof read === "string" ? undefined : read,
      target: undefined,
      version: -1,
      answer: undefined,
      used: false,
    };
    if (full) this.#replace(known);
    else this.#places.push(known);
    this.#byText.set(own, known);
  }

  #replace(known: KnownText<T, D>): void {
    for (;;) {
      const at = this.#hand;
      this.#hand = (at + 1) % MAX_KNOWN_TEXTS;
      const there = this.#places[at];
      if (there?.used === true) there.used = false;
      else {
        if (there !== undefined) this.#byText.delete(there.text);
        this.#places[at] = known;
        return;
      }
    }
  }
}
