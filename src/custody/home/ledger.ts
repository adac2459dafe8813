/**
 * The custody ledger: where home's players are (PROTOCOL 6).
 *
 * Every decision is one durable compare-and-set on the player's row; an answer leaves only after it.
 */
import { FederationError, type FederationErrorCode } from "../../errors.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import { issuePass } from "../../identity/pass.ts";
import { issueReceipt } from "../../identity/receipt.ts";
import { type JsonValue, sameJson } from "../../json.ts";
import type { Clock, Random, Store } from "../../ports.ts";
import { CrossingHistory } from "./history.ts";
import { type ImportPolicy, type Imported, importFrom, importFromHome } from "./import-policy.ts";
import { LeaseBook } from "./lease-book.ts";
import * as transitions from "./ledger-row.ts";
import type { LedgerRow, Transition } from "./ledger-row.ts";
import type {
  CancelAnswer,
  CancelRequest,
  ClaimAnswer,
  DepartAnswer,
  DepartRequest,
  PreviewAnswer,
  PreviewRequest,
  ReceiptAnswer,
  RenewAnswer,
  RenewRequest,
  ReturnRequest,
} from "../shared/messages.ts";

/** An answer of the ledger: the 200 body, or a refusal with its code. */
export type LedgerAnswer<Body> =
  | { readonly ok: true; readonly body: Body }
  | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string };

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
  readonly random: Random;
  readonly signingKey: () => SigningKey;
  /** Default 30. */
  readonly leaseSeconds?: number;
  /** Life of a pass and of a transfer nobody claims. Default 60, at most 120 (PROTOCOL 5). */
  readonly passSeconds?: number;
  /** Default: {@link keepWhatIsForeign}. */
  readonly accept?: ImportPolicy;
  /** This process's life, where several processes are this server. Default: it is the only one. */
  readonly life?: () => string | undefined;
  /** A crossing could not be written into the history. Default: nobody is told. */
  readonly onHistoryLost?: (cause: unknown) => void;
  /** Whether home lets its players go to a server. Default: to every server. */
  readonly mayGoTo?: (origin: string) => boolean;
}

/** Name of a player that gives none. */
export const DEFAULT_NAME = "Traveler";
const COMPARE_AND_SET_TRIES = 32;
const TRANSFER_INDEX_MILLISECONDS = 7 * 24 * 3600 * 1000;

const rowKey = (localId: string): string => `custody/${localId}`;
const transferKey = (transferId: string): string => `transfer/${transferId.toLowerCase()}`;

