/**
 * Rows of the store, as they are read: what is not of the form this server writes is set aside with its
 * text, named and reported, and stands for nothing.
 */
import type { z } from "zod";
import { FederationError } from "../errors.ts";
import type { Logger, Store } from "../ports.ts";

/** One kind of rows. */
export interface RowKind<Row> {
  /** As operators know it: "custody row". */
  readonly what: string;
  readonly schema: z.ZodType;
  /** Whether the row is the one that belongs under this key. */
  readonly belongs?: (row: Row, key: string) => boolean;
  /** Says yes only to what the schema takes, but sooner; what it does not know, the schema decides. */
  readonly fits?: (value: unknown) => boolean;
  /**
   * Whether a damaged row keeps its place: whoever asks for it is refused until the operator has decided,
   * where a fresh one would be somebody's loss. Otherwise it is gone, and only its text is kept.
   */
  readonly blocks: boolean;
  /** What the operator can do, ending without a stop. */
  readonly advice: string;
}

/** Begins the keys under which the texts of damaged rows are kept. */
const DAMAGED_PREFIX = "damaged/";
/** More than this of a damaged text is not kept; no row of this server is nearly as long. */
const MAX_KEPT_CHARACTERS = 1024 * 1024;
/** Texts kept of one key; whatever comes after them is only reported. */
const MAX_KEPT_TEXTS = 8;
/** For whoever is refused: peers and players. */
const MESSAGE =
  "What is stored of this here is damaged. The operator of this server has been told.";
const TOMBSTONE = '{"damaged":true}';

/** What is kept of damaged rows, by the key that each had. */
export async function* damagedRows(
  store: Pick<Store, "entries">,
): AsyncGenerator<{ readonly key: string; readonly text: string }> {
  for await (const [key, text] of store.entries(DAMAGED_PREFIX)) {
    yield { key: key.slice(DAMAGED_PREFIX.length), text };
  }
}

/** Whether a text stands in the place of a damaged row. */
export function isDamaged(text: string): boolean {
  return text === TOMBSTONE;
}

/** Lets the place of a damaged row go: it begins anew. False when what is there is not damaged. */
export async function forgetDamaged(
  store: Pick<Store, "compareAndSet">,
  key: string,
): Promise<boolean> {
  return store.compareAndSet(key, TOMBSTONE, undefined);
}

/** Reads the rows of one kind. */
export class RowReader<Row> {
  readonly #store: Store;
  readonly #logger: Pick<Logger, "error"> | undefined;
  readonly #kind: RowKind<Row>;
  readonly #reported = new Set<string>();

  constructor(store: Store, logger: Pick<Logger, "error"> | undefined, kind: RowKind<Row>) {
    this.#store = store;
    this.#logger = logger;
    this.#kind = kind;
  }

  /** The row that a text of the store says; undefined when it is damaged: see {@link setAside}. */
  parse(key: string, text: string): Row | undefined {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return undefined;
    }
    return this.check(key, value);
  }

  /** As {@link parse}, for what is no text any more. */
  check(key: string, value: unknown): Row | undefined {
    const { fits, belongs } = this.#kind;
    if (fits?.(value) !== true && !this.#kind.schema.safeParse(value).success) return undefined;
    const row = value as Row;
    return belongs?.(row, key) === false ? undefined : row;
  }

  /** As {@link parse}. @throws FederationError `ERR_FED_ROW_DAMAGED`, once it is set aside. */
  async read(key: string, text: string): Promise<Row> {
    return this.parse(key, text) ?? Promise.reject(await this.setAside(key, text));
  }

  /**
   * Keeps the text of a damaged row under `damaged/<key>`, takes it out of use and reports it, once.
   * Returns the error for whoever asked for it.
   */
  async setAside(key: string, text: string): Promise<FederationError> {
    const { blocks } = this.#kind;
    const store = this.#store;
    return this.setAsideWith(key, text === TOMBSTONE ? undefined : text, () =>
      store.compareAndSet(key, text, blocks ? TOMBSTONE : undefined),
    );
  }

  /**
   * As {@link setAside}, for what does not stand under `key`: `takeOut` takes it out of use. `text`
   * undefined: it has been set aside already.
   */
  async setAsideWith(
    key: string,
    text: string | undefined,
    takeOut: () => Promise<unknown>,
  ): Promise<FederationError> {
    const { what, advice } = this.#kind;
    if (text !== undefined) {
      await this.#keep(key, text);
      await takeOut();
    }
    const report = `The ${what} "${key}" of the store is damaged. What is there of it is kept under "${DAMAGED_PREFIX}${key}". ${advice}.`;
    if (!this.#reported.has(key)) {
      this.#reported.add(key);
      this.#logger?.error(report);
    }
    return new FederationError("ERR_FED_ROW_DAMAGED", MESSAGE);
  }

  async #keep(key: string, text: string): Promise<void> {
    const kept = text.slice(0, MAX_KEPT_CHARACTERS);
    for (let each = 1; each <= MAX_KEPT_TEXTS; each += 1) {
      const place = `${DAMAGED_PREFIX}${key}${each === 1 ? "" : `#${each}`}`;
      if (await this.#store.compareAndSet(place, undefined, kept)) return;
      if ((await this.#store.get(place)) === kept) return;
    }
  }
}
