/** Carried state as trees of members: what is taken over, put back and lost in them. */
import { type JsonValue, pointerTo, sameJson, shortPointer } from "../../json.ts";

/** A JSON object. */
export type Members = Readonly<Record<string, JsonValue>>;

/** Whether a value is a JSON object. */
export function isMembers(value: JsonValue | undefined): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value that a JSON Pointer leads to through objects. */
export function valueAt(value: JsonValue | undefined, pointer: string): JsonValue | undefined {
  let at = value;
  for (const name of segmentsOf(pointer)) {
    if (!isMembers(at) || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return at;
}

/** `after`, with every object in `before` that it would replace by something else kept; null goes. */
export function guarded(before: JsonValue | undefined, after: JsonValue): JsonValue {
  if (!isMembers(before)) return after;
  if (!isMembers(after)) return after === null ? null : before;
  return Object.fromEntries(
    Object.entries(after).map(([name, value]) => [
      name,
      Object.hasOwn(before, name) ? guarded(before[name], value) : value,
    ]),
  );
}

/** `after`, with what stands in `before` at these JSON Pointers put back. */
export function putBack(
  before: JsonValue,
  after: JsonValue,
  pointers: readonly string[],
): JsonValue {
  return restored(before, after, pointers.map(segmentsOf)) ?? after;
}

function restored(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  paths: readonly (readonly string[])[],
): JsonValue | undefined {
  if (paths.length === 0) return after;
  if (paths.some((path) => path.length === 0)) return before ?? after;
  if (!isMembers(before)) return after;
  const base = isMembers(after) ? after : {};
  const result = new Map(Object.entries(base));
  for (const name of new Set(paths.map(([head = ""]) => head))) {
    const value = restored(
      Object.hasOwn(before, name) ? before[name] : undefined,
      Object.hasOwn(base, name) ? base[name] : undefined,
      paths.filter(([head]) => head === name).map(([, ...rest]) => rest),
    );
    if (value !== undefined) result.set(name, value);
  }
  if (result.size === 0) return after;
  return Object.fromEntries(result);
}

/** Losses that are named; of more nobody reads. */
const MAX_LOSSES = 1_024;
/** A longer pointer is cut off, and nothing below it is named. */
const MAX_LOSS_POINTER = 512;

/**
 * What of `now` is not in `kept` as it is: JSON Pointers, at most {@link MAX_LOSSES}; a list's items
 * wherever they stand in it. In time and size linear in `now`, however long its names are.
 */
export function lossesAt(path: string, now: JsonValue, kept: JsonValue | undefined): string[] {
  if (isAllIn(now, kept)) return [];
  const found: string[] = [];
  for (const loss of losses(path, now, kept)) {
    if (found.push(loss) === MAX_LOSSES) break;
  }
  return found;
}

/** Whether all of `now` is in `kept`, with lists as they are: mostly so, and told without a pointer. */
function isAllIn(now: JsonValue, kept: JsonValue | undefined): boolean {
  if (now === kept) return true;
  if (Array.isArray(now)) {
    return (
      Array.isArray(kept) &&
      now.length === kept.length &&
      sameJson(now as JsonValue, kept as JsonValue)
    );
  }
  if (!isMembers(now) || !isMembers(kept)) return false;
  for (const name of Object.keys(now)) {
    if (!Object.hasOwn(kept, name) || !isAllIn(now[name] as JsonValue, kept[name])) return false;
  }
  return true;
}

function* losses(path: string, now: JsonValue, kept: JsonValue | undefined): Generator<string> {
  if (path.length > MAX_LOSS_POINTER) {
    if (!sameJson(now, kept)) yield shortPointer(path);
    return;
  }
  if (Array.isArray(now) && Array.isArray(kept)) {
    const left = new Map<string, number>();
    for (const each of kept as readonly JsonValue[]) {
      const text = JSON.stringify(each);
      left.set(text, (left.get(text) ?? 0) + 1);
    }
    for (const [index, each] of (now as readonly JsonValue[]).entries()) {
      const text = JSON.stringify(each);
      const count = left.get(text) ?? 0;
      if (count === 0) yield pointerTo(path, index);
      else left.set(text, count - 1);
    }
    return;
  }
  if (isMembers(now) && isMembers(kept)) {
    for (const [name, value] of Object.entries(now)) {
      yield* losses(
        pointerTo(path, name),
        value,
        Object.hasOwn(kept, name) ? kept[name] : undefined,
      );
    }
    return;
  }
  if (!sameJson(now, kept)) yield path;
}

function segmentsOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}
