/**
 * Where the player has asked to go, so that it is not asked about it again: also where another game's page sends it
 * back here in the middle of the way, for the word of its home's page (docs/hand-over.md).
 */
const KEY = "aether-example:wishes";
const MILLISECONDS = 60_000;

interface Wish {
  readonly uri: string;
  /** Unix milliseconds. */
  readonly until: number;
}

export class Wishes {
  #wishes: readonly Wish[] = kept();

  /** The portal URI that was wished for last. */
  get last(): string | undefined {
    return this.#present().at(-1)?.uri;
  }

  has(uri: string): boolean {
    return this.#present().some((wish) => wish.uri === uri);
  }

  add(uri: string): void {
    this.#keep([...this.#present(), { uri, until: Date.now() + MILLISECONDS }]);
  }

  /** In the place of all others. */
  only(uri: string): void {
    this.#keep([{ uri, until: Date.now() + MILLISECONDS }]);
  }

  /** It is there. Where it wishes to go on to, as an address has it, it still does. */
  done(uri: string): void {
    this.#keep(this.#present().filter((wish) => wish.uri !== uri));
  }

  clear(): void {
    if (this.#wishes.length > 0) this.#keep([]);
  }

  #present(): readonly Wish[] {
    return this.#wishes.filter(({ until }) => until > Date.now());
  }

  #keep(wishes: readonly Wish[]): void {
    this.#wishes = wishes;
    try {
      sessionStorage.setItem(KEY, JSON.stringify(wishes));
    } catch {
      // Forbidden: then the player is asked once more.
    }
  }
}

function kept(): Wish[] {
  try {
    const wishes: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(wishes)
      ? (wishes as Wish[]).filter(({ uri }) => typeof uri === "string")
      : [];
  } catch {
    return [];
  }
}
