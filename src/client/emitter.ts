/** Listeners to one kind of event. */
export class Emitter<Event> {
  readonly #listeners = new Set<(event: Event) => void>();

  /** Adds a listener; the result takes it away. */
  on(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether anybody listens. */
  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  /** Calls every listener; false when there is none. */
  emit(event: Event): boolean {
    for (const listener of [...this.#listeners]) listener(event);
    return this.#listeners.size > 0;
  }
}
