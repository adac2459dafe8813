/** Listeners to one kind of event. */
export class Emitter<Event> {
  readonly #listeners = new Set<(event: Event) => void>();

  /** Adds a listener; the result takes it away. */
  on(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls every listener. */
  emit(event: Event): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
