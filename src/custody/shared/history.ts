/** The crossings of home's players, kept and readable. */
import { z } from "zod";
import type { Logger, Store } from "../../ports.ts";
import { type RowKind, RowReader } from "../../rows/rows.ts";

/** One crossing that a claim has decided. */
export interface CrossingRecord {
  readonly transferId: string;
  /** Origin the player left. */
  readonly from: string;
  /** Origin that claimed it. */
  readonly to: string;
  /** Epoch that the claim decided. */
  readonly epoch: number;
  /** Unix seconds. */
  readonly at: number;
  /** Home's signed receipt (PROTOCOL 6). */
  readonly receipt: string;
}

/** How long a crossing can be looked up. */
const KEPT_MILLISECONDS = 90 * 24 * 3600 * 1000;
const EPOCH_DIGITS = 16;

const prefixOf = (localId: string): string => `history/${localId}/`;
const receiptKey = (transferId: string): string => `receipt/${transferId.toLowerCase()}`;

const CROSSING_ROW: RowKind<CrossingRecord> = {
  what: "record of a crossing",
  schema: z.looseObject({
    transferId: z.string().max(64),
    from: z.string().max(300),
    to: z.string().max(300),
    epoch: z.int().nonnegative(),
    at: z.int(),
    receipt: z.string().max(16_384),
  }),
  blocks: false,
  advice: "Nobody's custody hangs on it; its receipt may be in it still",
};

/** Durable records by player and by transfer; both are gone after 90 days. */
export class CrossingHistory {
  readonly #store: Store;
  readonly #reader: RowReader<CrossingRecord>;

  constructor(store: Store, logger?: Pick<Logger, "error">) {
    this.#store = store;
    this.#reader = new RowReader(store, logger, CROSSING_ROW);
  }

  /** Writes a crossing down; the same again changes nothing. */
  async record(localId: string, crossing: CrossingRecord): Promise<void> {
    const text = JSON.stringify(crossing);
    const epoch = String(crossing.epoch).padStart(EPOCH_DIGITS, "0");
    await Promise.all([
      this.#store.set(`${prefixOf(localId)}${epoch}`, text, KEPT_MILLISECONDS),
      this.#store.set(receiptKey(crossing.transferId), text, KEPT_MILLISECONDS),
    ]);
  }

  /** A player's crossings, oldest first. */
  async of(localId: string): Promise<CrossingRecord[]> {
    const crossings: CrossingRecord[] = [];
    for await (const [key, text] of this.#store.entries(prefixOf(localId))) {
      const crossing = await this.#parse(key, text);
      if (crossing !== undefined) crossings.push(crossing);
    }
    return crossings;
  }

  /** The crossing of one transfer: at home, at the destination, and at a source that asked. */
  async ofTransfer(transferId: string): Promise<CrossingRecord | undefined> {
    const text = await this.#store.get(receiptKey(transferId));
    return text === undefined ? undefined : this.#parse(receiptKey(transferId), text);
  }

  async #parse(key: string, text: string): Promise<CrossingRecord | undefined> {
    const crossing = this.#reader.parse(key, text);
    if (crossing === undefined) await this.#reader.setAside(key, text);
    return crossing;
  }

  /** Keeps the receipt of a crossing that this server was an end of. */
  async keepReceipt(crossing: CrossingRecord): Promise<void> {
    await this.#store.set(
      receiptKey(crossing.transferId),
      JSON.stringify(crossing),
      KEPT_MILLISECONDS,
    );
  }
}
