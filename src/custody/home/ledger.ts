/**
 * The custody ledger: where home's players are (PROTOCOL 6).
 *
 * Every decision is one durable conditional write of the player's row; whoever waits for it hears of
 * it after that. What home says to peers about its decisions is in `answers.ts`.
 */
import { FederationError } from "../../errors.ts";
import { type JsonValue, sameJson } from "../../json.ts";
import type { Clock, Logger, Random, Store } from "../../ports.ts";
import type { ImportNotice } from "./import-notices.ts";
import { NAMELESS } from "../shared/messages.ts";
import { type Moves, NOBODY_MOVED, currentPlayer } from "../shared/moves.ts";
import { importFromHome } from "./import-policy.ts";
import type { LeaseBook } from "./lease-book.ts";
import * as transitions from "./ledger-row.ts";
import type { LedgerRow, Transition } from "./ledger-row.ts";
import { LedgerRows } from "./ledger-rows.ts";
import { delivered } from "./trade-row.ts";

/** A decision as others of this server hear of it, after it is durable. */
export interface LedgerDecision {
  readonly kind: "departing" | "claimed" | "cancelled" | "returned" | "expired";
  readonly localId: string;
  readonly before: LedgerRow;
  readonly after: LedgerRow;
}

/** Options of {@link CustodyLedger}. */
export interface CustodyLedgerOptions {
  /** Home's origin. */
  readonly origin: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Pick<Random, "bytes">;
  /** Hears of damaged rows. Default: nobody does. */
  readonly logger?: Pick<Logger, "error">;
  /** What home remembers of the leases it answered. */
  readonly leases: LeaseBook;
  /** This process's life, where several processes are this server. Default: it is the only one. */
  readonly life?: () => string | undefined;
  /** Not all of what a server sent was kept; durable, and told once. */
  readonly onNotKept?: ((localId: string, notice: ImportNotice) => void) | undefined;
  /** Whether a player's last crossing is in the history. Default: it always is. */
  readonly isRecorded?: (localId: string) => boolean;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/** Name of a player that gives none. */
export const DEFAULT_NAME = NAMELESS;

/** The custody ledger of one home server. */
export class CustodyLedger {
  readonly #origin: string;
  readonly #authority: string;
  readonly #moves: Moves;
  readonly #clock: Clock;
  readonly #leases: LeaseBook;
  readonly #life: () => string | undefined;
  readonly #rows: LedgerRows;
  readonly #onNotKept: (localId: string, notice: ImportNotice) => void;
  readonly #listeners = new Set<(decision: LedgerDecision) => void>();

  constructor(options: CustodyLedgerOptions) {
    const { origin, clock, leases, life, onNotKept } = options;
    this.#origin = origin;
    this.#authority = new URL(origin).host;
    this.#moves = options.moves ?? NOBODY_MOVED;
    this.#clock = clock;
    this.#leases = leases;
    this.#life = life ?? (() => undefined);
    this.#rows = new LedgerRows(options);
    this.#onNotKept = onNotKept ?? (() => undefined);
  }

  /** Hears every decision once it is durable. Returns how to stop hearing. */
  onDecision(listener: (decision: LedgerDecision) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether a holder is home itself. */
  isHere(holder: string): boolean {
    return holder === this.#origin;
  }

  /**
   * The local id of one of this home's player ids, those by an origin that it had included; undefined when it
   * is another home's.
   */
  localId(named: string): string | undefined {
    const player = currentPlayer(this.#moves, named);
    const at = player.lastIndexOf("@");
    return at > 0 && player.slice(at + 1) === this.#authority ? player.slice(0, at) : undefined;
  }

  /** The row as it is, or undefined for a player never seen. */
  row(localId: string): Promise<LedgerRow | undefined> {
    return this.#rows.get(localId);
  }

  /** The row as this process has written it last, where it still knows. What is decided by it is to be decided again. */
  known(localId: string): LedgerRow | undefined {
    return this.#rows.known(localId);
  }

  /**
   * Every row whose local id begins so (default: every one) and whose player is away, or has a transfer
   * open, or whose last crossing may not be in the history.
   */
  openRows(begin?: string): AsyncIterable<LedgerRow> {
    return this.#rows.open(begin);
  }

  /** The last crossing of a row is in the history. */
  recorded(row: LedgerRow): Promise<void> {
    return this.#rows.recorded(row);
  }

  /**
   * Finds or makes the row of a player who logs in, and notes a new name or key. Without a name,
   * the row keeps the one it has.
   * Whether a session may start is {@link transitions.mayStartAtHome}'s to say.
   */
  async admit(
    localId: string,
    known: { readonly name: string | undefined; readonly jkt: string | undefined },
  ): Promise<LedgerRow> {
    const admitted = await this.#rows.update(localId, (row): LedgerRow => {
      const fresh: LedgerRow = row ?? {
        localId,
        name: known.name ?? DEFAULT_NAME,
        holder: this.#origin,
        epoch: 0,
      };
      const name = known.name ?? fresh.name;
      const named = fresh.name === name ? fresh : { ...fresh, name };
      return known.jkt === undefined || named.jkt === known.jkt
        ? named
        : { ...named, jkt: known.jkt };
    });
    return own(admitted);
  }

