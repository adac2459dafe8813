/**
 * The embedded engine: `node:sqlite` in WAL mode with `synchronous=FULL`.
 *
 * What it costs: one `fsync` for all the writes asked for in one turn of the event loop (group
 * commit), on the calling thread; up to 16 MiB of memory for pages of the file; and a log (`-wal`) of
 * 4,000 pages, 16 MB, before they are copied into the file, so that a page which many writes change is
 * copied once. Several processes may open one file; who finds it locked tries again, for five seconds at
 * most, while the event loop goes on.
 */
import { EventEmitter } from "node:events";
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "./sqlite.ts";
import { type KeyvStorageCapability, keyvStorageCapability } from "keyv";
import { FederationError } from "../errors.ts";
import { type Clock, type Table, type TableSpec, systemClock } from "../ports.ts";
import { SqliteTable } from "./sqlite-table.ts";
import { NO_FOLLOW, isLink } from "./private-files.ts";

/** Options of {@link SqliteEngine}. */
export interface SqliteEngineOptions {
  /** Path of the database file; made with mode 0600 (its folder 0700) when absent. */
  readonly path: string;
  /** Decides what has expired. Default: the machine's clock. */
  readonly clock?: Clock;
  /** How long a read or write tries again while another program has the file locked. Default 5. */
  readonly busySeconds?: number;
}

interface PendingWrite {
  readonly run: (statements: Statements) => boolean;
  /** On `performance.now()`. */
  readonly giveUpAt: number;
  readonly resolve: (value: boolean) => void;
  readonly reject: (reason: unknown) => void;
}

type Statements = ReturnType<typeof prepareStatements>;

/** After so many writes what has expired is looked for, and for each of them so much is removed at most. */
const EXPIRY_SWEEP_WRITES = 512;
const EXPIRED_PER_WRITE = 2;
/** Rows that are read in one turn of the event loop. */
const ROWS_AT_ONCE = 500;
const BUSY_SECONDS = 5;
const LONGEST_BUSY_SECONDS = 60;
const FIRST_RETRY_MILLISECONDS = 1;
const LONGEST_RETRY_MILLISECONDS = 25;
/** Primary result codes of SQLite that pass by themselves: SQLITE_BUSY, SQLITE_PROTOCOL. */
const PASSING_CODES = [5, 15];

/** A symbolic link where a file of the store should be; the message is its path. */
class LinkError extends Error {}

/**
 * A Keyv storage adapter with compare-and-set over one SQLite file.
 *
 * Every method rejects with `ERR_FED_STORE_UNAVAILABLE` when the file cannot be read or written.
 */
export class SqliteEngine extends EventEmitter {
  /** Prefix of every key, as Keyv sets it. */
  namespace: string | undefined;
  readonly #database: DatabaseSync;
  readonly #clock: Clock;
  readonly #busyMilliseconds: number;
  /** Undefined while the file has been locked ever since it was opened. */
  #statements: Statements | undefined;
  readonly #tables = new Map<string, SqliteTable>();
  /** Tables that the file may not have yet. */
  #unmade: SqliteTable[] = [];
  #pending: PendingWrite[] = [];
  /** Whether a flush is to come by itself. */
  #scheduled = false;
  #busyTries = 0;
  #writesSinceSweep = 0;
  #closing = false;
  #closed = false;

