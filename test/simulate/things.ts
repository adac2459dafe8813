/**
 * The eye on things that players give each other: each is in one place, whatever is lost, repeated or late. A thing
 * that is on its way counts where it left from until it is taken; who takes it has it in the same step.
 */
import { inventoryOf, itemIdOf } from "../../src/custody/home/trade-items.ts";
import type { LedgerRow } from "../../src/custody/home/ledger-row.ts";
import type { JsonValue } from "../../src/json.ts";
import type { Addresses } from "./addresses.ts";
import { Violation } from "./violation.ts";

/** Bytes of a state that may have no room for what waits for its player. */
const NEARLY_FULL_BYTES = 31_000;

interface RowThings {
  readonly row: LedgerRow;
  /** Ids of what the player has, or gets when it is next at home. */
  readonly spendable: readonly string[];
  /** Trade, by the giver's home and its id, and thing. */
  readonly outgoing: readonly (readonly [trade: string, thing: string])[];
}

/** Every thing there is, by what every home's rows say on disk. */
export class Things {
  readonly #addresses: Addresses;
  readonly #rows = new Map<string, RowThings>();
  readonly #known = new Set<string>();
  /** What was decided, by trade. */
  readonly #taken = new Map<string, boolean>();
  /** Trades whose item has left its giver, by its local id, theirs and the thing's. */
  readonly #left = new Set<string>();
  #changed = false;

  constructor(addresses: Addresses) {
    this.#addresses = addresses;
  }

  /** A home has written a row. @throws Violation for a trade that is decided twice. */
  wrote(id: string, row: LedgerRow): void {
    const before = this.#rows.get(id)?.row;
    if (before !== undefined && sameThings(before, row)) return;
    const home = id.slice(0, id.indexOf(" "));
    const { inbox = [], outgoing = [], decided = [] } = row.trades ?? {};
    for (const { id: trade, home: giver, taken } of decided) {
      const key = `${this.#addresses.nameOf(giver)} ${trade}`;
      if ((this.#taken.get(key) ?? taken) !== taken) {
        throw new Violation(`${id}: trade ${trade} is decided twice, and not as before`);
      }
      this.#taken.set(key, taken);
    }
    for (const open of outgoing) {
      this.#left.add(`${row.localId} ${open.id} ${itemIdOf(open.item)}`);
    }
    this.#rows.set(id, {
      row,
      spendable: idsOf([...(inventoryOf(row.state) ?? []), ...inbox.map(({ item }) => item)]),
      outgoing: outgoing.map(({ id: trade, item }) => [`${home} ${trade}`, itemIdOf(item) ?? ""]),
    });
    this.#changed = true;
  }

  /** After every step. @throws Violation for a thing that is nowhere, or in two places. */
  look(): void {
    if (!this.#changed) return;
    this.#changed = false;
    const places = new Map<string, string[]>();
    const add = (thing: string, place: string): void => {
      const all = places.get(thing);
      if (all === undefined) places.set(thing, [place]);
      else all.push(place);
    };
    for (const [id, { spendable, outgoing }] of this.#rows) {
      for (const thing of spendable) add(thing, id);
      for (const [trade, thing] of outgoing) {
        if (this.#taken.get(trade) !== true) add(thing, `${id}, on its way`);
      }
    }
    for (const thing of places.keys()) this.#known.add(thing);
    for (const thing of this.#known) {
      const there = places.get(thing) ?? [];
      if (there.length === 1) continue;
      const where = there.length === 0 ? "nowhere any more" : `in ${there.join(" and in ")}`;
      throw new Violation(`${thing} is ${where}`);
    }
  }

  /** Whether a trade was taken; undefined while its receiver's home has decided nothing. */
  isTaken(home: string, trade: string): boolean | undefined {
    return this.#taken.get(`${home} ${trade}`);
  }

  /** Whether a trade's item has ever left its giver. */
  hasLeft(giver: string, trade: string, thing: string): boolean {
    return this.#left.has(`${giver} ${trade} ${thing}`);
  }

  /** Everybody has come home. @throws Violation for a thing that nobody can spend, and for what nobody has settled. */
  settled(): void {
    for (const [id, { row, outgoing }] of this.#rows) {
      const { decided = [], gone = [], inbox = [] } = row.trades ?? {};
      const [open] = outgoing;
      if (open !== undefined) throw new Violation(`${id}: ${open[1]} is on its way for ever`);
      const [waits] = decided;
      if (waits !== undefined)
        throw new Violation(`${id}: trade ${waits.id} is never written down`);
      if (gone.length > 0) throw new Violation(`${id}: at home, and ${gone.join()} still gone`);
      const isFull = JSON.stringify(row.state ?? {}).length > NEARLY_FULL_BYTES;
      const isObject = inventoryOf(row.state) !== undefined;
      if (inbox.length > 0 && isObject && !isFull) {
        throw new Violation(`${id}: at home, and is not given what waits for it`);
      }
    }
  }
}

function idsOf(items: readonly JsonValue[]): string[] {
  return items.flatMap((item) => itemIdOf(item) ?? []);
}

function sameThings(before: LedgerRow, after: LedgerRow): boolean {
  if (before === after) return true;
  const [old, now] = [before, after].map(({ state, trades }) =>
    JSON.stringify([inventoryOf(state), trades]),
  );
  return old === now;
}

/** What a row says of things, in a few words. */
export function tellThings({ state, trades = {} }: LedgerRow): string {
  const lists = {
    has: idsOf(inventoryOf(state) ?? []),
    waiting: idsOf((trades.inbox ?? []).map(({ item }) => item)),
    outgoing: (trades.outgoing ?? []).map(({ id, item }) => `${itemIdOf(item)}/${id.slice(0, 4)}`),
    decided: (trades.decided ?? []).map(({ id, taken }) => `${id.slice(0, 4)}/${taken}`),
    gone: trades.gone ?? [],
  };
  return Object.entries(lists)
    .filter(([, list]) => list.length > 0)
    .map(([name, list]) => `, ${name} ${list.join(" ")}`)
    .join("");
}
