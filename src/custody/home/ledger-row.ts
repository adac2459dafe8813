/**
 * The custody transitions as pure functions: what home decides about one player's row.
 *
 * Nothing here reads a clock, a disk or a network. Every function takes the row as it is and
 * returns either the row as it shall be or a refusal; the ledger applies it by compare-and-set.
 * The rules are those of PROTOCOL 6; their numbers stand beside them.
 */
import type { FederationErrorCode } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import type { ImportNotice } from "./import-notices.ts";
import { type RowTrades, withoutGone } from "./trade-items.ts";

/** A departure that nobody has decided yet. */
export interface OpenTransfer {
  readonly id: string;
  /** Origin the player leaves. */
  readonly from: string;
  /** Origin the player goes to. */
  readonly to: string;
  readonly world: string;
  /** Unix seconds; some time after it nobody can claim the player any more. */
  readonly deadline: number;
  /** Digest of what the source handed over, where that is not home itself. */
  readonly handed?: string;
  /**
   * The one pledge that the transfer may have: of which party, and until when it stands (home's Unix seconds; 0: it is
   * over). It stays with the transfer, so that none is made again.
   */
  readonly pledge?: { readonly party: string; readonly until: number };
}

/** The decision that raised the epoch last, kept so that a repeated call gets the same answer. */
export interface LastDecision {
  readonly kind: "claim" | "cancel";
  readonly transferId: string;
  readonly epoch: number;
  readonly from: string;
  readonly to: string;
  readonly at: number;
  /** Digest of what a claim was answered with, for its receipt. */
  readonly digest?: string;
  /** Digest of what the source had handed over. */
  readonly handed?: string;
}

/** A holder whose leases ran out before it gave the player back. */
export interface LapsedHolder {
  /** Origin that held the player. */
  readonly holder: string;
  /** The epoch it held the player under. */
  readonly epoch: number;
  /** The one before, where a cancel of its own raised it and perhaps it never heard the answer. */
  readonly cancelled?: number;
  /** Whether anybody has played the player since: what the holder still brings comes too late. */
  readonly played?: true;
}

/** Holders a row remembers to have lapsed; of an older one nothing is taken any more. */
export const MAX_LAPSED = 8;

/** That a player of this server was another home's, for ever. */
export interface Orphanhood {
  /** `<local id>@<home authority>`: whom its home knew it as. Nobody is heard under it by this. */
  readonly formerId: string;
  /** Origin of that home. */
  readonly home: string;
  /** The epoch that this server held it under: one stay is kept once. */
  readonly epoch: number;
  /** Unix seconds. */
  readonly adoptedAt: number;
}

/** Visitors that one player may have been. */
export const MAX_ORPHANHOODS = 16;

/** Home's one durable row per player. */
export interface LedgerRow {
  readonly localId: string;
  readonly name: string;
  /** Thumbprint of the key the player's client holds, when it holds one. */
  readonly jkt?: string;
  /** Origin that holds the player; home's own when it is at home. */
  readonly holder: string;
  /** Raised by every decision, never by opening a transfer. */
  readonly epoch: number;
  readonly transfer?: OpenTransfer;
  readonly last?: LastDecision;
  /**
   * Home has called the player back: until it has it, nobody is given a lease any more, nor lets it
   * depart. Durable, as nobody knows whether the holder has heard of it, or obeys.
   */
  readonly recalled?: true;
  /** Holders that lapsed, the last one last. They may still bring what the player carried. */
  readonly lapsed?: readonly LapsedHolder[];
  /** What the player carries, as home knows it. */
  readonly state?: JsonValue;
  /** Which server brought the members of `state` that home's own rooms do not carry. */
  readonly brought?: Readonly<Record<string, string>>;
  /** Which server brought what into members that they do carry, by JSON Pointer. */
  readonly within?: Readonly<Record<string, string>>;
  /** What home did not keep of what a server sent, until the player has been told. */
  readonly untold?: readonly ImportNotice[];
  /** Items that change hands. */
  readonly trades?: RowTrades;
  /** Visitors here whose homes are gone, and who were kept as this player, by word of this server alone. */
  readonly orphans?: readonly Orphanhood[];
  /** Where several processes are this server: the one that plays the player at home. */
  readonly life?: string;
  /** Where several processes are this server: the one that alone remembers the holder's leases. */
  readonly grantor?: string;
  /** Under this epoch, when the holder sent the renewal that `state` came with (its Unix seconds). */
  readonly stateSentAt?: number;
}