  /** @throws FederationError `ERR_FED_STORE_UNAVAILABLE` when the file cannot be opened. */
  constructor(options: SqliteEngineOptions) {
    super();
    const { path, clock = systemClock, busySeconds = BUSY_SECONDS } = options;
    if (!(busySeconds >= 0 && busySeconds <= LONGEST_BUSY_SECONDS)) {
      throw new TypeError(`busySeconds must be a number from 0 to ${LONGEST_BUSY_SECONDS}`);
    }
    if (path === "" || path === ":memory:") {
      throw new TypeError("path must name a file; a store in memory is a MemoryStore");
    }
    this.#clock = clock;
    this.#busyMilliseconds = busySeconds * 1000;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // SQLite follows links, also of the files that it makes beside the database.
      const link = [path, `${path}-wal`, `${path}-shm`, `${path}-journal`].find(isLink);
      if (link !== undefined) throw new LinkError(link);
      const { O_WRONLY, O_APPEND, O_CREAT } = constants;
      closeSync(openSync(path, O_WRONLY | O_APPEND | O_CREAT | NO_FOLLOW, 0o600));
      // SQLite's own waiting would hold up the whole process.
      this.#database = new DatabaseSync(path, { timeout: 0 });
      try {
        this.#prepared();
      } catch (cause) {
        // Whoever reads or writes first tries again.
        if (!passes(cause)) throw cause;
      }
    } catch (cause) {
      throw new FederationError(
        "ERR_FED_STORE_UNAVAILABLE",
        cause instanceof LinkError
          ? `The store at ${path} is not opened: ${cause.message} is a symbolic link. Put the file itself there, and look who made the link.`
          : `The store at ${path} cannot be opened: check that the folder is writable and the file is a SQLite database.`,
        { cause },
      );
    }
  }

  /** Tells Keyv that expiry is the engine's own. */
  get capabilities(): KeyvStorageCapability {
    return keyvStorageCapability(this);
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    return this.#read((statements) => {
      const row = statements.get.get(this.#key(key), this.#clock.now());
      return row?.["value"] as Value | undefined;
    });
  }

  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return Promise.all(keys.map((key) => this.get<Value>(key)));
  }

  async has(key: string): Promise<boolean> {
    return (await this.get(key)) !== undefined;
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)));
  }

  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    return this.#write((statements) => {
      statements.set.run(this.#key(key), value as string, expires ?? null);
      return true;
    });
  }

  async setMany<Value>(
    entries: { key: string; value: Value; expires?: number }[],
  ): Promise<boolean[]> {
    return Promise.all(entries.map((entry) => this.set(entry.key, entry.value, entry.expires)));
  }

  async delete(key: string): Promise<boolean> {
    return this.#write((statements) => statements.remove.run(this.#key(key)).changes === 1);
  }

  async deleteMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)));
  }

  async clear(): Promise<void> {
    await this.#write((statements) => {
      statements.clear.run();
      return true;
    });
  }

  async compareAndSet(
    key: string,
    expected: string | undefined,
    next: string | undefined,
    expires?: number,
  ): Promise<boolean> {
    const stored = this.#key(key);
    return this.#write((statements) => {
      const now = this.#clock.now();
      if (expected === undefined) {
        if (next === undefined) return statements.get.get(stored, now) === undefined;
        return statements.insert.run(stored, next, expires ?? null, now).changes === 1;
      }
      if (next === undefined) {
        return statements.removeExpected.run(stored, expected, now).changes === 1;
      }
      return statements.replace.run(next, expires ?? null, stored, expected, now).changes === 1;
    });
  }

  async *entries(prefix: string): AsyncGenerator<readonly [key: string, value: string]> {
    const skip = this.#key("").length;
    const end = `${this.#key(prefix)}\u{10FFFF}`;
    let from = this.#key(prefix);
    for (;;) {
      const start = from;
      const rows = await this.#read((statements) =>
        statements.range.all(start, end, this.#clock.now()),
      );
      for (const row of rows) yield [(row["key"] as string).slice(skip), row["value"] as string];
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS_AT_ONCE) return;
      from = `${last["key"] as string}\u0000`;
      // SQLite answers at once: without this nobody else would get a turn before the end.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** As {@link Store.table}: a table of the file, with its columns. */
  table(spec: TableSpec): Table {
    const known = this.#tables.get(spec.name);
    if (known !== undefined) return known;
    const made = new SqliteTable(
      {
        database: this.#database,
        stored: (key) => this.#key(key),
        read: (run) => this.#read(run),
        write: (run) => this.#write(run),
      },
      spec,
    );
    this.#tables.set(spec.name, made);
    this.#unmade.push(made);
    return made;
  }

  async disconnect(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#flush();
    while (this.#pending.length > 0) await pause(LONGEST_RETRY_MILLISECONDS);
    this.#closed = true;
    this.#database.close();
  }

  #key(key: string): string {
    return this.namespace === undefined ? key : `${this.namespace}:${key}`;
  }

  #prepared(): Statements {
    if (this.#statements === undefined) {
      this.#database.exec(SCHEMA);
      this.#statements = prepareStatements(this.#database);
    }
    while (this.#unmade.length > 0) {
      this.#unmade[0]?.prepare();
      this.#unmade.shift();
    }
    return this.#statements;
  }

  async #read<T>(run: (statements: Statements) => T): Promise<T> {
    const giveUpAt = performance.now() + this.#busyMilliseconds;
    for (let tries = 1; ; tries += 1) {
      if (this.#closed) throw unavailable();
      try {
        return run(this.#prepared());
      } catch (cause) {
        if (!passes(cause) || performance.now() >= giveUpAt) throw unavailable(cause);
        await pause(retryMilliseconds(tries));
      }
    }
  }

  #write(run: (statements: Statements) => boolean): Promise<boolean> {
    if (this.#closing) return Promise.reject(unavailable());
    return new Promise((resolve, reject) => {
      const giveUpAt = performance.now() + this.#busyMilliseconds;
      this.#pending.push({ run, giveUpAt, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#flush();
      });
    });
  }

  #flush(): void {
    const batch = this.#pending;
    if (batch.length === 0) return;
    this.#pending = [];
    let results: boolean[];
    try {
      const statements = this.#prepared();
      this.#database.exec("BEGIN IMMEDIATE");
      results = batch.map((write) => write.run(statements));
      this.#writesSinceSweep += batch.length;
      if (this.#writesSinceSweep >= EXPIRY_SWEEP_WRITES) {
        const most = EXPIRED_PER_WRITE * this.#writesSinceSweep;
        const swept = statements.sweep.run(this.#clock.now(), most).changes;
        // There may be more: the next writes go on with it.
        this.#writesSinceSweep = swept === most ? EXPIRY_SWEEP_WRITES : 0;
      }
      this.#database.exec("COMMIT");
    } catch (cause) {
      try {
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      } catch {
        // The write has failed already; what matters is that nobody is told it succeeded.
      }
      this.#failed(batch, cause);
      return;
    }
    this.#busyTries = 0;
    batch.forEach((write, index) => {
      write.resolve(results[index] === true);
    });
  }

  /** Nothing of the batch was written: what has time left is tried again, in the same order. */
  #failed(batch: readonly PendingWrite[], cause: unknown): void {
    const now = performance.now();
    for (const write of batch) {
      if (passes(cause) && now < write.giveUpAt) this.#pending.push(write);
      else write.reject(unavailable(cause));
    }
    if (this.#pending.length === 0 || this.#scheduled) return;
    this.#scheduled = true;
    this.#busyTries += 1;
    setTimeout(() => {
      this.#scheduled = false;
      this.#flush();
    }, retryMilliseconds(this.#busyTries));
  }
}

// A row is in one page as a rule, and keys are in pages of their own. WITHOUT ROWID, what is longer than a quarter of a
// page would take another one, which SQLite reads from the file for each key that is compared with its row's.
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA cache_size = -16384;
  PRAGMA wal_autocheckpoint = 4000;
  CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    expires INTEGER
  );
  CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires) WHERE expires IS NOT NULL;
