/** What was received in part and given up for now: kept to be resumed, until its room is needed. */
import { readdir, stat } from "node:fs/promises";
import { type StoreFolder, absent, contentOf, isHex, moveFolder } from "./store-folder.ts";

/** The resumable parts in a store's folder. Whoever takes one has it alone. */
export class Partials {
  readonly #folder: StoreFolder;
  readonly #maxCount: number;
  /** Sizes, the oldest first. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(folder: StoreFolder, maxCount: number) {
    this.#folder = folder;
    this.#maxCount = maxCount;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Moves what there is of an asset to `place`; false when there is nothing. Its bytes stop counting
   * here as `count` is called with them.
   */
  async take(hex: string, place: string, count: (bytes: number) => void): Promise<boolean> {
    const taken = await moveFolder(this.#folder.partial(hex), place);
    if (taken) count(this.#sizes.get(hex) ?? 0);
    this.#forget(hex);
    return taken;
  }

  /** Keeps a closed folder's content; of two parts of one asset the longer. */
  async keep(place: string, hex: string, size: number): Promise<void> {
    const target = this.#folder.partial(hex);
    const there = await stat(contentOf(target)).catch(absent);
    if (size === 0 || (there !== undefined && there.size >= size)) {
      await this.#folder.dispose(place);
      return;
    }
    await this.#folder.dispose(target);
    this.#forget(hex);
    if (!(await moveFolder(place, target))) {
      // Another process has just kept its own part.
      await this.#folder.dispose(place);
      return;
    }
    if (this.#sizes.size >= this.#maxCount) await this.dropOldest();
    this.#sizes.set(hex, size);
    this.#bytes += size;
  }

  /** Deletes the oldest part; false when there is none. */
  async dropOldest(): Promise<boolean> {
    const [hex] = this.#sizes.keys();
    if (hex === undefined) return false;
    await this.#folder.dispose(this.#folder.partial(hex));
    this.#forget(hex);
    return true;
  }

  /** Looks what the folder holds. */
  async scan(): Promise<void> {
    const found: { hex: string; size: number; at: number }[] = [];
    for (const hex of (await readdir(this.#folder.partials)).filter(isHex)) {
      const content = await stat(contentOf(this.#folder.partial(hex))).catch(absent);
      if (content === undefined) await this.#folder.dispose(this.#folder.partial(hex));
      else found.push({ hex, size: content.size, at: content.mtimeMs });
    }
    found.sort((a, b) => a.at - b.at);
    this.#sizes.clear();
    for (const { hex, size } of found) this.#sizes.set(hex, size);
    this.#bytes = found.reduce((sum, { size }) => sum + size, 0);
  }

  #forget(hex: string): void {
    this.#bytes -= this.#sizes.get(hex) ?? 0;
    this.#sizes.delete(hex);
  }
}
