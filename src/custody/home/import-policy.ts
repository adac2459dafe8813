/** What home makes of the state that a visited server sends (PROTOCOL 6). */
import {
  type JsonValue,
  MAX_STATE_BYTES,
  checkState,
  jsonBytes,
  pointerTo,
  sameJson,
} from "../../json.ts";
import { type ImportNotice, noteImport } from "./import-notices.ts";
import { type ImportReasons, ImportRules } from "./import-rules.ts";
import { type Members, guarded, isMembers, lossesAt, putBack, valueAt } from "./members.ts";

/**
 * Decides what a visited server may change in carried state: returns the state to keep, which may
 * be `before`, `after` or anything between. Called at home for every `depart`, `return` and `renew`
 * with state. One that throws, returns what is no JSON of at most 32 KiB, or answers with no object
 * where `before` is one, keeps `before`.
 */
export type ImportPolicy = (
  before: JsonValue | undefined,
  after: JsonValue,
  from: string,
) => JsonValue;

/** Takes what a trusted visited server sends as it is. */
export const acceptEverything: ImportPolicy = (_before, after) => after;

/** Which server brought what home's own rooms have never carried, by its place. */
export type Provenance = Readonly<Record<string, string>>;

/** State to keep, who brought what of it, and whom something about it has to be told. */
export interface Imported {
  readonly state: JsonValue | undefined;
  /** By the name of a top-level member. */
  readonly brought: Provenance | undefined;
  /** Within members that home's own rooms carry, by JSON Pointer. */
  readonly within?: Provenance | undefined;
  /** What was not kept, until the player has been told. */
  readonly untold?: readonly ImportNotice[] | undefined;
}

/** What an import came to. */
export interface ImportResult extends Imported {
  /** JSON Pointers into what was sent: what was not kept. */
  readonly lost: readonly string[];
  /** Whether something was not kept because all of it together is too large. */
  readonly tooLarge: boolean;
  /** Which of the policy's rules kept something as it was. */
  readonly why?: ImportReasons | undefined;
}

/**
 * Stands for home in {@link Provenance}: a member of home's that a visited server has taken away. Whoever
 * brings it again brings home's.
 */
const HOMES_OWN = "";
/** Members of home's that are remembered to have been taken away; no others are taken away then. */
const MAX_TAKEN_AWAY = 64;
const MAX_TAKEN_AWAY_NAME = 200;
/** Characters of names and origins in what is remembered of who brought what; beyond, nothing new is taken. */
const MAX_BROUGHT_CHARACTERS = 32 * 1024;

/** Places within home's own members that are remembered as another's, at most. */
const MAX_WITHIN = 64;
const MAX_WITHIN_POINTER = 200;

/**
 * State as `from` sends it, seen by home's policy. `accept` undefined, or in rules, member by member of the
 * carried object:
 *
 * - a member that the visited server leaves out is kept: it did not understand it, which is no
 *   reason to lose it (`null` takes a value away);
 * - a member that home's own rooms carry may be changed by any trusted server, but for what another
 *   server brought into it;
 * - a member that home does not know belongs to the server that brought it first: no other server
 *   alters it;
 * - an object is only ever replaced by an object, at every level;
 * - where all together would be too large, what shrinks or goes is taken first, then what grows,
 *   the least growth first, as long as it fits; the rest stays as it was.
 *
 * Rules hold besides. What was not kept is noted, so that the player can be told.
 */
export function importFrom(
  kept: Imported,
  after: JsonValue,
  from: string,
  accept: ImportPolicy | ImportRules | undefined,
): ImportResult {
  const { state: before } = kept;
  const sent = checkState(after);
  const nothing = (): ImportResult => noted(kept, before, sent.ok ? sent.state : null, from, false);
  if (!sent.ok || (isMembers(before) && !isMembers(sent.state))) return nothing();
  let state: JsonValue;
  let tooLarge = false;
  let why: ImportReasons | undefined;
  if (accept === undefined || accept instanceof ImportRules) {
    let wanted = keepWhatIsForeign(kept, sent.state, from);
    if (accept !== undefined) ({ state: wanted, why } = accept.limit(before, wanted, from));
    state = fitting(before, wanted);
    tooLarge = state !== wanted;
  } else {
    let decided: unknown;
    try {
      // What the host's own code does to it is nobody else's.
      decided = accept(structuredClone(before), sent.state, from);
    } catch {
      return nothing();
    }
    // What a policy makes may be anything, cycles included.
    const checked = checkState(decided);
    if (!checked.ok || (isMembers(before) && !isMembers(checked.state))) return nothing();
    ({ state } = checked);
  }
  const result = noted(
    { ...kept, state, ...provenance(kept, state, from) },
    before,
    sent.state,
    from,
    tooLarge,
  );
  return why === undefined ? result : { ...result, why };
}

