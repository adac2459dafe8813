/** The durable rows of home's players: read, and changed under the condition that nobody else has. */
import { z } from "zod";
import { FederationError } from "../../errors.ts";
import type { Logger, Random, Store, Table, TableRow } from "../../ports.ts";
import { RowCache } from "../../rows/row-cache.ts";
import { type RowKind, RowReader, isDamaged } from "../../rows/rows.ts";
import {
  DAMAGED_VALUES,
  LEDGER_TABLE,
  type StoredRow,
  columnChanges,
  isListedAsClaimed,
  membersOf,
  storedRow,
} from "./ledger-columns.ts";
import { type Moves, NOBODY_MOVED } from "../shared/moves.ts";
import { type LedgerRow, MAX_ORPHANHOODS } from "./ledger-row.ts";
import { namedNow } from "./row-names.ts";

const WRITE_TRIES = 32;
/** Of a row without its texts. */
const PLAIN_CHARACTERS = 400;

/** How a row is called in the log, and where its text is kept once it is damaged. */
const nameOf = (localId: string): string => `custody/${localId}`;

const id = z.string().min(1).max(64);
const origin = z.string().min(1).max(300);
const count = z.int().nonnegative();
const digest = z.string().max(128);

const rowSchema = z.looseObject({
  localId: id,
  name: z.string().max(1024),
  jkt: id.optional(),
  holder: origin,
  epoch: count,
  transfer: z
    .looseObject({
      id,
      from: origin,
      to: origin,
      world: id,
      deadline: z.number(),
      handed: digest.optional(),
      pledge: z.looseObject({ party: id, until: count }).optional(),
    })
    .optional(),
  last: z
    .looseObject({
      kind: z.enum(["claim", "cancel"]),
      transferId: id,
      epoch: count,
      from: origin,
      to: origin,
      at: z.number(),
      digest: digest.optional(),
      handed: digest.optional(),
    })
    .optional(),
  lapsed: z
    .array(
      z.looseObject({
        holder: origin,
        epoch: count,
        cancelled: count.optional(),
        played: z.literal(true).optional(),
      }),
    )
    .max(1024)
    .optional(),
  recalled: z.literal(true).optional(),
  brought: z.record(z.string(), z.string()).optional(),
  trades: z
    .looseObject({
      outgoing: z
        .array(
          z.looseObject({
            ...{ id, item: z.record(z.string(), z.json()), to: z.string().max(400) },
            ...{ toHome: origin, at: z.number(), exp: z.number() },
          }),
        )
        .optional(),
      gone: z.array(z.string()).optional(),
      inbox: z.array(z.looseObject({ id, item: z.record(z.string(), z.json()) })).optional(),
      decided: z.array(z.looseObject({ id, home: origin, taken: z.boolean() })).optional(),
    })
    .optional(),
  orphans: z
    .array(
      z.looseObject({
        formerId: z.string().min(1).max(400),
        home: origin,
        epoch: count,
        adoptedAt: count,
      }),
    )
    .max(MAX_ORPHANHOODS)
    .optional(),
  life: id.optional(),
  grantor: id.optional(),
  stateSentAt: z.number().optional(),
});

/** Members that any row has, and those of which nothing is asked. */
const PLAIN_MEMBERS: ReadonlySet<string> = new Set(["localId", "name", "holder", "epoch", "state"]);

/** The row of a player at home, or away with nothing open: most rows, most of the time. */
function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { localId, name, holder, epoch } = value as Record<string, unknown>;
  return (
    isText(localId, 64) &&
    typeof name === "string" &&
    name.length <= 1024 &&
    isText(holder, 300) &&
    Number.isSafeInteger(epoch) &&
    (epoch as number) >= 0 &&
    Object.keys(value).every((member) => PLAIN_MEMBERS.has(member))
  );
}

function isText(value: unknown, longest: number): boolean {
  return typeof value === "string" && value !== "" && value.length <= longest;
}

const CUSTODY_ROW: RowKind<LedgerRow> = {
  what: "custody row",
  schema: rowSchema,
  fits: isPlain,
  belongs: ({ localId }, key) => key === nameOf(localId),
  blocks: true,
  advice:
    "Its player is refused until you put the row back from a backup of the store, or let the player begin anew with `players forget <player>`",
};

