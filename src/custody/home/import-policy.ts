/** What home makes of the state that a visited server sends (PROTOCOL 6). */
import { type JsonValue, sameJson, stateSchema } from "../../json.ts";

/**
 * Decides what a visited server may change in carried state: returns the state to keep, which may
 * be `before`, `after` or anything between. Called at home for every `depart`, `return` and `renew`
 * with state. One that throws, or returns what is no JSON of at most 32 KiB, keeps `before`.
 */
export type ImportPolicy = (
  before: JsonValue | undefined,
  after: JsonValue,
  from: string,
) => JsonValue;

/** Takes what a trusted visited server sends as it is. */
export const acceptEverything: ImportPolicy = (_before, after) => after;

/** Which server first brought each top-level member that home's own rooms have never carried. */
export type Provenance = Readonly<Record<string, string>>;

/** State to keep, and who brought what of it. */
export interface Imported {
  readonly state: JsonValue | undefined;
  readonly brought: Provenance | undefined;
}

type Members = Readonly<Record<string, JsonValue>>;

/**
 * The default policy, member by member of the carried object:
 *
 * - a member that the visited server leaves out is kept: it did not understand it, which is no
 *   reason to lose it (`null` takes a value away);
 * - a member that home's own rooms carry may be changed by any trusted server;
 * - a member that home does not know belongs to the server that brought it first: no other server
 *   alters it.
 *
 * State that is no object is taken as it is.
 */
export function keepWhatIsForeign(
  before: JsonValue | undefined,
  after: JsonValue,
  from: string,
  brought: Provenance = {},
): JsonValue {
  if (!isMembers(before) || !isMembers(after)) return after;
  const foreign = (name: string): boolean => Object.hasOwn(brought, name) && brought[name] !== from;
  const allowed = Object.entries(after).filter(([name]) => !foreign(name));
  return merged(before, allowed);
}

/** State as `from` sends it, seen by home's policy. `accept` undefined: {@link keepWhatIsForeign}. */
export function importFrom(
  kept: Imported,
  after: JsonValue,
  from: string,
  accept: ImportPolicy | undefined,
): Imported {
  const { state: before, brought } = kept;
  let state: JsonValue | undefined;
  try {
    state =
      accept === undefined
        ? keepWhatIsForeign(before, after, from, brought)
        : accept(before, after, from);
    // What a policy makes may be anything, cycles included.
    if (state === undefined || !stateSchema.safeParse(state).success) return kept;
  } catch {
    return kept;
  }
  if (!isMembers(state)) return { state, brought };
  const known = isMembers(before) ? before : {};
  const news = Object.keys(state).filter((name) => !Object.hasOwn(known, name));
  if (news.length === 0) return { state, brought };
  const added = news.map((name) => [name, from] as const);
  return { state, brought: { ...brought, ...Object.fromEntries(added) } };
}

/** State as home's own rooms carry it: what others brought and the rooms left out stays. */
export function importFromHome(kept: Imported, after: JsonValue): Imported {
  const { state: before, brought } = kept;
  if (brought === undefined || !isMembers(before) || !isMembers(after)) {
    return { state: after, brought: undefined };
  }
  const foreign = Object.entries(brought).filter(([name]) => !Object.hasOwn(after, name));
  if (foreign.length === 0) return { state: after, brought: undefined };
  const stay = foreign.flatMap(([name]): [string, JsonValue][] => {
    const value = before[name];
    return value === undefined ? [] : [[name, value]];
  });
  const state = merged(after, stay);
  return stateSchema.safeParse(state).success
    ? { state, brought: Object.fromEntries(foreign) }
    : { state: after, brought: undefined };
}

/** What a crossing home would cost a player: JSON Pointers (RFC 6901) into what it carries now. */
export interface ImportPreview {
  /** What home would keep. */
  readonly kept: JsonValue | undefined;
  /** What is there now and would not be kept as it is. Empty: nothing is lost. */
  readonly losses: readonly string[];
}

/** Compares what a player carries with what home would keep of it. */
export function previewOf(now: JsonValue | undefined, kept: JsonValue | undefined): ImportPreview {
  return { kept, losses: now === undefined ? [] : lossesAt("", now, kept) };
}

function lossesAt(path: string, now: JsonValue, kept: JsonValue | undefined): string[] {
  if (sameJson(now, kept)) return [];
  if (Array.isArray(now) && Array.isArray(kept)) {
    const left = kept.map((each) => JSON.stringify(each));
    return (now as readonly JsonValue[]).flatMap((each, index) => {
      const at = left.indexOf(JSON.stringify(each));
      if (at < 0) return [`${path}/${index}`];
      left.splice(at, 1);
      return [];
    });
  }
  if (isMembers(now) && isMembers(kept)) {
    return Object.entries(now).flatMap(([name, value]) =>
      lossesAt(`${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, value, kept[name]),
    );
  }
  return [path];
}

function isMembers(value: JsonValue | undefined): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `null` takes a member away. Made without a prototype's setters in the way. */
function merged(base: Members, changes: readonly (readonly [string, JsonValue])[]): JsonValue {
  const result = new Map(Object.entries(base));
  for (const [name, value] of changes) {
    if (value === null) result.delete(name);
    else result.set(name, value);
  }
  return Object.fromEntries(result);
}
