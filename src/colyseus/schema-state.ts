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
import { Schema } from "@colyseus/schema";
import { type JsonValue, MAX_STATE_DEPTH, checkState, pointerTo, shortPointer } from "../json.ts";

import {
  COLLECTIONS,
  type Field,
  type Items,
  type SchemaClass,
  collectionOf,
  fieldsOf,
  isItems,
} from "./schema-fields.ts";
import { fitting } from "./schema-scalars.ts";

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
