/**
 * The embedded engine: `node:sqlite` in WAL mode with `synchronous=FULL`.
 *
 * What it costs: one `fsync` for all the writes asked for in one turn of the event loop (group
 * commit), on the calling thread. Several processes may open one file; writers wait up to five
 * seconds for each other.
 */
import { EventEmitter } from "node:events";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type KeyvStorageCapability, keyvStorageCapability } from "keyv";
import { FederationError } from "../errors.ts";
import { type Clock, systemClock } from "../ports.ts";

/** Options of {@link SqliteEngine}. */
export interface SqliteEngineOptions {
  /** Path of the database file; made with mode 0600 (its folder 0700) when absent. */
  readonly path: string;
  /** Decides what has expired. Default: the machine's clock. */
  readonly clock?: Clock;
}

interface PendingWrite {
  readonly run: () => boolean;
  readonly resolve: (value: boolean) => void;
  readonly reject: (reason: unknown) => void;
}

const EXPIRY_SWEEP_WRITES = 512;

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
  readonly #statements;
  #pending: PendingWrite[] = [];
  #writesSinceSweep = 0;
  #closed = false;

  constructor(options: SqliteEngineOptions) {
    super();
    this.#clock = options.clock ?? systemClock;
    try {
      mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
      closeSync(openSync(options.path, "a", 0o600));
      this.#database = new DatabaseSync(options.path);
      this.#database.exec(`
        PRAGMA busy_timeout = 5000;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS entries (
          key TEXT PRIMARY KEY,
          value TEXT NOT NULL,
          expires INTEGER
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires) WHERE expires IS NOT NULL;
      `);
    } catch (cause) {
      throw new FederationError(
        "ERR_FED_STORE_UNAVAILABLE",
        `The store at ${options.path} cannot be opened: check that the folder is writable and the file is a SQLite database.`,
        { cause },
      );
    }
    const live = "(expires IS NULL OR expires > ?)";
    this.#statements = {
      get: this.#database.prepare(`SELECT value FROM entries WHERE key = ? AND ${live}`),
      range: this.#database.prepare(
        `SELECT key, value FROM entries WHERE key >= ? AND key < ? AND ${live} ORDER BY key LIMIT 500`,
      ),
      set: this.#database.prepare(
        `INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires`,
      ),
      insert: this.#database.prepare(
        `INSERT INTO entries (key, value, expires) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
         WHERE entries.expires IS NOT NULL AND entries.expires <= ?`,
      ),
      replace: this.#database.prepare(
        `UPDATE entries SET value = ?, expires = ? WHERE key = ? AND value = ? AND ${live}`,
      ),
      remove: this.#database.prepare("DELETE FROM entries WHERE key = ?"),
      removeExpected: this.#database.prepare(
        `DELETE FROM entries WHERE key = ? AND value = ? AND ${live}`,
      ),
      sweep: this.#database.prepare("DELETE FROM entries WHERE expires <= ?"),
      clear: this.#database.prepare("DELETE FROM entries"),
    };
  }

  /** Tells Keyv that expiry is the engine's own. */
  get capabilities(): KeyvStorageCapability {
    return keyvStorageCapability(this);
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    return this.#read(() => {
      const row = this.#statements.get.get(this.#key(key), this.#clock.now());
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
    return this.#write(() => {
      this.#statements.set.run(this.#key(key), value as string, expires ?? null);
      return true;
    });
  }

  async setMany<Value>(
    entries: { key: string; value: Value; expires?: number }[],
  ): Promise<boolean[]> {
    return Promise.all(entries.map((entry) => this.set(entry.key, entry.value, entry.expires)));
  }

  async delete(key: string): Promise<boolean> {
    return this.#write(() => this.#statements.remove.run(this.#key(key)).changes === 1);
  }

  async deleteMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)));
  }

  async clear(): Promise<void> {
    await this.#write(() => {
      this.#statements.clear.run();
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
    return this.#write(() => {
      const now = this.#clock.now();
      if (expected === undefined) {
        if (next === undefined) return this.#statements.get.get(stored, now) === undefined;
        return this.#statements.insert.run(stored, next, expires ?? null, now).changes === 1;
      }
      if (next === undefined) {
        return this.#statements.removeExpected.run(stored, expected, now).changes === 1;
      }
      return (
        this.#statements.replace.run(next, expires ?? null, stored, expected, now).changes === 1
      );
    });
  }

  async *entries(prefix: string): AsyncGenerator<readonly [key: string, value: string]> {
    const skip = this.#key("").length;
    const end = `${this.#key(prefix)}\u{10FFFF}`;
    let from = this.#key(prefix);
    for (;;) {
      const start = from;
      const rows = this.#read(() => this.#statements.range.all(start, end, this.#clock.now()));
      for (const row of rows) yield [(row["key"] as string).slice(skip), row["value"] as string];
      const last = rows.at(-1);
      if (last === undefined) return;
      from = `${last["key"] as string}\u0000`;
    }
  }

  async disconnect(): Promise<void> {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#database.close();
  }

  #key(key: string): string {
    return this.namespace === undefined ? key : `${this.namespace}:${key}`;
  }

  #read<T>(run: () => T): T {
    if (this.#closed) throw unavailable();
    try {
      return run();
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  #write(run: () => boolean): Promise<boolean> {
    if (this.#closed) return Promise.reject(unavailable());
    return new Promise((resolve, reject) => {
      this.#pending.push({ run, resolve, reject });
      if (this.#pending.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const batch = this.#pending;
    if (batch.length === 0) return;
    this.#pending = [];
    let results: boolean[];
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      results = batch.map((write) => write.run());
      this.#writesSinceSweep += batch.length;
      if (this.#writesSinceSweep >= EXPIRY_SWEEP_WRITES) {
        this.#writesSinceSweep = 0;
        this.#statements.sweep.run(this.#clock.now());
      }
      this.#database.exec("COMMIT");
    } catch (cause) {
      try {
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      } catch {
        // The write has failed already; what matters is that nobody is told it succeeded.
      }
      for (const write of batch) write.reject(unavailable(cause));
      return;
    }
    batch.forEach((write, index) => {
      write.resolve(results[index] === true);
    });
  }
}

function unavailable(cause?: unknown): FederationError {
  return new FederationError(
    "ERR_FED_STORE_UNAVAILABLE",
    "The SQLite store does not answer: check the disk and that the file is not locked by another program.",
    { cause },
  );
}
