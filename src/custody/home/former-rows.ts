/** The ledger as the first form of the store had it: a JSON text for each row, `custody/<local id>`. */
import type { Logger, Random, Store } from "../../ports.ts";
import { counted } from "../../words.ts";
import { LedgerRows } from "./ledger-rows.ts";

const PREFIX = "custody/";
/** Rows that are written together. */
const SLICE = 256;

/**
 * Takes every row over into the table. May be repeated, whatever a crash has left; a row that cannot be
 * read is set aside, and its player refused.
 */
export async function takeOverLedger(options: {
  readonly store: Store;
  readonly origin: string;
  readonly random: Random;
  readonly logger: Logger;
}): Promise<void> {
  const { store, logger } = options;
  const rows = new LedgerRows(options);
  let count = 0;
  let slice: (readonly [key: string, text: string])[] = [];
  const takeOver = async (): Promise<void> => {
    // In the table before it is gone here.
    await Promise.all(slice.map(([key, text]) => rows.takeOver(key.slice(PREFIX.length), text)));
    await Promise.all(slice.map(([key, text]) => store.compareAndSet(key, text, undefined)));
    count += slice.length;
    slice = [];
  };
  for await (const entry of store.entries(PREFIX)) {
    if (count === 0 && slice.length === 0) logger.info("the ledger is brought into its new form");
    slice.push(entry);
    if (slice.length === SLICE) await takeOver();
  }
  await takeOver();
  if (count > 0) logger.info(`the ledger has its new form: ${counted(count, "player")}`);
}