/** Options of {@link LedgerRows}. */
export interface LedgerRowsOptions {
  readonly store: Store;
  /** Home's origin: who is not held by it is away. */
  readonly origin: string;
  readonly random: Pick<Random, "bytes">;
  /** Hears of damaged rows. Default: nobody does. */
  readonly logger?: Pick<Logger, "error"> | undefined;
  /** Whether a player's last crossing is in the history. Default: it always is. */
  readonly isRecorded?: ((localId: string) => boolean) | undefined;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/**
 * One row per player, by local id.
 *
 * Decisions are taken on the row as this process wrote it last, where it still knows: written under the
 * version that it has, they hold only if nobody else has written since. Whatever is not written (a
 * refusal, a repetition) is said only of a row that has just been read.
 */
export class LedgerRows {
  readonly #table: Table;
  readonly #origin: string;
  readonly #random: Pick<Random, "bytes">;
  readonly #isRecorded: (localId: string) => boolean;
  readonly #reader: RowReader<LedgerRow>;
  readonly #moves: Moves;
  /** Of rows by the names that servers had when `#movesSeen` was the moves' version. */
  #cache = new RowCache<StoredRow>();
  #movesSeen: number;

  constructor({ store, origin, random, logger, isRecorded, moves }: LedgerRowsOptions) {
    this.#moves = moves ?? NOBODY_MOVED;
    this.#movesSeen = this.#moves.version;
    this.#table = store.table(LEDGER_TABLE);
    this.#origin = origin;
    this.#random = random;
    this.#isRecorded = isRecorded ?? (() => true);
    this.#reader = new RowReader(store, logger, CUSTODY_ROW);
  }

  /** The row as it is, or undefined for a player never seen. The caller's own: it may be altered. */
  async get(localId: string): Promise<LedgerRow | undefined> {
    return (await this.#read(localId))?.row;
  }

  /** The row as this process has written it last, where it still knows: it may be another one by now. */
  known(localId: string): LedgerRow | undefined {
    return this.#cached(localId)?.row;
  }

  /**
   * Applies `change` in one durable step and returns the row it left; undefined removes it. `change`
   * may run several times; returning its argument writes nothing. What it is given and returns is not to
   * be altered.
   *
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE` when the store does not answer, or others keep
   * changing the row; `ERR_FED_ROW_DAMAGED`.
   */
  update<Row extends LedgerRow | undefined>(
    localId: string,
    change: (row: LedgerRow | undefined) => Row,
  ): Promise<Row> {
    const cached = this.#cached(localId);
    const next = cached === undefined ? undefined : change(cached.row);
    // What is not written is not proved: the row may be another one by now.
    if (cached === undefined || next === undefined || next === cached.row) {
      return this.updateAsRead(localId, change);
    }
    return this.#write(localId, cached, next).then((written) =>
      written ? next : this.updateAsRead(localId, change),
    );
  }

  #cached(localId: string): StoredRow | undefined {
    if (this.#movesSeen !== this.#moves.version) {
      this.#movesSeen = this.#moves.version;
      this.#cache = new RowCache<StoredRow>();
    }
    return this.#cache.get(localId);
  }

