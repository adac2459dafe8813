/** One stamp of each world: what only a walk through the whole federation can bring together. */
import { createHash } from "node:crypto";
import type { CarriedItem } from "aether-federation";
import type { Belongings } from "./belongings.ts";

const KIND = "stamp";
const MAX_ID_LENGTH = 64;
const MAX_NAME_LENGTH = 64;

export function isStamp({ kind, id }: Pick<CarriedItem, "kind" | "id">): boolean {
  return kind === KIND && id.startsWith("stamp:");
}

/** Stamps a player on arrival. False: it has this world's stamp already. */
export function stamp(belongings: Belongings, origin: string, world: string): boolean {
  const name = `Stamp of ${world}`.slice(0, MAX_NAME_LENGTH);
  return belongings.add({ id: stampId(origin, world), kind: KIND, name });
}

export function stampsOf({ inventory }: Belongings): string[] {
  return inventory.filter(isStamp).map(({ id }) => id);
}

/** Where a player has been, as its stamps say: `<authority>/<world>`. */
export function visitedBy(belongings: Belongings): string[] {
  return stampsOf(belongings).map((id) => id.slice("stamp:".length));
}

function stampId(origin: string, world: string): string {
  const id = `stamp:${new URL(origin).host}/${world}`;
  if (id.length <= MAX_ID_LENGTH) return id;
  const short = createHash("sha256").update(id).digest("hex").slice(0, 32);
  return `stamp:${short}`;
}
