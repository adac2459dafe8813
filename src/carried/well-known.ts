/**
 * Members of what a player carries that games which have never heard of each other understand: `displayName`,
 * `avatar` and `inventory` (docs/carried.md). Each may be missing; what else is carried is nobody's to touch.
 *
 *   const { displayName, inventory } = readCarried(player.carried);
 *   carry: (client) => writeCarried(this.carried.get(client.sessionId), { inventory })
 */
import { type ListedPicture, isPicture } from "../identity/listed-as.ts";
import { type JsonValue, checkState } from "../json.ts";
import { wrongOption } from "../options.ts";
import { shownText } from "../words.ts";

/** One thing, or several of a kind, that a player owns. */
export interface CarriedItem {
  /** What tells it from the player's other items, 1–64 characters that can be seen. */
  readonly id: string;
  /** What it is, for games that know: `sword`, `coin`. One line of at most 32 characters. */
  readonly kind?: string | undefined;
  /** For people, one line of at most 64 characters. */
  readonly name?: string | undefined;
  /** An https URL, or an asset of some server. */
  readonly picture?: ListedPicture | undefined;
  /** How many, 1–1,000,000,000. */
  readonly count: number;
}

/** What is well known of what a player carries. */
export interface WellKnown {
  /** What the player is called, one line of at most 64 characters. */
  readonly displayName?: string | undefined;
  /** What the player looks like. */
  readonly avatar?: ListedPicture | undefined;
  /** At most 256 items, each `id` once. */
  readonly inventory: readonly CarriedItem[];
}

/** What {@link writeCarried} changes: what is left out stays as it is, `null` takes it away. */
export interface WellKnownChanges {
  readonly displayName?: string | null | undefined;
  readonly avatar?: ListedPicture | null | undefined;
  /** All there are from then on; `count` is 1 where it is missing. */
  readonly inventory?:
    readonly (Omit<CarriedItem, "count"> & { readonly count?: number | undefined })[] | undefined;
}

/** Items that are read, at most. */
export const MAX_ITEMS = 256;
const MAX_ID_LENGTH = 64;
const MAX_KIND_LENGTH = 32;
const MAX_NAME_LENGTH = 64;
const MAX_COUNT = 1_000_000_000;

type Members = Readonly<Record<string, JsonValue>>;

/**
 * What is well known of what a player carries, which may come from anybody: texts as they can be shown, numbers within
 * bounds, of the rest nothing. Never throws.
 *
 * An item without a readable `id`, and a second one of the same, are left out. {@link writeCarried} keeps them.
 */
export function readCarried(carried: unknown): WellKnown {
  const members = membersOf(carried);
  const displayName = shownText(members["displayName"], MAX_NAME_LENGTH);
  const { avatar } = members;
  const items = new Map<string, CarriedItem>();
  for (const entry of entriesOf(members)) {
    const item = readItem(entry);
    if (item !== undefined && items.size < MAX_ITEMS && !items.has(item.id)) {
      items.set(item.id, item);
    }
  }
  return {
    ...(displayName === undefined ? {} : { displayName }),
    ...(isPicture(avatar) ? { avatar } : {}),
    inventory: [...items.values()],
  };
}

/**
 * What a player carries, with changes. All that is not changed stays as it was: members that are not well known, also
 * those of items, and entries of the inventory that could not be read.
 *
 * @param carried What the player carries so far; undefined and null are nothing.
 * @throws TypeError naming the change that another game would not read, and for a `carried` that cannot travel.
 */
export function writeCarried(
  carried: unknown,
  changes: WellKnownChanges,
): Readonly<Record<string, JsonValue>> {
  const checked = checkState(carried ?? {});
  if (!checked.ok || typeof checked.state !== "object" || Array.isArray(checked.state)) {
    // To begin anew would lose what the player has.
    throw wrongOption("carried", "an object of JSON that can travel", carried);
  }
  const result = new Map(Object.entries(checked.state as Members));
  const { displayName, avatar, inventory } = changes;
  if (displayName === null) result.delete("displayName");
  else if (displayName !== undefined) {
    result.set("displayName", text("displayName", displayName, MAX_NAME_LENGTH));
  }
  if (avatar === null) result.delete("avatar");
  else if (avatar !== undefined) result.set("avatar", picture("avatar", avatar));
  if (inventory !== undefined) {
    result.set("inventory", writeItems(entriesOf(Object.fromEntries(result)), inventory));
  }
  return Object.fromEntries(result);
}

