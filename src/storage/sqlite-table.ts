/** One table of a SQLite file: a column for each column, and an index of the rows that are listed. */
import type { Table, TableRow, TableSpec, TableValues } from "../ports.ts";
import type { DatabaseSync } from "./sqlite.ts";

/** What the engine does for its tables. */
export interface SqliteAccess {
  readonly database: DatabaseSync;
  /** A key as it is stored. */
  readonly stored: (key: string) => string;
  /** Reads, and tries again while another program has the file. */
  readonly read: <T>(run: () => T) => Promise<T>;
  /** Writes, together with all that is asked for in this turn. */
  readonly write: (run: () => boolean) => Promise<boolean>;
}

type Statement = ReturnType<DatabaseSync["prepare"]>;

/** Rows read in one go: with the largest states, a few milliseconds. */
const PAGE_ROWS = 100;
const END = "\u{10FFFF}";

/** {@link Table} on SQLite. */
export class SqliteTable implements Table {
  readonly #access: SqliteAccess;
  readonly #spec: TableSpec;
  readonly #columns: readonly string[];
  /** By the names of the columns that each changes. */
  readonly #updates = new Map<string, Statement>();
  #statements: ReturnType<SqliteTable["prepareAll"]> | undefined;

  constructor(access: SqliteAccess, spec: TableSpec) {
    this.#access = access;
    this.#spec = spec;
    this.#columns = Object.keys(spec.columns);
  }

  /** Makes the table where it is not there yet, and columns that a former version had not. Not within a transaction. */
  prepare(): void {
    const { name, columns, listed } = this.#spec;
    const types = Object.entries(columns).map(([column, type]) => `"${column}" ${type}`);
    const { database } = this.#access;
    database.exec(`
      CREATE TABLE IF NOT EXISTS "${name}" (
        key TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        ${types.join(", ")}
      ) STRICT;
      CREATE INDEX IF NOT EXISTS "${name}_listed" ON "${name}" (key) WHERE "${listed}" IS NOT NULL;
    `);
    const found = database.prepare(`SELECT name FROM pragma_table_info('${name}')`).all();
    const there = new Set(found.map((row) => row["name"]));
    for (const [index, column] of this.#columns.entries()) {
      if (!there.has(column))
        database.exec(`ALTER TABLE "${name}" ADD COLUMN ${types[index] ?? ""}`);
    }
    this.#statements = this.prepareAll();
  }

  async get(key: string): Promise<TableRow | undefined> {
    return this.#access.read(() => {
      const row = this.#prepared().get.get(this.#access.stored(key));
      return row === undefined ? undefined : this.#row(key, row);
    });
  }

  insert(key: string, version: number, values: TableValues): Promise<boolean> {
    const stored = this.#access.stored(key);
    const inserted = this.#columns.map((column) => values[column] ?? null);
    return this.#access.write(
      () => this.#prepared().insert.run(stored, version, ...inserted).changes === 1,
    );
  }

  update(key: string, version: number, changes: TableValues): Promise<boolean> {
    const stored = this.#access.stored(key);
    const columns: string[] = [];
    const values: (string | number | null)[] = [];
    for (const column in changes) {
      columns.push(column);
      values.push(changes[column] ?? null);
    }
    values.push(stored, version);
    const names = columns.join();
    return this.#access.write(() => {
      const statement = this.#updates.get(names) ?? this.#prepareUpdate(names, columns);
      return statement.run(...values).changes === 1;
    });
  }

  remove(key: string, version: number): Promise<boolean> {
    const stored = this.#access.stored(key);
    return this.#access.write(() => this.#prepared().remove.run(stored, version).changes === 1);
  }

  rows(prefix: string): AsyncGenerator<TableRow> {
    return this.#pages(prefix, "range");
  }

  listed(prefix: string): AsyncGenerator<TableRow> {
    return this.#pages(prefix, "listed");
  }

  async *#pages(prefix: string, which: "range" | "listed"): AsyncGenerator<TableRow> {
    const { stored, read } = this.#access;
    const skip = stored("").length;
    const end = `${stored(prefix)}${END}`;
    let from = stored(prefix);
    for (;;) {
      const start = from;
      const page = await read(() => this.#prepared()[which].all(start, end, PAGE_ROWS));
      for (const row of page) yield this.#row((row["key"] as string).slice(skip), row);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ROWS) return;
      from = `${last["key"] as string}\u0000`;
      // SQLite answers at once: without this nobody else would get a turn before the end.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #row(key: string, found: Record<string, unknown>): TableRow {
    const values: Record<string, string | number> = {};
    for (const column of this.#columns) {
      const value = found[column];
      if (value !== null && value !== undefined) values[column] = value as string | number;
    }
    return { key, version: found["version"] as number, values };
  }

  #prepared(): ReturnType<SqliteTable["prepareAll"]> {
    if (this.#statements === undefined) this.prepare();
    return this.#statements ?? this.prepareAll();
  }

  private prepareAll() {
    const { database } = this.#access;
    const { name, listed } = this.#spec;
    const all = this.#columns.map((column) => `"${column}"`).join(", ");
    const marks = this.#columns.map(() => "?").join(", ");
    const range = `SELECT key, version, ${all} FROM "${name}" WHERE key >= ? AND key < ?`;
    return {
      get: database.prepare(`SELECT version, ${all} FROM "${name}" WHERE key = ?`),
      insert: database.prepare(
        `INSERT INTO "${name}" (key, version, ${all}) VALUES (?, ?, ${marks}) ON CONFLICT (key) DO NOTHING`,
      ),
      remove: database.prepare(`DELETE FROM "${name}" WHERE key = ? AND version = ?`),
      range: database.prepare(`${range} ORDER BY key LIMIT ?`),
      listed: database.prepare(
        `SELECT key, version, ${all} FROM "${name}" INDEXED BY "${name}_listed"
         WHERE "${listed}" IS NOT NULL AND key >= ? AND key < ? ORDER BY key LIMIT ?`,
      ),
    };
  }

  #prepareUpdate(names: string, columns: readonly string[]): Statement {
    const changes = columns.map((column) => `"${column}" = ?, `).join("");
    const statement = this.#access.database.prepare(
      `UPDATE "${this.#spec.name}" SET ${changes}version = version + 1 WHERE key = ? AND version = ?`,
    );
    this.#updates.set(names, statement);
    return statement;
  }
}
