/** The durable rows of home's players: read, and changed by compare-and-set only. */
import { z } from "zod";
import { FederationError } from "../../errors.ts";
import type { Logger, Store } from "../../ports.ts";
import { type RowKind, RowReader } from "../../rows/rows.ts";
import type { LedgerRow } from "./ledger-row.ts";

const COMPARE_AND_SET_TRIES = 32;

const PREFIX = "custody/";
const rowKey = (localId: string): string => `${PREFIX}${localId}`;

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
  belongs: ({ localId }, key) => key === rowKey(localId),
  blocks: true,
  advice:
    "Its player is refused until you put the row back from a backup of the store, or let the player begin anew with `players forget <player>`",
};

/** One row per player, by local id. */
export class LedgerRows {
  readonly #store: Store;
  readonly #reader: RowReader<LedgerRow>;

  constructor(store: Store, logger?: Pick<Logger, "error">) {
    this.#store = store;
    this.#reader = new RowReader(store, logger, CUSTODY_ROW);
  }

  /** The row as it is, or undefined for a player never seen. */
  async get(localId: string): Promise<LedgerRow | undefined> {
    const text = await this.#store.get(rowKey(localId));
    return text === undefined ? undefined : this.#reader.read(rowKey(localId), text);
  }

  /**
   * Applies `change` in one durable step and returns the row it left; undefined removes it. `change`
   * may run several times; returning its argument writes nothing.
   *
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE` when the store does not answer, or others keep
   * changing the row; `ERR_FED_ROW_DAMAGED`.
   */
  async update<Row extends LedgerRow | undefined>(
    localId: string,
    change: (row: LedgerRow | undefined) => Row,
  ): Promise<Row> {
    const store = this.#store;
    for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries += 1) {
      const text = await store.get(rowKey(localId));
      const row = text === undefined ? undefined : this.#reader.parse(rowKey(localId), text);
      if (text !== undefined && row === undefined) {
        throw await this.#reader.setAside(rowKey(localId), text);
      }
      const next = change(row);
      if (next === row) return next;
      const written = await store.compareAndSet(
        rowKey(localId),
        text,
        next === undefined ? undefined : JSON.stringify(next),
      );
      if (written) return next;
    }
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      "The player's custody row kept changing: try again.",
    );
  }

  /** Every row whose local id begins so, for settling after a restart, but for damaged ones, which are set aside. */
  async *all(begin = ""): AsyncGenerator<LedgerRow> {
    for await (const [key, text] of this.#store.entries(`${PREFIX}${begin}`)) {
      const row = this.#reader.parse(key, text);
      if (row === undefined) await this.#reader.setAside(key, text);
      else yield row;
    }
  }
}
