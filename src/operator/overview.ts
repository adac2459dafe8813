/** All that an operator looks at, in one answer of bounded size: trouble first. */
import type { FederationErrorCode } from "../errors.ts";
import type { UptimeSlice, UptimeWindow } from "../health/uptime-history.ts";
import { shownText } from "../words.ts";
import {
  type PeerCondition,
  conditionOf,
  countConditions,
  type Mend,
  mendOf,
  sinceOf,
  whyOf,
  worstFirst,
} from "./condition.ts";
import type { CrossingUnderWay } from "./crossings-under-way.ts";
import type { PeerSummary } from "./peers.ts";

/** Peers in one answer. */
export const MAX_ROWS = 100;
/** Players, crossings and assets of each kind in one answer. */
const MAX_LISTED = 100;
const MAX_QUERY_LENGTH = 200;

/** A server's own word on itself. */
export interface OwnState {
  readonly name: string;
  readonly origin: string;
  readonly version: string;
  readonly keyId: string;
  readonly worlds: readonly string[];
  /** `GET /health`'s. */
  readonly health: {
    readonly status: "pass" | "warn" | "fail";
    readonly checks: Readonly<
      Record<string, readonly { readonly status: string; readonly output?: string }[]>
    >;
  };
  /** Unix milliseconds. */
  readonly startedAt: number | undefined;
}

/** A player who is somewhere else than at home. */
export interface PlayerRow {
  readonly player: string;
  readonly name: string;
  /** Of a visitor: its home. Of a player abroad: who holds it. */
  readonly at: string;
  readonly state: string;
}

/** A file that was not what its hash names. */
export interface QuarantinedRow {
  readonly id: string;
  readonly origin: string | undefined;
  readonly mediaType: string;
  readonly size: number;
  readonly reason: string;
  /** Unix milliseconds. */
  readonly at: number;
}

/** What came back too late. */
export interface LateRow {
  readonly player: string;
  readonly from: string;
  /** Unix milliseconds. */
  readonly at: number;
}

/** A crossing that left this process and has ended. */
export interface EndedCrossing {
  readonly transferId: string;
  readonly player: string;
  /** The portal URI. */
  readonly to: string;
  readonly outcome: "arrived" | "stayed" | "undecided";
  /** Why it stayed. */
  readonly code?: FederationErrorCode | undefined;
  readonly message?: string | undefined;
  /** Unix milliseconds. */
  readonly at: number;
}

/** Where an overview comes from. Each is asked once. */
export interface OverviewSources {
  readonly now: () => number;
  readonly own: () => OwnState;
  readonly peers: () => readonly PeerSummary[];
  readonly slices: (origin: string, window: UptimeWindow) => readonly UptimeSlice[];
  readonly underWay: () => readonly CrossingUnderWay[];
  /** Of this process: see `CrossingLog`. */
  readonly crossings: {
    ended(): readonly EndedCrossing[];
    failed(): readonly EndedCrossing[];
    counts(): Readonly<Record<string, number>>;
  };
  readonly playersHere: () => number;
  readonly visitors: () => AsyncIterable<PlayerRow>;
  readonly abroad: () => AsyncIterable<PlayerRow>;
  readonly late: () => AsyncIterable<LateRow>;
  readonly quarantine: () => Promise<readonly QuarantinedRow[]>;
}

/** Which peers are asked for. */
export interface OverviewQuery {
  /** Part of an origin, a name, a world or a reason; of any case. Default: all. */
  readonly search?: string | undefined;
  readonly condition?: PeerCondition | undefined;
  /** How many to leave out, from the worst on. Default 0. */
  readonly from?: number | undefined;
}

/** One peer as it is shown. */
export interface PeerRow extends Omit<PeerSummary, "cause" | "recovery"> {
  readonly condition: PeerCondition;
  readonly why: string | undefined;
  readonly mend: Mend | undefined;
  /**
   * A character for each slice, the oldest first: `-` not observed, `0`–`9` that many tenths of it up (rounded
   * down), `^` all of it.
   */
  readonly bars: Readonly<Record<UptimeWindow, string>>;
  /** Mean milliseconds of each minute of the last hour; null: nothing answered in it. */
  readonly roundTrips: readonly (number | null)[];
}

/** A list that may be longer than what is shown of it. */
export interface Listed<Row> {
  readonly rows: readonly Row[];
  /** Whether there are more. */
  readonly more: boolean;
}

