/** An import policy in data: what visited servers may change, member by member (PROTOCOL 6). */
import { type JsonValue, pointerTo, sameJson, shortPointer } from "../../json.ts";
import { wrongOption } from "../../options.ts";
import { type Members, isMembers } from "./members.ts";

/**
 * What visited servers may do to one member of what a player carries:
 *
 * - `may-change`: anything;
 * - `home-only`: nothing;
 * - `may-spend`: a number falls, to 0 at the lowest; of a list, entries go, and their `count`s fall;
 * - `may-earn`: a number rises; to a list, entries come, and their `count`s rise;
 * - `append-only`: to a list or an object, entries come; nothing that is there changes or goes. Anything else is
 *   set once;
 * - `{ between: [0, 100] }`: a number, within these bounds;
 * - `{ members: { … } }`: of an object, each member by a rule of its own;
 * - `{ by: { "https://arena.example.org": "may-earn", "*": "may-spend" } }`: by the server that asks, by its
 *   origin; `*` for all others, who may do nothing where it is missing.
 *
 * Entries of a list are told apart by their `id`, where they are objects with one, otherwise by what they are. What
 * a rule forbids stays as it was, and all else of the member is taken.
 */
export type ImportRule =
  | "may-change"
  | "home-only"
  | "may-spend"
  | "may-earn"
  | "append-only"
  | { readonly between: readonly [lowest: number, highest: number] }
  | { readonly members: ImportRuleSet }
  | { readonly by: Readonly<Record<string, ImportRule>> };

/** Rules by the names of members; `*` for those without a rule of their own, which is `may-change` if missing. */
export type ImportRuleSet = Readonly<Record<string, ImportRule>>;

/** Which rule kept something as it was, by JSON Pointer, at most 32: `{ "/coins": "may-spend" }`. */
export type ImportReasons = Readonly<Record<string, string>>;

const WORDS = ["may-change", "home-only", "may-spend", "may-earn", "append-only"] as const;
const MAX_RULES = 256;
const MAX_DEPTH = 8;
const MAX_REASONS = 32;
const REST = "*";

const RULE = `${WORDS.map((word) => `"${word}"`).join(", ")}, { between: [0, 100] }, { members: { … } } or { by: { "https://…": … } }`;

/**
 * An import policy in data, for the option `accept`. Beside its rules all that goes without a policy holds: what a
 * visited server leaves out is kept, and what one brought is altered by that one alone.
 *
 *   accept: policy({ coins: "may-spend", badges: "append-only", health: { between: [0, 100] } })
 *
 * @param rules By the names of the carried object's members, at most 256 in all, 8 levels deep.
 * @throws TypeError naming the rule that is none.
 */
export function policy(rules: ImportRuleSet): ImportRules {
  return new ImportRules(rules);
}

/** What {@link policy} makes. */
export class ImportRules {
  /** The rules as they were given: plain data, to be shown or stored. */
  readonly rules: ImportRuleSet;

  /** @throws TypeError naming the rule that is none. */
  constructor(rules: ImportRuleSet) {
    const left = { count: MAX_RULES };
    checkSet(rules, "policy", left, 1);
    this.rules = structuredClone(rules);
  }

  /**
   * What is kept of `wanted`, and which rule kept the rest as it was.
   *
   * @param before What home has.
   * @param from Origin of the server that asks.
   */
  limit(
    before: JsonValue | undefined,
    wanted: JsonValue,
    from: string,
  ): { readonly state: JsonValue; readonly why: ImportReasons } {
    const why = new Map<string, string>();
    const state = bySet(this.rules, before, wanted, { from, path: "", why });
    return { state: state ?? before ?? null, why: Object.fromEntries(why) };
  }
}

interface Place {
  readonly from: string;
  readonly path: string;
  readonly why: Map<string, string>;
}

function bySet(
  rules: ImportRuleSet,
  before: JsonValue | undefined,
  wanted: JsonValue | undefined,
  place: Place,
): JsonValue | undefined {
  if (!isMembers(wanted)) return before ?? wanted;
  const there: Members = isMembers(before) ? before : {};
  const result = new Map<string, JsonValue>();
  for (const name of new Set([...Object.keys(there), ...Object.keys(wanted)])) {
    const value = byRule(ruleOf(rules, name), own(there, name), own(wanted, name), {
      ...place,
      path: pointerTo(place.path, name),
    });
    if (value !== undefined) result.set(name, value);
  }
  return Object.fromEntries(result);
}

function byRule(
  rule: ImportRule,
  before: JsonValue | undefined,
  wanted: JsonValue | undefined,
  place: Place,
): JsonValue | undefined {
  if (typeof rule === "object" && "by" in rule) {
    const mine = own(rule.by, place.from) ?? own(rule.by, REST) ?? "home-only";
    return byRule(mine, before, wanted, place);
  }
  if (typeof rule === "object" && "members" in rule) {
    return wanted === undefined ? before : bySet(rule.members, before, wanted, place);
  }
  const kept = allowed(rule, before, wanted);
  const isAsWanted = kept === undefined ? wanted === undefined : sameJson(kept, wanted);
  if (!isAsWanted && place.why.size < MAX_REASONS) {
    place.why.set(shortPointer(place.path), wordOf(rule));
  }
  return kept;
}

type Leaf = Exclude<ImportRule, { readonly members: unknown } | { readonly by: unknown }>;

