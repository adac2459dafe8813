import type { Store } from "../ports.ts";
import type { BlockEntry } from "./block-entry.ts";

const PREFIX = "block/";
const blockKey = (entry: string): string => `${PREFIX}${entry}`;

/**
 * Blocked origins, hosts, domains (`*.example.org`) and keys, and with each entry the keys of those that it
 * matched. An entry that begins with `!` is an exception to the domains. Durable.
 */
export class BlockList {
  readonly #store: Store;
  /** With the ids of the keys that are blocked because of an entry. */
  #entries = new Map<string, readonly string[]>();
  /** Entries by the keys that are blocked because of them. */
  #kids = new Map<string, string[]>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Reads what the store has, in place of what is known. */
  async load(): Promise<void> {
    const entries = new Map<string, readonly string[]>();
    for await (const [key, text] of this.#store.entries(PREFIX)) {
      entries.set(key.slice(PREFIX.length), kidsOf(text));
    }
    this.#entries = entries;
    this.#count();
  }

  /** Blocks an entry, and the keys `kids` because of it. */
  async set(entry: string, kids: readonly string[]): Promise<void> {
    await this.#store.set(blockKey(entry), JSON.stringify(kids));
    this.#entries.set(entry, kids);
    this.#count();
  }

  /** Takes an entry away, and its keys, but for those that another entry blocks, too. */
  async remove(entry: string): Promise<void> {
    await this.#store.delete(blockKey(entry));
    this.#entries.delete(entry);
    this.#count();
  }

  /** Every entry, in order. */
  list(): string[] {
    return [...this.#entries.keys()].sort();
  }

  /** The keys that are blocked because of an entry; undefined when there is none. */
  kidsOf(entry: string): readonly string[] | undefined {
    return this.#entries.get(entry);
  }

  /** Whether the key, the origin, its host, or a domain above it is blocked and no exception is made. */
  has(origin: string, kid: string | undefined): boolean {
    return this.reasons(origin, kid === undefined ? [] : [kid]).length > 0;
  }

  /** The entries by which a server is blocked. */
  reasons(origin: string, kids: readonly string[]): string[] {
    if (this.#entries.size === 0) return [];
    const byKey = kids.some((kid) => this.#kids.has(kid));
    const byName = [...namesOf(origin)]
      .filter(({ entry }) => this.#entries.has(entry))
      .filter(({ domain }) => !domain || !this.isExcepted(origin))
      .map(({ entry }) => entry);
    return [...new Set([...byName, ...(byKey ? this.#entriesOf(kids) : [])])];
  }

  /** Whether an exception to the domains is made for an origin. */
  isExcepted(origin: string): boolean {
    const { host, hostname } = new URL(origin);
    return [origin, host, hostname].some((name) => this.#entries.has(`!${name}`));
  }

  #entriesOf(kids: readonly string[]): string[] {
    return kids.flatMap((kid) => this.#kids.get(kid) ?? []);
  }

  #count(): void {
    this.#kids = new Map();
    for (const [entry, kids] of this.#entries) {
      for (const kid of [entry, ...kids]) {
        const same = this.#kids.get(kid);
        if (same === undefined) this.#kids.set(kid, [entry]);
        else same.push(entry);
      }
    }
  }
}

/** Whether an entry names an origin, exceptions to domains left aside. */
export function matchesOrigin({ kind, text }: BlockEntry, origin: string): boolean {
  const name = kind === "exception" ? text.slice(1) : text;
  return [...namesOf(origin)].some(({ entry }) => entry === name);
}

/** What an origin can be blocked by. */
function* namesOf(origin: string): Generator<{ readonly entry: string; readonly domain: boolean }> {
  const { host, hostname } = new URL(origin);
  for (const entry of new Set([origin, host, hostname])) yield { entry, domain: false };
  const labels = hostname.split(".");
  for (const index of labels.keys()) {
    yield { entry: `*.${labels.slice(index).join(".")}`, domain: true };
  }
}

function kidsOf(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter((kid) => typeof kid === "string") : [];
  } catch {
    // The entry itself counts, whatever stands beside it.
    return [];
  }
}
