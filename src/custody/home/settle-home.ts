/** What home makes up for after a restart, and when another process of this server has ended. */
import type { CustodyLedger } from "./ledger.ts";
import type { ReceiptBook } from "./receipts.ts";
import type { Trades } from "./trades.ts";

/**
 * What processes whose life is over had frozen for a departure is cancelled (rules 8 and 9). After
 * a restart of the only process, that is everything. Returns how many, and how many have to wait: a destination has
 * home's pledge for them.
 */
export async function settleHome(
  {
    origin,
    ledger,
    receipts,
    trades,
  }: {
    readonly origin: string;
    readonly ledger: CustodyLedger;
    readonly receipts: ReceiptBook;
    readonly trades: Trades;
  },
  isOver: (life: string | undefined) => Promise<boolean>,
): Promise<{ readonly settled: number; readonly pledged: number }> {
  let settled = 0;
  let pledged = 0;
  for await (const row of ledger.openRows()) {
    await receipts.makeUp(row);
    trades.resume(row);
    if (row.holder !== origin) {
      // The count of its leases begins now, not when somebody asks.
      if (await isOver(row.grantor)) await ledger.takeOver(row.localId);
    } else if (row.transfer !== undefined && (await isOver(row.life))) {
      if (await ledger.cancelFromRow(row.localId)) settled += 1;
      else pledged += 1;
    } else if (row.transfer === undefined && receipts.isRecorded(row.localId)) {
      await ledger.recorded(row);
    }
  }
  return { settled, pledged };
}
