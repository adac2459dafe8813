/**
 * Options that a host passes: held against a strict schema whose messages say what is expected. What is
 * wrong is a `TypeError` that names the option and its value, for callers with and without types.
 */
import { z } from "zod";

const MAX_SHOWN = 80;
/** Letters that a misspelt name may be off by. */
const MAX_DISTANCE = 3;

/** A number within bounds. */
export function numberOption(low: number, high: number): z.ZodType<number> {
  const expected = `a number from ${low} to ${high}`;
  return z.number(expected).min(low, expected).max(high, expected);
}

/** A whole number within bounds. */
export function countOption(low: number, high: number): z.ZodType<number> {
  const expected = `a whole number from ${low} to ${high}`;
  return z.number(expected).int(expected).min(low, expected).max(high, expected);
}

/** A text of 1 to `longest` characters. */
export function textOption(longest: number): z.ZodType<string> {
  const expected = `a text of 1–${longest} characters`;
  return z.string(expected).min(1, expected).max(longest, expected);
}

/** A function, or something else that `isFitting`. */
export function customOption(
  expected: string,
  isFitting: (value: unknown) => boolean = (value) => typeof value === "function",
): z.ZodType {
  return z.custom((value) => isFitting(value), expected);
}

/** An object with these options and no others. */
export function optionsSchema<Shape extends z.ZodRawShape>(
  shape: Shape,
  expected: string,
): z.ZodObject<Shape> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? undefined : expected),
  });
}

/**
 * The options as they were given.
 *
 * @param within Whose options they are, before each name in a message; empty: nobody else's.
 * @throws TypeError naming the option, its value and what is expected.
 */
export function checkOptions<Options>(schema: z.ZodObject, value: unknown, within = ""): Options {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data as Options;
  // A misspelt option is the cause when another is missing.
  const { issues } = parsed.error;
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (issue === undefined) throw new TypeError("the options are not valid");
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const place = named(within, [...path, key]);
    throw new TypeError(`${place}: there is no such option. ${hint(key, namesAt(schema, path))}`);
  }
  throw wrongOption(named(within, path), issue.message, valueAt(value, path));
}

/** The error about one option. */
export function wrongOption(option: string, expected: string, value: unknown): TypeError {
  const place = option === "" ? "options" : option;
  const found = value === undefined ? "but it is missing" : `got ${shown(value)}`;
  return new TypeError(`${place}: expected ${expected}, ${found}`);
}

function named(within: string, path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (name, part) =>
      typeof part === "number" ? `${name}[${part}]` : name === "" ? part : `${name}.${part}`,
    within,
  );
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (at, part) => (at as Record<string | number, unknown> | null | undefined)?.[part],
    value,
  );
}

/** The names of the options at a place of the schema. */
function namesAt(schema: z.ZodType, path: readonly (string | number)[]): string[] {
  let at: unknown = schema;
  for (const part of path) {
    at = unwrapped(at);
    if (at instanceof z.ZodObject) at = (at.shape as Record<string, unknown>)[part];
    else if (at instanceof z.ZodArray) at = at.element;
  }
  at = unwrapped(at);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema;
}

function hint(key: string, names: readonly string[]): string {
  const near = names
    .map((name) => ({ name, distance: distance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near !== undefined && near.distance <= Math.min(MAX_DISTANCE, key.length / 2)
    ? `Did you mean "${near.name}"?`
    : `There are: ${names.join(", ")}`;
}

/** Letters to add, take away or replace until one is the other (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of one.slice(0, MAX_SHOWN).split(/(?:)/u).entries()) {
    const next = [index + 1];
    for (let at = 1; at <= other.length; at++) {
      const replaced = (row[at - 1] ?? 0) + (other[at - 1] === letter ? 0 : 1);
      next.push(Math.min(replaced, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

/** A value as a message can show it. */
function shown(value: unknown): string {
  if (typeof value === "string") {
    const text = JSON.stringify(value.slice(0, MAX_SHOWN));
    return value.length > MAX_SHOWN ? `${text} …` : text;
  }
  if (Array.isArray(value)) return "an array";
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) {
    const { name } = (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)
      ?.constructor ?? { name: "Object" };
    return name === undefined || name === "" || name === "Object" ? "an object" : `a ${name}`;
  }
  return String(value);
}