  /**
   * Writes down that this process plays the player at home from now on, where several processes are
   * this server. False when another process got there first (`former` is who played it as far as the
   * caller knows), or the player is not at home.
   */
  async take(localId: string, former: string | undefined): Promise<boolean> {
    let taken = false;
    await this.#rows.update(localId, (row) => {
      const mine = this.#life();
      taken =
        row !== undefined &&
        transitions.mayStartAtHome(row, this.#origin) &&
        (row.life === former || row.life === mine);
      return row === undefined || !taken ? row : transitions.stamped(row, this.#origin, mine, true);
    });
    return taken;
  }

  /** Hands a player at home over to another process of this server. */
  async handOver(localId: string, epoch: number, to: string): Promise<boolean> {
    let handed = false;
    await this.#rows.update(localId, (row) => {
      handed =
        row?.epoch === epoch &&
        transitions.mayStartAtHome(row, this.#origin) &&
        row.life === this.#life();
      return row === undefined || !handed ? row : { ...row, life: to };
    });
    return handed;
  }

  /**
   * Stores what a player carries while it is at home under this epoch; false when it is not, or is
   * played in another process than that of `life` (default: this one).
   */
  async save(
    localId: string,
    epoch: number,
    state: JsonValue | undefined,
    life = this.#life(),
  ): Promise<boolean> {
    let saved = false;
    let before: LedgerRow | undefined;
    const after = await this.#rows.update(localId, (row) => {
      before = row;
      saved =
        row !== undefined &&
        row.epoch === epoch &&
        transitions.mayStartAtHome(row, this.#origin) &&
        row.life === life;
      if (row === undefined || !saved || state === undefined || sameJson(row.state, state)) {
        return row;
      }
      const kept = importFromHome(transitions.keptOf(row), state, this.#origin);
      const next = transitions.store(row, kept);
      return JSON.stringify(next) === JSON.stringify(row) ? row : next;
    });
    this.#notice(localId, before, after);
    return saved;
  }

