/**
 * Carried state from `@colyseus/schema`, and back into it.
 *
 *   carry: (client) => carrySchema(this.state.players.get(client.sessionId)!, FIELDS)
 *   restoreSchema(player, this.plugins.federation.player(client)?.carried, FIELDS)
 *
 * What is restored may come from a stranger: only what the schema declares is taken, and only where its
 * type fits; nothing of it can make `restoreSchema` throw. Whether it is fair (a sword of level 900) is the
 * game's to say, before or after.
 *
 * Not carried: fields that are `deprecated`, what is not in the schema, and which subclass of its declared
 * type an instance is.
 */
import {
  ArraySchema,
  CollectionSchema,
  MapSchema,
  Schema,
  SetSchema,
  StreamSchema,
} from "@colyseus/schema";
import { type JsonValue, MAX_STATE_DEPTH, checkState, pointerTo, shortPointer } from "../json.ts";

/** The declared fields of a schema, by their names. */
export type SchemaField<State extends Schema> = Exclude<keyof State, keyof Schema> & string;

/** Bounds of {@link restoreSchema}. */
export interface RestoreOptions<State extends Schema> {
  /** Which fields are restored. Default: every one that is declared. */
  readonly fields?: readonly SchemaField<State>[];
  /** Most items taken into one collection. Default 1000. */
  readonly maxItems?: number;
  /** Longest text and longest key of a map, in UTF-16 units; a longer one is left out. Default 1000. */
  readonly maxTextLength?: number;
}

/** What did not fit into the schema, and why. */
export interface LeftOut {
  /** JSON Pointer (RFC 6901) into the carried state; empty for the whole. */
  readonly path: string;
  readonly reason: string;
}

const MAX_ITEMS = 1000;
const MAX_TEXT_LENGTH = 1000;
/** More is not listed. */
const MAX_LEFT_OUT = 100;
const COLLECTIONS = {
  map: MapSchema,
  array: ArraySchema,
  set: SetSchema,
  collection: CollectionSchema,
  stream: StreamSchema,
};
type Kind = keyof typeof COLLECTIONS;

interface Field {
  readonly name: string;
  readonly type: unknown;
  readonly deprecated?: boolean;
}

type SchemaClass = new () => Schema;

/** What collections have in common, as far as it is used. */
interface Items {
  clear(): void;
  add?(value: unknown): unknown;
  push?(value: unknown): unknown;
  set?(key: string, value: unknown): unknown;
  forEach(callback: (value: unknown, key: unknown) => void): void;
}

/**
 * A schema's state as it can be carried: nested schemas and maps are objects, other collections lists,
 * BigInts texts. A field that is undefined or null is not there.
 *
 * @param fields Which fields of `schema` are carried, each with all that is in it. Default: every one that
 * is declared.
 * @throws TypeError for a field that is not declared, and for a schema that contains itself.
 */
export function carrySchema<State extends Schema>(
  schema: State,
  fields?: readonly SchemaField<State>[],
): Readonly<Record<string, JsonValue>> {
  return carryFields(schema, fieldsOf(schema, fields), 0);
}

/**
 * Puts carried state back into a schema: a nested schema that is there is restored in place, a collection
 * is emptied and filled. What `carried` does not name stays as it is, and so does what does not fit.
 *
 * @param carried `FederatedPlayer.carried`, as it is; of undefined, nothing is restored.
 * @returns What did not fit, at most 100; members that the schema does not declare are passed over.
 * @throws TypeError for a field or bound of the host's own that is wrong; never because of `carried`.
 */
export function restoreSchema<State extends Schema>(
  schema: State,
  carried: unknown,
  options: RestoreOptions<State> | readonly SchemaField<State>[] = {},
): readonly LeftOut[] {
  const { fields, maxItems, maxTextLength } = isList(options) ? { fields: options } : options;
  const restoring = new Restoring(
    bound("maxItems", maxItems, MAX_ITEMS),
    bound("maxTextLength", maxTextLength, MAX_TEXT_LENGTH),
  );
  const declared = fieldsOf(schema, fields);
  if (carried === undefined) return [];
  const checked = checkState(carried);
  if (!checked.ok) return [{ path: checked.fault.path, reason: checked.fault.reason }];
  restoring.fields(schema, declared, checked.state, "");
  return restoring.leftOut;
}

function isList<Item>(value: object): value is readonly Item[] {
  return Array.isArray(value);
}

function bound(option: string, value: number | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`${option} must be a whole number from 0`);
}

