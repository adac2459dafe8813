/**
 * Trades on a row: pure functions, as those of `ledger-row.ts` (PROTOCOL 6, rules 18 to 22). An item is in one row's
 * inventory or inbox, or on its way between two homes; whoever asks again gets the same answer.
 */
import type { FederationErrorCode } from "../../errors.ts";
import { type JsonValue, MAX_STATE_BYTES, jsonBytes } from "../../json.ts";
import { MAX_ITEM_BYTES } from "../../identity/trade.ts";
import { type KeptState, type LedgerRow, type Transition, keptOf, store } from "./ledger-row.ts";
import { type Members, isMembers } from "./members.ts";
import {
  type IncomingItem,
  type OutgoingItem,
  type RowTrades,
  inventoryOf,
  itemIdOf,
} from "./trade-items.ts";

/** Items of a player that may be on their way at once. */
export const MAX_OUTGOING = 16;
/** Items that may have gone since the player was last at home. */
export const MAX_GONE = 64;
/** Items that wait for a player. */
export const MAX_INBOX = 32;
/** Decisions that are not written down elsewhere yet. */
const MAX_DECIDED = 16;
const MAX_ID_LENGTH = 64;

const refused = (code: FederationErrorCode, reason: string): Transition => ({
  ok: false,
  code,
  reason,
});

/** What a holder asks for. */
export interface TradeOffer {
  readonly id: string;
  readonly epoch: number;
  /** Id of the item. */
  readonly item: string;
  readonly to: string;
  readonly toHome: string;
  readonly at: number;
  readonly exp: number;
  /** Thumbprint of the key that has signed it. */
  readonly jkt: string;
  readonly kept: KeptState | undefined;
  /** When the holder sent it: its Unix seconds. Of no account without `kept`. */
  readonly sentAt: number;
}

/** What the holder says that the player carries, unless something newer is there: messages overtake each other. */
function asOffered(row: LedgerRow, { kept, sentAt }: TradeOffer): LedgerRow {
  // Of two messages of one second nobody knows which is newer: the first to come counts.
  const late = row.stateSentAt !== undefined && sentAt <= row.stateSentAt;
  if (kept === undefined || late) return row;
  return { ...store(row, kept), stateSentAt: sentAt + 0.5 };
}

/** The trade that a player has open under that id. */
export function outgoingOf(row: LedgerRow, id: string): OutgoingItem | undefined {
  return row.trades?.outgoing?.find((each) => each.id === id);
}

/**
 * Rule 18: the item leaves the player's inventory, and is on its way. Needs holder, epoch, no open transfer, the
 * player's own key, and one item of that id. It raises no epoch: whoever holds the player goes on. Repeated, it is
 * answered as before, though the player has gone on since.
 */
export function offer(row: LedgerRow, by: string, request: TradeOffer): Transition {
  const { id, item, to, toHome, at, exp } = request;
  const open = outgoingOf(row, id);
  if (open !== undefined) {
    return itemIdOf(open.item) === item && open.to === to
      ? { ok: true, row }
      : refused("ERR_FED_STALE_CUSTODY", "this trade id is in use");
  }
  if (row.holder !== by) return refused("ERR_FED_STALE_CUSTODY", `the player is not held by ${by}`);
  if (row.epoch !== request.epoch) {
    return refused("ERR_FED_STALE_CUSTODY", `the epoch is ${row.epoch}`);
  }
  if (row.transfer !== undefined) return refused("ERR_FED_CROSSING_BUSY", "the player is crossing");
  if (row.recalled === true) {
    return refused("ERR_FED_STALE_CUSTODY", "home has called the player back");
  }
  if (row.jkt !== request.jkt) {
    return refused("ERR_FED_PROOF_INVALID", "the proof is of another key than the player's");
  }
  const { outgoing = [], gone = [] } = row.trades ?? {};
  if (outgoing.length >= MAX_OUTGOING || gone.length >= MAX_GONE) {
    return refused("ERR_FED_TRADE_BUSY", "the player has given very much: let it go home first");
  }
  const now = asOffered(row, request);
  const inventory = inventoryOf(now.state) ?? [];
  const found = inventory.filter((entry) => itemIdOf(entry) === item);
  const [entry] = found;
  if (found.length !== 1 || !isMembers(entry)) {
    return refused("ERR_FED_TRADE_ITEM", "the player has no such item, or several");
  }
  if (jsonBytes(entry) > MAX_ITEM_BYTES) {
    return refused("ERR_FED_TRADE_ITEM", `the item is larger than ${MAX_ITEM_BYTES} bytes`);
  }
  const trades = {
    ...now.trades,
    outgoing: [...outgoing, { id, item: entry, to, toHome, at, exp }],
    gone: [...gone, item],
  };
  const left = inventory.filter((each) => each !== entry);
  const state = { ...(now.state as Members), inventory: left };
  return { ok: true, row: withTrades(store(now, { ...keptOf(now), state }), trades) };
}