  /**
   * Notes that the player is played from now on, where a lapsed holder may still bring what it had, and hands it what
   * waits for it. Returns the row as it is then; undefined, and nothing is done, where the row has changed or the
   * player is not free: of a session that is not stored yet, what it says of the player's things still counts.
   */
  async play(row: LedgerRow, isFree: () => boolean): Promise<LedgerRow | undefined> {
    if (delivered(transitions.played(row)) === row) return row;
    let free = false;
    const played = await this.#rows.update(row.localId, (now) => {
      free = now?.epoch === row.epoch && now.life === row.life && isFree();
      return now !== undefined && free ? delivered(transitions.played(now)) : now;
    });
    return free ? played && own(played) : undefined;
  }

  /** The player has been told what was not kept. */
  async told(localId: string, notices: readonly ImportNotice[]): Promise<void> {
    await this.#rows.update(localId, (row) =>
      row === undefined ? row : transitions.told(row, notices),
    );
  }

  /** Removes the row of a guest that left at home: without a key, nobody can ever log in as it again. */
  async forgetGuest(localId: string, epoch: number): Promise<void> {
    await this.#rows.update(localId, (row) =>
      row?.jkt === undefined &&
      row?.epoch === epoch &&
      transitions.mayStartAtHome(row, this.#origin)
        ? undefined
        : row,
    );
  }

  /** Takes a player back whose holder's leases have all run out. False while one may be alive. */
  async expire(localId: string): Promise<boolean> {
    await this.takeOver(localId);
    const decision = await this.decide(localId, "expired", (row) => {
      if (this.#leases.secondsLeft(localId, row.epoch) > 0) {
        return { ok: false, code: "ERR_FED_AWAY", reason: "the lease may still be alive" };
      }
      return this.#isPledged(row) ? transitions.PLEDGED : transitions.expire(row, this.#origin);
    });
    return decision.ok;
  }

  /** Rule 10: from now on no lease of the player's is renewed, until home has it. */
  async recall(localId: string): Promise<LedgerRow | undefined> {
    const recalled = await this.decide(localId, undefined, (row) =>
      this.#isPledged(row) ? transitions.PLEDGED : transitions.recall(row, this.#origin),
    );
    return recalled.ok ? recalled.row : undefined;
  }

  /** Another process remembers the leases, or did: from now on this one counts, from the start. */
  async takeOver(localId: string): Promise<void> {
    if (this.#life() === undefined) return;
    await this.decide(localId, undefined, (row) => ({ ok: true, row }));
  }

  /**
   * Rule 9: home itself is the source of the open transfer and takes the player back. False: not while a pledge
   * stands.
   */
  async cancelFromRow(localId: string): Promise<boolean> {
    const decision = await this.decide(localId, "cancelled", (row) =>
      row.holder === this.#origin && row.transfer !== undefined
        ? transitions.cancel(
            row,
            this.#origin,
            { transferId: row.transfer.id, epoch: row.epoch },
            Math.floor(this.#clock.now() / 1000),
          )
        : { ok: true, row },
    );
    return decision.ok || decision.code !== transitions.PLEDGED.code;
  }

  #isPledged(row: LedgerRow): boolean {
    return transitions.isPledged(row, Math.floor(this.#clock.now() / 1000));
  }

  /**
   * Makes one decision: applies `transition` to the row in one durable step and tells the listeners
   * when anything changed. `kind` undefined: no decision, nobody is told. `by`: who asked, where the
   * player is played by whoever did.
   */
  async decide(
    localId: string,
    kind: LedgerDecision["kind"] | undefined,
    transition: (row: LedgerRow) => Transition,
    by?: string,
  ): Promise<Transition> {
    const life = this.#life();
    let outcome: Transition | undefined;
    let before: LedgerRow | undefined;
    const decided = this.#rows.update(localId, (row) => {
      before = row;
      outcome = row === undefined ? UNKNOWN_PLAYER : transition(row);
      if (!outcome.ok) return row;
      outcome = {
        ok: true,
        row: transitions.stamped(outcome.row, this.#origin, life, by === this.#origin),
      };
      return outcome.row;
    });
    try {
      await decided;
    } catch (cause) {
      return damaged(cause);
    }
    if (outcome === undefined) throw new FederationError("ERR_FED_STORE_UNAVAILABLE");
    if (outcome.ok && before !== undefined && outcome.row !== before) {
      this.#notice(localId, before, outcome.row);
      this.#noteLeases(localId, before, outcome.row);
      if (kind !== undefined) {
        const decision = { kind, localId, before, after: outcome.row };
        for (const listener of this.#listeners) listener(decision);
      }
    }
    return outcome;
  }

  /**
   * Changes what a row says beside its custody, in one durable step: who holds the player, and which process answers
   * for it, stays as it is, and nobody is told of a decision. What `look` finds holds together with the row.
   */
  async amend(
    localId: string,
    transition: (row: LedgerRow) => Transition,
    look?: () => Promise<void>,
  ): Promise<Transition> {
    let outcome: Transition = UNKNOWN_PLAYER;
    let before: LedgerRow | undefined;
    try {
      const change = (row: LedgerRow | undefined): LedgerRow | undefined => {
        before = row;
        outcome = row === undefined ? UNKNOWN_PLAYER : transition(row);
        return outcome.ok ? outcome.row : row;
      };
      const after = await (look === undefined
        ? this.#rows.update(localId, change)
        : this.#rows.updateAsRead(localId, change, look));
      this.#notice(localId, before, after);
      return outcome;
    } catch (cause) {
      return damaged(cause);
    }
  }

  #noteLeases(localId: string, before: LedgerRow, { epoch, grantor, recalled }: LedgerRow): void {
    const leases = this.#leases;
    if (epoch !== before.epoch) {
      if (recalled === true) leases.carryOver(localId, before.epoch, epoch);
      leases.forget(localId, before.epoch);
    } else {
      if (grantor !== before.grantor) leases.answered(localId, epoch);
      if (recalled === true) leases.last(localId, epoch);
    }
  }

  #notice(localId: string, before: LedgerRow | undefined, after: LedgerRow | undefined): void {
    if (after?.untold === undefined || after.untold === before?.untold) return;
    const known = new Set((before?.untold ?? []).map((notice) => JSON.stringify(notice)));
    for (const notice of after.untold) {
      if (!known.has(JSON.stringify(notice))) this.#onNotKept(localId, notice);
    }
  }
}

/** One player's: what is decided about others goes on. @throws Whatever else is wrong. */
function damaged(cause: unknown): Transition {
  if (!(cause instanceof FederationError && cause.code === "ERR_FED_ROW_DAMAGED")) throw cause;
  return { ok: false, code: cause.code, reason: "the player's row at its home is damaged" };
}

const UNKNOWN_PLAYER: Transition = {
  ok: false,
  code: "ERR_FED_STALE_CUSTODY",
  reason: "no such player here",
};

/** The row for a caller who may alter the state: a session's room does. */
function own(row: LedgerRow): LedgerRow {
  return row.state === undefined ? row : { ...row, state: structuredClone(row.state) };
}
