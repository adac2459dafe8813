/**
 * The engine for belongings that are kept as operators keep accounts: PostgreSQL, for several processes
 * beside Colyseus' RedisPresence, or for one.
 *
 * What it costs: one round trip, and one statement that is its own transaction, for each read and each
 * write. Times to live are counted by PostgreSQL's clock alone. It is only as durable as PostgreSQL is
 * told to be, which by default loses nothing; {@link PostgresEngine.durability} tells.
 *
 * A write that is given up was either never sent, or may still be made, once: behind a network that heals,
 * or by a server that was frozen. One under a condition changes nothing then that anybody has written since;
 * what is written without one has one writer, and may come to be what that writer had given up.
 */
import { EventEmitter } from "node:events";
import { type KeyvStorageCapability, keyvStorageCapability } from "keyv";
import { type Clock, type Table, type TableSpec, systemClock } from "../ports.ts";
import {
  PostgresAccess,
  type PostgresClient,
  type PostgresConnection,
  type PostgresResult,
  type Relation,
  writable,
} from "./postgres-access.ts";
import { PostgresTable } from "./postgres-table.ts";
import { fromPostgres, toPostgres } from "./postgres-text.ts";

export type { PostgresClient, PostgresConnection, PostgresResult };

/** Options of {@link PostgresEngine}. */
export interface PostgresEngineOptions {
  /** The host's pool, of version 8 of `pg`, on a database encoded in UTF8. */
  readonly client: PostgresClient;
  /**
   * Schema of the tables, made when it is absent (then the role needs `CREATE` on the database); servers
   * that share a database need one each. Lower-case letters, digits and `_`, 63 at most. Default `aether`.
   */
  readonly schema?: string;
  /**
   * Begins the name of every table and index, for a schema that has others, too. Lower-case letters, digits
   * and `_`, 20 at most. Default none.
   */
  readonly tablePrefix?: string;
  /** Whether closing the store ends the pool too. Default false: it is the host's. */
  readonly closesClient?: boolean;
  /** An answer that takes longer counts as none, the wait for a connection included. From 0.01 to 60; default 3. */
  readonly timeoutSeconds?: number;
  /** What Keyv's absolute times are counted from. Default: the machine's clock. */
  readonly clock?: Clock;
}

const SCHEMA = /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/u;
const TABLE_PREFIX = /^(?:[a-z_][a-z0-9_]{0,19})?$/u;
const SHORTEST_TIMEOUT_SECONDS = 0.01;
const LONGEST_TIMEOUT_SECONDS = 60;
/** Entries read in one go. */
const ENTRIES_AT_ONCE = 500;
/** After so many writes what has expired is looked for, and for each of them so much is removed at most. */
const EXPIRY_SWEEP_WRITES = 512;
const EXPIRED_PER_WRITE = 2;
const END = "\u{10FFFF}";

const ENTRIES: Relation = {
  name: "entries",
  columns: `key text COLLATE "C" PRIMARY KEY, value text COLLATE "C" NOT NULL, expires timestamptz`,
  index: ["expires", "(expires) WHERE expires IS NOT NULL"],
};

/**
 * A Keyv storage adapter with compare-and-set over tables of a PostgreSQL database. Nothing is asked of it
 * before the first read or write, which makes the tables where there are none.
 *
 * Every method rejects with `ERR_FED_STORE_UNAVAILABLE` when PostgreSQL does not answer within the time
 * limit or refuses, when a table of that name is there that it has not made, and when the key of a new row
 * has more than 2600 bytes.
 */
export class PostgresEngine extends EventEmitter {
  /** Prefix of every key, as Keyv sets it. */
  namespace: string | undefined;
  readonly #access: PostgresAccess;
  readonly #clock: Clock;
  readonly #closesClient: boolean;
  readonly #statements: ReturnType<typeof statementsOn>;
  readonly #tables = new Map<string, PostgresTable>();
  #writesSinceSweep = 0;

  /** @throws TypeError for an option that is not as {@link PostgresEngineOptions} says. */
  constructor(options: PostgresEngineOptions) {
    super();
    const { client, schema = "aether", tablePrefix = "", timeoutSeconds = 3 } = options;
    const { connect, on } = (client as Partial<PostgresClient> | undefined) ?? {};
    if (typeof connect !== "function" || typeof on !== "function") {
      throw new TypeError("client must be a Pool of pg");
    }
    if (!SCHEMA.test(schema)) {
      throw new TypeError(
        "schema must be 1 to 63 lower-case letters, digits and _, and not begin with a digit or pg_",
      );
    }
    if (!TABLE_PREFIX.test(tablePrefix)) {
      throw new TypeError(
        "tablePrefix must be at most 20 lower-case letters, digits and _, and not begin with a digit",
      );
    }
    if (!(
      timeoutSeconds >= SHORTEST_TIMEOUT_SECONDS && timeoutSeconds <= LONGEST_TIMEOUT_SECONDS
    )) {
      throw new TypeError(
        `timeoutSeconds must be a number from ${SHORTEST_TIMEOUT_SECONDS} to ${LONGEST_TIMEOUT_SECONDS}`,
      );
    }
    this.#access = new PostgresAccess({ client, schema, tablePrefix, timeoutSeconds });
    this.#clock = options.clock ?? systemClock;
    this.#closesClient = options.closesClient ?? false;
    this.#statements = statementsOn(this.#access.place(ENTRIES.name));
  }

  /** Tells Keyv that expiry is the engine's own. */
  get capabilities(): KeyvStorageCapability {
    return keyvStorageCapability(this);
  }