/** What `GET <endpoint>/admin/data` answers. Times are Unix milliseconds, but for those of {@link PeerSummary}. */
export interface Overview {
  readonly at: number;
  readonly own: OwnState;
  readonly counts: Partial<Record<PeerCondition, number>>;
  readonly playersHere: number;
  readonly peers: {
    readonly rows: readonly PeerRow[];
    /** How many there are that were asked for. */
    readonly matching: number;
    readonly total: number;
    readonly from: number;
    /** Rows in one answer, at most. */
    readonly atOnce: number;
  };
  readonly crossings: {
    readonly underWay: Listed<CrossingUnderWay>;
    readonly failed: Listed<EndedCrossing>;
    readonly recent: Listed<EndedCrossing>;
    readonly counts: Readonly<Record<string, number>>;
  };
  readonly visitors: Listed<PlayerRow>;
  readonly abroad: Listed<PlayerRow>;
  readonly late: Listed<LateRow>;
  readonly quarantine: Listed<QuarantinedRow>;
  /** Parts that could not be read, such as while the store does not answer. */
  readonly missing: readonly string[];
}

/** Puts an overview together. Never rejects: what cannot be read is named in `missing`. */
export async function overviewOf(
  sources: OverviewSources,
  query: OverviewQuery = {},
): Promise<Overview> {
  const own = sources.own();
  const all = sources.peers();
  const wanted = all.filter((peer) => isWanted(peer, query)).sort(worstFirst);
  const from = Math.min(Math.max(0, Math.floor(query.from ?? 0)), wanted.length);
  const missing: string[] = [];
  const list = async <Row>(name: string, rows: () => AsyncIterable<Row>): Promise<Listed<Row>> => {
    try {
      return await listed(rows());
    } catch {
      missing.push(name);
      return { rows: [], more: false };
    }
  };
  const { crossings } = sources;
  const [visitors, abroad, late, quarantine] = await Promise.all([
    list("visitors", sources.visitors),
    list("abroad", sources.abroad),
    list("late", sources.late),
    list("quarantine", async function* () {
      yield* await sources.quarantine();
    }),
  ]);
  return {
    at: sources.now(),
    own,
    counts: countConditions(all),
    playersHere: sources.playersHere(),
    peers: {
      rows: wanted.slice(from, from + MAX_ROWS).map((peer) => rowOf(peer, own, sources.slices)),
      matching: wanted.length,
      total: all.length,
      from,
      atOnce: MAX_ROWS,
    },
    crossings: {
      underWay: cut(sources.underWay()),
      failed: cut(crossings.failed()),
      recent: cut(crossings.ended()),
      counts: crossings.counts(),
    },
    ...{ visitors, abroad, late, quarantine, missing },
  };
}

/** A window of slices in one text: see {@link PeerRow.bars}. */
export function barOf(slices: readonly UptimeSlice[]): string {
  return slices
    .map(({ observedMilliseconds, upMilliseconds }) => {
      if (observedMilliseconds === 0) return "-";
      const share = upMilliseconds / observedMilliseconds;
      return share >= 1 ? "^" : String(Math.floor(Math.max(0, share) * 10));
    })
    .join("");
}

function rowOf(peer: PeerSummary, own: OwnState, slices: OverviewSources["slices"]): PeerRow {
  const { cause: _cause, recovery: _recovery, ...shown } = peer;
  const hour = slices(peer.origin, "hour");
  return {
    ...shown,
    name: shownText(peer.name, 64) ?? "",
    condition: conditionOf(peer),
    since: sinceOf(peer),
    why: whyOf(peer),
    mend: mendOf(peer, own),
    bars: {
      hour: barOf(hour),
      day: barOf(slices(peer.origin, "day")),
      ninetyDays: barOf(slices(peer.origin, "ninetyDays")),
    },
    roundTrips: hour.map(({ meanRoundTripMilliseconds: mean }) =>
      mean === undefined ? null : Math.round(mean * 10) / 10,
    ),
  };
}

function isWanted(peer: PeerSummary, { search = "", condition }: OverviewQuery): boolean {
  if (condition !== undefined && conditionOf(peer) !== condition) return false;
  const text = search.slice(0, MAX_QUERY_LENGTH).trim().toLowerCase();
  if (text === "") return true;
  const about = [peer.origin, peer.name, ...peer.worlds, whyOf(peer) ?? ""];
  return about.some((each) => each.toLowerCase().includes(text));
}

function cut<Row>(rows: readonly Row[]): Listed<Row> {
  return { rows: rows.slice(0, MAX_LISTED), more: rows.length > MAX_LISTED };
}

async function listed<Row>(source: AsyncIterable<Row>): Promise<Listed<Row>> {
  const rows: Row[] = [];
  for await (const row of source) {
    if (rows.length === MAX_LISTED) return { rows, more: true };
    rows.push(row);
  }
  return { rows, more: false };
}
