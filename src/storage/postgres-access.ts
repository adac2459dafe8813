/**
 * How PostgreSQL is spoken to: one statement each, over a connection of the host's pool, within a time
 * limit. What is repeated by itself is what certainly did nothing, and every read.
 */
import { FederationError } from "../errors.ts";
import { systemRandom } from "../ports.ts";

/** What is used of a connection of a `pg` pool. */
export interface PostgresConnection {
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
  release(destroy?: boolean): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** What is used of an answer of `pg`. */
export interface PostgresResult {
  readonly rows: Record<string, unknown>[];
  readonly rowCount: number | null;
}

/** What is used of a `pg` `Pool`. */
export interface PostgresClient {
  connect(): Promise<PostgresConnection>;
  end(): Promise<unknown>;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** A table that has to be there. */
export interface Relation {
  /** Without schema and prefix. */
  readonly name: string;
  /** Definitions of its columns. */
  readonly columns: string;
  /** Of these columns, by their names, those are added that a table of a former version has not. */
  readonly later?: ReadonlyMap<string, string>;
  /** Its second index: a name to end with, and what it is on. */
  readonly index: readonly [name: string, definition: string];
}

/** Longer keys have no place in an index of PostgreSQL, whose rows have 2704 bytes at most. */
const LONGEST_KEY_BYTES = 2600;
/** Statements that wait for a connection: whoever asks beyond is refused at once. */
const MOST_WAITING = 10_000;
const FIRST_RETRY_MILLISECONDS = 5;
const LONGEST_RETRY_MILLISECONDS = 200;
/** Looks at a table that somebody else makes at this moment. */
const MOST_LOOKS = 10;

/** Rolled back: serialization_failure, deadlock_detected. */
const ROLLED_BACK: ReadonlySet<string> = new Set(["40001", "40P01"]);
/** Nothing was asked: cannot_connect_now, too_many_connections, and no connection at all. */
const NOT_CONNECTED: ReadonlySet<string> = new Set(["57P03", "53300", "ECONNREFUSED", "ENOENT"]);
/** Somebody else made it: schema, table, object, and the names in the catalogue. */
const MADE_MEANWHILE: ReadonlySet<string> = new Set(["42P06", "42P07", "42710", "23505"]);
/** Says in the database whose a table is. */
const MARK = "aether-federation";

/** Of this side: asking again changes nothing. */
class GivenUpError extends Error {}

/** The pool, the place of the tables in the database, and how long anything may take. */
export class PostgresAccess {
  readonly #client: PostgresClient;
  readonly #schema: string;
  readonly #tablePrefix: string;
  readonly #timeoutMilliseconds: number;
  readonly #made = new Map<string, Promise<void>>();
  #waiting = 0;
  #closed = false;

  constructor(options: {
    readonly client: PostgresClient;
    readonly schema: string;
    readonly tablePrefix: string;
    readonly timeoutSeconds: number;
  }) {
    this.#client = options.client;
    this.#schema = options.schema;
    this.#tablePrefix = options.tablePrefix;
    this.#timeoutMilliseconds = options.timeoutSeconds * 1000;
    // A pool whose idle connection is cut ends the process when nobody listens.
    this.#client.on("error", ignore);
  }

  /** Name of a table, as statements have it. */
  place(name: string): string {
    return `"${this.#schema}"."${this.#tablePrefix}${name}"`;
  }