  /** What a crash of PostgreSQL may lose, as its settings tell; undefined: nothing, or it does not say. */
  async durability(): Promise<string | undefined> {
    try {
      const [settings = {}] = await this.#access.ask(SETTINGS);
      if (settings["fsync"] === "off") {
        return "PostgreSQL does not wait for its disk: a crash of its machine may lose the whole database. Set fsync on.";
      }
      if (settings["full_page_writes"] === "off") {
        return "PostgreSQL does not guard against half-written pages: a crash of its machine may damage the database. Set full_page_writes on.";
      }
      return settings["synchronous_commit"] === "off"
        ? "PostgreSQL answers before a decision is on disk: a crash of it loses the last ones. Set synchronous_commit on."
        : undefined;
    } catch {
      // What cannot be read now is no ground for a warning: the first read or write tells.
      return undefined;
    }
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    const [row] = await this.#access.read(ENTRIES, this.#statements.get, [this.#key(key)]);
    return row === undefined ? undefined : (fromPostgres(row["value"] as string) as Value);
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
    const stored = writable(this.#key(key));
    const text = toPostgres(value as string);
    return this.#write(this.#statements.set, [stored, text, this.#life(expires)]);
  }

  async setMany<Value>(
    entries: { key: string; value: Value; expires?: number }[],
  ): Promise<boolean[]> {
    return Promise.all(entries.map((entry) => this.set(entry.key, entry.value, entry.expires)));
  }

  async delete(key: string): Promise<boolean> {
    return this.#write(this.#statements.remove, [this.#key(key)]);
  }

  async deleteMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)));
  }

  /** Removes every entry of the namespace; rows of tables stay. */
  async clear(): Promise<void> {
    const stored = this.#key("");
    await this.#write(this.#statements.clear, [stored, `${stored}${END}`]);
  }

  async compareAndSet(
    key: string,
    expected: string | undefined,
    next: string | undefined,
    expires?: number,
  ): Promise<boolean> {
    const stored = this.#key(key);
    if (expected === undefined) {
      if (next === undefined) return !(await this.has(key));
      const values = [writable(stored), toPostgres(next), this.#life(expires)];
      return this.#write(this.#statements.insert, values);
    }
    if (next === undefined) {
      return this.#write(this.#statements.removeExpected, [stored, toPostgres(expected)]);
    }
    const values = [stored, toPostgres(expected), toPostgres(next), this.#life(expires)];
    return this.#write(this.#statements.replace, values);
  }

  async *entries(prefix: string): AsyncGenerator<readonly [key: string, value: string]> {
    const skip = this.#key("").length;
    const end = `${this.#key(prefix)}${END}`;
    let from = this.#key(prefix);
    for (;;) {
      const page = await this.#access.read(ENTRIES, this.#statements.range, [from, end]);
      for (const row of page) {
        const key = fromPostgres((row["key"] as string).slice(skip));
        yield [key, fromPostgres(row["value"] as string)];
      }
      const last = page.at(-1);
      if (last === undefined || page.length < ENTRIES_AT_ONCE) return;
      from = `${last["key"] as string}${toPostgres("\u0000")}`;
    }
  }

  /** As {@link Store.table}: a table of the database, with its columns. */
  table(spec: TableSpec): Table {
    const known = this.#tables.get(spec.name);
    if (known !== undefined) return known;
    const made = new PostgresTable(this.#access, (key) => this.#key(key), spec);
    this.#tables.set(spec.name, made);
    return made;
  }

  async disconnect(): Promise<void> {
    await this.#access.close(this.#closesClient);
  }

  #key(key: string): string {
    return toPostgres(this.namespace === undefined ? key : `${this.namespace}:${key}`);
  }

  /** Milliseconds to live, for PostgreSQL's clock to count. */
  #life(expires: number | undefined): number | null {
    return expires === undefined ? null : Math.max(1, Math.ceil(expires - this.#clock.now()));
  }

  async #write(text: string, values: unknown[]): Promise<boolean> {
    const written = await this.#access.write(ENTRIES, text, values);
    this.#writesSinceSweep += 1;
    if (this.#writesSinceSweep >= EXPIRY_SWEEP_WRITES) {
      const most = EXPIRED_PER_WRITE * this.#writesSinceSweep;
      this.#writesSinceSweep = 0;
      // Nobody waits for it; after as many writes it is tried again.
      this.#access.write(ENTRIES, this.#statements.sweep, [most]).catch(() => undefined);
    }
    return written;
  }
}

const SETTINGS = `
  SELECT current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit
`;

function statementsOn(place: string) {
  const live = "(expires IS NULL OR expires > now())";
  const expiryAfter = (mark: string): string =>
    `now() + ${mark}::double precision * interval '1 millisecond'`;
  const insert = `INSERT INTO ${place} AS old (key, value, expires) VALUES ($1, $2, ${expiryAfter("$3")})
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires`;
  return {
    get: `SELECT value FROM ${place} WHERE key = $1 AND ${live}`,
    range: `SELECT key, value FROM ${place} WHERE key >= $1 AND key < $2 AND ${live}
      ORDER BY key LIMIT ${ENTRIES_AT_ONCE}`,
    set: insert,
    insert: `${insert} WHERE old.expires <= now()`,
    replace: `UPDATE ${place} SET value = $3, expires = ${expiryAfter("$4")}
      WHERE key = $1 AND value = $2 AND ${live}`,
    remove: `DELETE FROM ${place} WHERE key = $1`,
    removeExpected: `DELETE FROM ${place} WHERE key = $1 AND value = $2 AND ${live}`,
    // Several processes sweep at once, each its own rows.
    sweep: `DELETE FROM ${place} WHERE key IN
      (SELECT key FROM ${place} WHERE expires <= now() ORDER BY expires LIMIT $1
       FOR UPDATE SKIP LOCKED)`,
    clear: `DELETE FROM ${place} WHERE key >= $1 AND key < $2`,
  };
}