/** A transition's outcome: the next row (the same object when nothing changes), or a refusal. */
export type Transition =
  | { readonly ok: true; readonly row: LedgerRow }
  | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string };

const stale = (reason: string): Transition => ({
  ok: false,
  code: "ERR_FED_STALE_CUSTODY",
  reason,
});

/** A seat is promised while the pass is good, and its client may come at the seat's end. */
const CLAIM_GRACE_SECONDS = 75;

const CALLED_BACK = "home has called the player back";

/** How long a pledge stands: counted once, by home's clock, whatever is repeated. */
export const PLEDGE_SECONDS = 30;

/**
 * Whether home has promised a destination that nobody takes the player back for now. A pledge that would stand for
 * longer than any is none: the clock was set back.
 */
export function isPledged({ transfer }: LedgerRow, at: number): boolean {
  const left = (transfer?.pledge?.until ?? 0) - at;
  return left > 0 && left <= PLEDGE_SECONDS;
}

/** The refusal of whoever would take a pledged player back. */
export const PLEDGED = {
  ok: false,
  code: "ERR_FED_PARTY_UNDECIDED",
  reason: "the player's party is being decided: try again",
} as const satisfies Transition;

/** The row without an open transfer. */
function closed(row: LedgerRow): LedgerRow {
  const { transfer: _decided, stateSentAt: _past, ...rest } = row;
  return rest;
}

/** The row without a transfer and without a decision that could be repeated: home has the player. */
function settled(row: LedgerRow): LedgerRow {
  const { transfer: _decided, last: _over, stateSentAt: _past, recalled: _back, ...rest } = row;
  return rest;
}

/** State as home has decided to keep it; undefined leaves what is there. */
export interface KeptState {
  readonly state: JsonValue | undefined;
  readonly brought: LedgerRow["brought"] | undefined;
  readonly within?: LedgerRow["within"] | undefined;
  readonly untold?: LedgerRow["untold"] | undefined;
}

/** The state that a row has, and who brought what of it. */
export function keptOf({ state, brought, within, untold }: LedgerRow): KeptState {
  return { state, brought, within, untold };
}

function withState(row: LedgerRow, kept: KeptState | undefined): LedgerRow {
  if (kept === undefined) return row;
  const { brought: _former, within: _places, untold: _notices, ...rest } = row;
  const { brought, within, untold } = kept;
  const state = withoutGone(row.trades, kept.state);
  return {
    ...rest,
    ...(state === undefined ? {} : { state }),
    ...(brought === undefined ? {} : { brought }),
    ...(within === undefined ? {} : { within }),
    ...(untold === undefined ? {} : { untold }),
  };
}

/** What the player carries at home now (its own rooms say so). */
export function store(row: LedgerRow, kept: KeptState): LedgerRow {
  return withState(row, kept);
}

/** The player has been told of these: the others are left for the next time. */
export function told(row: LedgerRow, notices: readonly ImportNotice[]): LedgerRow {
  const heard = new Set(notices.map((notice) => JSON.stringify(notice)));
  const left = (row.untold ?? []).filter((notice) => !heard.has(JSON.stringify(notice)));
  if (left.length === (row.untold ?? []).length) return row;
  const { untold: _told, ...rest } = row;
  return left.length === 0 ? rest : { ...rest, untold: left };
}

/** Rule 1: the holder opens a transfer. Repeating it changes nothing. */
export function depart(
  row: LedgerRow,
  by: string,
  request: { readonly epoch: number; readonly kept: KeptState | undefined },
  transfer: OpenTransfer,
): Transition {
  if (row.holder !== by) return stale(`the player is not held by ${by}`);
  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);
  if (row.transfer !== undefined) {
    return row.transfer.id === transfer.id && row.transfer.to === transfer.to
      ? { ok: true, row }
      : stale("another transfer is open");
  }
  if (row.recalled === true) return stale(CALLED_BACK);
  return { ok: true, row: withState({ ...row, transfer }, request.kept) };
}