  /** Rows of a read, repeated as long as there is time. */
  async read(
    relation: Relation,
    text: string,
    values: unknown[],
  ): Promise<Record<string, unknown>[]> {
    return (await this.#run({ relation, text, values, repeatable: true })).rows;
  }

  /** Whether a write has changed a row. One whose answer is lost rejects: it may have been made. */
  async write(relation: Relation, text: string, values: unknown[]): Promise<boolean> {
    const { rowCount } = await this.#run({ relation, text, values, repeatable: false });
    return (rowCount ?? 0) > 0;
  }

  /** What needs no table of ours. */
  async ask(text: string): Promise<Record<string, unknown>[]> {
    return (await this.#run({ text, values: [], repeatable: true })).rows;
  }

  /** Gives the pool back, or ends it. */
  async close(end: boolean): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (end) {
      const giveUpAt = performance.now() + this.#timeoutMilliseconds;
      await within(this.#client.end(), giveUpAt).catch(ignore);
    }
    this.#client.removeListener("error", ignore);
  }

  async #run(statement: {
    readonly relation?: Relation;
    readonly text: string;
    readonly values: unknown[];
    readonly repeatable: boolean;
  }): Promise<PostgresResult> {
    const { relation, text, values, repeatable } = statement;
    const giveUpAt = performance.now() + this.#timeoutMilliseconds;
    try {
      if (relation !== undefined) await within(this.#prepared(relation), giveUpAt);
      return await this.#repeated(text, values, repeatable, giveUpAt);
    } catch (cause) {
      throw cause instanceof FederationError ? cause : unavailable(undefined, cause);
    }
  }

  async #repeated(
    text: string,
    values: unknown[],
    repeatable: boolean,
    giveUpAt: number,
  ): Promise<PostgresResult> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#once(text, values, giveUpAt);
      } catch (cause) {
        const pause = retryMilliseconds(tries);
        if (!passes(cause, repeatable) || performance.now() + pause >= giveUpAt) throw cause;
        await new Promise((resolve) => {
          setTimeout(resolve, pause);
        });
      }
    }
  }

  async #once(text: string, values: unknown[], giveUpAt: number): Promise<PostgresResult> {
    const connection = await this.#connection(giveUpAt);
    // A connection that is cut while it is ours says so twice: here, and by the rejected query.
    connection.on("error", ignore);
    let sound = false;
    try {
      const asked = values.length === 0 ? connection.query(text) : connection.query(text, values);
      const result = await within(asked, giveUpAt);
      sound = true;
      return result;
    } catch (cause) {
      sound = (cause as { severity?: unknown }).severity === "ERROR";
      throw cause;
    } finally {
      // One that has not answered is cut: nobody else gets its late answer.
      connection.release(!sound);
      connection.removeListener("error", ignore);
    }
  }

  /** A connection that comes too late goes back unused: a statement given up is never sent. */
  async #connection(giveUpAt: number): Promise<PostgresConnection> {
    if (this.#closed) throw new GivenUpError("The store is closed");
    if (this.#waiting >= MOST_WAITING) {
      throw new GivenUpError(`${MOST_WAITING} statements wait for a connection of the pool`);
    }
    this.#waiting += 1;
    let late = false;
    const coming = this.#client.connect().finally(() => {
      this.#waiting -= 1;
    });
    coming.then((connection) => {
      if (late) connection.release();
    }, ignore);
    try {
      return await within(coming, giveUpAt);
    } catch (cause) {
      late = true;
      throw cause;
    }
  }

  #prepared(relation: Relation): Promise<void> {
    const known = this.#made.get(relation.name);
    if (known !== undefined) return known;
    const made = this.#make(relation);
    this.#made.set(relation.name, made);
    made.catch(() => this.#made.delete(relation.name));
    return made;
  }

  /** Makes a table, or its later columns, where there are none, in one transaction; several processes may at once. */
  async #make(relation: Relation): Promise<void> {
    const giveUpAt = performance.now() + this.#timeoutMilliseconds;
    const place = this.place(relation.name);
    for (let looks = 1; ; looks += 1) {
      const { rows } = await this.#repeated(LOOK, [`"${this.#schema}"`, place], true, giveUpAt);
      const found = rows[0] ?? {};
      if (found["encoding"] !== "UTF8") {
        throw unavailable(
          `The database is not encoded in UTF8, but in ${String(found["encoding"])}: make one with ENCODING 'UTF8'.`,
        );
      }
      const missing = [...(relation.later ?? [])].filter(
        ([column]) => !(found["columns"] as readonly string[] | null)?.includes(column),
      );
      if (found["mark"] === MARK && missing.length === 0) return;
      if (looks === MOST_LOOKS) {
        throw unavailable(
          `The table ${place} is there, and is not the federation's: choose another schema or tablePrefix.`,
        );
      }
      try {
        if (found["mark"] === MARK) {
          const added = missing.map(([, definition]) => `ADD COLUMN IF NOT EXISTS ${definition}`);
          await this.#repeated(`ALTER TABLE ${place} ${added.join(", ")}`, [], true, giveUpAt);
        } else if (found["there"] !== true) {
          const text = this.#definition(relation, found["schema"] !== true);
          await this.#repeated(text, [], true, giveUpAt);
        }
      } catch (cause) {
        if (!MADE_MEANWHILE.has(codeOf(cause))) throw cause;
      }
    }
  }

  #definition({ name, columns, index: [ending, definition] }: Relation, schema: boolean): string {
    const place = this.place(name);
    return [
      ...(schema ? [`CREATE SCHEMA "${this.#schema}"`] : []),
      `CREATE TABLE ${place} (${columns})`,
      `CREATE INDEX "${this.#tablePrefix}${name}_${ending}" ON ${place} ${definition}`,
      `COMMENT ON TABLE ${place} IS '${MARK}'`,
    ].join("; ");
  }
}

