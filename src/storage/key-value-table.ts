/**
 * Tables for engines that have none: a row is one JSON text, written by compare-and-set, and what is
 * listed has an entry of its own beside it.
 */
import type { Store, Table, TableRow, TableSpec, TableValues } from "../ports.ts";

/** What is used of an engine, or a store. */
export type KeyValues = Pick<Store, "compareAndSet" | "entries"> & {
  get(key: string): Promise<unknown>;
};

interface Stored {
  readonly version: number;
  readonly values: TableValues;
}

/**
 * {@link Table} over compare-and-set. A row is at `table/<name>/<key>`; `listed/<name>/<key>` is written
 * before a row comes to be listed, and removed after it is not any more, so that after a crash too much is
 * looked at, and never too little.
 */
export class KeyValueTable implements Table {
  readonly #store: KeyValues;
  readonly #listed: string;
  readonly #rowPrefix: string;
  readonly #listedPrefix: string;

  constructor(store: KeyValues, { name, listed }: TableSpec) {
    this.#store = store;
    this.#listed = listed;
    this.#rowPrefix = `table/${name}/`;
    this.#listedPrefix = `listed/${name}/`;
  }

  async get(key: string): Promise<TableRow | undefined> {
    const text = await this.#read(key);
    return text === undefined ? undefined : { key, ...(JSON.parse(text) as Stored) };
  }

  async insert(key: string, version: number, values: TableValues): Promise<boolean> {
    if (values[this.#listed] !== undefined) await this.#list(key, version);
    return this.#write(key, undefined, { version, values });
  }

  async update(key: string, version: number, changes: TableValues): Promise<boolean> {
    const text = await this.#read(key);
    const row = text === undefined ? undefined : (JSON.parse(text) as Stored);
    if (row?.version !== version) return false;
    const next = { version: version + 1, values: { ...row.values, ...changes } };
    const [was, is] = [row.values[this.#listed], next.values[this.#listed]];
    if (is !== undefined && was === undefined) await this.#list(key, version + 1);
    const entry = is === undefined && was !== undefined ? await this.#listing(key) : undefined;
    const written = await this.#write(key, text, next);
    // Whoever lists it again meanwhile has written another version there.
    if (written && entry !== undefined) await this.#unlist(key, entry);
    return written;
  }

  async remove(key: string, version: number): Promise<boolean> {
    const text = await this.#read(key);
    if (text === undefined || (JSON.parse(text) as Stored).version !== version) return false;
    const entry = await this.#listing(key);
    const removed = await this.#store.compareAndSet(`${this.#rowPrefix}${key}`, text, undefined);
    if (removed && entry !== undefined) await this.#unlist(key, entry);
    return removed;
  }

  async *rows(prefix: string): AsyncGenerator<TableRow> {
    for await (const [key, text] of this.#store.entries(`${this.#rowPrefix}${prefix}`)) {
      yield { key: key.slice(this.#rowPrefix.length), ...(JSON.parse(text) as Stored) };
    }
  }

  async *listed(prefix: string): AsyncGenerator<TableRow> {
    for await (const [entry] of this.#store.entries(`${this.#listedPrefix}${prefix}`)) {
      const row = await this.get(entry.slice(this.#listedPrefix.length));
      if (row?.values[this.#listed] !== undefined) yield row;
    }
  }

  async #read(key: string): Promise<string | undefined> {
    return (await this.#store.get(`${this.#rowPrefix}${key}`)) as string | undefined;
  }

  #write(key: string, before: string | undefined, row: Stored): Promise<boolean> {
    return this.#store.compareAndSet(`${this.#rowPrefix}${key}`, before, JSON.stringify(row));
  }

  async #listing(key: string): Promise<string | undefined> {
    return (await this.#store.get(`${this.#listedPrefix}${key}`)) as string | undefined;
  }

  /** Says for which version the row is listed. */
  async #list(key: string, version: number): Promise<void> {
    for (;;) {
      const entry = await this.#listing(key);
      if (entry === String(version)) return;
      const place = `${this.#listedPrefix}${key}`;
      if (await this.#store.compareAndSet(place, entry, String(version))) return;
    }
  }

  async #unlist(key: string, entry: string): Promise<void> {
    await this.#store.compareAndSet(`${this.#listedPrefix}${key}`, entry, undefined);
  }
}