/**
 * State as home's own rooms carry it: what others brought and the rooms left out stays, an object is
 * only ever replaced by an object, and what is too large together is taken as {@link importFrom} does.
 */
export function importFromHome(kept: Imported, after: JsonValue, home: string): ImportResult {
  const { state: before, brought = {}, within = {} } = kept;
  const sent = checkState(after);
  if (!sent.ok || (isMembers(before) && !isMembers(sent.state))) {
    return noted(kept, before, sent.ok ? sent.state : null, home, false);
  }
  const { state: carried } = sent;
  if (!isMembers(before) || !isMembers(carried)) {
    return noted({ ...kept, state: carried, brought: undefined }, before, carried, home, false);
  }
  // Rooms hand on what they found, or leave it out; what they changed is theirs.
  const owned = Object.entries(brought).filter(
    ([name]) =>
      !Object.hasOwn(carried, name) ||
      (Object.hasOwn(before, name) && sameJson(before[name], carried[name])),
  );
  const foreign = owned.filter(([name]) => Object.hasOwn(before, name));
  const takenAway = owned.filter(([, by]) => by === HOMES_OWN);
  const inside = Object.entries(within).filter(([pointer]) => {
    const [then, now] = [valueAt(before, pointer), valueAt(carried, pointer)];
    return then !== undefined && (now === undefined || sameJson(then, now));
  });
  const stay = foreign.map(([name]): [string, JsonValue] => [name, before[name] ?? null]);
  const wanted = putBack(
    before,
    Object.fromEntries([...Object.entries(carried), ...stay]),
    inside.map(([pointer]) => pointer),
  );
  const state = fitting(before, wanted);
  return noted(
    { ...kept, state, brought: someOf([...takenAway, ...foreign]), within: someOf(inside) },
    before,
    carried,
    home,
    state !== wanted,
  );
}

function keepWhatIsForeign(kept: Imported, after: JsonValue, from: string): JsonValue {
  const { state: before, brought = {}, within = {} } = kept;
  if (!isMembers(after) || (before !== undefined && !isMembers(before))) return after;
  const result = new Map(Object.entries(before ?? {}));
  const owners = Object.entries(brought);
  let takenAway = owners.filter(([, by]) => by === HOMES_OWN).length;
  let characters = owners.reduce((sum, [name, by]) => sum + name.length + by.length, 0);
  for (const [name, value] of Object.entries(after)) {
    const by = Object.hasOwn(brought, name) ? brought[name] : undefined;
    if (by !== undefined && by !== HOMES_OWN && by !== from) continue;
    const known = result.get(name);
    if (value === null && by === undefined && known !== undefined) {
      // A member of home's own: what is taken away stays home's.
      if (takenAway >= MAX_TAKEN_AWAY || name.length > MAX_TAKEN_AWAY_NAME) continue;
      takenAway += 1;
    }
    if (value !== null && by === undefined && known === undefined) {
      characters += name.length + from.length;
      if (characters > MAX_BROUGHT_CHARACTERS) continue;
    }
    if (value === null) result.delete(name);
    else result.set(name, guarded(known, value));
  }
  const others = Object.entries(within).filter(([, by]) => by !== from);
  return putBack(
    before ?? {},
    Object.fromEntries(result),
    others.map(([pointer]) => pointer),
  );
}

/** Who brought what of `state`, which was `kept.state` before `from` sent it. */
function provenance(
  kept: Imported,
  state: JsonValue,
  from: string,
): Pick<Imported, "brought" | "within"> {
  const { state: before, brought = {}, within = {} } = kept;
  if (!isMembers(state)) return { brought: undefined, within: undefined };
  const known = isMembers(before) ? before : {};
  const top = Object.keys(state).flatMap((name): [string, string][] => {
    const by = Object.hasOwn(brought, name) ? brought[name] : undefined;
    if (by === HOMES_OWN) return [];
    if (!Object.hasOwn(known, name)) return [[name, from]];
    return by === undefined ? [] : [[name, by]];
  });
  const takenAway = [...Object.keys(brought), ...Object.keys(known)].filter((name) => {
    const homes = !Object.hasOwn(brought, name) || brought[name] === HOMES_OWN;
    return homes && !Object.hasOwn(state, name) && name.length <= MAX_TAKEN_AWAY_NAME;
  });
  const inside = Object.entries(within).filter(
    ([pointer]) => valueAt(state, pointer) !== undefined,
  );
  const remembered = new Set(inside.map(([pointer]) => pointer));
  for (const [name, value] of Object.entries(state)) {
    if (!isMembers(value) || !Object.hasOwn(known, name) || Object.hasOwn(brought, name)) continue;
    for (const pointer of additions(pointerTo("", name), known[name], value)) {
      if (inside.length >= MAX_WITHIN) break;
      if (remembered.has(pointer) || pointer.length > MAX_WITHIN_POINTER) continue;
      remembered.add(pointer);
      inside.push([pointer, from]);
    }
  }
  const gone = [...new Set(takenAway)].slice(0, MAX_TAKEN_AWAY);
  const goneEntries = gone.map((name): [string, string] => [name, HOMES_OWN]);
  return { brought: someOf([...goneEntries, ...withinBounds(top)]), within: someOf(inside) };
}

