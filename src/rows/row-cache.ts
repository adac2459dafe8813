/** Rows as they were written last, so that what is decided next need not read them again. */

/** Rows kept at most, and characters of text they came from. */
const MAX_ROWS = 16_384;
const MAX_CHARACTERS = 16 * 1024 * 1024;

/**
 * Bounded: what was not written for longest goes first. What is in it may be old, as others write too: a
 * write under its version shows whether it is.
 */
export class RowCache<Row> {
  readonly #rows = new Map<string, { readonly row: Row; readonly characters: number }>();
  readonly #maxRows: number;
  readonly #maxCharacters: number;
  #characters = 0;

  constructor({ maxRows = MAX_ROWS, maxCharacters = MAX_CHARACTERS } = {}) {
    this.#maxRows = maxRows;
    this.#maxCharacters = maxCharacters;
  }

  /** How many rows there are, and how much text they came from. */
  get size(): { readonly rows: number; readonly characters: number } {
    return { rows: this.#rows.size, characters: this.#characters };
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key)?.row;
  }

  /** `characters`: of the row's text, about. */
  set(key: string, row: Row, characters: number): void {
    this.drop(key);
    if (characters > this.#maxCharacters) return;
    this.#rows.set(key, { row, characters });
    this.#characters += characters;
    while (this.#rows.size > this.#maxRows || this.#characters > this.#maxCharacters) {
      const oldest = this.#rows.keys().next();
      if (oldest.done === true) return;
      this.drop(oldest.value);
    }
  }

  drop(key: string): void {
    const cached = this.#rows.get(key);
    if (cached === undefined) return;
    this.#rows.delete(key);
    this.#characters -= cached.characters;
  }
}
