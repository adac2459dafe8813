/** The biggest catches, for as long as the server runs. */
const LINES = 5;

export interface BiggestCatch {
  /** Id of the angler: one line each. */
  readonly id: string;
  readonly angler: string;
  readonly home: string;
  readonly fish: string;
  readonly centimetres: number;
}

export class Board {
  #lines: readonly BiggestCatch[] = [];

  get lines(): readonly BiggestCatch[] {
    return this.#lines;
  }

  /** Whether it was big enough to be written down. */
  note(record: BiggestCatch): boolean {
    const own = this.#lines.find(({ id }) => id === record.id);
    if (record.centimetres <= (own?.centimetres ?? 0)) return false;
    this.#lines = [...this.#lines.filter((line) => line !== own), record]
      // Of two alike, the one that was caught first stays above.
      .sort((one, other) => other.centimetres - one.centimetres)
      .slice(0, LINES);
    return this.#lines.includes(record);
  }
}