/** What an operator's own policy lets in beyond the bounds is nobody's. */
function withinBounds(entries: readonly [string, string][]): [string, string][] {
  let characters = 0;
  return entries.filter(([name, by]) => {
    characters += name.length + by.length;
    return characters <= 2 * MAX_BROUGHT_CHARACTERS;
  });
}

/** Members that are new within objects that were there, by JSON Pointer. */
function* additions(
  path: string,
  before: JsonValue | undefined,
  after: JsonValue,
): Generator<string> {
  if (!isMembers(after)) return;
  const there = isMembers(before) ? before : {};
  for (const [name, value] of Object.entries(after)) {
    const at = pointerTo(path, name);
    if (Object.hasOwn(there, name)) yield* additions(at, there[name], value);
    else yield at;
  }
}

/** `wanted`, or as much of it as fits: {@link importFrom} says how. */
function fitting(before: JsonValue | undefined, wanted: JsonValue): JsonValue {
  if (jsonBytes(wanted) <= MAX_STATE_BYTES) return wanted;
  if (!isMembers(before) || !isMembers(wanted)) return before ?? null;
  const cost = (members: Members, name: string): number =>
    Object.hasOwn(members, name) ? jsonBytes({ [name]: members[name] ?? null }) - 1 : 0;
  const names = [...new Set([...Object.keys(before), ...Object.keys(wanted)])];
  const changes = names
    .filter((name) => !sameJson(before[name], wanted[name]))
    .map((name) => ({ name, growth: cost(wanted, name) - cost(before, name) }))
    .sort((a, b) => a.growth - b.growth || (a.name < b.name ? -1 : 1));
  const result = new Map(Object.entries(before));
  let bytes = jsonBytes(before);
  for (const { name, growth } of changes) {
    if (growth > 0 && bytes + growth > MAX_STATE_BYTES) continue;
    bytes += growth;
    const value = Object.hasOwn(wanted, name) ? wanted[name] : undefined;
    if (value === undefined) result.delete(name);
    else result.set(name, value);
  }
  return Object.fromEntries(result);
}

function noted(
  now: Imported,
  before: JsonValue | undefined,
  sent: JsonValue,
  from: string,
  tooLarge: boolean,
): ImportResult {
  const lost = previewOf(sent, now.state).losses;
  const untold = noteImport(now.untold, { from, sent, before, state: now.state, lost });
  return { ...now, untold, lost, tooLarge };
}

function someOf(entries: readonly (readonly [string, string])[]): Provenance | undefined {
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** What a crossing home would cost a player: JSON Pointers (RFC 6901) into what it carries now. */
export interface ImportPreview {
  /** What home would keep. */
  readonly kept: JsonValue | undefined;
  /** What is there now and would not be kept as it is. Empty: nothing is lost. */
  readonly losses: readonly string[];
  /** Which of home's rules ({@link ImportRules}) would keep it from that, where home says so. */
  readonly why?: ImportReasons | undefined;
}

/**
 * Compares what a player carries with what home would keep of it.
 *
 * @param said Why, as home says: reasons for anything but a loss are left out.
 */
export function previewOf(
  now: JsonValue | undefined,
  kept: JsonValue | undefined,
  said?: ImportReasons,
): ImportPreview {
  const preview = compared(now, kept);
  const reasons = Object.entries(said ?? {}).filter(([pointer]) =>
    preview.losses.some((loss) => loss === pointer || loss.startsWith(`${pointer}/`)),
  );
  return reasons.length === 0 ? preview : { ...preview, why: Object.fromEntries(reasons) };
}

function compared(now: JsonValue | undefined, kept: JsonValue | undefined): ImportPreview {
  if (now === undefined) return { kept, losses: [] };
  if (!isMembers(now) || !isMembers(kept)) return { kept, losses: lossesAt("", now, kept) };
  // A member that is null is one taken away: nothing is lost by its not being there.
  const there = Object.entries(now).filter(
    ([name, value]) => value !== null || Object.hasOwn(kept, name),
  );
  return { kept, losses: lossesAt("", Object.fromEntries(there), kept) };
}
