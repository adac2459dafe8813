/**
 * Home's side of trades (PROTOCOL 6, rules 18 to 22): an item of one of its players goes to a player of another home,
 * and comes from there. Each home decides about its own ledger; the receiver's decides whether the item is taken, once.
 */
import { z } from "zod";
import type { FederationErrorCode } from "../../errors.ts";
import type { ReceiptKeys } from "../../identity/receipt.ts";
import { verifyProof } from "../../identity/proof.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import {
  type TradeClaims,
  type TradeReceiptClaims,
  issueTrade,
  issueTradeReceipt,
  tradePurpose,
  verifyTrade,
  verifyTradeReceipt,
} from "../../identity/trade.ts";
import { Quota } from "../../limits/quota.ts";
import { type RowKind, RowReader } from "../../rows/rows.ts";
import type { Clock, Logger, PeerCalls, Random, Store } from "../../ports.ts";
import { BackOff } from "../shared/back-off.ts";
import type { HomeAnswer } from "../shared/home.ts";
import {
  type OfferAnswer,
  type OfferRequest,
  type TradeAnswer,
  type TradeRequest,
  tradeAnswerSchema,
} from "../shared/messages.ts";
import { type Moves, NOBODY_MOVED, currentPlayer } from "../shared/moves.ts";
import { isGuest, isHomeOf } from "../shared/player-id.ts";
import type { ImportResult } from "./import-policy.ts";
import type { CustodyLedger } from "./ledger.ts";
import type { LedgerRow, Transition } from "./ledger-row.ts";
import type { OutgoingItem } from "./trade-items.ts";
import { filed, offer, outgoingOf, settle, take } from "./trade-row.ts";

/** How long the other home may take an item that is on its way. */
export const TRADE_SECONDS = 3_600;
/** Of another home, at most. */
const MAX_TRADE_SECONDS = 7 * 24 * 3600;
/** How long it is remembered that an item was taken: longer than its giver's home may be away and still ask. */
const TAKEN_MILLISECONDS = 120 * 24 * 3600 * 1000;
/** That it was not, needs to be known no longer than it could be taken. */
const REFUSED_MARGIN_MILLISECONDS = 3_600_000;
/** Items that the players of one home may be given by those of another in a minute. */
const GIFTS_PER_MINUTE = 120;
/** How long a holder waits for the other home's word, before it is told that there is none yet. */
const WORD_MILLISECONDS = 4_000;

/** An item that another home's player gives to one of this home's. */
export interface GiftRequest {
  /** `<local id>@<home authority>`. */
  readonly from: string;
  readonly to: string;
  /** As its giver's home has it: anything JSON can say. */
  readonly item: Readonly<Record<string, unknown>>;
}

/** Whether one of this home's players is given something by a stranger. Default: yes, up to 32 things that wait. */
export type GiftPolicy = (request: GiftRequest) => boolean | Promise<boolean>;

/** A trade of this home's player, or for one, as it ended. */
export interface TradeRecord {
  readonly tradeId: string;
  readonly from: string;
  readonly to: string;
  readonly item: Readonly<Record<string, unknown>>;
  readonly taken: boolean;
  /** The word of the giver's home, and of the receiver's: JWSs. */
  readonly trade: string;
  readonly receipt: string;
}

/** Options of {@link Trades}. */
export interface TradesOptions {
  /** Home's origin. */
  readonly origin: string;
  readonly ledger: CustodyLedger;
  readonly store: Store;
  readonly peers: PeerCalls;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signingKey: () => SigningKey;
  /** A peer's key, as receipts are verified by it. */
  readonly peerKey: ReceiptKeys;
  /** Whether home lets its players deal with a server. Default: with every server. */
  readonly mayGoTo?: ((origin: string) => boolean) | undefined;
  /** Whether a peer knows trades. Default: every one. */
  readonly knowsTrades?: ((origin: string) => boolean) | undefined;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
  /** Default: everything is taken. */
  readonly gifts?: GiftPolicy | undefined;
  /** How long the other home may take an item that is on its way. Default {@link TRADE_SECONDS}. */
  readonly tradeSeconds?: number | undefined;
  /** What home makes of the state that a holder sends along. */
  readonly fromHolder: (
    row: LedgerRow,
    request: OfferRequest,
    by: string,
  ) => ImportResult | undefined;
  /** A trade has ended. */
  readonly onTraded?: ((record: TradeRecord) => void) | undefined;
}

