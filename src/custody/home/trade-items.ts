/** Items of a player that change hands, as they stand in its row at home (PROTOCOL 6, "Trades"). */
import type { JsonValue } from "../../json.ts";
import { type Members, isMembers } from "./members.ts";

/** An item that the player has given, and of which the other home has not said yet whether it takes it. */
export interface OutgoingItem {
  /** Of the trade. */
  readonly id: string;
  readonly item: Members;
  /** `<local id>@<home authority>` of who gets it. */
  readonly to: string;
  /** Origin of that player's home. */
  readonly toHome: string;
  /** Unix seconds: given, and until when it can be taken. */
  readonly at: number;
  readonly exp: number;
}

/** An item that is the player's, and is handed to it when it is next at home. */
export interface IncomingItem {
  /** Of the trade. */
  readonly id: string;
  readonly item: Members;
}

/** What was decided about another home's item, until that is written down elsewhere. */
export interface DecidedItem {
  /** Of the trade. */
  readonly id: string;
  /** Origin of the giver's home. */
  readonly home: string;
  readonly taken: boolean;
}

/** What a row has of trades; a member that is empty is not there. */
export interface RowTrades {
  readonly outgoing?: readonly OutgoingItem[];
  /** Ids of items that were given: no server brings them back, until the player is next at home. */
  readonly gone?: readonly string[];
  readonly inbox?: readonly IncomingItem[];
  readonly decided?: readonly DecidedItem[];
}

/** The well-known inventory of a state (docs/carried.md). */
export function inventoryOf(state: JsonValue | undefined): readonly JsonValue[] | undefined {
  const inventory = isMembers(state) ? state["inventory"] : undefined;
  return Array.isArray(inventory) ? (inventory as readonly JsonValue[]) : undefined;
}

/** The id of an entry of an inventory. */
export function itemIdOf(entry: JsonValue): string | undefined {
  const id = isMembers(entry) ? entry["id"] : undefined;
  return typeof id === "string" ? id : undefined;
}

/** A state without the items that the player has given away, whoever says that it still has them. */
export function withoutGone(
  trades: RowTrades | undefined,
  state: JsonValue | undefined,
): JsonValue | undefined {
  const gone = new Set(trades?.gone);
  const inventory = inventoryOf(state);
  if (gone.size === 0 || inventory === undefined || !isMembers(state)) return state;
  const left = inventory.filter((entry) => !gone.has(itemIdOf(entry) ?? ""));
  return left.length === inventory.length ? state : { ...state, inventory: left };
}
