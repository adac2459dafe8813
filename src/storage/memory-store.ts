/** A store that forgets: for tests, and for parts that stand alone. */
import { FederationError } from "../errors.ts";
import {
  type Clock,
  type Store,
  type Table,
  type TableRow,
  type TableSpec,
  type TableValues,
  systemClock,
} from "../ports.ts";
import { checkTableSpec } from "./table-spec.ts";

interface MemoryEntry {
  readonly value: string;
  /** On the clock's wall time; undefined lives for ever. */
  readonly expiresAt: number | undefined;
}

/** What has expired is swept after half as many writes as the last sweep has left, and not before this many. */
const FEWEST_WRITES_BETWEEN_SWEEPS = 1_000;

/** Rows of one table, and the keys of those that are listed. */
interface MemoryRows {
  readonly rows: Map<string, { readonly version: number; readonly values: TableValues }>;
  readonly listed: Set<string>;
}

/** Tables, by the disk that they are on. */
const TABLES = new WeakMap<MemoryDisk, Map<string, MemoryRows>>();

/**
 * A {@link Store} in memory: the whole port, with expiry on the given clock. What it has is lost with
 * its process, so no player's home keeps its players in one. As large as what lives in it.
 *
 * Two stores built over the same `disk` behave as two processes over one database, and a second
 * store over the first one's `disk` as a restart.
 */
export class MemoryStore implements Store {
  readonly #clock: Pick<Clock, "now">;
  readonly #disk: Map<string, MemoryEntry>;
  readonly #tables = new Map<string, Table>();
  #closed = false;
  /** Since the last sweep, which has left so many entries. */
  #writes = 0;
  #left = 0;
  /** While true, every call rejects with `ERR_FED_STORE_UNAVAILABLE`. */
  failing = false;

  /**
   * @param clock - Default: the machine's.
   * @param disk - What an earlier store left. Default: nothing.
   */
  constructor(clock: Pick<Clock, "now"> = systemClock, disk: MemoryDisk = new Map()) {
    this.#clock = clock;
    this.#disk = disk;
  }

  async get(key: string): Promise<string | undefined> {
    await this.#turn();
    return this.#read(key);
  }

  async compareAndSet(
    key: string,
    expected: string | undefined,
    next: string | undefined,
    ttlMilliseconds?: number,
  ): Promise<boolean> {
    await this.#turn();
    if (this.#read(key) !== expected) return false;
    if (next === undefined) this.#disk.delete(key);
    else this.#write(key, next, ttlMilliseconds);
    return true;
  }

  async set(key: string, value: string, ttlMilliseconds?: number): Promise<void> {
    await this.#turn();
    this.#write(key, value, ttlMilliseconds);
  }

  async delete(key: string): Promise<void> {
    await this.#turn();
    this.#disk.delete(key);
  }

  async *entries(prefix: string): AsyncGenerator<readonly [key: string, value: string]> {
    await this.#turn();
    const keys = [...this.#disk.keys()].filter((key) => key.startsWith(prefix)).sort();
    for (const key of keys) {
      const value = this.#read(key);
      if (value !== undefined) yield [key, value];
    }
  }

  table(spec: TableSpec): Table {
    checkTableSpec(spec);
    const known = this.#tables.get(spec.name);
    if (known !== undefined) return known;
    const tables = TABLES.get(this.#disk) ?? new Map<string, MemoryRows>();
    TABLES.set(this.#disk, tables);
    const rows = tables.get(spec.name) ?? { rows: new Map(), listed: new Set() };
    tables.set(spec.name, rows);
    const table = new MemoryTable(rows, spec.listed, () => this.#turn());
    this.#tables.set(spec.name, table);
    return table;
  }

  async close(): Promise<void> {
    await Promise.resolve();
    this.#closed = true;
  }

  /** How many live entries there are. */
  get size(): number {
    return [...this.#disk.keys()].filter((key) => this.#read(key) !== undefined).length;
  }

  #read(key: string): string | undefined {
    const entry = this.#disk.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt === undefined || this.#clock.now() < entry.expiresAt) return entry.value;
    this.#disk.delete(key);
    return undefined;
  }

  #write(key: string, value: string, ttlMilliseconds: number | undefined): void {
    const expiresAt =
      ttlMilliseconds === undefined ? undefined : this.#clock.now() + ttlMilliseconds;
    this.#disk.set(key, { value, expiresAt });
    this.#writes += 1;
    if (this.#writes < Math.max(FEWEST_WRITES_BETWEEN_SWEEPS, this.#left / 2)) return;
    this.#writes = 0;
    for (const each of this.#disk.keys()) this.#read(each);
    this.#left = this.#disk.size;
  }

  // A real store never answers in the same turn; code that counts on it must fail here too.
  async #turn(): Promise<void> {
    await Promise.resolve();
    if (this.#closed) throw new FederationError("ERR_FED_STORE_UNAVAILABLE", "The store is closed");
    if (this.failing) throw new FederationError("ERR_FED_STORE_UNAVAILABLE");
  }
}

class MemoryTable implements Table {
  readonly #table: MemoryRows;
  readonly #listed: string;
  readonly #turn: () => Promise<void>;

  constructor(table: MemoryRows, listed: string, turn: () => Promise<void>) {
    this.#table = table;
    this.#listed = listed;
    this.#turn = turn;
  }

  async get(key: string): Promise<TableRow | undefined> {
    await this.#turn();
    return this.#row(key);
  }

  async insert(key: string, version: number, values: TableValues): Promise<boolean> {
    await this.#turn();
    if (this.#table.rows.has(key)) return false;
    this.#write(key, version, values);
    return true;
  }

  async update(key: string, version: number, changes: TableValues): Promise<boolean> {
    await this.#turn();
    const row = this.#table.rows.get(key);
    if (row?.version !== version) return false;
    this.#write(key, version + 1, { ...row.values, ...changes });
    return true;
  }

  async remove(key: string, version: number): Promise<boolean> {
    await this.#turn();
    if (this.#table.rows.get(key)?.version !== version) return false;
    this.#table.listed.delete(key);
    return this.#table.rows.delete(key);
  }

  async *rows(prefix: string): AsyncGenerator<TableRow> {
    yield* this.#those(this.#table.rows.keys(), prefix);
  }

  async *listed(prefix: string): AsyncGenerator<TableRow> {
    yield* this.#those(this.#table.listed, prefix);
  }

  async *#those(keys: Iterable<string>, prefix: string): AsyncGenerator<TableRow> {
    await this.#turn();
    for (const key of [...keys].filter((each) => each.startsWith(prefix)).sort()) {
      const row = this.#row(key);
      if (row !== undefined) yield row;
    }
  }

  #row(key: string): TableRow | undefined {
    const row = this.#table.rows.get(key);
    return row === undefined ? undefined : { key, ...row };
  }

  #write(key: string, version: number, values: TableValues): void {
    const present = Object.entries(values).filter(([, value]) => value !== undefined);
    this.#table.rows.set(key, { version, values: Object.fromEntries(present) });
    if (values[this.#listed] === undefined) this.#table.listed.delete(key);
    else this.#table.listed.add(key);
  }
}

/** What outlives a {@link MemoryStore}. */
export type MemoryDisk = Map<string, MemoryEntry>;
