/** What a class of `@colyseus/schema` declares, and what its collections have in common. */
import { ArraySchema, CollectionSchema, MapSchema, Schema, SetSchema } from "@colyseus/schema";
import * as schemas from "@colyseus/schema";

export const COLLECTIONS = {
  map: MapSchema,
  array: ArraySchema,
  set: SetSchema,
  collection: CollectionSchema,
  stream: schemas.StreamSchema,
};
export type Kind = keyof typeof COLLECTIONS;

export interface Field {
  readonly name: string;
  readonly type: unknown;
  readonly deprecated?: boolean;
}

export type SchemaClass = new () => Schema;

/** What collections have in common, as far as it is used. */
export interface Items {
  clear(): void;
  add?(value: unknown): unknown;
  push?(value: unknown): unknown;
  set?(key: string, value: unknown): unknown;
  forEach(callback: (value: unknown, key: unknown) => void): void;
}

/** @throws TypeError for a name that is not declared. */
export function fieldsOf(schema: Schema, names?: readonly string[]): readonly Field[] {
  if (!(schema instanceof Schema)) throw new TypeError("the first argument must be a Schema");
  const metadata = (schema.constructor as unknown as Record<symbol, unknown>)[Symbol.metadata] as
    Record<string, unknown> | undefined;
  const declared: Field[] = [];
  // Inherited fields are in the metadata's prototypes.
  for (const index in metadata) {
    const field = metadata[index];
    if (/^\d+$/u.test(index)) declared.push(field as Field);
  }
  const kept = declared.filter(({ deprecated }) => deprecated !== true);
  if (names === undefined) return kept;
  return names.map((name) => {
    const field = kept.find((each) => each.name === name);
    if (field !== undefined) return field;
    throw new TypeError(
      `fields: "${name}" is no field of ${schema.constructor.name}, which has ${kept.map((each) => each.name).join(", ")}`,
    );
  });
}

/** The kind of a collection, and the type of its items; undefined for anything else. */
export function collectionOf(
  type: unknown,
): { readonly kind: Kind; readonly of: unknown } | undefined {
  if (typeof type !== "object" || type === null) return undefined;
  const kind = (Object.keys(COLLECTIONS) as Kind[]).find((each) => Object.hasOwn(type, each));
  return kind === undefined ? undefined : { kind, of: (type as Record<string, unknown>)[kind] };
}

/** Whether a value is a collection of a schema. */
export function isItems(value: unknown): value is Items {
  const { clear, forEach } = Object(value) as Partial<Items>;
  return typeof clear === "function" && typeof forEach === "function";
}
