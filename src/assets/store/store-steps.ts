/** What a store has under way, so that it can be closed without leaving anything half done. */
import { FederationError } from "../../errors.ts";
import { storeFailure } from "./store-folder.ts";

/** The steps of one store: none begins once it is closed, and closing waits for those under way. */
export class StoreSteps {
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  /**
   * Takes a step, unless the store is closed.
   *
   * @throws FederationError whatever it failed with; `ERR_FED_STORE_UNAVAILABLE` once it is closed.
   */
  async run<T>(step: () => Promise<T>): Promise<T> {
    if (this.#closed) throw closedStore();
    try {
      return await this.finish(step);
    } catch (cause) {
      throw this.#closed ? closedStore(cause) : storeFailure(cause);
    }
  }

  /** Takes a step that clears up: also in a store that is closing. Its failure is passed on. */
  async finish<T>(step: () => Promise<T>): Promise<T> {
    const running = step();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Lets nothing more begin, and resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}

function closedStore(cause?: unknown): FederationError {
  return new FederationError("ERR_FED_STORE_UNAVAILABLE", "The asset store is closed.", { cause });
}
