/** Home's signed word on each crossing, what the ends have signed beside it, and its place in the history. */
import { type Refusal, refuse } from "../../errors.ts";
import {
  type ReceiptClaims,
  type ReceiptKeys,
  issueReceipt,
  readReceipt,
  verifyCountersignature,
} from "../../identity/receipt.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import type { Clock } from "../../ports.ts";
import { RowCache } from "../../rows/row-cache.ts";
import type { Crossing, CrossingHistory } from "../shared/history.ts";
import { type Moves, NOBODY_MOVED } from "../shared/moves.ts";
import type { LedgerRow } from "./ledger-row.ts";

/** Crossings remembered until their ends have countersigned. */
const MAX_ISSUED = 1_024;

/** Options of {@link ReceiptBook}. */
export interface ReceiptBookOptions {
  /** Home's origin. */
  readonly origin: string;
  readonly history: CrossingHistory;
  readonly clock: Clock;
  readonly signingKey: () => SigningKey;
  /** A peer's key, by which it countersigns. */
  readonly peerKey: ReceiptKeys;
  /** A crossing could not be written into the history. */
  readonly onHistoryLost: (cause: unknown) => void;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/** A crossing, and what its receipt says. */
interface Issued {
  readonly crossing: Crossing;
  readonly claims: ReceiptClaims;
}

/** Issues receipts and files countersignatures (PROTOCOL 6). */
export class ReceiptBook {
  readonly #options: ReceiptBookOptions;
  /** Crossings that are not in the history yet, by local id. */
  readonly #unrecorded = new Map<string, number>();
  /** What this process has issued last, by transfer: its ends countersign within moments. */
  readonly #issued = new RowCache<Issued>({ maxRows: MAX_ISSUED });

  constructor(options: ReceiptBookOptions) {
    this.#options = options;
  }

  /** Whether the crossings of a player that this process has decided are in the history. */
  isRecorded(localId: string): boolean {
    return !this.#unrecorded.has(localId);
  }

  /** Signs the receipt of a decided claim and writes the crossing into the history. */
  async issue(row: LedgerRow, transferId: string, to: string): Promise<string> {
    const { origin, clock, history, signingKey, onHistoryLost } = this.#options;
    const { localId, epoch, last } = row;
    // Whoever asks again hears what it was told before this home moved.
    const { moves = NOBODY_MOVED } = this.#options;
    const told =
      moves.formerOrigins(origin).length === 0 ? undefined : await this.#recorded(transferId);
    if (told?.epoch === epoch) return told.receipt;
    this.#count(localId, 1);
    const at = last?.at ?? Math.floor(clock.now() / 1000);
    const from = last?.from ?? origin;
    const player = `${localId}@${new URL(origin).host}`;
    const claims: ReceiptClaims = {
      ...{ iss: origin, xfer: transferId, player, epoch, from, to, iat: at },
      ...(last?.digest === undefined ? {} : { digest: last.digest }),
      ...(last?.handed === undefined ? {} : { handed: last.handed }),
    };
    const receipt = await issueReceipt(claims, signingKey());
    const crossing = { transferId, home: origin, from, to, epoch, at, receipt };
    const key = transferId.toLowerCase();
    // Of two, the history keeps the first.
    if (this.#issued.get(key) === undefined) {
      this.#issued.set(key, { crossing, claims }, receipt.length);
    }
    // Nobody's custody hangs on it, so nobody waits for it; the next start makes up for a crash.
    history.record(localId, crossing).then(() => {
      this.#count(localId, -1);
    }, onHistoryLost);
    return receipt;
  }

  #count(localId: string, by: number): void {
    const count = (this.#unrecorded.get(localId) ?? 0) + by;
    if (count > 0) this.#unrecorded.set(localId, count);
    else this.#unrecorded.delete(localId);
  }

  /** Files what an end has signed, once it verifies. Answers with all that is filed then. */
  async countersign(
    by: string,
    crossing: Crossing,
    word: string,
  ): Promise<{ readonly verified: true; readonly all: readonly string[] } | Refusal> {
    const { history, peerKey } = this.#options;
    const issued = this.#issued.get(crossing.transferId.toLowerCase());
    const claims = issued?.crossing === crossing ? issued.claims : readReceipt(crossing.receipt);
    if (claims === undefined) return refuse("ERR_FED_UNAVAILABLE", "the receipt cannot be read");
    const { transferId, home } = crossing;
    const verified = await verifyCountersignature(word, claims, peerKey);
    if (!verified.verified) return verified;
    if (verified.by !== by) return refuse("ERR_FED_SIGNATURE_INVALID", "it is another server's");
    await history.countersign(transferId, home, by, word);
    return { verified: true, all: await history.words(transferId, home) };
  }

  /** A crossing of one of this home's players, whatever its origin was then. */
  async crossing(transferId: string): Promise<Crossing | undefined> {
    const issued = this.#issued.get(transferId.toLowerCase());
    return issued?.crossing ?? this.#recorded(transferId);
  }

  async #recorded(transferId: string): Promise<Crossing | undefined> {
    const { history, origin, moves = NOBODY_MOVED } = this.#options;
    for (const home of [origin, ...moves.formerOrigins(origin)]) {
      const crossing = await history.crossing(transferId, home);
      if (crossing !== undefined) return crossing;
    }
    return undefined;
  }

  /** Makes up for a crash between a claim and the writing of its crossing. */
  async makeUp(row: LedgerRow): Promise<void> {
    const { last } = row;
    await this.#options.history.flush();
    const unwritten =
      last?.kind === "claim" && (await this.#recorded(last.transferId)) === undefined;
    if (unwritten) await this.issue({ ...row, epoch: last.epoch }, last.transferId, last.to);
  }
}
