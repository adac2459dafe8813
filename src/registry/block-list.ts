import type { Store } from "../ports.ts";

const blockKey = (entry: string): string => `block/${entry}`;

/**
 * Blocked origins, domains (`*.example.org`) and keys. An entry that begins with `!` is an
 * exception to the domain blocks. Durable.
 */
export class BlockList {
  readonly #store: Store;
  #entries = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Reads what the store has, in place of what is known. */
  async load(): Promise<void> {
    const entries = new Set<string>();
    for await (const [key] of this.#store.entries("block/")) {
      entries.add(key.slice("block/".length));
    }
    this.#entries = entries;
  }

  async add(entries: readonly string[]): Promise<void> {
    for (const entry of entries) {
      await this.#store.set(blockKey(entry), "1");
      this.#entries.add(entry);
    }
  }

  async remove(entries: readonly string[]): Promise<void> {
    for (const entry of entries) {
      await this.#store.delete(blockKey(entry));
      this.#entries.delete(entry);
    }
  }

  /** Every entry, in order. */
  list(): string[] {
    return [...this.#entries].sort();
  }

  /** Whether the key, the origin, or a domain above it is blocked and no exception is made. */
  has(origin: string, kid: string | undefined): boolean {
    if (this.#entries.size === 0) return false;
    if (kid !== undefined && this.#entries.has(kid)) return true;
    if (this.#entries.has(origin)) return true;
    const { host, hostname } = new URL(origin);
    if (this.#entries.has(`!${origin}`) || this.#entries.has(`!${host}`)) return false;
    if (this.#entries.has(host)) return true;
    const labels = hostname.split(".");
    return labels.some((_, index) => this.#entries.has(`*.${labels.slice(index).join(".")}`));
  }
}
