/** The durable rows of home's players: read, and changed by compare-and-set only. */
import { FederationError } from "../../errors.ts";
import type { Store } from "../../ports.ts";
import type { LedgerRow } from "./ledger-row.ts";

const COMPARE_AND_SET_TRIES = 32;

const PREFIX = "custody/";
const rowKey = (localId: string): string => `${PREFIX}${localId}`;

/** One row per player, by local id. */
export class LedgerRows {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The row as it is, or undefined for a player never seen. */
  async get(localId: string): Promise<LedgerRow | undefined> {
    const text = await this.#store.get(rowKey(localId));
    return text === undefined ? undefined : (JSON.parse(text) as LedgerRow);
  }

  /**
   * Applies `change` in one durable step and returns the row it left; undefined removes it. `change`
   * may run several times; returning its argument writes nothing.
   *
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE` when the store does not answer, or others keep
   * changing the row.
   */
  async update<Row extends LedgerRow | undefined>(
    localId: string,
    change: (row: LedgerRow | undefined) => Row,
  ): Promise<Row> {
    const store = this.#store;
    for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries += 1) {
      const text = await store.get(rowKey(localId));
      const row = text === undefined ? undefined : (JSON.parse(text) as LedgerRow);
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

  /** Every row, for settling after a restart. */
  async *all(): AsyncGenerator<LedgerRow> {
    for await (const [, text] of this.#store.entries(PREFIX)) yield JSON.parse(text) as LedgerRow;
  }
}
