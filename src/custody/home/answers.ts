/**
 * What home answers to holders and destinations (PROTOCOL 6): the ledger decides, and the answer
 * leaves only after the decision is durable.
 */
import { type PassClaims, issuePass } from "../../identity/pass.ts";
import { digestOfState } from "../../identity/receipt.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import { type JsonValue, type StateFault, sameJson } from "../../json.ts";
import type { Clock, Random, Store } from "../../ports.ts";
import type { CrossingHistory } from "../shared/history.ts";
import type { Home, HomeAnswer } from "../shared/home.ts";
import {
  type CancelAnswer,
  type CancelRequest,
  type ClaimAnswer,
  type WonClaim,
  type DepartAnswer,
  type DepartRequest,
  type PreviewAnswer,
  type PreviewRequest,
  type ReceiptAnswer,
  type ReceiptRequest,
  type ReceiptsAnswer,
  type ReceiptsRequest,
  type RenewAnswer,
  type RenewRequest,
  type ReturnRequest,
  type ReturnsAnswer,
  type ReturnsRequest,
  claimAnswerSchema,
  entryStateOf,
} from "../shared/messages.ts";
import {
  type ImportPolicy,
  type ImportResult,
  importFrom,
  importFromHome,
} from "./import-policy.ts";
import type { ImportRules } from "./import-rules.ts";
import type { LateReturn, LateReturns } from "./late-returns.ts";
import type { LeaseBook } from "./lease-book.ts";
import * as transitions from "./ledger-row.ts";
import type { LedgerRow, Transition } from "./ledger-row.ts";
import type { CustodyLedger } from "./ledger.ts";
import type { ReceiptBook } from "./receipts.ts";
import { withoutGone } from "./trade-items.ts";
import { delivered } from "./trade-row.ts";
import type { Trades } from "./trades.ts";
import { PledgeAnswers } from "./pledge-answers.ts";
import type { Moves } from "../shared/moves.ts";
import { TransferIndex } from "./transfer-index.ts";

/** Receipts and words in one answer, which is 64 KiB at most with everything around them. */
const MAX_RECEIPT_CHARACTERS = 56 * 1024;
/** The protocol has no lease of no time at all. */
const SHORTEST_LEASE_SECONDS = 0.001;

const MAY_GO_ON: Transition = { ok: false, code: "ERR_FED_UNAVAILABLE", reason: "try again" };

const CALLED_BACK = {
  ok: false,
  code: "ERR_FED_STALE_CUSTODY",
  reason: "home has called the player back, and its last lease is over",
} as const;

/** Options of {@link HomeAnswers}. */
export interface HomeAnswersOptions {
  /** Home's origin. */
  readonly origin: string;
  readonly ledger: CustodyLedger;
  readonly leases: LeaseBook;
  readonly receipts: ReceiptBook;
  readonly history: CrossingHistory;
  readonly late: LateReturns;
  /** A holder brought a state too late. */
  readonly onLate?: ((late: LateReturn) => void) | undefined;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly signingKey: () => SigningKey;
  /** Life of a pass and of a transfer nobody claims. Default 60, at most 120 (PROTOCOL 5). */
  readonly passSeconds?: number;
  /** Default: member by member, as {@link importFrom} says. */
  readonly accept?: ImportPolicy | ImportRules | undefined;
  /** Whether home lets its players go to a server. Default: to every server. */
  readonly mayGoTo?: ((origin: string) => boolean) | undefined;
  /** A renewal kept a player's lease, but its state was no state. */
  readonly onStateRefused?: ((player: string, by: string, fault: StateFault) => void) | undefined;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/** Home's side of each call that a peer may make about home's players. */
export class HomeAnswers {
  /** `pledge` and `unpledge`. */
  readonly pledges: PledgeAnswers;
  readonly #options: HomeAnswersOptions;
  readonly #ledger: CustodyLedger;
  readonly #transfers: TransferIndex;
  readonly #passSeconds: number;