/** The custody ledger of one home server. */
export class CustodyLedger {
  readonly leases: LeaseBook;
  readonly history: CrossingHistory;
  readonly #options: Required<Omit<CustodyLedgerOptions, "leaseSeconds" | "accept">> & {
    readonly accept: ImportPolicy | undefined;
  };
  readonly #authority: string;
  readonly #listeners = new Set<(decision: LedgerDecision) => void>();

  constructor(options: CustodyLedgerOptions) {
    const passSeconds = options.passSeconds ?? 60;
    if (!(passSeconds > 0 && passSeconds <= 120)) {
      throw new TypeError("passSeconds must be more than 0 and at most 120");
    }
    this.#options = {
      ...options,
      passSeconds,
      accept: options.accept,
      mayGoTo: options.mayGoTo ?? (() => true),
      onHistoryLost: options.onHistoryLost ?? (() => undefined),
      life: options.life ?? (() => undefined),
    };
    this.#authority = new URL(options.origin).host;
    this.history = new CrossingHistory(options.store);
    this.leases = new LeaseBook({ clock: options.clock, leaseSeconds: options.leaseSeconds ?? 30 });
  }

  /** Hears every decision once it is durable. Returns how to stop hearing. */
  onDecision(listener: (decision: LedgerDecision) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The local id of one of this home's player ids, or undefined when it is another home's. */
  localId(player: string): string | undefined {
    const at = player.lastIndexOf("@");
    return at > 0 && player.slice(at + 1) === this.#authority ? player.slice(0, at) : undefined;
  }

  /** The row as it is, or undefined for a player never seen. */
  async row(localId: string): Promise<LedgerRow | undefined> {
    const text = await this.#options.store.get(rowKey(localId));
    return text === undefined ? undefined : (JSON.parse(text) as LedgerRow);
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
    return this.#update(localId, (row): LedgerRow => {
      const fresh: LedgerRow = row ?? {
        localId,
        name: known.name ?? DEFAULT_NAME,
        holder: this.#options.origin,
        epoch: 0,
      };
      const name = known.name ?? fresh.name;
      const named = fresh.name === name ? fresh : { ...fresh, name };
      return known.jkt === undefined || named.jkt === known.jkt
        ? named
        : { ...named, jkt: known.jkt };
    });
  }

  /**
   * Writes down that this process plays the player at home from now on, where several processes are
   * this server. False when another process got there first (`former` is who played it as far as the
   * caller knows), or the player is not at home.
   */
  async take(localId: string, former: string | undefined): Promise<boolean> {
    const { origin, life } = this.#options;
    let taken = false;
    await this.#update(localId, (row) => {
      const mine = life();
      taken =
        row !== undefined &&
        transitions.mayStartAtHome(row, origin) &&
        (row.life === former || row.life === mine);
      return row === undefined || !taken ? row : transitions.stamped(row, origin, mine, true);
    });
    return taken;
  }

  /** Hands a player at home over to another process of this server. */
  async handOver(localId: string, epoch: number, to: string): Promise<boolean> {
    const { origin, life } = this.#options;
    let handed = false;
    await this.#update(localId, (row) => {
      handed =
        row?.epoch === epoch && transitions.mayStartAtHome(row, origin) && row.life === life();
      return row === undefined || !handed ? row : { ...row, life: to };
    });
    return handed;
  }

  /** Stores what a player carries while it is at home under this epoch; false when it is not. */
  async save(localId: string, epoch: number, state: JsonValue | undefined): Promise<boolean> {
    const { origin } = this.#options;
    let saved = false;
    await this.#update(localId, (row) => {
      saved =
        row !== undefined &&
        row.epoch === epoch &&
        transitions.mayStartAtHome(row, origin) &&
        row.life === this.#options.life();
      if (row === undefined || !saved || state === undefined || sameJson(row.state, state)) {
        return row;
      }
      return transitions.store(row, importFromHome(keptOf(row), state));
    });
    return saved;
  }

  /** Removes the row of a guest that left at home: nobody can ever log in as it again. */
  async forgetGuest(localId: string, epoch: number): Promise<void> {
    await this.#update(localId, (row) =>
      row !== undefined &&
      row.epoch === epoch &&
      transitions.mayStartAtHome(row, this.#options.origin)
        ? undefined
        : row,
    );
  }

  async depart(by: string, request: DepartRequest): Promise<LedgerAnswer<DepartAnswer>> {
    const localId = this.localId(request.player);
    if (localId === undefined) return unknownPlayer();
    if (!this.#options.mayGoTo(request.to)) {
      const reason = `home does not let its players go to ${request.to}`;
      return { ok: false, code: "ERR_FED_NOT_TRUSTED", reason };
    }
    const deadline = this.#seconds() + this.#options.passSeconds;
    const index = transferKey(request.transferId);
    // Written together with the row (one group commit): a claim names only the transfer.
    const indexed = this.#options.store
      .compareAndSet(index, undefined, localId, TRANSFER_INDEX_MILLISECONDS)
      .then(async (made) => made || (await this.#options.store.get(index)) === localId);
    const decided = this.#decide(localId, "departing", (row) =>
      transitions.depart(
        row,
        by,
        { epoch: request.epoch, kept: this.#imported(row, request.state, by) },
        {
          id: request.transferId,
          from: by,
          to: request.to,
          world: request.world,
          deadline,
        },
      ),
    );
    const [free, decision] = await Promise.all([indexed, decided]);
    if (!decision.ok) return decision;
    if (!free) {
      await this.#decide(localId, "cancelled", (row) =>
        transitions.cancel(row, by, request, this.#seconds()),
      );
      return { ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "this transfer id is in use" };
    }
    return { ok: true, body: await this.#departAnswer(decision.row, by, request) };
  }

  async claim(by: string, transferId: string): Promise<LedgerAnswer<ClaimAnswer>> {
    const localId = await this.#options.store.get(transferKey(transferId));
    if (localId === undefined) {
      return { ok: false, code: "ERR_FED_TRANSFER_UNKNOWN", reason: "no such transfer" };
    }
    const decision = await this.#decide(
      localId,
      "claimed",
      (row) => transitions.claim(row, by, transferId, this.#seconds()),
      by,
    );
    if (!decision.ok) return decision;
    const { row } = decision;
    this.#answered(by, row);
    const receipt = await this.#record(row, transferId, by);
    return {
      ok: true,
      body: {
        player: this.#playerId(localId),
        name: row.name,
        epoch: row.epoch,
        ...(row.state === undefined ? {} : { state: row.state }),
        leaseSeconds: this.leases.leaseSeconds,
        receipt,
      },
    };
  }

  /** Signs the receipt of a decided claim and writes the crossing into the history. */
  async #record(row: LedgerRow, transferId: string, to: string): Promise<string> {
    const { origin } = this.#options;
    const { localId, epoch } = row;
    const at = row.last?.at ?? this.#seconds();
    const from = row.last?.from ?? origin;
    const receipt = await issueReceipt(
      { iss: origin, xfer: transferId, player: this.#playerId(localId), epoch, from, to, iat: at },
      this.#options.signingKey(),
    );
    // Nobody's custody hangs on it, so nobody waits for it; the next start makes up for a crash.
    this.history
      .record(localId, { transferId, from, to, epoch, at, receipt })
      .catch(this.#options.onHistoryLost);
    return receipt;
  }

  /** The receipt of a crossing, for the server at either end of it. */
  async receipt(by: string, transferId: string): Promise<LedgerAnswer<ReceiptAnswer>> {
    const crossing = await this.history.ofTransfer(transferId);
    if (crossing === undefined) {
      return { ok: false, code: "ERR_FED_TRANSFER_UNKNOWN", reason: "no such crossing" };
    }
    return crossing.from === by || crossing.to === by
      ? { ok: true, body: { receipt: crossing.receipt } }
      : { ok: false, code: "ERR_FED_NOT_DESTINATION", reason: "you are not an end of it" };
  }

  /** What home would keep of the state if the holder returned the player with it now. */
  async preview(by: string, request: PreviewRequest): Promise<LedgerAnswer<PreviewAnswer>> {
    const localId = this.localId(request.player);
    const row = localId === undefined ? undefined : await this.row(localId);
    if (row === undefined) return unknownPlayer();
    if (row.holder !== by || row.epoch !== request.epoch) {
      return { ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "not held any more" };
    }
    const kept = this.#imported(row, request.state, by)?.state;
    return { ok: true, body: kept === undefined ? {} : { state: kept } };
  }

  async cancel(by: string, request: CancelRequest): Promise<LedgerAnswer<CancelAnswer>> {
    const localId = this.localId(request.player);
    if (localId === undefined) return unknownPlayer();
    const decision = await this.#decide(localId, "cancelled", (row) =>
      transitions.cancel(row, by, request, this.#seconds()),
    );
    if (!decision.ok) return decision;
    this.#answered(by, decision.row);
    return {
      ok: true,
      body: { epoch: decision.row.epoch, leaseSeconds: this.leases.leaseSeconds },
    };
  }

  async giveBack(by: string, request: ReturnRequest): Promise<LedgerAnswer<{ epoch: number }>> {
    const localId = this.localId(request.player);
    if (localId === undefined) return unknownPlayer();
    const decision = await this.#decide(localId, "returned", (row) =>
      transitions.giveBack(row, by, this.#options.origin, {
        epoch: request.epoch,
        kept: this.#imported(row, request.state, by),
      }),
    );
    return decision.ok ? { ok: true, body: { epoch: decision.row.epoch } } : decision;
  }

  /** `sentAt`: when the holder signed the request, its own Unix seconds. */
  async renew(
    by: string,
    request: RenewRequest,
    sentAt: number,
  ): Promise<LedgerAnswer<RenewAnswer>> {
    const kept = await Promise.all(
      request.players.map(async ({ player, epoch, state }) => {
        const localId = this.localId(player);
        if (localId === undefined) return false;
        const decision = await this.#decide(localId, undefined, (row) =>
          transitions.renew(row, by, { epoch, kept: this.#imported(row, state, by) }, sentAt),
        );
        if (decision.ok) this.#answered(by, decision.row);
        return decision.ok;
      }),
    );
    return {
      ok: true,
      body: {
        leaseSeconds: this.leases.leaseSeconds,
        lost: request.players
          .filter((_, index) => kept[index] !== true)
          .map(({ player, epoch }) => ({ player, epoch })),
      },
    };
  }

  /** Takes a player back whose holder's leases have all run out. False while one may be alive. */
  async expire(localId: string): Promise<boolean> {
    await this.#takeOver(localId);
    const decision = await this.#decide(localId, "expired", (row) =>
      this.leases.secondsLeft(localId, row.epoch) > 0
        ? { ok: false, code: "ERR_FED_AWAY", reason: "the lease may still be alive" }
        : transitions.expire(row, this.#options.origin),
    );
    return decision.ok;
  }

  /** Another process remembers the leases, or did: from now on this one counts, from the start. */
  async #takeOver(localId: string): Promise<void> {
    if (this.#options.life() === undefined) return;
    await this.#decide(localId, undefined, (row) => ({ ok: true, row }));
  }

  /** Rule 9: home itself is the source of the open transfer and takes the player back. */
  async cancelFromRow(localId: string): Promise<void> {
    const { origin } = this.#options;
    await this.#decide(localId, "cancelled", (row) =>
      row.holder === origin && row.transfer !== undefined
        ? transitions.cancel(
            row,
            origin,
            { transferId: row.transfer.id, epoch: row.epoch },
            this.#seconds(),
          )
        : { ok: true, row },
    );
  }

  /**
   * What processes whose life is over had frozen for a departure is cancelled (rules 8 and 9). After
   * a restart of the only process, that is everything.
   */
  async settleAfter(isOver: (life: string | undefined) => Promise<boolean>): Promise<number> {
    const { origin, store } = this.#options;
    let settled = 0;
    for await (const [, text] of store.entries("custody/")) {
      const row = JSON.parse(text) as LedgerRow;
      const { last } = row;
      const unwritten =
        last?.kind === "claim" && (await this.history.ofTransfer(last.transferId)) === undefined;
      if (unwritten) await this.#record({ ...row, epoch: last.epoch }, last.transferId, last.to);
      if (row.holder !== origin) {
        // The count of its leases begins now, not when somebody asks.
        if (await isOver(row.grantor)) await this.#takeOver(row.localId);
      } else if (row.transfer !== undefined && (await isOver(row.life))) {
        await this.cancelFromRow(row.localId);
        settled += 1;
      }
    }
    return settled;
  }

  #imported(row: LedgerRow, state: JsonValue | undefined, by: string): Imported | undefined {
    if (state === undefined) return undefined;
    return by === this.#options.origin
      ? importFromHome(keptOf(row), state)
      : importFrom(keptOf(row), state, by, this.#options.accept);
  }

  async #departAnswer(row: LedgerRow, by: string, request: DepartRequest): Promise<DepartAnswer> {
    const { origin, random, passSeconds } = this.#options;
    const iat = this.#seconds();
    const pass = await issuePass(
      {
        iss: origin,
        sub: row.localId,
        aud: request.to,
        iat,
        exp: iat + passSeconds,
        jti: Buffer.from(random.bytes(16)).toString("base64url"),
        xfer: request.transferId,
        src: by,
        world: row.transfer?.world ?? request.world,
        name: row.name,
        ...(row.jkt === undefined ? {} : { cnf: { jkt: row.jkt } }),
      },
      this.#options.signingKey(),
    );
    return { transferId: request.transferId, pass, deadline: iat + passSeconds };
  }

  #answered(by: string, row: LedgerRow): void {
    if (by !== this.#options.origin) this.leases.answered(row.localId, row.epoch);
  }

  #playerId(localId: string): string {
    return `${localId}@${this.#authority}`;
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.now() / 1000);
  }

  async #decide(
    localId: string,
    kind: LedgerDecision["kind"] | undefined,
    transition: (row: LedgerRow) => Transition,
    by?: string,
  ): Promise<Transition> {
    const { origin } = this.#options;
    const life = this.#options.life();
    let outcome: Transition | undefined;
    let before: LedgerRow | undefined;
    await this.#update(localId, (row) => {
      before = row;
      outcome =
        row === undefined
          ? { ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "no such player here" }
          : transition(row);
      if (!outcome.ok) return row;
      outcome = { ok: true, row: transitions.stamped(outcome.row, origin, life, by === origin) };
      return outcome.row;
    });
    if (outcome === undefined) throw new FederationError("ERR_FED_STORE_UNAVAILABLE");
    if (outcome.ok && before !== undefined && outcome.row !== before) {
      if (outcome.row.epoch !== before.epoch) this.leases.forget(localId, before.epoch);
      else if (outcome.row.grantor !== before.grantor) this.#answered("", outcome.row);
      if (kind !== undefined) {
        const decision = { kind, localId, before, after: outcome.row };
        for (const listener of this.#listeners) listener(decision);
      }
    }
    return outcome;
  }

  async #update<Row extends LedgerRow | undefined>(
    localId: string,
    change: (row: LedgerRow | undefined) => Row,
  ): Promise<Row> {
    const { store } = this.#options;
    for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries += 1) {
      const text = await store.get(rowKey(localId));
      const row = text === undefined ? undefined : (JSON.parse(text) as LedgerRow);
      const next = change(row);
      if (next === row) return next;
      const written = await store.compareAndSet(
        rowKey(localId),
        text,
        next === undefined ? undefined : JSON.stringify(next),
      );
      if (written) return next;
    }
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      "The player's custody row kept changing: try again.",
    );
  }
}

function keptOf({ state, brought }: LedgerRow): Imported {
  return { state, brought };
}

function unknownPlayer(): { ok: false; code: FederationErrorCode; reason: string } {
  return { ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "no such player here" };
}
