/** One table in Redis: a hash for each row, its name in an index, and in another one while it is listed. */
import type { Table, TableRow, TableSpec, TableValues } from "../ports.ts";

/** What the engine does for its tables. */
export interface RedisAccess {
  /** Runs a script, in the engine's time. */
  readonly eval: (
    script: string,
    keys: readonly string[],
    args: readonly (string | number)[],
  ) => Promise<unknown>;
  /** Begins every key of the table; all are in the engine's slot. */
  readonly tag: string;
  /** A key as it is stored. */
  readonly stored: (key: string) => string;
}

/** A hash has no such column: `version` is none either. */
const VERSION = "version";

/**
 * KEYS: row, index of names, index of what is listed. ARGV: name, version expected or "" for no row,
 * version to write or "" for none, the listed column, number of columns to set, these with their values,
 * columns to take away.
 */
const WRITE = `
local current = redis.call("HGET", KEYS[1], "${VERSION}") or ""
if current ~= ARGV[2] then return 0 end
if ARGV[3] == "" then
  redis.call("DEL", KEYS[1])
  redis.call("ZREM", KEYS[2], ARGV[1])
  redis.call("ZREM", KEYS[3], ARGV[1])
  return 1
end
local last = 5 + 2 * ARGV[5]
redis.call("HSET", KEYS[1], "${VERSION}", ARGV[3], unpack(ARGV, 6, last))
if #ARGV > last then redis.call("HDEL", KEYS[1], unpack(ARGV, last + 1)) end
if current == "" then redis.call("ZADD", KEYS[2], 0, ARGV[1]) end
if redis.call("HEXISTS", KEYS[1], ARGV[4]) == 1 then
  redis.call("ZADD", KEYS[3], 0, ARGV[1])
else
  redis.call("ZREM", KEYS[3], ARGV[1])
end
return 1
`;

const READ = `return redis.call("HGETALL", KEYS[1])`;

/** KEYS: index. ARGV: from, prefix of rows. */
const PAGE = `
local page = {}
for _, name in ipairs(redis.call("ZRANGEBYLEX", KEYS[1], ARGV[1], "+", "LIMIT", 0, 100)) do
  page[#page + 1] = name
  page[#page + 1] = redis.call("HGETALL", ARGV[2] .. name)
end
return page
`;

/** {@link Table} on Redis. */
export class RedisTable implements Table {
  readonly #access: RedisAccess;
  readonly #spec: TableSpec;

  constructor(access: RedisAccess, spec: TableSpec) {
    this.#access = access;
    this.#spec = spec;
  }

  async get(key: string): Promise<TableRow | undefined> {
    const fields = await this.#access.eval(READ, [this.#rowKey(key)], []);
    return this.#row(key, fields as string[]);
  }

  insert(key: string, version: number, values: TableValues): Promise<boolean> {
    return this.#write(key, "", String(version), values);
  }

  update(key: string, version: number, changes: TableValues): Promise<boolean> {
    return this.#write(key, String(version), String(version + 1), changes);
  }

  remove(key: string, version: number): Promise<boolean> {
    return this.#write(key, String(version), "", {});
  }

  rows(prefix: string): AsyncGenerator<TableRow> {
    return this.#pages(prefix, this.#index);
  }

  listed(prefix: string): AsyncGenerator<TableRow> {
    return this.#pages(prefix, this.#listed);
  }

  async *#pages(prefix: string, index: string): AsyncGenerator<TableRow> {
    const { eval: run, stored } = this.#access;
    const skip = stored("").length;
    const wanted = stored(prefix);
    let from = `[${wanted}`;
    for (;;) {
      const page = (await run(PAGE, [index], [from, this.#rowKey("", "")])) as unknown[];
      for (let each = 0; each < page.length; each += 2) {
        const name = page[each] as string;
        if (!name.startsWith(wanted)) return;
        const row = this.#row(name.slice(skip), page[each + 1] as string[]);
        if (row !== undefined) yield row;
        from = `(${name}`;
      }
      if (page.length === 0) return;
    }
  }

  async #write(key: string, expected: string, next: string, values: TableValues): Promise<boolean> {
    const { eval: run, stored } = this.#access;
    const set: (string | number)[] = [];
    const gone: string[] = [];
    for (const [column, value] of Object.entries(values)) {
      if (value === undefined) gone.push(column);
      else set.push(column, value);
    }
    const done = await run(
      WRITE,
      [this.#rowKey(key), this.#index, this.#listed],
      [stored(key), expected, next, this.#spec.listed, set.length / 2, ...set, ...gone],
    );
    return done === 1;
  }

  #row(key: string, fields: readonly string[]): TableRow | undefined {
    if (fields.length === 0) return undefined;
    let version = 0;
    const values: Record<string, string | number> = {};
    for (let each = 0; each < fields.length; each += 2) {
      const [column = "", text = ""] = [fields[each], fields[each + 1]];
      if (column === VERSION) version = Number(text);
      else values[column] = this.#spec.columns[column] === "text" ? text : Number(text);
    }
    return { key, version, values };
  }

  #rowKey(key: string, stored = this.#access.stored(key)): string {
    return `${this.#access.tag}row:${stored}`;
  }

  get #index(): string {
    return `${this.#access.tag}index`;
  }

  get #listed(): string {
    return `${this.#access.tag}listed`;
  }
}
