/** Work that is done again and again, never twice at once. */
import type { Clock, TimerHandle } from "../ports.ts";
import type { Part } from "./part.ts";

/** Runs `work` `everyMilliseconds` after its last run has ended; what it throws goes to `onFailure`. */
export class Repeating implements Part {
  readonly #options: {
    readonly work: () => Promise<void>;
    readonly everyMilliseconds: number;
    readonly onFailure: (cause: unknown) => void;
    readonly clock: Clock;
  };
  #timer: TimerHandle | undefined;
  #stopped = false;

  constructor(options: {
    readonly work: () => Promise<void>;
    readonly everyMilliseconds: number;
    readonly onFailure: (cause: unknown) => void;
    readonly clock: Clock;
  }) {
    this.#options = options;
  }

  start(): void {
    const { work, everyMilliseconds, onFailure, clock } = this.#options;
    if (this.#stopped) return;
    this.#timer = clock.setTimeout(() => {
      void work()
        .catch(onFailure)
        .finally(() => {
          this.start();
        });
    }, everyMilliseconds);
  }

  /** A run that is under way ends by itself; no other follows. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }
}
