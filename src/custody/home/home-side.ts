/** Home's side of custody, put together: the ledger, what it remembers, what it answers. */
import type { ReceiptKeys } from "../../identity/receipt.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import type { Clock, Logger, PeerCalls, Random, Store } from "../../ports.ts";
import { CrossingHistory } from "../shared/history.ts";
import type { Moves } from "../shared/moves.ts";
import { SaidOnce } from "../shared/said-once.ts";
import { HomeAnswers } from "./answers.ts";
import type { ImportNotice } from "./import-notices.ts";
import type { ImportPolicy } from "./import-policy.ts";
import type { ImportRules } from "./import-rules.ts";
import { type LateReturn, LateReturns } from "./late-returns.ts";
import { LeaseBook } from "./lease-book.ts";
import { CustodyLedger } from "./ledger.ts";
import { ReceiptBook } from "./receipts.ts";
import { type GiftPolicy, type TradeRecord, Trades } from "./trades.ts";

/** Options of {@link composeHome}. */
export interface HomeSideOptions {
  /** Home's origin. */
  readonly origin: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Other homes, for what players give each other. */
  readonly peers: PeerCalls;
  readonly signingKey: () => SigningKey;
  /** A peer's key, by which it countersigns receipts. */
  readonly peerKey: ReceiptKeys;
  /** Default 30. */
  readonly leaseSeconds?: number | undefined;
  /** Default: member by member, as `import-policy.ts` says. */
  readonly accept?: ImportPolicy | ImportRules | undefined;
  /** Whether home lets its players go to a server. Default: to every server. */
  readonly mayGoTo?: ((origin: string) => boolean) | undefined;
  /** Whether a peer has `RECEIPTS_CAPABILITY`. Default: every one. */
  readonly knowsReceipts?: ((origin: string) => boolean) | undefined;
  /** Whether a peer knows trades. Default: every one. */
  readonly knowsTrades?: ((origin: string) => boolean) | undefined;
  /** Whether players are given things by others. Default: they are. */
  readonly gifts?: GiftPolicy | undefined;
  /** How long another home may take what a player has given. Default 3600. */
  readonly tradeSeconds?: number | undefined;
  /** A trade has ended. */
  readonly onTraded?: ((record: TradeRecord) => void) | undefined;
  /** A holder brought a state too late: it was put aside. */
  readonly onLate?: ((late: LateReturn) => void) | undefined;
  /** This process's life, where several processes are this server. Default: it is the only one. */
  readonly life?: () => string | undefined;
  /** Not all of what a server sent was kept. */
  readonly onNotKept?: ((localId: string, notice: ImportNotice) => void) | undefined;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/** The parts of home's side. */
export interface HomeSide {
  readonly history: CrossingHistory;
  /** Leases that home answered. */
  readonly granted: LeaseBook;
  readonly ledger: CustodyLedger;
  readonly receipts: ReceiptBook;
  readonly late: LateReturns;
  readonly answers: HomeAnswers;
  readonly trades: Trades;
}

/** Puts home's side together. */
export function composeHome(options: HomeSideOptions): HomeSide {
  const { origin, store, clock, random, logger, signingKey, moves } = options;
  const history = new CrossingHistory(store, logger, clock);
  const refused = new SaidOnce();
  const granted = new LeaseBook({ clock, leaseSeconds: options.leaseSeconds ?? 30 });
  const ledger = new CustodyLedger({
    ...{ origin, store, clock, random, logger, leases: granted, moves },
    isRecorded: (localId) => receipts.isRecorded(localId),
    onNotKept: (localId, notice) => {
      logger.warn(
        `home did not keep all that ${localId} carried at ${notice.from}: ${notice.lost.map((path) => (path === "" ? "nothing of it" : path)).join(" ")}${notice.more > 0 ? ` and ${notice.more} more` : ""}`,
        { peer: notice.from, player: `${localId}@${new URL(origin).host}` },
      );
      options.onNotKept?.(localId, notice);
    },
    ...(options.life === undefined ? {} : { life: options.life }),
  });
  const receipts = new ReceiptBook({
    ...{ origin, history, clock, signingKey, peerKey: options.peerKey, moves },
    knowsReceipts: options.knowsReceipts,
    onHistoryLost: (cause) => {
      logger.error("a crossing could not be written into the history", cause);
    },
  });
  const late = new LateReturns({ store, clock, logger });
  const answers = new HomeAnswers({
    ...{ origin, ledger, leases: granted, receipts, history, late, store, clock, random, moves },
    ...{ signingKey, accept: options.accept, mayGoTo: options.mayGoTo, onLate: options.onLate },
    onStateRefused: (player, by, { path, reason }) => {
      if (!refused.isNews(`${player} ${path} ${by}`)) return;
      logger.warn(
        `${by} renewed ${player} with what cannot be carried (${path === "" ? "the whole" : path}: ${reason}); the lease is renewed, the state is not`,
        { peer: by, player },
      );
    },
  });
  const trades = new Trades({
    ...{ origin, ledger, store, peers: options.peers, clock, random, logger, signingKey },
    ...{ peerKey: options.peerKey, mayGoTo: options.mayGoTo, gifts: options.gifts, moves },
    knowsTrades: options.knowsTrades,
    fromHolder: (row, request, by) => answers.fromHolder(row, request, by),
    tradeSeconds: options.tradeSeconds,
    onTraded: options.onTraded,
  });
  return { history, granted, ledger, receipts, late, answers, trades };
}