function readItem(entry: JsonValue): CarriedItem | undefined {
  const { id, kind, name, picture: shown, count = 1 } = membersOf(entry);
  if (!isId(id)) return undefined;
  const readable = {
    kind: shownText(kind, MAX_KIND_LENGTH),
    name: shownText(name, MAX_NAME_LENGTH),
    picture: isPicture(shown) ? shown : undefined,
  };
  const isCount = Number.isInteger(count) && (count as number) >= 1;
  return {
    id,
    ...Object.fromEntries(Object.entries(readable).filter(([, value]) => value !== undefined)),
    count: isCount ? Math.min(count as number, MAX_COUNT) : 1,
  };
}

function writeItems(
  before: readonly JsonValue[],
  items: NonNullable<WellKnownChanges["inventory"]>,
): JsonValue[] {
  const given: unknown = items;
  if (!Array.isArray(given) || items.length > MAX_ITEMS) {
    throw wrongOption("inventory", `a list of at most ${MAX_ITEMS} items`, items);
  }
  const known = new Map<string, Members>();
  const unread: JsonValue[] = [];
  for (const entry of before) {
    const { id } = membersOf(entry);
    if (isId(id) && !known.has(id)) known.set(id, membersOf(entry));
    else unread.push(entry);
  }
  const written = new Set<string>();
  const list = items.map((item, index) => {
    const place = `inventory[${index}]`;
    const { id, kind, name, picture: shown, count = 1 } = item;
    if (!isId(id) || written.has(id)) {
      throw wrongOption(`${place}.id`, `a text of 1–${MAX_ID_LENGTH} characters, used once`, id);
    }
    written.add(id);
    if (!Number.isInteger(count) || count < 1 || count > MAX_COUNT) {
      throw wrongOption(`${place}.count`, `a whole number from 1 to ${MAX_COUNT}`, count);
    }
    const member = new Map(Object.entries(known.get(id) ?? {}));
    member.set("id", id);
    set(member, "kind", kind === undefined ? kind : text(`${place}.kind`, kind, MAX_KIND_LENGTH));
    set(member, "name", name === undefined ? name : text(`${place}.name`, name, MAX_NAME_LENGTH));
    set(member, "picture", shown === undefined ? shown : picture(`${place}.picture`, shown));
    if (count === 1 && !member.has("count")) return Object.fromEntries(member);
    member.set("count", count);
    return Object.fromEntries(member);
  });
  return [...list, ...unread];
}

function set(members: Map<string, JsonValue>, name: string, value: JsonValue | undefined): void {
  if (value === undefined) members.delete(name);
  else members.set(name, value);
}

function text(place: string, value: unknown, maxLength: number): string {
  if (typeof value === "string" && shownText(value, maxLength) === value) return value;
  throw wrongOption(place, `one line of 1–${maxLength} characters that can be seen`, value);
}

function picture(place: string, value: unknown): JsonValue {
  if (isPicture(value)) return value as JsonValue;
  throw wrongOption(
    place,
    "an https URL of at most 512 characters, or an asset of an image",
    value,
  );
}

function isId(id: unknown): id is string {
  return typeof id === "string" && shownText(id, MAX_ID_LENGTH) === id;
}

function entriesOf(members: Members): readonly JsonValue[] {
  const { inventory } = members;
  return Array.isArray(inventory) ? (inventory as readonly JsonValue[]) : [];
}

function membersOf(value: unknown): Members {
  const checked = checkState(value);
  return checked.ok && typeof checked.state === "object" && !Array.isArray(checked.state)
    ? ((checked.state ?? {}) as Members)
    : {};
}