  /** @throws TypeError for a `passSeconds` out of range. */
  constructor(options: HomeAnswersOptions) {
    const passSeconds = options.passSeconds ?? 60;
    if (!(passSeconds > 0 && passSeconds <= 120)) {
      throw new TypeError("passSeconds must be more than 0 and at most 120");
    }
    this.#options = options;
    this.#ledger = options.ledger;
    const { origin, ledger, store, clock } = options;
    this.#transfers = new TransferIndex(store);
    this.pledges = new PledgeAnswers({ origin, ledger, transfers: this.#transfers, clock });
    this.#passSeconds = passSeconds;
  }

  /** Rule 1: opens a transfer and gives the pass for it. `ahead`: as {@link Home.depart}; it hears what the pass says, too. */
  async depart(
    by: string,
    request: DepartRequest,
    ahead?: (pass: string, claims: PassClaims) => void,
  ): Promise<HomeAnswer<DepartAnswer>> {
    const localId = this.#ledger.localId(request.player);
    if (localId === undefined) return unknownPlayer();
    if (this.#options.mayGoTo?.(request.to) === false) {
      const reason = `home does not let its players go to ${request.to}`;
      return { ok: false, code: "ERR_FED_NOT_TRUSTED", reason };
    }
    const deadline = this.#seconds() + this.#passSeconds;
    const transfer = {
      id: request.transferId,
      from: by,
      to: request.to,
      world: request.world,
      deadline,
      ...(by === this.#options.origin ? {} : { handed: digestOfState(request.state) }),
    };
    if (by !== this.#options.origin) {
      // Nothing is written for whoever may not do this.
      const looked = (row: LedgerRow): Transition => {
        const asked = { epoch: request.epoch, kept: undefined };
        const opened = transitions.depart(row, by, asked, transfer);
        return opened.ok ? MAY_GO_ON : opened;
      };
      const known = this.#ledger.known(localId);
      if (known === undefined || looked(known) !== MAY_GO_ON) {
        const may = await this.#ledger.decide(localId, undefined, looked);
        if (!may.ok && may !== MAY_GO_ON) return may;
      }
    }
    if (request.to === by) {
      const reason = "a server does not send a player to itself";
      return { ok: false, code: "ERR_FED_MALFORMED", reason };
    }
    // Written together with the row (one group commit): a claim names only the transfer.
    const indexed = this.#transfers.note(request.transferId, localId);
    let opening: LedgerRow | undefined;
    const decided = this.#ledger.decide(localId, "departing", (row) => {
      const kept = this.fromHolder(row, request, by);
      const opened = transitions.depart(row, by, { epoch: request.epoch, kept }, transfer);
      if (!opened.ok || opened.row === row) return opened;
      // Nothing is left behind while the player can still put something down.
      if (kept?.tooLarge === true) {
        return unsayable("with what others brought, it is too large", kept.lost[0]);
      }
      const refused = this.#sayable(opened.row);
      opening = refused === undefined ? opened.row : undefined;
      return refused ?? opened;
    });
    const written = Promise.all([indexed, decided]);
    // Whoever waits for it hears of it: there may be a pass to sign first.
    written.catch(() => undefined);
    const early =
      ahead === undefined || opening === undefined
        ? undefined
        : { of: opening, ...(await this.#departAnswer(opening, by, request)) };
    if (early !== undefined) ahead?.(early.answer.pass, early.claims);
    const [index, decision] = await written;
    if (!decision.ok) {
      if (index === "noted") await this.#transfers.drop(request.transferId, localId);
      return decision;
    }
    if (index === "another's") {
      await this.#ledger.decide(localId, "cancelled", (row) =>
        transitions.cancel(row, by, request, this.#seconds()),
      );
      return { ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "this transfer id is in use" };
    }
    // Decided about another row than the one that was looked at first, it may say another name or key.
    const { row } = decision;
    const body =
      early?.of.name === row.name && early.of.jkt === row.jkt
        ? early.answer
        : (await this.#departAnswer(row, by, request)).answer;
    return { ok: true, body };
  }

  /** Rule 2: the destination takes custody. `later`: it asks for the receipt when it likes. */
  async claim(by: string, transferId: string, later = false): Promise<HomeAnswer<WonClaim>> {
    const localId = await this.#transfers.playerOf(transferId);
    if (localId === undefined) {
      return { ok: false, code: "ERR_FED_TRANSFER_UNKNOWN", reason: "no such transfer" };
    }
    const decision = await this.#ledger.decide(
      localId,
      "claimed",
      (row) => {
        const claimed = transitions.claim(
          row,
          by,
          this.#options.origin,
          transferId,
          this.#seconds(),
        );
        if (!claimed.ok) return claimed;
        if (this.#isOverdue(row)) return CALLED_BACK;
        // What waits for the player at home is in the answer.
        const isHome = by === this.#options.origin && claimed.row !== row;
        const claim = isHome ? delivered(claimed.row) : claimed.row;
        return this.#sayable(claim) ?? withDigests(row, claim);
      },
      by,
    );
    if (!decision.ok) return decision;
    const { row } = decision;
    this.#answered(by, row);
    const isOwn = by === this.#options.origin;
    const mayWait = isOwn || later;
    const issued = await this.#options.receipts.issue(row, transferId, by, mayWait);
    const answer = this.#claimAnswer(row, mayWait ? undefined : await issued.receipt);
    if (!isOwn) return { ok: true, body: answer };
    // For this server's own rooms: no peer is told.
    const orphanOf = row.orphans?.map(({ formerId }) => formerId);
    return {
      ok: true,
      body: { ...answer, issued: issued.receipt, ...(orphanOf === undefined ? {} : { orphanOf }) },
    };
  }

  #claimAnswer(row: LedgerRow, receipt: string | undefined): ClaimAnswer {
    return {
      player: `${row.localId}@${new URL(this.#options.origin).host}`,
      name: row.name,
      epoch: row.epoch,
      ...(row.state === undefined ? {} : { state: row.state }),
      leaseSeconds: this.#leaseSeconds(row),
      ...(receipt === undefined ? {} : { receipt }),
    };
  }

  /** The refusal of what the destination could not read: it would have the player and not know it. */
  #sayable(row: LedgerRow): Exclude<Transition, { ok: true }> | undefined {
    const parsed = claimAnswerSchema.safeParse(this.#claimAnswer(row, ""));
    const issue = parsed.error?.issues[0];
    return issue === undefined ? undefined : unsayable(issue.message, issue.path.join("."));
  }

  /** The receipt of a crossing, for the server at either end of it. */
  async receipt(by: string, request: ReceiptRequest): Promise<HomeAnswer<ReceiptAnswer>> {
    const [answer] = await this.#options.receipts.answer(by, [request]);
    return (
      answer ?? { ok: false, code: "ERR_FED_UNAVAILABLE", reason: "it has not been looked at" }
    );
  }

  /** Many of them, each by itself. What there is no room for is not in the answer. */
  async receipts(by: string, { crossings }: ReceiptsRequest): Promise<HomeAnswer<ReceiptsAnswer>> {
    const answers = await this.#options.receipts.answer(by, crossings);
    const receipts: ReceiptsAnswer["receipts"] = [];
    const refused: ReceiptsAnswer["refused"] = [];
    let characters = 0;
    for (const [index, { transferId }] of crossings.entries()) {
      const answer = answers[index];
      if (answer?.ok !== true) {
        refused.push({ transferId, code: answer?.code ?? "ERR_FED_UNAVAILABLE" });
        continue;
      }
      const { receipt, countersignatures = [] } = answer.body;
      characters += receipt.length + countersignatures.join("").length;
      if (characters > MAX_RECEIPT_CHARACTERS && receipts.length > 0) break;
      receipts.push({ transferId, ...answer.body });
    }
    return { ok: true, body: { receipts, refused } };
  }

  /** What home would keep of the state if the holder returned the player with it now. */
  async preview(by: string, request: PreviewRequest): Promise<HomeAnswer<PreviewAnswer>> {
    const localId = this.#ledger.localId(request.player);
    const row = localId === undefined ? undefined : await this.#ledger.row(localId);
    if (row === undefined) return unknownPlayer();
    if (row.holder !== by || row.epoch !== request.epoch) {
      return { ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "not held any more" };
    }
    const { state: kept, why } = this.#imported(row, request.state, by) ?? {};
    const state = withoutGone(row.trades, kept);
    const reasons = request.why === true ? why : undefined;
    return {
      ok: true,
      body: {
        ...(state === undefined ? {} : { state }),
        ...(reasons === undefined ? {} : { why: reasons }),
      },
    };
  }

  /** Rule 4: the source takes the player back. */
  async cancel(by: string, request: CancelRequest): Promise<HomeAnswer<CancelAnswer>> {
    const localId = this.#ledger.localId(request.player);
    if (localId === undefined) return unknownPlayer();
    let overdue = false;
    const decision = await this.#ledger.decide(localId, "cancelled", (row) => {
      const cancelled = transitions.cancel(row, by, request, this.#seconds());
      overdue = cancelled.ok && this.#isOverdue(row);
      return overdue ? CALLED_BACK : cancelled;
    });
    if (overdue) {
      // Whoever cancels has frozen the player: nobody plays it, and what it carries may still come.
      // That goes for one that repeats a cancel, too: its answer was never heard.
      await this.#ledger.decide(localId, "expired", (row) =>
        transitions.cancel(row, by, request, this.#seconds()).ok && this.#isOverdue(row)
          ? transitions.expire(row, this.#options.origin)
          : CALLED_BACK,
      );
    }
    if (!decision.ok) return decision;
    this.#answered(by, decision.row);
    return {
      ok: true,
      body: { epoch: decision.row.epoch, leaseSeconds: this.#leaseSeconds(decision.row) },
    };
  }

  /** Rule 8: a holder gives the player back. */
  async giveBack(by: string, request: ReturnRequest): Promise<HomeAnswer<{ epoch: number }>> {
    const { origin } = this.#options;
    const localId = this.#ledger.localId(request.player);
    if (localId === undefined) return unknownPlayer();
    let late: LedgerRow | undefined;
    const decision = await this.#ledger.decide(localId, "returned", (row) => {
      late = transitions.isLate(row, by, request) ? row : undefined;
      const { epoch } = request;
      const kept =
        late === undefined
          ? this.fromHolder(row, request, by)
          : this.#imported(row, request.state, by);
      return late === undefined
        ? transitions.giveBack(row, by, origin, { epoch, kept })
        : transitions.giveBackLate(row, by, origin, { epoch, kept });
    });
    if (decision.ok) return { ok: true, body: { epoch: decision.row.epoch } };
    if (late === undefined) return decision;
    await this.#putAside(late, by, request);
    return { ok: true, body: { epoch: late.epoch } };
  }

  /** {@link giveBack} for many players, each by itself. */
  async giveBackAll(by: string, { players }: ReturnsRequest): Promise<HomeAnswer<ReturnsAnswer>> {
    const answers = await judgedOnce(
      players,
      async ({ player, epoch, state: sent }): Promise<HomeAnswer<unknown>> => {
        const { state, fault } = entryStateOf(sent);
        if (fault !== undefined) {
          return { ok: false, code: "ERR_FED_MALFORMED", reason: fault.reason };
        }
        return this.giveBack(by, { player, epoch, ...(state === undefined ? {} : { state }) });
      },
    );
    const returned: ReturnsAnswer["returned"] = [];
    const refused: ReturnsAnswer["refused"] = [];
    for (const [index, { player, epoch }] of players.entries()) {
      const answer = answers[index];
      if (answer?.ok === true) returned.push({ player, epoch });
      else refused.push({ player, epoch, code: answer?.code ?? "ERR_FED_STALE_CUSTODY" });
    }
    return { ok: true, body: { returned, refused } };
  }

  /** What a session of home itself carried that another process has ended meanwhile. */
  async keepLate(
    localId: string,
    { player, epoch, state }: { player: string; epoch: number; state: JsonValue },
  ): Promise<void> {
    const row = await this.#ledger.row(localId);
    if (row !== undefined)
      await this.#putAside(row, this.#options.origin, { player, epoch, state });
  }

  /** Rule 12: somebody has played the player since its holder lapsed. */
  async #putAside(row: LedgerRow, by: string, request: ReturnRequest): Promise<void> {
    const { state, player, epoch } = request;
    if (state === undefined || sameJson(state, row.state)) return;
    const accepted = withoutGone(row.trades, this.#imported(row, state, by)?.state) ?? null;
    const late = { player, from: by, epoch, state, accepted };
    const kept = await this.#options.late.keep(row.localId, late);
    if (kept !== undefined) this.#options.onLate?.(kept);
  }

  /** Rule 6: heartbeats, each player by itself. `sentAt`: when the holder signed the request, its own Unix seconds. */
  async renew(by: string, request: RenewRequest, sentAt: number): Promise<HomeAnswer<RenewAnswer>> {
    const kept = await judgedOnce(
      request.players,
      async ({ player, epoch, state: sent }): Promise<boolean> => {
        const localId = this.#ledger.localId(player);
        if (localId === undefined) return false;
        // One player's bad state costs nobody a lease, not even that player.
        const { state, fault } = entryStateOf(sent);
        if (fault !== undefined) this.#options.onStateRefused?.(player, by, fault);
        const decision = await this.#ledger.decide(localId, undefined, (row) =>
          transitions.renew(
            row,
            by,
            { epoch, kept: this.fromHolder(row, { epoch, state }, by) },
            sentAt,
          ),
        );
        if (decision.ok) this.#answered(by, decision.row);
        // Nobody else can have the player meanwhile, and its holder has what is left of it.
        if (!decision.ok && decision.code === "ERR_FED_ROW_DAMAGED") return true;
        return decision.ok;
      },
    );
    return {
      ok: true,
      body: {
        leaseSeconds: this.#options.leases.leaseSeconds,
        lost: request.players
          .filter((_, index) => kept[index] !== true)
          .map(({ player, epoch }) => ({ player, epoch })),
      },
    };
  }

  /** What home makes of a state that comes along; nothing is made of what anybody else sends. */
  fromHolder(
    row: LedgerRow,
    { epoch, state }: { readonly epoch: number; readonly state?: JsonValue | undefined },
    by: string,
  ): ImportResult | undefined {
    return row.holder === by && row.epoch === epoch ? this.#imported(row, state, by) : undefined;
  }

  #imported(row: LedgerRow, state: JsonValue | undefined, by: string): ImportResult | undefined {
    if (state === undefined) return undefined;
    return by === this.#options.origin
      ? importFromHome(transitions.keptOf(row), state, by)
      : importFrom(transitions.keptOf(row), state, by, this.#options.accept);
  }

  async #departAnswer(
    row: LedgerRow,
    by: string,
    request: DepartRequest,
  ): Promise<{ readonly answer: DepartAnswer; readonly claims: PassClaims }> {
    const { origin, random } = this.#options;
    const passSeconds = this.#passSeconds;
    const iat = this.#seconds();
    const claims: PassClaims = {
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
    };
    const pass = await issuePass(claims, this.#options.signingKey());
    const { transferId } = request;
    return { answer: { transferId, pass, deadline: iat + passSeconds }, claims };
  }

  #answered(by: string, row: LedgerRow): void {
    if (by === this.#options.origin || row.recalled === true) return;
    this.#options.leases.answered(row.localId, row.epoch);
  }

  /** A full lease; of a player that home has called back, what is left of its last one. */
  #leaseSeconds({ localId, epoch, recalled }: LedgerRow): number {
    const { leases } = this.#options;
    if (recalled !== true) return leases.leaseSeconds;
    return Math.max(SHORTEST_LEASE_SECONDS, leases.remainder(localId, epoch));
  }