/** Rule 21: the other home has said whether it takes the item. What it does not take is the giver's again. */
export function settle(row: LedgerRow, id: string, taken: boolean): LedgerRow {
  const open = outgoingOf(row, id);
  if (open === undefined) return row;
  const { inbox = [], outgoing = [] } = row.trades ?? {};
  return withTrades(row, {
    ...row.trades,
    outgoing: outgoing.filter((each) => each !== open),
    inbox: taken ? inbox : [...inbox, { id, item: open.item }],
  });
}

/** Another home's item. */
export interface TradeTaking {
  readonly id: string;
  /** Origin of the giver's home. */
  readonly home: string;
  readonly item: Members;
  /** Whether it may be taken: not any more once its time is over, or its giver wants it back. */
  readonly open: boolean;
}

/**
 * Rules 19 and 20: the receiver's home decides, once: the item is the receiver's, or never will be. A refusal of
 * this function decides nothing.
 */
export function take(
  row: LedgerRow,
  { id, home, item, open }: TradeTaking,
): { readonly ok: true; readonly row: LedgerRow; readonly taken: boolean } | TransitionRefusal {
  const { inbox = [], decided = [] } = row.trades ?? {};
  const former = decided.find((each) => each.id === id && each.home === home);
  if (former !== undefined) return { ok: true, row, taken: former.taken };
  if (decided.length >= MAX_DECIDED || (open && inbox.length >= MAX_INBOX)) {
    return refusedTake("ERR_FED_TRADE_BUSY", "very much waits for the player already: try later");
  }
  const next = withTrades(row, {
    ...row.trades,
    decided: [...decided, { id, home, taken: open }],
    inbox: open ? [...inbox, { id, item }] : inbox,
  });
  return { ok: true, row: next, taken: open };
}

type TransitionRefusal = Exclude<Transition, { readonly ok: true }>;

function refusedTake(code: FederationErrorCode, reason: string): TransitionRefusal {
  return { ok: false, code, reason };
}

/** A decision is written down elsewhere: the row need not remember it. */
export function filed(row: LedgerRow, id: string, home: string): LedgerRow {
  const { decided = [] } = row.trades ?? {};
  const others = decided.filter((each) => each.id !== id || each.home !== home);
  return others.length === decided.length
    ? row
    : withTrades(row, { ...row.trades, decided: others });
}

/**
 * Rule 22: the player is at home and about to play: it gets what waits for it, as far as it can carry it, and what it
 * gave away may be found anew. Nothing older than this is taken from anybody from now on.
 */
export function delivered(row: LedgerRow): LedgerRow {
  const { inbox = [], gone } = row.trades ?? {};
  if (inbox.length === 0 && gone === undefined) return row;
  const free = withTrades(row, { ...row.trades, gone: [] });
  const { state = {} } = row;
  if (!isMembers(state)) return free;
  const inventory = state["inventory"] === undefined ? [] : inventoryOf(state);
  if (inventory === undefined || inbox.length === 0) return free;
  const ids = new Set(inventory.map(itemIdOf));
  const list = [...inventory];
  const waiting: IncomingItem[] = [];
  let bytes = jsonBytes({ ...state, inventory });
  for (const incoming of inbox) {
    const item = renamed(incoming, ids);
    const more = jsonBytes(item) + 1;
    if (bytes + more > MAX_STATE_BYTES) {
      waiting.push(incoming);
      continue;
    }
    bytes += more;
    ids.add(itemIdOf(item));
    list.push(item);
  }
  if (waiting.length === inbox.length) return free;
  const got = store(free, { ...keptOf(free), state: { ...state, inventory: list } });
  return withTrades(got, { ...free.trades, inbox: waiting });
}

/** An id is the player's own: of two things that have one, the later gets another. */
function renamed({ id, item }: IncomingItem, ids: ReadonlySet<string | undefined>): JsonValue {
  const own = itemIdOf(item);
  if (own === undefined || !ids.has(own)) return item;
  const ending = `-${id}`;
  return { ...item, id: `${own.slice(0, MAX_ID_LENGTH - ending.length)}${ending}` };
}

function withTrades(row: LedgerRow, trades: RowTrades): LedgerRow {
  const { trades: _former, ...rest } = row;
  const left = Object.entries(trades).filter(
    ([, list]) => (list as readonly unknown[] | undefined)?.length ?? 0,
  );
  return left.length === 0 ? rest : { ...rest, trades: Object.fromEntries(left) };
}