/** Rule 2: the destination takes custody. Repeated by the same holder, it gets the same answer. */
export function claim(
  row: LedgerRow,
  by: string,
  home: string,
  transferId: string,
  at: number,
): Transition {
  const open = row.transfer;
  if (open?.id === transferId) {
    if (open.to !== by) {
      return {
        ok: false,
        code: "ERR_FED_NOT_DESTINATION",
        reason: "the transfer is for another server",
      };
    }
    if (open.deadline + CLAIM_GRACE_SECONDS < at) {
      return {
        ok: false,
        code: "ERR_FED_TRANSFER_UNKNOWN",
        reason: "the deadline of the transfer has passed",
      };
    }
    const epoch = row.epoch + 1;
    const last: LastDecision = {
      kind: "claim",
      transferId,
      epoch,
      from: open.from,
      to: by,
      at,
    };
    const next: LedgerRow = { ...closed(row), holder: by, epoch, last };
    if (by !== home || next.recalled === undefined) return { ok: true, row: next };
    // What home has called back is home: it may go again.
    const { recalled: _back, ...free } = next;
    return { ok: true, row: free };
  }
  const last = row.last;
  if (last?.transferId === transferId) {
    if (last.kind === "cancel") {
      return {
        ok: false,
        code: "ERR_FED_TRANSFER_CANCELLED",
        reason: "the source took the player back",
      };
    }
    if (last.to !== by) {
      return {
        ok: false,
        code: "ERR_FED_NOT_DESTINATION",
        reason: "the transfer is for another server",
      };
    }
    // The same answer only while nothing has happened since: an open transfer means this holder
    // has let go of the player already.
    if (last.epoch === row.epoch && row.holder === by && open === undefined)
      return { ok: true, row };
    return stale("the player has moved on since");
  }
  return { ok: false, code: "ERR_FED_TRANSFER_UNKNOWN", reason: "no such open transfer" };
}

/** Rule 4: the source takes the player back. It raises the epoch, so a late depart finds a stale one. */
export function cancel(
  row: LedgerRow,
  by: string,
  request: { readonly transferId: string; readonly epoch: number },
  at: number,
): Transition {
  const { last, transfer } = row;
  if (
    last?.kind === "cancel" &&
    last.transferId === request.transferId &&
    last.epoch === row.epoch &&
    row.holder === by &&
    transfer === undefined
  ) {
    return { ok: true, row };
  }
  if (row.holder !== by) return stale(`the player is not held by ${by}`);
  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);
  if (transfer !== undefined && transfer.id !== request.transferId) {
    return stale("another transfer is open");
  }
  if (isPledged(row, at)) return PLEDGED;
  const epoch = row.epoch + 1;
  return {
    ok: true,
    row: {
      ...closed(row),
      epoch,
      last: {
        kind: "cancel",
        transferId: request.transferId,
        epoch,
        from: by,
        to: transfer?.to ?? by,
        at,
      },
    },
  };
}

/** Rule 8: a visited server gives the player back to home. */
export function giveBack(
  row: LedgerRow,
  by: string,
  home: string,
  request: { readonly epoch: number; readonly kept: KeptState | undefined },
): Transition {
  if (row.holder !== by || by === home) return stale(`the player is not held by ${by}`);
  if (row.epoch !== request.epoch) return stale(`the epoch is ${row.epoch}`);
  if (row.transfer !== undefined) return stale("a transfer is open: cancel it first");
  return {
    ok: true,
    row: withState({ ...settled(row), holder: home, epoch: row.epoch + 1 }, request.kept),
  };
}

/**
 * A heartbeat: the holder keeps the player. State is taken only while no transfer is open, and never
 * from a renewal that was sent before the one whose state is there: messages overtake each other.
 */
