/**
 * Carried state: JSON by check, bounded in size and depth. One validator for whoever carries, sends,
 * receives or stores it, so that nobody lets pass what the next one refuses.
 */
import { z } from "zod";

/** Anything JSON can say. */
export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Carried state is at most this long as JSON (PROTOCOL 6). */
export const MAX_STATE_BYTES = 32 * 1024;

/** Nesting deeper than this is refused: it serves nobody and costs every reader stack. */
export const MAX_STATE_DEPTH = 32;

/** Whether `value` nests no deeper than `limit`. */
export function isShallow(value: unknown, limit: number = MAX_STATE_DEPTH): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return false;
    level = level.flatMap((item) =>
      typeof item === "object" && item !== null ? (Object.values(item) as unknown[]) : [],
    );
  }
  return true;
}

/** Why a value cannot be carried. */
export interface StateFault {
  /** JSON Pointer (RFC 6901) to the culprit; empty for the whole. */
  readonly path: string;
  readonly kind: "not-json" | "too-deep" | "too-large";
  readonly reason: string;
}

/** A value as it can be carried, or why it cannot. */
export type CheckedState =
  | { readonly ok: true; readonly state: JsonValue; readonly bytes: number }
  | { readonly ok: false; readonly fault: StateFault };

/** Longest JSON Pointer that is reported; the rest of it is cut off. */
const MAX_POINTER_LENGTH = 200;