/** The name may be seen a moment before its mark, which is of the statement's own snapshot. */
const LOOK = `
  SELECT current_setting('server_encoding') AS encoding,
    to_regnamespace($1) IS NOT NULL AS schema,
    to_regclass($2) IS NOT NULL AS there,
    obj_description(to_regclass($2), 'pg_class') AS mark,
    (SELECT array_agg(attname::text) FROM pg_attribute
      WHERE attrelid = to_regclass($2) AND attnum > 0 AND NOT attisdropped) AS columns
`;

/**
 * The key, where it can be written.
 *
 * @throws FederationError `ERR_FED_STORE_UNAVAILABLE` where it is too long for an index.
 */
export function writable(key: string): string {
  const bytes = Buffer.byteLength(key);
  if (bytes <= LONGEST_KEY_BYTES) return key;
  throw unavailable(`A key of ${bytes} bytes has no place in PostgreSQL: ${LONGEST_KEY_BYTES} do.`);
}

/** Whether it can be asked again: nothing was done, or doing it twice is the same. */
function passes(cause: unknown, repeatable: boolean): boolean {
  const code = codeOf(cause);
  if (ROLLED_BACK.has(code) || NOT_CONNECTED.has(code)) return true;
  // Errors of the connection have no severity; those that end it are FATAL, or PANIC.
  const { severity } = (cause ?? {}) as { severity?: unknown };
  return repeatable && !(cause instanceof GivenUpError) && severity !== "ERROR" && code !== REFUSED;
}

/** Wrong password, no such role or database: no moment makes it better. */
const REFUSED = "refused";

function codeOf(cause: unknown): string {
  const { code } = (cause ?? {}) as { code?: unknown };
  if (typeof code !== "string") return "";
  return code.startsWith("28") || code === "3D000" ? REFUSED : code;
}

function retryMilliseconds(tries: number): number {
  const longest = Math.min(LONGEST_RETRY_MILLISECONDS, FIRST_RETRY_MILLISECONDS * 2 ** tries);
  // Those who have met do not meet again at the same moment.
  return longest * (0.5 + systemRandom.fraction() / 2);
}

/** @throws GivenUpError when it takes longer. */
async function within<T>(promise: Promise<T>, giveUpAt: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => {
        reject(new GivenUpError("no answer in time"));
      },
      Math.max(0, giveUpAt - performance.now()),
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function ignore(): void {
  // Whoever asks next is told.
}

function unavailable(
  message = "PostgreSQL does not answer: check that it runs and that this server may use it.",
  cause?: unknown,
): FederationError {
  return new FederationError("ERR_FED_STORE_UNAVAILABLE", message, { cause });
}