export function renew(
  row: LedgerRow,
  by: string,
  request: { readonly epoch: number; readonly kept: KeptState | undefined },
  sentAt: number,
): Transition {
  if (row.holder !== by || row.epoch !== request.epoch) return stale("not held any more");
  if (row.recalled === true) return stale(CALLED_BACK);
  const late = row.stateSentAt !== undefined && sentAt < row.stateSentAt;
  if (row.transfer !== undefined || late || request.kept === undefined) {
    return { ok: true, row };
  }
  return { ok: true, row: { ...withState(row, request.kept), stateSentAt: sentAt } };
}

/** Rule 10: home calls the player back, whatever its holder says to that. */
export function recall(row: LedgerRow, home: string): Transition {
  if (row.holder === home) return stale("the player is at home");
  return { ok: true, row: row.recalled === true ? row : { ...row, recalled: true } };
}

/**
 * Rule 7: every lease has surely run out; home takes the player back as it knows it. What the holder
 * had is remembered to be missing.
 */
export function expire(row: LedgerRow, home: string): Transition {
  if (row.holder === home) return stale("the player is at home");
  const { holder, epoch, last } = row;
  const cancelled = last?.kind === "cancel" && last.epoch === epoch ? { cancelled: epoch - 1 } : {};
  return {
    ok: true,
    row: {
      ...settled(row),
      holder: home,
      epoch: epoch + 1,
      lapsed: [...(row.lapsed ?? []), { holder, epoch, ...cancelled }].slice(-MAX_LAPSED),
    },
  };
}

/** The lapse that a return makes up for: its holder's own, for the player it held. */
function lapseOf(
  row: LedgerRow,
  by: string,
  request: { readonly epoch: number },
): LapsedHolder | undefined {
  return row.lapsed?.find(
    ({ holder, epoch, cancelled }) =>
      holder === by && (epoch === request.epoch || cancelled === request.epoch),
  );
}

/** Whether a return comes after its holder's leases have run out. */
export function isLate(row: LedgerRow, by: string, request: { readonly epoch: number }): boolean {
  return lapseOf(row, by, request) !== undefined;
}

/**
 * Rule 12: a return that comes after expiry is taken as long as nobody has played the player since.
 * Repeated, it finds the holder forgotten.
 */
export function giveBackLate(
  row: LedgerRow,
  by: string,
  home: string,
  request: { readonly epoch: number; readonly kept: KeptState | undefined },
): Transition {
  const lapse = lapseOf(row, by, request);
  if (lapse === undefined) return stale(`the epoch is ${row.epoch}`);
  if (lapse.played === true || !mayStartAtHome(row, home)) {
    return stale("the player has been played since");
  }
  const { lapsed = [], ...rest } = settled(row);
  const others = lapsed.filter((each) => each !== lapse);
  return {
    ok: true,
    row: withState(
      { ...rest, epoch: row.epoch + 1, ...(others.length === 0 ? {} : { lapsed: others }) },
      request.kept,
    ),
  };
}

/** The player is played from now on: what lapsed holders still bring comes too late. */
export function played(row: LedgerRow): LedgerRow {
  return row.lapsed === undefined || row.lapsed.every((lapse) => lapse.played === true)
    ? row
    : { ...row, lapsed: row.lapsed.map((lapse) => ({ ...lapse, played: true })) };
}

/**
 * Which process answers for the row: who remembers the holder's leases while the player is away,
 * who plays it while it is at home. `life` is the process that decided, `plays` whether it is the
 * one whose session the decision was for.
 */
export function stamped(
  row: LedgerRow,
  home: string,
  life: string | undefined,
  plays: boolean,
): LedgerRow {
  if (life === undefined) return row;
  const { life: player, grantor, ...rest } = row;
  if (row.holder !== home) {
    return grantor === life && player === undefined ? row : { ...rest, grantor: life };
  }
  if (plays) return player === life && grantor === undefined ? row : { ...rest, life };
  if (grantor === undefined) return row;
  return { ...rest, ...(player === undefined ? {} : { life: player }) };
}

/** Rule 9: whether a session may start at home. */
export function mayStartAtHome(row: LedgerRow, home: string): boolean {
  return row.holder === home && row.transfer === undefined;
}