const tradeKey = (home: string, id: string): string => `trade/${home}/${id}`;

/** What is damaged decides nothing anew: an item could be there twice. */
const TRADE_ROW: RowKind<TradeRecord> = {
  what: "record of a trade",
  schema: z.looseObject({
    ...{ tradeId: z.string().max(64), from: z.string().max(400), to: z.string().max(400) },
    ...{ item: z.record(z.string(), z.json()), taken: z.boolean() },
    ...{ trade: z.string().max(8192), receipt: z.string().max(8192) },
  }),
  blocks: true,
  advice:
    "Its item waits between two homes until you put the record back from a backup of the store",
};

/** The trades of one home's players. */
export class Trades {
  readonly #options: TradesOptions;
  readonly #backOff: BackOff;
  /** Trades whose other home is being asked, by their ids. */
  readonly #asking = new Map<string, Promise<TradeRecord | undefined>>();

  readonly #gifts: Quota;
  readonly #records: RowReader<TradeRecord>;

  constructor(options: TradesOptions) {
    this.#options = options;
    this.#records = new RowReader(options.store, options.logger, TRADE_ROW);
    this.#gifts = new Quota({ clock: options.clock, perMinute: GIFTS_PER_MINUTE });
    this.#backOff = new BackOff(options);
  }