/** The JSON Pointer to a member of what `path` leads to. */
export function pointerTo(path: string, member: string | number): string {
  const name = String(member);
  if (!name.includes("~") && !name.includes("/")) return `${path}/${name}`;
  return `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** A JSON Pointer short enough to be kept and shown. */
export function shortPointer(path: string): string {
  return path.length <= MAX_POINTER_LENGTH
    ? path
    : `${path.slice(0, MAX_POINTER_LENGTH - 1).replace(/[\uD800-\uDBFF]$/u, "")}…`;
}

/** Bytes that a value takes as JSON. */
export function jsonBytes(value: JsonValue): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/**
 * Copies `value` as JSON, if JSON can say all of it within the bounds. Never throws.
 *
 * What has a `toJSON` (a Colyseus `Schema`, a `Date`) is asked for it; a member that is undefined is
 * one that is not there. Everything else that JSON would drop or turn into something else is a fault:
 * Map, Set, Promise, an instance of a class, a function, NaN, a hole in a list, a cycle.
 */
export function checkState(value: unknown): CheckedState {
  try {
    const state = new Copy().of(value);
    const bytes = jsonBytes(state);
    if (bytes <= MAX_STATE_BYTES) return { ok: true, state, bytes };
    return { ok: false, fault: tooLarge(`${bytes} bytes`) };
  } catch (cause) {
    if (cause instanceof Fault) return { ok: false, fault: cause.fault };
    const reason = `cannot be read: ${cause instanceof Error ? cause.message : "it throws"}`;
    return { ok: false, fault: { path: "", kind: "not-json", reason } };
  }
}

function tooLarge(what: string): StateFault {
  return { path: "", kind: "too-large", reason: `${what}: at most ${MAX_STATE_BYTES} travel` };
}

class Fault extends Error {
  readonly fault: StateFault;
  constructor(fault: StateFault) {
    super(fault.reason);
    this.fault = { ...fault, path: shortPointer(fault.path) };
  }
}

/** One copy under way: what it has read stays read, whatever a getter answers the next time. */
class Copy {
  readonly #above = new Set<object>();
  /** Where in the value the copy is: a pointer is made of it once it is at fault. */
  readonly #place: (string | number)[] = [];
  /** At least so many bytes: a value that shares its parts may be endless in all but memory. */
  #bytes = 0;

  of(value: unknown): JsonValue {
    if (this.#place.length > MAX_STATE_DEPTH) {
      const reason = `nested deeper than ${MAX_STATE_DEPTH} levels`;
      throw new Fault({ path: this.#path, kind: "too-deep", reason });
    }
    this.#bytes += typeof value === "string" ? value.length + 2 : 1;
    if (this.#bytes > MAX_STATE_BYTES) throw new Fault(tooLarge("too many bytes"));
    if (value === null || typeof value === "boolean" || typeof value === "string") return value;
    if (typeof value === "number") {
      // -0 is 0 in JSON's own words.
      if (Number.isFinite(value)) return value === 0 ? 0 : value;
      throw this.#notJson(`${value} is no JSON number`);
    }
    if (typeof value !== "object") throw this.#notJson(`a ${typeof value} is no JSON`);
    if (this.#above.has(value)) throw this.#notJson("it contains itself");
    this.#above.add(value);
    const copy = this.#object(value);
    this.#above.delete(value);
    return copy;
  }

  #object(value: object): JsonValue {
    const speaks = this.#read(value, "toJSON");
    if (typeof speaks === "function") {
      if (value instanceof Date && Number.isNaN(value.getTime())) {
        throw this.#notJson("an invalid Date is no JSON");
      }
      let said: unknown;
      try {
        said = speaks.call(value, "") as unknown;
      } catch (cause) {
        throw this.#unreadable(cause);
      }
      // As JSON has it: what toJSON answers is not asked again.
      if (typeof said === "object" && said !== null) {
        return Array.isArray(said) ? this.#list(said) : this.#members(said);
      }
      return this.of(said);
    }
    return Array.isArray(value) ? this.#list(value) : this.#members(value);
  }

  #list(value: readonly unknown[]): JsonValue {
    if (value.length > MAX_STATE_BYTES) throw new Fault(tooLarge(`${value.length} items`));
    if (Object.keys(value).length !== value.length) {
      throw this.#notJson("a list with holes or members of its own is no JSON");
    }
    const items: JsonValue[] = [];
    const { length } = value;
    for (let index = 0; index < length; index += 1) {
      this.#place.push(index);
      items.push(this.of(this.#read(value, index)));
      this.#place.pop();
    }
    return items;
  }

  #members(value: object): JsonValue {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype) {
      throw this.#notJson(`${article(kindOf(value))} is no JSON`);
    }
    if (Object.getOwnPropertySymbols(value).length > 0) {
      throw this.#notJson("members named by symbols are no JSON");
    }
    const members: [string, JsonValue][] = [];
    for (const name of Object.keys(value)) {
      this.#place.push(name);
      const member = this.#read(value, name);
      if (member !== undefined) {
        this.#bytes += name.length + 3;
        members.push([name, this.of(member)]);
      }
      this.#place.pop();
    }
    return Object.fromEntries(members);
  }

  /** What a getter throws is a fault at its place. */
  #read(value: object, member: string | number): unknown {
    try {
      return (value as Record<string | number, unknown>)[member];
    } catch (cause) {
      throw this.#unreadable(cause);
    }
  }

  #unreadable(cause: unknown): Fault {
    if (cause instanceof Fault) return cause;
    const why = cause instanceof Error ? cause.message.slice(0, 200) : "unknown";
    return this.#notJson(`reading it throws: ${why}`);
  }

  #notJson(reason: string): Fault {
    return new Fault({ path: this.#path, kind: "not-json", reason });
  }

  get #path(): string {
    return this.#place.reduce<string>(pointerTo, "");
  }
}

function kindOf(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  const name = typeof constructor === "function" ? constructor.name : "";
  return name === "" ? "an object with a prototype" : name.slice(0, 64);
}

function article(kind: string): string {
  if (kind === "Promise") return "a Promise (carry must not be async)";
  if (kind.startsWith("an ")) return kind;
  return `${/^[AEIOU]/u.test(kind) ? "an" : "a"} ${kind}`;
}

/** A player's carried state on the wire: JSON, bounded in size and depth. */
export const stateSchema = z.unknown().transform((value, context): JsonValue => {
  const checked = checkState(value);
  if (checked.ok) return checked.state;
  const { path, reason } = checked.fault;
  context.addIssue({ code: "custom", message: path === "" ? reason : `${path}: ${reason}` });
  return z.NEVER;
});

/** Whether two JSON values are the same, member order aside being significant. */
export function sameJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
