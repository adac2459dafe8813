/**
 * What a player carries, as the harbour sees it: it adds fish and a stamp, reads coins and names, and leaves alone
 * what belongs to games that it has never heard of. What arrives may come from anybody.
 */
import { randomUUID } from "node:crypto";
import { type CarriedItem, type JsonValue, readCarried, writeCarried } from "aether-federation";
import type { Basket, Caught } from "./messages.ts";

export type Carried = JsonValue | undefined;

const MAX_FISH = 20;
/** What is read, and what a server takes, at most: past it, nothing more fits. */
const MAX_ITEMS = 256;
const MAX_BYTES = 30 * 1024;
const MAX_COINS_SHOWN = 9_999;
const UNDERSTOOD = new Set(["displayName", "avatar", "inventory", "coins"]);
const MAX_UNKNOWN_SHOWN = 12;

/** What became of a catch. */
export interface Kept {
  readonly carried: Carried;
  readonly isKept: boolean;
  readonly isStamped: boolean;
}

/**
 * Puts a catch into the basket, and with the first one the stamp of this place.
 *
 * @param authority Host and port of this server: its stamp is nobody else's.
 */
export function withCatch(carried: Carried, caught: Caught, authority: string): Kept {
  const { inventory } = readCarried(carried);
  const stamp = { id: `stamp:${authority}/harbour`, kind: "stamp", name: "Stamp of harbour" };
  const isStamped = !inventory.some(({ id }) => id === stamp.id);
  const catches = inventory.filter(({ kind }) => kind === "fish" || kind === "boot");
  const isKept = catches.length < MAX_FISH;
  const added = [
    ...(isKept ? [{ id: randomUUID(), kind: caught.kind, name: caught.name }] : []),
    ...(isStamped ? [stamp] : []),
  ];
  const after = added.length === 0 ? undefined : addedTo(carried, inventory, added);
  return after === undefined
    ? { carried, isKept: false, isStamped: false }
    : { carried: after, isKept, isStamped };
}

/** As the page shows it. */
export function basketOf(carried: Carried): Basket {
  const { inventory } = readCarried(carried);
  const named = (wanted: (kind: string | undefined) => boolean): string[] =>
    inventory.filter(({ kind }) => wanted(kind)).map(nameOf);
  const { coins, ...rest } = membersOf(carried);
  return {
    fish: named((kind) => kind === "fish" || kind === "boot"),
    stamps: named((kind) => kind === "stamp"),
    things: named((kind) => !["fish", "boot", "stamp"].includes(kind ?? "")),
    coins: Array.isArray(coins) ? Math.min(coins.length, MAX_COINS_SHOWN) : 0,
    unknown: Object.keys(rest)
      .filter((name) => !UNDERSTOOD.has(name) && /^[\w -]{1,24}$/u.test(name))
      .slice(0, MAX_UNKNOWN_SHOWN),
  };
}

/** Undefined where it would be more than a player can carry, or where what it has is no bag at all. */
function addedTo(
  carried: Carried,
  inventory: readonly CarriedItem[],
  added: readonly Omit<CarriedItem, "count">[],
): JsonValue | undefined {
  if (inventory.length + added.length > MAX_ITEMS) return undefined;
  try {
    const after = writeCarried(carried, { inventory: [...inventory, ...added] });
    return Buffer.byteLength(JSON.stringify(after)) > MAX_BYTES ? undefined : after;
  } catch {
    return undefined;
  }
}

function nameOf({ name, kind, count }: CarriedItem): string {
  const shown = name ?? kind ?? "something";
  return count === 1 ? shown : `${shown} × ${count}`;
}

function membersOf(carried: Carried): Readonly<Record<string, unknown>> {
  const isBag = typeof carried === "object" && !Array.isArray(carried);
  return isBag ? ((carried ?? {}) as Readonly<Record<string, unknown>>) : {};
}