function wordOf(rule: Leaf): string {
  return typeof rule === "string" ? rule : `between ${rule.between[0]} and ${rule.between[1]}`;
}

function allowed(
  rule: Leaf,
  before: JsonValue | undefined,
  wanted: JsonValue | undefined,
): JsonValue | undefined {
  if (rule === "may-change") return wanted;
  if (rule === "home-only" || wanted === undefined) return before;
  if (typeof rule === "object") {
    const [lowest, highest] = rule.between;
    return typeof wanted === "number" ? Math.min(Math.max(wanted, lowest), highest) : before;
  }
  if (Array.isArray(wanted) && (before === undefined || Array.isArray(before))) {
    return rule === "may-spend" && before === undefined
      ? undefined
      : list((before ?? []) as readonly JsonValue[], wanted as readonly JsonValue[], rule);
  }
  if (rule === "append-only") {
    if (!isMembers(before) || !isMembers(wanted)) return before ?? wanted;
    return Object.fromEntries([...Object.entries(wanted), ...Object.entries(before)]);
  }
  if (typeof wanted !== "number" || (before !== undefined && typeof before !== "number")) {
    return before;
  }
  if (rule === "may-earn") return wanted >= (before ?? 0) ? wanted : before;
  return before !== undefined && wanted >= 0 && wanted <= before ? wanted : before;
}

function list(
  before: readonly JsonValue[],
  wanted: readonly JsonValue[],
  rule: "may-spend" | "may-earn" | "append-only",
): JsonValue[] {
  const left = new Map<string, number[]>();
  for (const [index, entry] of wanted.entries()) {
    const key = keyOf(entry);
    const same = left.get(key);
    if (same === undefined) left.set(key, [index]);
    else same.push(index);
  }
  for (const same of left.values()) same.reverse();
  const used = new Set<number>();
  const result: JsonValue[] = [];
  for (const entry of before) {
    const index = left.get(keyOf(entry))?.pop();
    if (index === undefined) {
      if (rule !== "may-spend") result.push(entry);
      continue;
    }
    used.add(index);
    const counted = recounted(entry, wanted[index] ?? null, rule);
    if (counted !== undefined) result.push(counted);
  }
  if (rule === "may-spend") return result;
  return [...result, ...wanted.filter((_, index) => !used.has(index))];
}

/** An entry with the `count` that is wanted, where the rule allows it; undefined: all of it is spent. */
function recounted(
  before: JsonValue,
  wanted: JsonValue,
  rule: "may-spend" | "may-earn" | "append-only",
): JsonValue | undefined {
  if (!isMembers(before) || !isMembers(wanted)) return before;
  const [had, has] = [before["count"] ?? 1, wanted["count"] ?? 1];
  if (typeof had !== "number" || typeof has !== "number" || had === has) return before;
  if (rule === "may-spend" && has >= 0 && has < had) {
    return has === 0 ? undefined : { ...before, count: has };
  }
  return rule === "may-earn" && has > had ? { ...before, count: has } : before;
}

/** What tells an entry from others; a server that writes its members in another order has the same one. */
function keyOf(entry: JsonValue): string {
  const id = isMembers(entry) ? own(entry, "id") : undefined;
  return typeof id === "string" || typeof id === "number"
    ? `id ${JSON.stringify(id)}`
    : JSON.stringify(entry, (_name, value: JsonValue) =>
        isMembers(value)
          ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
          : value,
      );
}

function ruleOf(rules: ImportRuleSet, name: string): ImportRule {
  return own(rules, name) ?? own(rules, REST) ?? "may-change";
}

function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function checkSet(rules: unknown, place: string, left: { count: number }, depth: number): void {
  if (!isPlain(rules)) {
    throw wrongOption(place, 'an object of rules such as { coins: "may-spend" }', rules);
  }
  if (depth > MAX_DEPTH) throw wrongOption(place, `at most ${MAX_DEPTH} levels of rules`, rules);
  for (const [name, rule] of Object.entries(rules)) {
    left.count -= 1;
    if (left.count < 0) throw wrongOption("policy", `at most ${MAX_RULES} rules`, rules);
    checkRule(rule, `${place}.${name}`, left, depth);
  }
}

function checkRule(rule: unknown, place: string, left: { count: number }, depth: number): void {
  if (WORDS.some((word) => word === rule)) return;
  const wrong = wrongOption(place, RULE, rule);
  if (!isPlain(rule) || Object.keys(rule).length !== 1) throw wrong;
  const { between, members, by } = rule;
  if (members !== undefined) {
    checkSet(members, place, left, depth + 1);
  } else if (by !== undefined) {
    checkSet(by, place, left, depth + 1);
    const stranger = Object.keys(by as object).find((origin) => !isServer(origin));
    if (stranger !== undefined) {
      throw wrongOption(place, 'origins such as "https://arena.example.org", or "*"', stranger);
    }
  } else if (!isRange(between)) {
    throw wrong;
  }
}

function isServer(origin: string): boolean {
  return origin === REST || (URL.canParse(origin) && new URL(origin).origin === origin);
}

function isRange(between: unknown): boolean {
  if (!Array.isArray(between) || between.length !== 2) return false;
  const [lowest, highest] = between as unknown[];
  return Number.isFinite(lowest) && Number.isFinite(highest) && Number(lowest) <= Number(highest);
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
