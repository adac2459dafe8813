/** Assets in use in this process, whether they are here already or not: eviction spares them. */
import type { Clock, TimerHandle } from "../../ports.ts";
import { type AssetFiles, SAVE_USE_MILLISECONDS } from "./asset-files.ts";

/** Holds on assets, counted. To other processes on the folder each counts as a use every minute. */
export class Holds {
  readonly #files: AssetFiles;
  readonly #clock: Clock;
  readonly #counts = new Map<string, number>();
  #timer: TimerHandle | undefined;
  #ended = false;

  constructor(options: { readonly files: AssetFiles; readonly clock: Clock }) {
    this.#files = options.files;
    this.#clock = options.clock;
  }

  has(hex: string): boolean {
    return this.#counts.has(hex);
  }

  /** Returns how to let go; harmless when called again. */
  add(hex: string): () => void {
    this.#counts.set(hex, (this.#counts.get(hex) ?? 0) + 1);
    this.#schedule();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#counts.get(hex) ?? 1) - 1;
      if (left > 0) this.#counts.set(hex, left);
      else this.#counts.delete(hex);
    };
  }

  /** Ends the timer; what is held stays so. */
  end(): void {
    this.#ended = true;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#ended) return;
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined;
      void this.#refresh();
    }, SAVE_USE_MILLISECONDS);
  }

  async #refresh(): Promise<void> {
    for (const entry of [...this.#files.entries()]) {
      if (this.#counts.has(entry.hex) && !this.#ended) await this.#files.use(entry);
    }
    if (this.#counts.size > 0) this.#schedule();
  }
}