  /**
   * Rule 18: a holder's player gives an item away. Answered once it is durable; repeated, with what came of it.
   * `sentAt`: when the holder signed the request, its own Unix seconds.
   */
  async offer(by: string, request: OfferRequest, sentAt: number): Promise<HomeAnswer<OfferAnswer>> {
    const { origin, ledger, clock, mayGoTo = () => true, moves = NOBODY_MOVED } = this.#options;
    const localId = ledger.localId(request.player);
    const id = request.tradeId.toLowerCase();
    if (localId === undefined) return refusal("ERR_FED_STALE_CUSTODY", "no such player here");
    const { item } = request;
    const [from, to] = [request.player, request.to].map((each) => currentPlayer(moves, each)) as [
      string,
      string,
    ];
    const toHome = moves.currentOrigin(request.toHome);
    if (!isHomeOf(request.toHome, request.to) || to === from || isGuest(to)) {
      return refusal("ERR_FED_MALFORMED", "who gets it is no player who can keep it");
    }
    const answered = (former: TradeRecord): HomeAnswer<OfferAnswer> =>
      currentPlayer(moves, former.from) === from &&
      currentPlayer(moves, former.to) === to &&
      former.item["id"] === item
        ? { ok: true, body: { trade: former.trade, receipt: former.receipt } }
        : refusal("ERR_FED_STALE_CUSTODY", "this trade id is in use");
    // Before the record: what has been settled, and the row does not say any more, the record does by then.
    const known = await ledger.row(localId);
    let former = await this.record(origin, id);
    if (former !== undefined) return answered(former);
    if (known === undefined) return refusal("ERR_FED_STALE_CUSTODY", "no such player here");
    let jkt = known.jkt ?? "";
    // It has left the player: whatever would speak against it now, it is on its way.
    const isRepeated = outgoingOf(known, id) !== undefined;
    if (!isRepeated) {
      if (toHome !== origin && !mayGoTo(toHome)) {
        return refusal("ERR_FED_NOT_TRUSTED", `this home does not deal with ${toHome}`);
      }
      // Who has never heard of trades would never say what became of it.
      if (toHome !== origin && this.#options.knowsTrades?.(toHome) === false) {
        return refusal("ERR_FED_TRADE_UNSUPPORTED", `${toHome} knows no trades`);
      }
      const proof = await verifyProof(request.proof, {
        ...{ now: clock.now(), audience: origin },
        use: { trade: tradePurpose({ tradeId: id, item, to: request.to }) },
      });
      if (!proof.verified) return refusal(proof.code, proof.reason);
      ({ jkt } = proof.proof);
    }
    const at = this.#seconds();
    const offered = (row: LedgerRow): Transition => {
      // It was settled in this very moment: nobody has proved anything for another one.
      if (isRepeated && outgoingOf(row, id) === undefined) return ASK_AGAIN;
      const kept = this.#options.fromHolder(row, request, by);
      return offer(row, by, {
        ...{ id, epoch: request.epoch, item, to, toHome, at, jkt, kept, sentAt },
        exp: at + (this.#options.tradeSeconds ?? TRADE_SECONDS),
      });
    };
    // Nothing is written for whoever may not do this.
    const may = offered(known);
    if (!may.ok) return may;
    if (!(await this.#reserve(id, localId))) {
      return refusal("ERR_FED_STALE_CUSTODY", "this trade id is in use");
    }
    // A copy of this request may have been settled since.
    const decision = await ledger.amend(
      localId,
      (row) => (former === undefined ? offered(row) : { ok: true, row }),
      async () => {
        former = await this.record(origin, id);
      },
    );
    if (former !== undefined) return answered(former);
    if (!decision.ok) return decision;
    const open = outgoingOf(decision.row, id);
    if (open === undefined) {
      // It was settled in this very moment.
      const record = await this.record(origin, id);
      if (record === undefined) return ASK_AGAIN;
      return { ok: true, body: { trade: record.trade, receipt: record.receipt } };
    }
    const asked = this.#ask(localId, open);
    const trade = await this.#word(localId, open);
    const record = await this.#soon(asked);
    return { ok: true, body: { trade, ...(record && { receipt: record.receipt }) } };
  }

  /** Rules 19 and 20: another home's item, for a player of this one. */
  async trade(by: string, request: TradeRequest): Promise<HomeAnswer<TradeAnswer>> {
    const { peerKey, ledger, origin, gifts } = this.#options;
    const verified = await verifyTrade(request.trade, peerKey);
    if (!verified.verified) return refusal(verified.code, verified.reason);
    const { claims } = verified;
    if (claims.exp - claims.iat > MAX_TRADE_SECONDS) {
      return refusal("ERR_FED_MALFORMED", "the trade stays open for too long");
    }
    if (claims.iss !== by || !isHomeOf(by, claims.from)) {
      return refusal("ERR_FED_SIGNATURE_INVALID", "it is the word of another home than the caller");
    }
    const localId = ledger.localId(claims.to);
    if (localId === undefined) return refusal("ERR_FED_NOT_HOME", "no player of this home");
    let former = await this.record(by, claims.trade);
    if (former !== undefined) return this.#filed(localId, by, former);
    if (this.#gifts.take(by) > 0) {
      return refusal("ERR_FED_RATE_LIMITED", "your players have given very much here");
    }
    const inTime = this.#seconds() <= claims.exp && request.withdraw !== true;
    const { from, to, item } = claims;
    // Whoever is asked may take its time; what is decided is decided by the row.
    const wanted =
      inTime && (gifts === undefined || (await this.#wants(gifts, { from, to, item })));
    let taken = false;
    const decision = await ledger.amend(
      localId,
      (row) => {
        if (former !== undefined) return { ok: true, row };
        const open = wanted && this.#seconds() <= claims.exp;
        const decided = take(row, { id: claims.trade, home: by, item, open });
        if (decided.ok) ({ taken } = decided);
        return decided;
      },
      // A copy of this request may have been decided since, and the row have forgotten it.
      async () => {
        former = await this.record(by, claims.trade);
      },
    );
    if (former !== undefined) return this.#filed(localId, by, former);
    // Of somebody who was never here nothing is kept: until its time is over, nobody can say.
    const isUnknown = !decision.ok && decision.code === "ERR_FED_STALE_CUSTODY";
    if (!decision.ok && !(isUnknown && this.#seconds() > claims.exp)) return decision;
    const receipt = await issueTradeReceipt(
      { iss: origin, trade: claims.trade, home: by, from, to, taken, iat: this.#seconds() },
      this.#options.signingKey(),
    );
    if (isUnknown) return { ok: true, body: { receipt } };
    const record = await this.#file(claims, { trade: request.trade, receipt, taken });
    return this.#filed(localId, by, record);
  }

  /** What is written down, the row need not remember: the last time that it was, a crash may have come between. */
  async #filed(
    localId: string,
    by: string,
    { tradeId, receipt }: TradeRecord,
  ): Promise<HomeAnswer<TradeAnswer>> {
    await this.#options.ledger.amend(localId, (row) => ({
      ok: true,
      row: filed(row, tradeId, by),
    }));
    return { ok: true, body: { receipt } };
  }

  /** A trade that has ended, by the giver's home and its id. */
  async record(home: string, id: string): Promise<TradeRecord | undefined> {
    const { store, moves = NOBODY_MOVED } = this.#options;
    // Written down by the name that the home had then.
    for (const origin of [home, ...moves.formerOrigins(home)]) {
      const key = tradeKey(origin, id.toLowerCase());
      const text = await store.get(key);
      if (text !== undefined) return this.#records.read(key, text);
    }
    return undefined;
  }

  /** Asks on about the items of a row that are on their way. */
  resume(row: LedgerRow): void {
    for (const open of row.trades?.outgoing ?? []) void this.#ask(row.localId, open);
  }

  /** Another home may answer again. */
  wake(): void {
    this.#backOff.wake();
  }

  /** Asks no more. */
  stop(): void {
    this.#backOff.stop();
  }

  /** Asks the receiver's home until it has decided; undefined when it was stopped before. */
  #ask(localId: string, open: OutgoingItem): Promise<TradeRecord | undefined> {
    const running = this.#asking.get(open.id);
    if (running !== undefined) return running;
    const asking = this.#askOn(localId, open).finally(() => this.#asking.delete(open.id));
    this.#asking.set(open.id, asking);
    return asking;
  }

  async #askOn(localId: string, open: OutgoingItem): Promise<TradeRecord | undefined> {
    const { ledger, logger } = this.#options;
    for (let failures = 1; !this.#backOff.stopped; failures += 1) {
      try {
        const row = await ledger.row(localId);
        // By the names that servers have now.
        const now = row && outgoingOf(row, open.id);
        // Another process of this server may have heard it.
        if (now === undefined) return await this.record(this.#options.origin, open.id);
        const said = await this.#hear(localId, now);
        if (said !== undefined) return said;
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : "unknown";
        logger.debug(`${open.toHome} has not said what becomes of trade ${open.id}: ${reason}`, {
          peer: open.toHome,
        });
      }
      await this.#backOff.wait(`trade ${open.id}`, failures, open.toHome);
    }
    return undefined;
  }

  /** One question. Undefined for an answer that decides nothing. */
  async #hear(localId: string, open: OutgoingItem): Promise<TradeRecord | undefined> {
    const { origin, peers, ledger, peerKey, moves = NOBODY_MOVED } = this.#options;
    const trade = await this.#word(localId, open);
    const request = { trade, ...(this.#seconds() > open.exp ? { withdraw: true as const } : {}) };
    let receipt: string;
    if (open.toHome === origin) {
      const answer = await this.trade(origin, request);
      if (!answer.ok) return undefined;
      ({ receipt } = answer.body);
    } else {
      const answer = await peers.call(open.toHome, "/custody/trade", request);
      if (!answer.ok) return undefined;
      ({ receipt } = tradeAnswerSchema.parse(answer.body));
    }
    const verified = await verifyTradeReceipt(receipt, peerKey);
    const from = `${localId}@${new URL(origin).host}`;
    if (!verified.verified || !isAbout(verified.claims, { origin, from, open }, moves))
      return undefined;
    const { taken } = verified.claims;
    const claims = this.#claims(localId, open);
    // Before the row forgets it: whoever asks again hears the same.
    const record = await this.#file(claims, { trade, receipt, taken });
    const settled = await ledger.amend(localId, (row) => ({
      ok: true,
      row: settle(row, open.id, taken),
    }));
    if (!settled.ok) return undefined;
    return record;
  }

  /** Of two players of this home who would use one id for their trades, the first has it. */
  async #reserve(id: string, localId: string): Promise<boolean> {
    const { store } = this.#options;
    const key = `trade-id/${id}`;
    if (await store.compareAndSet(key, undefined, localId, TAKEN_MILLISECONDS)) return true;
    return (await store.get(key)) === localId;
  }

  async #file(
    { iss, trade: tradeId, from, to, item, exp }: TradeClaims,
    words: Pick<TradeRecord, "trade" | "receipt" | "taken">,
  ): Promise<TradeRecord> {
    const { store, onTraded, clock, origin } = this.#options;
    const record: TradeRecord = { tradeId, from, to, item, ...words };
    const key = tradeKey(iss, tradeId);
    const text = JSON.stringify(record);
    const left = Math.max(0, exp * 1000 - clock.now()) + REFUSED_MARGIN_MILLISECONDS;
    const life = words.taken || iss === origin ? TAKEN_MILLISECONDS : left;
    if (!(await store.compareAndSet(key, undefined, text, life))) {
      return (await this.record(iss, tradeId)) ?? record;
    }
    onTraded?.(record);
    return record;
  }

  #claims(localId: string, { id, item, to, at, exp }: OutgoingItem): TradeClaims {
    const { origin } = this.#options;
    const from = `${localId}@${new URL(origin).host}`;
    return { iss: origin, trade: id, from, to, item, iat: at, exp };
  }

