/** What the room says that the player has: read carefully, since any server may say it. */

/** A thing of the player's, by the convention that all games share (docs/carried.md). */
export interface Thing {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly count: number;
}

/** What the player has in this world. */
export interface Belongings {
  readonly coins: readonly string[];
  readonly things: readonly Thing[];
  /** Ids of the stamps among them: `stamp:<authority>/<world>`. */
  readonly stamps: readonly string[];
  readonly hatName: string;
}

/** Nothing yet. */
export const NOTHING: Belongings = { coins: [], things: [], stamps: [], hatName: "" };

const MAX_THINGS = 256;

/** Reads the room's message `belongings`. */
export function readBelongings(message: unknown): Belongings {
  const { coins, inventory, hatName } = members(message);
  const things = list(inventory).slice(0, MAX_THINGS).flatMap(readThing);
  return {
    coins: list(coins).filter((coin): coin is string => typeof coin === "string"),
    things,
    stamps: things.filter(({ kind }) => kind === "stamp").map(({ id }) => id),
    hatName: text(hatName, 60),
  };
}

/** What the player has, in a line. */
export function inWords({ coins, things, hatName }: Belongings): string {
  const kinds = new Map<string, number>();
  for (const { kind, count } of things) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  const parts = [
    coins.length > 0 ? counted(coins.length, "coin", "coins") : "",
    ...[...kinds].map(([kind, count]) =>
      counted(count, kind, kind === "fish" ? "fish" : `${kind}s`),
    ),
    hatName === "" ? "" : `${hatName.split(" from ")[0] ?? ""} on your head`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "nothing yet" : parts.join(", ");
}

function readThing(value: unknown): Thing[] {
  const { id, kind, name, count } = members(value);
  if (typeof id !== "string" || id === "") return [];
  return [
    {
      ...{ id, kind: text(kind, 32) || "thing", name: text(name, 80) || "A thing" },
      count: typeof count === "number" && count > 0 ? Math.floor(count) : 1,
    },
  ];
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown, length: number): string {
  return typeof value === "string" ? value.slice(0, length) : "";
}
