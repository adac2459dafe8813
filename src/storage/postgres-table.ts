/** One table in PostgreSQL: a column for each column, and an index of the rows that are listed. */
import type { Table, TableRow, TableSpec, TableValues } from "../ports.ts";
import { type PostgresAccess, type Relation, writable } from "./postgres-access.ts";
import { fromPostgres, toPostgres } from "./postgres-text.ts";

/** Rows read in one go: with the largest states, a few milliseconds. */
const PAGE_ROWS = 100;
const END = "\u{10FFFF}";
const TYPES = { text: "text", integer: "bigint", real: "double precision" } as const;

/** {@link Table} on PostgreSQL. */
export class PostgresTable implements Table {
  readonly #access: PostgresAccess;
  readonly #stored: (key: string) => string;
  readonly #spec: TableSpec;
  readonly #relation: Relation;
  readonly #place: string;
  readonly #columns: readonly string[];
  /** All columns, as statements have them. */
  readonly #all: string;

  /** @param stored - A key as it is stored. */
  constructor(access: PostgresAccess, stored: (key: string) => string, spec: TableSpec) {
    this.#access = access;
    this.#stored = stored;
    this.#spec = spec;
    this.#columns = Object.keys(spec.columns);
    this.#all = this.#columns.map((column) => `"${column}"`).join(", ");
    this.#place = access.place(spec.name);
    const definitions = Object.entries(spec.columns).map(
      ([column, type]) => [column, `"${column}" ${TYPES[type]}`] as const,
    );
    this.#relation = {
      name: spec.name,
      later: new Map(definitions),
      columns: [
        `key text COLLATE "C" PRIMARY KEY`,
        "version bigint NOT NULL",
        ...definitions.map(([, definition]) => definition),
      ].join(", "),
      index: ["listed", `(key) WHERE "${spec.listed}" IS NOT NULL`],
    };
  }

  async get(key: string): Promise<TableRow | undefined> {
    const [row] = await this.#access.read(
      this.#relation,
      `SELECT version, ${this.#all} FROM ${this.#place} WHERE key = $1`,
      [this.#stored(key)],
    );
    return row === undefined ? undefined : this.#row(key, row);
  }

  async insert(key: string, version: number, values: TableValues): Promise<boolean> {
    const marks = this.#columns.map((_, index) => `$${index + 3}`).join(", ");
    return this.#access.write(
      this.#relation,
      `INSERT INTO ${this.#place} (key, version, ${this.#all}) VALUES ($1, $2, ${marks})
       ON CONFLICT (key) DO NOTHING`,
      [
        writable(this.#stored(key)),
        version,
        ...this.#columns.map((column) => valueOf(values[column])),
      ],
    );
  }

  async update(key: string, version: number, changes: TableValues): Promise<boolean> {
    const columns = Object.keys(changes);
    const set = columns.map((column, index) => `"${column}" = $${index + 3}, `).join("");
    return this.#access.write(
      this.#relation,
      `UPDATE ${this.#place} SET ${set}version = version + 1 WHERE key = $1 AND version = $2`,
      [this.#stored(key), version, ...columns.map((column) => valueOf(changes[column]))],
    );
  }

  async remove(key: string, version: number): Promise<boolean> {
    return this.#access.write(
      this.#relation,
      `DELETE FROM ${this.#place} WHERE key = $1 AND version = $2`,
      [this.#stored(key), version],
    );
  }

  rows(prefix: string): AsyncGenerator<TableRow> {
    return this.#pages(prefix, "");
  }

  listed(prefix: string): AsyncGenerator<TableRow> {
    return this.#pages(prefix, `"${this.#spec.listed}" IS NOT NULL AND `);
  }

  async *#pages(prefix: string, condition: string): AsyncGenerator<TableRow> {
    const skip = this.#stored("").length;
    const end = `${this.#stored(prefix)}${END}`;
    const text = `SELECT key, version, ${this.#all} FROM ${this.#place}
      WHERE ${condition}key >= $1 AND key < $2 ORDER BY key LIMIT ${PAGE_ROWS}`;
    let from = this.#stored(prefix);
    for (;;) {
      const page = await this.#access.read(this.#relation, text, [from, end]);
      for (const row of page) {
        yield this.#row(fromPostgres((row["key"] as string).slice(skip)), row);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ROWS) return;
      from = `${last["key"] as string}${toPostgres("\u0000")}`;
    }
  }

  /** Whole numbers of 64 bits come as text, unless the host has told `pg` otherwise. */
  #row(key: string, found: Record<string, unknown>): TableRow {
    const values: Record<string, string | number> = {};
    for (const column of this.#columns) {
      const value = found[column];
      if (value === null || value === undefined) continue;
      const isText = this.#spec.columns[column] === "text";
      values[column] = isText ? fromPostgres(value as string) : Number(value);
    }
    return { key, version: Number(found["version"]), values };
  }
}

function valueOf(value: string | number | undefined): string | number | null {
  if (value === undefined) return null;
  return typeof value === "string" ? toPostgres(value) : value;
}