  /** Home's word on an item that is on its way; the same bytes by the same key. */
  #word(localId: string, open: OutgoingItem): Promise<string> {
    return issueTrade(this.#claims(localId, open), this.#options.signingKey());
  }

  async #wants(gifts: GiftPolicy, request: GiftRequest): Promise<boolean> {
    try {
      const said: unknown = await gifts(request);
      return said === true;
    } catch (cause) {
      this.#options.logger.error("the gift policy failed; the item was refused", cause, {
        player: request.to,
      });
      return false;
    }
  }

  #soon<T>(work: Promise<T>): Promise<T | undefined> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const timer = clock.setTimeout(() => {
        resolve(undefined);
      }, WORD_MILLISECONDS);
      void work
        .catch(() => undefined)
        .then((result) => {
          clock.clearTimeout(timer);
          resolve(result);
        });
    });
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.now() / 1000);
  }
}

function isAbout(
  receipt: TradeReceiptClaims,
  trade: { readonly origin: string; readonly from: string; readonly open: OutgoingItem },
  moves: Moves,
): boolean {
  const { open } = trade;
  return (
    moves.currentOrigin(receipt.iss) === open.toHome &&
    moves.currentOrigin(receipt.home) === trade.origin &&
    receipt.trade === open.id &&
    currentPlayer(moves, receipt.from) === trade.from &&
    currentPlayer(moves, receipt.to) === open.to
  );
}

const ASK_AGAIN = refusal("ERR_FED_UNAVAILABLE", "it is being settled: ask again");

function refusal(
  code: FederationErrorCode,
  reason: string,
): Exclude<HomeAnswer<never>, { ok: true }> {
  return { ok: false, code, reason };
}