`;

function prepareStatements(database: DatabaseSync) {
  const live = "(expires IS NULL OR expires > ?)";
  return {
    get: database.prepare(`SELECT value FROM entries WHERE key = ? AND ${live}`),
    range: database.prepare(
      `SELECT key, value FROM entries WHERE key >= ? AND key < ? AND ${live} ORDER BY key LIMIT ${ROWS_AT_ONCE}`,
    ),
    set: database.prepare(
      `INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires`,
    ),
    insert: database.prepare(
      `INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
       WHERE entries.expires IS NOT NULL AND entries.expires <= ?`,
    ),
    replace: database.prepare(
      `UPDATE entries SET value = ?, expires = ? WHERE key = ? AND value = ? AND ${live}`,
    ),
    remove: database.prepare("DELETE FROM entries WHERE key = ?"),
    removeExpected: database.prepare(`DELETE FROM entries WHERE key = ? AND value = ? AND ${live}`),
    sweep: database.prepare(
      `DELETE FROM entries WHERE key IN
       (SELECT key FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?)`,
    ),
    clear: database.prepare("DELETE FROM entries"),
  };
}

/** Whether an error of SQLite says that another connection has the file just now. */
function passes(cause: unknown): boolean {
  const { errcode } = (cause ?? {}) as { errcode?: unknown };
  return typeof errcode === "number" && PASSING_CODES.includes(errcode & 0xff);
}

function retryMilliseconds(tries: number): number {
  return Math.min(LONGEST_RETRY_MILLISECONDS, FIRST_RETRY_MILLISECONDS * 2 ** Math.min(tries, 10));
}

/** Keeps the process alive: whoever waits for the store is not done. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

function unavailable(cause?: unknown): FederationError {
  return new FederationError(
    "ERR_FED_STORE_UNAVAILABLE",
    "The SQLite store does not answer: check the disk and that the file is not locked by another program.",
    { cause },
  );
}
