/** How a row of the ledger stands in the columns of its table. */
import type { TableRow, TableSpec, TableValues } from "../../ports.ts";
import type { LedgerRow } from "./ledger-row.ts";

/** Why a row is listed, so that a start finds it without looking at everybody ever seen. */
const LISTED = {
  /** It is away, a transfer is open, or an item is on its way. */
  open: 1,
  /** It came home by a claim whose crossing may not be in the history yet. */
  claimed: 2,
} as const;

/** What is decided in one piece, and what is only carried, is one JSON text. */
export const LEDGER_TABLE: TableSpec = {
  name: "custody",
  columns: {
    name: "text",
    jkt: "text",
    holder: "text",
    epoch: "integer",
    transfer: "text",
    last: "text",
    recalled: "integer",
    lapsed: "text",
    state: "text",
    brought: "text",
    within: "text",
    untold: "text",
    trades: "text",
    orphans: "text",
    life: "text",
    grantor: "text",
    state_sent_at: "real",
    listed: "integer",
    /** Stands in the place of a row that could not be read. */
    damaged: "integer",
  },
  listed: "listed",
};

/** Writes no column of a damaged row but the one that says so. */
export const DAMAGED_VALUES: TableValues = {
  ...Object.fromEntries(Object.keys(LEDGER_TABLE.columns).map((column) => [column, undefined])),
  damaged: 1,
};

/** A column of the same name for each of these. */
const PLAIN = ["name", "jkt", "holder", "epoch", "life", "grantor"] as const;
/** A JSON text for each of these. */
const TEXTS = [
  "transfer",
  "last",
  "lapsed",
  "state",
  "brought",
  "within",
  "untold",
  "trades",
  "orphans",
] as const;
const TEXT_PLACES = [...TEXTS.entries()];
const NO_TEXTS: readonly number[] = TEXTS.map(() => 0);

/** A row as it stands in the table. */
export interface StoredRow {
  readonly row: LedgerRow;
  readonly version: number;
  /** What stands in its `listed` column. */
  readonly listed: number | undefined;
  /** Characters of its JSON texts, one by one. */
  readonly lengths: readonly number[];
}

/** What is to be written. */
export interface ColumnChanges {
  readonly values: TableValues;
  readonly listed: number | undefined;
  readonly lengths: readonly number[];
}

/**
 * The columns in which `next` is another row than the one that stands there: members that are the same
 * value are not looked into. `isRecorded`: whether its last crossing is in the history.
 */
export function columnChanges(
  stored: StoredRow | undefined,
  next: LedgerRow,
  home: string,
  isRecorded: boolean,
): ColumnChanges {
  const before: Partial<LedgerRow> = stored?.row ?? {};
  const values: Record<string, string | number | undefined> = {};
  let lengths = stored?.lengths ?? NO_TEXTS;
  for (const member of PLAIN) {
    const value = next[member];
    if (value !== before[member]) values[member] = value;
  }
  for (const [each, member] of TEXT_PLACES) {
    const value = next[member];
    if (value === before[member]) continue;
    const text = value === undefined ? undefined : JSON.stringify(value);
    values[member] = text;
    lengths = lengths.with(each, text?.length ?? 0);
  }
  if (next.recalled !== before.recalled) values["recalled"] = next.recalled && 1;
  if (next.stateSentAt !== before.stateSentAt) values["state_sent_at"] = next.stateSentAt;
  const listed = listedAs(next, home, isRecorded && next.last === before.last);
  if (listed !== stored?.listed) values["listed"] = listed;
  return { values, listed, lengths };
}

function listedAs(
  { holder, transfer, last, trades }: LedgerRow,
  home: string,
  isRecorded: boolean,
): number | undefined {
  if (holder !== home || transfer !== undefined) return LISTED.open;
  if (trades?.outgoing !== undefined) return LISTED.open;
  return last?.kind === "claim" && !isRecorded ? LISTED.claimed : undefined;
}

/** Whether a row is listed for its crossing alone. */
export function isListedAsClaimed(listed: number | undefined): boolean {
  return listed === LISTED.claimed;
}

/** What stands in the columns, as a row's members; undefined where a text of it is no JSON. */
export function membersOf({ key, values }: TableRow): Record<string, unknown> | undefined {
  const members: Record<string, unknown> = { localId: key };
  for (const member of PLAIN) {
    if (values[member] !== undefined) members[member] = values[member];
  }
  for (const member of TEXTS) {
    const text = values[member];
    if (text === undefined) continue;
    try {
      members[member] = JSON.parse(String(text));
    } catch {
      return undefined;
    }
  }
  if (values["recalled"] !== undefined) members["recalled"] = values["recalled"] === 1;
  if (values["state_sent_at"] !== undefined) members["stateSentAt"] = values["state_sent_at"];
  return members;
}

/** A row that has been read, with what is known of its columns. */
export function storedRow({ version, values }: TableRow, row: LedgerRow): StoredRow {
  const listed = values["listed"];
  return {
    row,
    version,
    listed: typeof listed === "number" ? listed : undefined,
    lengths: TEXTS.map((member) => String(values[member] ?? "").length),
  };
}