/** @throws TypeError for a name that is not declared. */
function fieldsOf(schema: Schema, names?: readonly string[]): readonly Field[] {
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
function collectionOf(type: unknown): { readonly kind: Kind; readonly of: unknown } | undefined {
  if (typeof type !== "object" || type === null) return undefined;
  const kind = (Object.keys(COLLECTIONS) as Kind[]).find((each) => Object.hasOwn(type, each));
  return kind === undefined ? undefined : { kind, of: (type as Record<string, unknown>)[kind] };
}

// --- carrying --------------------------------------------------------------------------------

function carryFields(
  schema: Schema,
  fields: readonly Field[],
  depth: number,
): Readonly<Record<string, JsonValue>> {
  const members = fields.flatMap(({ name }) => {
    const value = carryValue((schema as unknown as Record<string, unknown>)[name], depth + 1);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(members);
}

function carryValue(value: unknown, depth: number): JsonValue | undefined {
  if (depth > MAX_STATE_DEPTH) {
    throw new TypeError(
      `the schema contains itself, or nests deeper than ${MAX_STATE_DEPTH} levels`,
    );
  }
  if (value === undefined || value === null) return undefined;
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Schema) return carryFields(value, fieldsOf(value), depth);
  if (!isItems(value)) return value as JsonValue;
  const items: [string, JsonValue][] = [];
  value.forEach((item, key) => {
    const carried = carryValue(item, depth + 1);
    if (carried !== undefined) items.push([String(key), carried]);
  });
  // A map has keys of its own; those of the others are Colyseus' affair.
  return value.set !== undefined && value.push === undefined && value.add === undefined
    ? Object.fromEntries(items)
    : items.map(([, item]) => item);
}

function isItems(value: unknown): value is Items {
  const { clear, forEach } = Object(value) as Partial<Items>;
  return typeof clear === "function" && typeof forEach === "function";
}

// --- restoring -------------------------------------------------------------------------------

const NOTHING = Symbol("nothing that fits");

/** One restoring under way. */
class Restoring {
  readonly leftOut: LeftOut[] = [];
  readonly #maxItems: number;
  readonly #maxTextLength: number;

  constructor(maxItems: number, maxTextLength: number) {
    this.#maxItems = maxItems;
    this.#maxTextLength = maxTextLength;
  }

  fields(schema: Schema, fields: readonly Field[], carried: JsonValue, path: string): void {
    if (typeof carried !== "object" || carried === null || Array.isArray(carried)) {
      this.#leaveOut(path, "it must be an object");
      return;
    }
    const members = carried as Readonly<Record<string, JsonValue>>;
    const target = schema as unknown as Record<string, unknown>;
    for (const { name, type } of fields) {
      if (!Object.hasOwn(members, name)) continue;
      const at = pointerTo(path, name);
      const value = this.#value(type, members[name] as JsonValue, at, target[name]);
      if (value !== NOTHING && value !== target[name]) {
        this.#trying(at, () => {
          target[name] = value;
        });
      }
    }
  }

  /** A value of that type; `present` is restored in place where it can be. */
  #value(type: unknown, carried: JsonValue, path: string, present?: unknown): unknown {
    const collection = collectionOf(type);
    if (collection !== undefined) return this.#collection(collection, carried, path, present);
    if (typeof type === "function") {
      return this.#schema(type as SchemaClass, carried, path, present);
    }
    const fit = fitting(type, carried, this.#maxTextLength);
    if (fit.ok) return fit.value;
    return this.#leaveOut(path, fit.reason);
  }

  #schema(type: SchemaClass, carried: JsonValue, path: string, present: unknown): unknown {
    if (typeof carried !== "object" || carried === null || Array.isArray(carried)) {
      return this.#leaveOut(path, "it must be an object");
    }
    const schema =
      present instanceof Schema ? present : this.#trying(path, () => new type() as unknown);
    if (!(schema instanceof Schema)) return NOTHING;
    this.fields(schema, fieldsOf(schema), carried, path);
    return schema;
  }

  #collection(
    { kind, of }: NonNullable<ReturnType<typeof collectionOf>>,
    carried: JsonValue,
    path: string,
    present: unknown,
  ): unknown {
    const isMap = kind === "map";
    if (typeof carried !== "object" || carried === null || Array.isArray(carried) === isMap) {
      return this.#leaveOut(path, isMap ? "it must be an object" : "it must be a list");
    }
    // A class with decorators has none until it makes one.
    const target: Items = isItems(present) ? present : new (COLLECTIONS[kind] as new () => Items)();
    const entries = Object.entries(carried as Readonly<Record<string, JsonValue>>);
    if (entries.length > this.#maxItems) {
      this.#leaveOut(path, `more than ${this.#maxItems} items: the rest is left out`);
    }
    const items = entries.slice(0, this.#maxItems).flatMap(([key, item]) => {
      const at = pointerTo(path, key);
      if (isMap && !this.#isKey(key, at)) return [];
      const value = this.#value(of, item, at);
      return value === NOTHING ? [] : [[key, value] as const];
    });
    this.#trying(path, () => {
      target.clear();
      for (const [key, value] of items) {
        if (isMap) target.set?.(key, value);
        else if (target.push === undefined) target.add?.(value);
        else target.push(value);
      }
    });
    return target;
  }

  #isKey(key: string, path: string): boolean {
    // Colyseus keeps books about a map's keys in a plain object.
    if (key in {}) this.#leaveOut(path, "no key may be called so");
    else if (key.length > this.#maxTextLength) this.#leaveOut(path, "the key is too long");
    else return true;
    return false;
  }

  /** What a host's own class or setter throws is no reason to keep the player out. */
  #trying<Value>(path: string, work: () => Value): Value | typeof NOTHING {
    try {
      return work();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.slice(0, 200) : "it throws";
      return this.#leaveOut(path, `the schema does not take it: ${why}`);
    }
  }

  #leaveOut(path: string, reason: string): typeof NOTHING {
    if (this.leftOut.length < MAX_LEFT_OUT) this.leftOut.push({ path: shortPointer(path), reason });
    return NOTHING;
  }
}

