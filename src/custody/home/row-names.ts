/** A ledger row by the names that servers have now: what a stored row says of where a player is and was. */
import { type Moves, currentPlayer } from "../shared/moves.ts";
import type { LedgerRow } from "./ledger-row.ts";
import type { RowTrades } from "./trade-items.ts";

/** The row with every origin in it that was left replaced by where its server is; the same row if there is none. */
export function namedNow(row: LedgerRow, moves: Moves): LedgerRow {
  if (moves.version === 0) return row;
  const now = (origin: string): string => moves.currentOrigin(origin);
  const { transfer, last, lapsed, brought, within, trades } = row;
  const named: LedgerRow = {
    ...row,
    holder: now(row.holder),
    ...(transfer && { transfer: { ...transfer, from: now(transfer.from), to: now(transfer.to) } }),
    ...(last && { last: { ...last, from: now(last.from), to: now(last.to) } }),
    ...(lapsed && { lapsed: lapsed.map((each) => ({ ...each, holder: now(each.holder) })) }),
    ...(brought && { brought: ownersNow(brought, now) }),
    ...(within && { within: ownersNow(within, now) }),
    ...(trades && { trades: tradesNow(trades, moves) }),
  };
  return JSON.stringify(named) === JSON.stringify(row) ? row : named;
}

function tradesNow(trades: RowTrades, moves: Moves): RowTrades {
  const { outgoing, decided } = trades;
  return {
    ...trades,
    ...(outgoing && {
      outgoing: outgoing.map((each) => ({
        ...each,
        to: currentPlayer(moves, each.to),
        toHome: moves.currentOrigin(each.toHome),
      })),
    }),
    ...(decided && {
      decided: decided.map((each) => ({ ...each, home: moves.currentOrigin(each.home) })),
    }),
  };
}

function ownersNow(
  owners: Readonly<Record<string, string>>,
  now: (origin: string) => string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(owners).map(([member, by]) => [member, now(by)]));
}