  /**
   * As {@link update}, of the row as it has just been read. `look` is awaited after each read: what it finds holds
   * together with the row, as nothing is written where another has written the row since.
   */
  async updateAsRead<Row extends LedgerRow | undefined>(
    localId: string,
    change: (row: LedgerRow | undefined) => Row,
    look?: () => Promise<void>,
  ): Promise<Row> {
    for (let tries = 0; tries < WRITE_TRIES; tries += 1) {
      const stored = await this.#read(localId);
      await look?.();
      const next = change(stored?.row);
      if (next === stored?.row) return next;
      const written =
        next === undefined
          ? await this.#remove(localId, stored)
          : await this.#write(localId, stored, next);
      if (written) return next;
    }
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      "The player's custody row kept changing: try again.",
    );
  }

  /** Every row whose local id begins so, but for damaged ones, which are set aside. */
  all(begin = ""): AsyncGenerator<LedgerRow> {
    return this.#sound(this.#table.rows(begin));
  }

  /**
   * Every row whose player is away, or has a transfer open, or whose last crossing may not be in the
   * history: at most as many as are under way, however many were ever seen.
   */
  open(begin = ""): AsyncGenerator<LedgerRow> {
    return this.#sound(this.#table.listed(begin));
  }

  /** The row's last crossing is in the history: {@link open} need not name it for that any more. */
  async recorded({ localId, epoch }: LedgerRow): Promise<void> {
    const stored = await this.#read(localId);
    if (stored?.row.epoch !== epoch || !isListedAsClaimed(stored.listed)) return;
    await this.#table.update(localId, stored.version, { listed: undefined });
  }

  async #remove(localId: string, stored: StoredRow | undefined): Promise<boolean> {
    this.#cache.drop(localId);
    return stored === undefined || this.#table.remove(localId, stored.version);
  }

  async #write(localId: string, stored: StoredRow | undefined, next: LedgerRow): Promise<boolean> {
    const changes = columnChanges(stored, next, this.#origin, this.#isRecorded(localId));
    const { values, listed, lengths } = changes;
    const version = stored === undefined ? this.#firstVersion() : stored.version + 1;
    let written = false;
    try {
      written = await (stored === undefined
        ? this.#table.insert(localId, version, values)
        : this.#table.update(localId, stored.version, values));
    } finally {
      // Refused, or nobody knows: what stands there now has to be read.
      if (!written) this.#cache.drop(localId);
    }
    if (written) this.#keep(localId, { row: next, version, listed, lengths });
    return written;
  }

  #keep(localId: string, stored: StoredRow): void {
    let characters = PLAIN_CHARACTERS;
    for (const length of stored.lengths) characters += length;
    this.#cache.set(localId, stored, characters);
  }

  async #read(localId: string): Promise<StoredRow | undefined> {
    const found = await this.#table.get(localId);
    if (found === undefined) return undefined;
    const row = this.#parse(found);
    if (row === undefined) throw await this.#setAside(found);
    return storedRow(found, row);
  }

  #parse(found: TableRow): LedgerRow | undefined {
    if (found.values["damaged"] !== undefined) return undefined;
    const row = this.#reader.check(nameOf(found.key), membersOf(found));
    return row && namedNow(row, this.#moves);
  }

  async #setAside({ key, version, values }: TableRow): Promise<FederationError> {
    this.#cache.drop(key);
    const text = values["damaged"] === undefined ? JSON.stringify(values) : undefined;
    return this.#reader.setAsideWith(nameOf(key), text, () =>
      this.#table.update(key, version, DAMAGED_VALUES),
    );
  }

  async *#sound(found: AsyncIterable<TableRow>): AsyncGenerator<LedgerRow> {
    for await (const each of found) {
      const row = this.#parse(each);
      if (row === undefined) await this.#setAside(each);
      else yield row;
    }
  }

  /** Nobody who knows a former row under this key can take the new one for it. */
  #firstVersion(): number {
    let version = 0;
    for (const byte of this.#random.bytes(6)) version = version * 256 + byte;
    return version;
  }

  /**
   * Takes over a row of the first form of the store, a JSON text of its own. May be repeated: a row that
   * is there already stays.
   */
  async takeOver(localId: string, text: string): Promise<void> {
    const row = isDamaged(text) ? undefined : this.#reader.parse(nameOf(localId), text);
    if (row === undefined) {
      const aside = isDamaged(text) ? undefined : text;
      await this.#reader.setAsideWith(nameOf(localId), aside, () => Promise.resolve());
    }
    // Its crossing may be missing in the history, for all that is known.
    const values =
      row === undefined
        ? DAMAGED_VALUES
        : columnChanges(undefined, row, this.#origin, false).values;
    await this.#table.insert(localId, this.#firstVersion(), values);
  }
}

/** Whether home has a row of a player, whatever is in it, and in whatever form of the store. */
export async function hasLedgerRow(store: Store, localId: string): Promise<boolean> {
  const row = await store.table(LEDGER_TABLE).get(localId);
  return row !== undefined || (await store.get(nameOf(localId))) !== undefined;
}

/** Whether home has a row of anybody. */
export async function hasLedgerRows(store: Store): Promise<boolean> {
  for await (const _ of store.table(LEDGER_TABLE).rows("")) return true;
  return false;
}

/** Lets a damaged row go: its player begins anew. False when it is not damaged, or not there. */
export async function forgetDamagedLedgerRow(store: Store, localId: string): Promise<boolean> {
  const table = store.table(LEDGER_TABLE);
  const row = await table.get(localId);
  if (row?.values["damaged"] === undefined) return false;
  return table.remove(localId, row.version);
}