type Fitting =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string };

/** Integers by the bits that the schema sends of them; 64 are more than a number holds. */
const INTEGER = /^(u?)int(8|16|32|64)$/u;
const BIGINT = /^big(u?)int64$/u;

/** A carried value as a scalar field of that type takes it. */
function fitting(type: unknown, carried: JsonValue, maxTextLength: number): Fitting {
  if (type === "string") {
    if (typeof carried !== "string") return no("it must be a text");
    return carried.length > maxTextLength
      ? no(`a text longer than ${maxTextLength} characters`)
      : yes(carried);
  }
  if (type === "boolean") {
    return typeof carried === "boolean" ? yes(carried) : no("it must be true or false");
  }
  if (typeof type === "string" && BIGINT.test(type)) return fittingBigInt(type, carried);
  const isQuantized = typeof type === "object" && type !== null && Object.hasOwn(type, "quantized");
  if (!isQuantized && typeof type !== "string") return no("the schema's type is none that travels");
  if (typeof carried !== "number") return no("it must be a number");
  if (isQuantized) return fittingQuantized(type, carried);
  if (type === "float32") {
    return Number.isFinite(Math.fround(carried)) ? yes(carried) : no("it is no float32");
  }
  if (type === "number" || type === "float64") return yes(carried);
  const scalar = typeof type === "string" ? type : "";
  const [, unsigned, bits] = INTEGER.exec(scalar) ?? [];
  if (bits === undefined) return no("the schema's type is none that travels");
  const high = Math.min(
    2 ** (Number(bits) - (unsigned === "u" ? 0 : 1)) - 1,
    Number.MAX_SAFE_INTEGER,
  );
  const low = unsigned === "u" ? 0 : Math.max(-high - 1, Number.MIN_SAFE_INTEGER);
  return Number.isInteger(carried) && carried >= low && carried <= high
    ? yes(carried)
    : no(`it is no ${scalar}`);
}

function fittingBigInt(type: string, carried: JsonValue): Fitting {
  if (typeof carried !== "string" || !/^-?\d{1,20}$/u.test(carried)) {
    return no("it must be a whole number, as a text");
  }
  const value = BigInt(carried);
  const held = type === "bigint64" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
  return held === value ? yes(value) : no(`it is no ${type}`);
}

function fittingQuantized(type: object, carried: number): Fitting {
  const { min, max, wrap } = (type as { quantized: { min: number; max: number; wrap?: boolean } })
    .quantized;
  return wrap === true || (carried >= min && carried <= max)
    ? yes(carried)
    : no(`it must be from ${min} to ${max}`);
}

function yes(value: unknown): Fitting {
  return { ok: true, value };
}

function no(reason: string): Fitting {
  return { ok: false, reason };
}
