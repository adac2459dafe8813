/** What home did not keep of what a server sent, until the player has been told. */
import { type JsonValue, pointerTo, sameJson, shortPointer } from "../../json.ts";
import { isMembers } from "./members.ts";

/** What became of a state that a server sent. JSON Pointers (RFC 6901) into it. */
export interface ImportNotice {
  /** Origin of the server that sent it; home's own where one of its rooms carried it. */
  readonly from: string;
  /** Members that it changed or added, and that are kept so. */
  readonly kept: readonly string[];
  /** What was not kept as it was sent. */
  readonly lost: readonly string[];
  /** How many places more than `lost` names were not kept. */
  readonly more: number;
}

/** Places that are named for one player, in all its notices together. */
export const MAX_NOTED_PLACES = 32;
/** Servers that notices are kept of; the oldest gives way. */
const MAX_NOTICES = 4;

/**
 * The notices after an import. State is always sent whole, so a server's latest word takes the place
 * of its former one. The same list is returned when nothing changes.
 */
export function noteImport(
  untold: readonly ImportNotice[] | undefined,
  {
    from,
    sent,
    before,
    state,
    lost,
  }: {
    readonly from: string;
    readonly sent: JsonValue;
    readonly before: JsonValue | undefined;
    readonly state: JsonValue | undefined;
    readonly lost: readonly string[];
  },
): readonly ImportNotice[] | undefined {
  const others = (untold ?? []).filter((notice) => notice.from !== from);
  if (lost.length === 0) {
    return others.length === (untold ?? []).length ? untold : noneOrAll(others);
  }
  const recent = others.slice(1 - MAX_NOTICES);
  const taken = recent.reduce((sum, notice) => sum + notice.lost.length, 0);
  const room = Math.max(1, MAX_NOTED_PLACES - taken);
  const notice: ImportNotice = {
    from,
    kept: changesKept(before, sent, state).slice(0, MAX_NOTED_PLACES).map(shortPointer),
    lost: lost.slice(0, room).map(shortPointer),
    more: Math.max(0, lost.length - room),
  };
  const former = untold?.find((each) => each.from === from);
  return JSON.stringify(former) === JSON.stringify(notice) ? untold : [...recent, notice];
}

function changesKept(
  before: JsonValue | undefined,
  sent: JsonValue,
  state: JsonValue | undefined,
): string[] {
  if (!isMembers(sent) || !isMembers(state)) return [];
  const had = isMembers(before) ? before : {};
  return Object.entries(sent).flatMap(([name, value]) => {
    const former = Object.hasOwn(had, name) ? had[name] : undefined;
    const now = Object.hasOwn(state, name) ? state[name] : undefined;
    const changed = !sameJson(former, now);
    return changed && (sameJson(value, now) || (value === null && now === undefined))
      ? [pointerTo("", name)]
      : [];
  });
}

function noneOrAll(notices: readonly ImportNotice[]): readonly ImportNotice[] | undefined {
  return notices.length === 0 ? undefined : notices;
}
