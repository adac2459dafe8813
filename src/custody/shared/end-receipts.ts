/**
 * What a server keeps of a crossing that it was an end of: home's receipt, once it verifies, and what
 * both ends have signed beside it (PROTOCOL 6). Nobody's custody hangs on any of it.
 */
import {
  type ReceiptClaims,
  type ReceiptKeys,
  digestOfState,
  issueCountersignature,
  verifyCountersignature,
  verifyReceipt,
} from "../../identity/receipt.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { CrossingHistory } from "./history.ts";
import type { Home } from "./home.ts";
import { type Moves, NOBODY_MOVED, currentPlayer } from "./moves.ts";

/** By how much the clocks of two servers may differ. */
const CLOCKS_SECONDS = 150;

/** Options of {@link EndReceipts}. */
export interface EndReceiptsOptions {
  readonly origin: string;
  readonly history: CrossingHistory;
  readonly homeAt: (origin: string) => Home;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signingKey: () => SigningKey;
  /** A peer's key, this server's own included. */
  readonly peerKey: ReceiptKeys;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/** A crossing as one of its ends knows it. */
export interface CrossingEnd {
  readonly home: string;
  readonly transferId: string;
  readonly player: string;
  /** Epoch that the claim decided. */
  readonly epoch: number;
  readonly from: string;
  readonly to: string;
  /** What the player carried when it went, or came. */
  readonly state: JsonValue | undefined;
}

/** A receipt, and what it says. */
interface ReadReceipt {
  readonly receipt: string;
  readonly claims: ReceiptClaims;
}

/** The receipts of crossings that this server was an end of and not the home. */
export class EndReceipts {
  readonly #options: EndReceiptsOptions;

  constructor(options: EndReceiptsOptions) {
    this.#options = options;
  }

  /**
   * Files the receipt, countersigns it and files what the other end has signed, as far as home knows. It is done when
   * records are written: neither the player who arrives waits for it, nor whoever comes next.
   * `receipt`: what home has said already; otherwise it is asked. Never rejects.
   */
  async keep(end: CrossingEnd, receipt: string | undefined): Promise<void> {
    const { history, homeAt, logger, peerKey } = this.#options;
    const { home, transferId } = end;
    try {
      const own = await history.later(() => this.#own(end, receipt));
      if (own === undefined) return;
      const { told, word, filed } = own;
      await filed;
      let answer = await homeAt(home).receipt({ transferId, countersignature: word });
      // A home without this addition refuses what it does not know.
      if (!answer.ok && told === undefined) answer = await homeAt(home).receipt({ transferId });
      if (!answer.ok) return;
      const read = told ?? (await this.#read(end, answer.body.receipt));
      if (read === undefined) return;
      if (told === undefined) await this.#file(end, read, word);
      for (const other of answer.body.countersignatures ?? []) {
        if (other === word) continue;
        const verified = await verifyCountersignature(other, read.claims, peerKey);
        const { iss } = read.claims;
        if (verified.verified) await history.countersign(transferId, iss, verified.by, other);
      }
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : "unknown";
      logger.debug(`the receipt of ${transferId} is not complete: ${why}`, { transferId });
    }
  }

  /** What this end knows by itself; undefined where what home has said is not its word on this crossing. */
  async #own(
    end: CrossingEnd,
    receipt: string | undefined,
  ): Promise<
    | {
        readonly told: ReadReceipt | undefined;
        readonly word: string;
        /** Resolves when both are in the store. */
        readonly filed: Promise<void> | undefined;
      }
    | undefined
  > {
    const told = receipt === undefined ? undefined : await this.#read(end, receipt);
    if (receipt !== undefined && told === undefined) return undefined;
    const word = await this.#sign(told === undefined ? this.#named(end) : asIn(end, told.claims));
    return { told, word, filed: told && this.#file(end, told, word) };
  }

  /** This end's own word. */
  #sign({ home, transferId, player, epoch, from, to, state }: CrossingEnd): Promise<string> {
    const { origin, signingKey, clock } = this.#options;
    const crossing = { home, xfer: transferId, player, epoch, from, to };
    const iat = Math.floor(clock.now() / 1000);
    const digest = digestOfState(state);
    return issueCountersignature({ iss: origin, ...crossing, iat, digest }, signingKey());
  }

  /** Keeps both; asked for together, so that an engine with group commit writes once. */
  async #file(end: CrossingEnd, { receipt, claims }: ReadReceipt, word: string): Promise<void> {
    const { origin, history } = this.#options;
    const { home, transferId, from, to, epoch } = asIn(end, claims);
    await Promise.all([
      history.keep({ transferId, home, from, to, epoch, at: claims.iat, receipt }),
      history.countersign(transferId, home, origin, word),
    ]);
  }

  /** The crossing by the names that its servers have now. */
  #named(end: CrossingEnd): CrossingEnd {
    const { moves = NOBODY_MOVED } = this.#options;
    const now = (origin: string): string => moves.currentOrigin(origin);
    const { home, from, to } = end;
    const player = currentPlayer(moves, end.player);
    return { ...end, player, home: now(home), from: now(from), to: now(to) };
  }

  /** A receipt that is home's word on this very crossing. */
  async #read(end: CrossingEnd, receipt: string): Promise<ReadReceipt | undefined> {
    const { peerKey, logger } = this.#options;
    const { home, transferId, epoch } = end;
    const verified = await verifyReceipt(receipt, peerKey);
    const claims = verified.verified ? verified.claims : undefined;
    const said = claims && this.#named(asIn(end, claims));
    const { home: iss, player, from, to } = this.#named(end);
    if (
      claims === undefined ||
      said?.home !== iss ||
      claims.xfer.toLowerCase() !== transferId.toLowerCase() ||
      said.player !== player ||
      claims.epoch !== epoch ||
      said.from !== from ||
      said.to !== to ||
      claims.iat > this.#options.clock.now() / 1000 + CLOCKS_SECONDS
    ) {
      const why = verified.verified
        ? "it is of another crossing, or another time"
        : verified.reason;
      logger.warn(
        `the receipt of ${transferId} by ${home} does not verify and is not kept: ${why}`,
        { peer: home, transferId },
      );
      return undefined;
    }
    return { receipt, claims };
  }
}

/** The crossing by the names that its receipt says. */
function asIn(end: CrossingEnd, { iss: home, player, from, to }: ReceiptClaims): CrossingEnd {
  return { ...end, home, player, from, to };
}