  /** Whether the last lease of a player that home has called back is over for its holder. */
  #isOverdue({ localId, epoch, holder, recalled }: LedgerRow): boolean {
    const { leases, origin } = this.#options;
    return recalled === true && holder !== origin && leases.remainder(localId, epoch) <= 0;
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.now() / 1000);
  }
}

/**
 * Judges each player and epoch once, however often a message names it, and those of one player one after
 * the other: they are about one row.
 */
function judgedOnce<Entry extends { readonly player: string; readonly epoch: number }, Verdict>(
  entries: readonly Entry[],
  judge: (entry: Entry) => Promise<Verdict>,
): Promise<Verdict[]> {
  const verdicts = new Map<string, Promise<Verdict>>();
  const last = new Map<string, Promise<Verdict>>();
  return Promise.all(
    entries.map((entry) => {
      const { player, epoch } = entry;
      const known = verdicts.get(`${player}#${epoch}`);
      if (known !== undefined) return known;
      const former = last.get(player);
      const verdict = former === undefined ? judge(entry) : former.then(() => judge(entry));
      last.set(player, verdict);
      verdicts.set(`${player}#${epoch}`, verdict);
      return verdict;
    }),
  );
}

/** Home when this server is it. */
export function localHome(answers: HomeAnswers, trades: Trades, origin: string): Home {
  return {
    offer: (request) => trades.offer(origin, request, 0),
    depart: (request, ahead) => answers.depart(origin, request, ahead),
    claim: (transferId) => answers.claim(origin, transferId),
    cancel: (request) => answers.cancel(origin, request),
    giveBack: (request) => answers.giveBack(origin, request),
    giveBackAll: (request) => answers.giveBackAll(origin, request),
    renew: (request) => answers.renew(origin, request, 0),
    preview: (request) => answers.preview(origin, request),
    receipt: (request) => answers.receipt(origin, request),
    receipts: (request) => answers.receipts(origin, request),
    pledge: (request) => answers.pledges.pledge(origin, request),
    unpledge: (request) => answers.pledges.unpledge(origin, request),
  };
}

/** What the receipt will say, in the row from the decision on: a repeated claim changes none of it. */
function withDigests(before: LedgerRow, row: LedgerRow): Transition {
  if (row === before || row.last === undefined) return { ok: true, row };
  const handed = before.transfer?.handed;
  const last = {
    ...row.last,
    digest: digestOfState(row.state),
    ...(handed === undefined ? {} : { handed }),
  };
  return { ok: true, row: { ...row, last } };
}

function unknownPlayer(): Exclude<HomeAnswer<never>, { ok: true }> {
  return { ok: false, code: "ERR_FED_STALE_CUSTODY", reason: "no such player here" };
}

function unsayable(reason: string, where = ""): Exclude<Transition, { ok: true }> {
  const what = where === "" ? reason : `${where}: ${reason}`;
  return { ok: false, code: "ERR_FED_STATE_INVALID", reason: what };
}
