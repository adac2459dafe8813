/** Home's signed word on each crossing, and its place in the history. */
import { digestOfState, issueReceipt } from "../../identity/receipt.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import type { Clock } from "../../ports.ts";
import type { CrossingHistory } from "../shared/history.ts";
import type { LedgerRow } from "./ledger-row.ts";

/** Options of {@link ReceiptBook}. */
export interface ReceiptBookOptions {
  /** Home's origin. */
  readonly origin: string;
  readonly history: CrossingHistory;
  readonly clock: Clock;
  readonly signingKey: () => SigningKey;
  /** A crossing could not be written into the history. */
  readonly onHistoryLost: (cause: unknown) => void;
}

/** Issues receipts (PROTOCOL 6). */
export class ReceiptBook {
  readonly #options: ReceiptBookOptions;

  constructor(options: ReceiptBookOptions) {
    this.#options = options;
  }

  /** Signs the receipt of a decided claim and writes the crossing into the history. */
  issue(row: LedgerRow, transferId: string, to: string): Promise<string> {
    return this.#issue(row, transferId, to, digestOfState(row.state));
  }

  async #issue(
    row: LedgerRow,
    transferId: string,
    to: string,
    digest: string | undefined,
  ): Promise<string> {
    const { origin, clock, history, signingKey, onHistoryLost } = this.#options;
    const { localId, epoch } = row;
    const at = row.last?.at ?? Math.floor(clock.now() / 1000);
    const from = row.last?.from ?? origin;
    const player = `${localId}@${new URL(origin).host}`;
    const receipt = await issueReceipt(
      {
        ...{ iss: origin, xfer: transferId, player, epoch, from, to, iat: at },
        ...(digest === undefined ? {} : { digest }),
      },
      signingKey(),
    );
    // Nobody's custody hangs on it, so nobody waits for it; the next start makes up for a crash.
    history.record(localId, { transferId, from, to, epoch, at, receipt }).catch(onHistoryLost);
    return receipt;
  }

  /** Makes up for a crash between a claim and the writing of its crossing. */
  async makeUp(row: LedgerRow): Promise<void> {
    const { last } = row;
    const unwritten =
      last?.kind === "claim" &&
      (await this.#options.history.ofTransfer(last.transferId)) === undefined;
    // What the player carried then may have changed since.
    if (unwritten) {
      await this.#issue({ ...row, epoch: last.epoch }, last.transferId, last.to, undefined);
    }
  }
}
