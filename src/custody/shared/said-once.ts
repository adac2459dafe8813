/** What the log has been told already: the same again is no news. */

const MAX_REMEMBERED = 1_024;

/** Remembers the latest few. */
export class SaidOnce {
  readonly #said = new Set<string>();

  /** Whether this has not been said yet, as far as is remembered. */
  isNews(what: string): boolean {
    if (this.#said.delete(what)) {
      this.#said.add(what);
      return false;
    }
    this.#said.add(what);
    if (this.#said.size > MAX_REMEMBERED) {
      const [oldest] = this.#said;
      if (oldest !== undefined) this.#said.delete(oldest);
    }
    return true;
  }
}
