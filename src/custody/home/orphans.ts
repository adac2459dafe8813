/**
 * Players whose home is gone, kept by a server that they visited as players of its own (docs/moving-house.md).
 *
 * What such a player carries was brought by its home; whatever is said of it from then on is this server's word.
 * Pure: the ledger's row before → the row after.
 */
import type { JsonValue } from "../../json.ts";
import { NAMELESS } from "../shared/messages.ts";
import {
  type KeptState,
  type LedgerRow,
  MAX_ORPHANHOODS,
  type Orphanhood,
  keptOf,
  store,
} from "./ledger-row.ts";
import { importFrom } from "./import-policy.ts";
import { isMembers } from "./members.ts";

/** What keeping a visitor came to. */
export interface Kept {
  /** The same object as before: this stay was kept already. */
  readonly row: LedgerRow;
  /** Members of what the visitor carried that the player has not got by it. */
  readonly leftOut: readonly string[];
}

/** Whether a stay was kept in a row already. */
export function hasKept(row: LedgerRow | undefined, { formerId, epoch }: Orphanhood): boolean {
  return row?.orphans?.some((each) => each.formerId === formerId && each.epoch === epoch) === true;
}

/**
 * Keeps a visitor as the player of a row: a fresh one, or one that there is, at home with nothing open. The player
 * has from then on what the visitor carried, brought by its home; of members that it has already, its own stay.
 * The epoch is raised: who still plays the row as it was stores nothing any more.
 *
 * Undefined: the row is full, away, or on its way.
 */
export function keepOrphan(
  row: LedgerRow | undefined,
  { localId, jkt, origin }: { localId: string; jkt: string; origin: string },
  orphanhood: Orphanhood,
  state: JsonValue | undefined,
): Kept | undefined {
  if (row !== undefined && hasKept(row, orphanhood)) return { row, leftOut: [] };
  if (row !== undefined && (row.holder !== origin || row.transfer !== undefined)) return undefined;
  const orphans = [...(row?.orphans ?? []), orphanhood];
  if (orphans.length > MAX_ORPHANHOODS) return undefined;
  const fresh: LedgerRow = { localId, name: NAMELESS, jkt, holder: origin, epoch: 0 };
  const before = row ?? fresh;
  const { kept, leftOut } = withBelongings(keptOf(before), state, orphanhood.home);
  return { row: { ...store(before, kept), epoch: before.epoch + 1, orphans }, leftOut };
}

function withBelongings(
  own: KeptState,
  state: JsonValue | undefined,
  home: string,
): { readonly kept: KeptState; readonly leftOut: readonly string[] } {
  if (state === undefined) return { kept: own, leftOut: [] };
  if (own.state !== undefined && !(isMembers(own.state) && isMembers(state))) {
    return { kept: own, leftOut: isMembers(state) ? Object.keys(state) : ["(all)"] };
  }
  const there = isMembers(own.state) ? own.state : {};
  const wanted = isMembers(state)
    ? Object.fromEntries(Object.entries(state).filter(([name]) => !Object.hasOwn(there, name)))
    : state;
  // What the player was to be told of imports is not about this.
  const {
    state: kept,
    brought,
    within,
  } = importFrom({ ...own, untold: undefined }, wanted, home, undefined);
  const has = isMembers(kept) ? kept : {};
  const leftOut = isMembers(state)
    ? Object.keys(state).filter(
        (name) => Object.hasOwn(there, name) || (!Object.hasOwn(has, name) && state[name] !== null),
      )
    : [];
  return { kept: { state: kept, brought, within, untold: own.untold }, leftOut };
}
