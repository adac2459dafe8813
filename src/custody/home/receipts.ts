/** Home's signed word on each crossing, what the ends have signed beside it, and its place in the history. */
import { type Refusal, refuse } from "../../errors.ts";
import {
  type ReceiptClaims,
  type ReceiptKeys,
  isWordOn,
  issueReceipt,
  issueReceipts,
  readReceipt,
  verifyCountersignature,
} from "../../identity/receipt.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import type { Clock } from "../../ports.ts";
import { RowCache } from "../../rows/row-cache.ts";
import { Gathering } from "../shared/gathering.ts";
import type { Crossing, CrossingHistory, Words } from "../shared/history.ts";
import type { HomeAnswer } from "../shared/home.ts";
import type { ReceiptAnswer, ReceiptRequest } from "../shared/messages.ts";
import { type Moves, NOBODY_MOVED } from "../shared/moves.ts";
import type { LedgerRow } from "./ledger-row.ts";

/** Crossings remembered until their ends have countersigned. */
const MAX_ISSUED = 1_024;
/** Characters that each of them is counted with: a receipt and two words. */
const ISSUED_CHARACTERS = 3 * 4_096;
/** How long a receipt waits for others, to be signed with them; and for the ends, which ask for it sooner. */
const SIGN_AFTER_MILLISECONDS = 250;
/** So many are signed at once. */
const SIGNED_TOGETHER = 256;

/** Options of {@link ReceiptBook}. */
export interface ReceiptBookOptions {
  /** Home's origin. */
  readonly origin: string;
  readonly history: CrossingHistory;
  readonly clock: Clock;
  readonly signingKey: () => SigningKey;
  /** A peer's key, by which it countersigns. */
  readonly peerKey: ReceiptKeys;
  /** Whether a peer reads receipts that are many under one signature. Default: every one. */
  readonly knowsReceipts?: ((origin: string) => boolean) | undefined;
  /** A crossing could not be written into the history. */
  readonly onHistoryLost: (cause: unknown) => void;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/** A crossing that this process has decided. */
interface Issued {
  readonly localId: string;
  readonly claims: ReceiptClaims;
  /** What its ends have signed, verified. */
  readonly words: Record<string, string>;
  readonly receipt: Promise<string>;
  readonly signed: (receipt: string) => void;
  readonly unsigned: (cause: unknown) => void;
  /** Once it is signed. */
  token?: string;
  /**
   * Once it is on its way into the history: whether it is there. What is signed later is filed beside it. Never
   * rejects.
   */
  filed?: Promise<boolean> | undefined;
}

/** A crossing of the history, or of this process. */
interface Known {
  readonly from: string;
  readonly to: string;
  readonly claims: ReceiptClaims;
  readonly words: Words;
  readonly issued: Issued | undefined;
  readonly receipt: () => Promise<string>;
}

/** What somebody asks about a crossing that it is an end of. */
interface Asked {
  readonly known: Known;
  /** Its word, verified, where it is the first. */
  readonly word: string | undefined;
  readonly asksForWords: boolean;
}

const NOT_FILED = {
  ok: false,
  code: "ERR_FED_STORE_UNAVAILABLE",
  reason: "it could not be written down; ask again",
} as const;

/** Issues receipts and files countersignatures (PROTOCOL 6). */
export class ReceiptBook {
  readonly #options: ReceiptBookOptions;
  /** Crossings that are not in the history yet, by local id. */
  readonly #unrecorded = new Map<string, number>();
  /** What this process has decided last, by transfer: its ends ask and countersign within moments. */
  readonly #issued = new RowCache<Issued>({ maxRows: MAX_ISSUED });
  /** What nobody has asked for yet. */
  readonly #unasked: Gathering<Issued>;

  constructor(options: ReceiptBookOptions) {
    this.#options = options;
    this.#unasked = new Gathering({
      clock: options.clock,
      milliseconds: SIGN_AFTER_MILLISECONDS,
      most: SIGNED_TOGETHER,
      work: (issued) => this.#conclude(issued),
    });
    options.history.flushFirst(() => this.#unasked.flush());
  }

  /** Signs and files what is waiting, and lets nothing wait any more. */
  stop(): void {
    this.#unasked.stop();
  }

  /** Whether the crossings of a player that this process has decided are in the history. */
  isRecorded(localId: string): boolean {
    return !this.#unrecorded.has(localId);
  }

  /**
   * The receipt of a decided claim, which is then written into the history. `later`: the claimant asks for it when
   * it likes, so that it may wait to be signed with others. Rejects where the store does not answer.
   */
  async issue(
    row: LedgerRow,
    transferId: string,
    to: string,
    later = false,
  ): Promise<{ readonly receipt: Promise<string> }> {
    const { origin, clock, moves = NOBODY_MOVED } = this.#options;
    const { localId, epoch, last } = row;
    // Whoever asks again hears what it was told before this home moved.
    const told =
      moves.formerOrigins(origin).length === 0 ? undefined : await this.#recorded(transferId);
    if (told?.epoch === epoch) return { receipt: Promise.resolve(told.receipt) };
    const key = transferId.toLowerCase();
    const former = this.#issued.get(key);
    if (former?.claims.epoch === epoch) {
      if (!later) void this.#conclude([former]);
      return former;
    }
    const player = `${localId}@${new URL(origin).host}`;
    const { at: iat = Math.floor(clock.now() / 1000), from = origin } = last ?? {};
    const claims: ReceiptClaims = {
      ...{ iss: origin, xfer: transferId, player, epoch, from, to, iat },
      ...(last?.digest === undefined ? {} : { digest: last.digest }),
      ...(last?.handed === undefined ? {} : { handed: last.handed }),
    };
    let [signed, unsigned]: [Issued["signed"], Issued["unsigned"]] = [
      () => undefined,
      () => undefined,
    ];
    const receipt = new Promise<string>((resolve, reject) => {
      [signed, unsigned] = [resolve, reject];
    });
    // Nobody may be waiting for it.
    receipt.catch(() => undefined);
    const issued: Issued = { localId, claims, words: {}, receipt, signed, unsigned };
    this.#count(localId, 1);
    // Of two of one transfer id, the history keeps the first.
    if (former === undefined) this.#issued.set(key, issued, ISSUED_CHARACTERS);
    if (later) this.#unasked.add(issued);
    else void this.#conclude([issued]);
    return issued;
  }

  /** Signs those that are not signed yet, and files those that are not filed. Never rejects. */
  async #conclude(all: readonly Issued[]): Promise<void> {
    try {
      await this.#sign(all);
    } catch (cause) {
      this.#options.onHistoryLost(cause);
      for (const { claims, unsigned } of all) {
        this.#issued.drop(claims.xfer.toLowerCase());
        unsigned(cause);
      }
      return;
    }
    const files = all.map((issued) => this.#file(issued));
    this.#options.history.write();
    await Promise.all(files);
  }

  async #sign(all: readonly Issued[]): Promise<void> {
    const { signingKey } = this.#options;
    const [alone, together]: [Issued[], Issued[]] = [[], []];
    for (const issued of all) {
      if (issued.token !== undefined) continue;
      (this.#isReadTogether(issued.claims) ? together : alone).push(issued);
    }
    const [lone, joint] = await Promise.all([
      Promise.all(alone.map(({ claims }) => issueReceipt(claims, signingKey()))),
      issueReceipts(
        together.map(({ claims }) => claims),
        signingKey(),
      ),
    ]);
    for (const [index, issued] of [...alone, ...together].entries()) {
      const token = [...lone, ...joint][index];
      if (token === undefined || issued.token !== undefined) continue;
      issued.token = token;
      issued.signed(token);
    }
  }

  /** Whether both ends read a receipt that is one of many under one signature. */
  #isReadTogether({ from, to }: ReceiptClaims): boolean {
    const { origin, knowsReceipts = () => true, moves = NOBODY_MOVED } = this.#options;
    return [from, to].every((end) => {
      const now = moves.currentOrigin(end);
      return now === origin || knowsReceipts(now);
    });
  }

  /** Resolves with whether it is in the store. */
  #file(issued: Issued): Promise<boolean> {
    const { history, onHistoryLost } = this.#options;
    const { localId, claims, words, token = "" } = issued;
    const { iss: home, xfer: transferId, from, to, epoch, iat: at } = claims;
    const crossing: Crossing = { transferId, home, from, to, epoch, at, receipt: token };
    // Nobody's custody hangs on it; the next start makes up for a crash.
    issued.filed ??= history.record(localId, crossing, words).then(
      () => {
        this.#count(localId, -1);
        return true;
      },
      (cause: unknown) => {
        onHistoryLost(cause);
        // Whoever asks for it has it tried again.
        issued.filed = undefined;
        return false;
      },
    );
    return issued.filed;
  }

  #count(localId: string, by: number): void {
    const count = (this.#unrecorded.get(localId) ?? 0) + by;
    if (count > 0) this.#unrecorded.set(localId, count);
    else this.#unrecorded.delete(localId);
  }

  /**
   * The receipts of crossings, for a server at either end of each, and what the other end has signed. Its own
   * word is filed once it verifies; the first one stays. After one whose signature does not, none is looked at: a
   * call costs one bad signature at most.
   */
  async answer(
    by: string,
    requests: readonly ReceiptRequest[],
  ): Promise<readonly HomeAnswer<ReceiptAnswer>[]> {
    const judged: (Asked | Refusal)[] = [];
    let isOver = false;
    for (const request of requests) {
      const known = await this.#known(request.transferId);
      const refused = this.#refusalFor(by, known);
      if (known === undefined || refused !== undefined) {
        judged.push(refused ?? refuse("ERR_FED_TRANSFER_UNKNOWN", "no such crossing"));
        continue;
      }
      const said = request.countersignature;
      const isNews = said !== undefined && known.words[by] !== said;
      const failed = isNews ? await this.#refusalOf(by, known, said, isOver) : undefined;
      if (failed === undefined) {
        const word = by in known.words ? undefined : said;
        judged.push({ known, word, asksForWords: said !== undefined });
      } else {
        isOver ||= isWordOn(said, known.claims);
        judged.push(failed);
      }
    }
    const unfiled: Issued[] = [];
    for (const asked of judged) {
      if ("verified" in asked || asked.known.issued === undefined) continue;
      const { issued } = asked.known;
      if (issued.filed !== undefined) continue;
      if (asked.word !== undefined) issued.words[by] ??= asked.word;
      unfiled.push(issued);
    }
    await this.#conclude(unfiled);
    return Promise.all(judged.map((asked) => this.#answerTo(by, asked)));
  }

  /** Whoever asks is at neither end. */
  #refusalFor(by: string, known: Known | undefined): Refusal | undefined {
    const { moves = NOBODY_MOVED } = this.#options;
    if (known === undefined) return undefined;
    return [known.from, known.to].some((end) => moves.currentOrigin(end) === by)
      ? undefined
      : refuse("ERR_FED_NOT_DESTINATION", "you are not an end of it");
  }

  /** Why an end's word is not filed. */
  async #refusalOf(
    by: string,
    { claims }: Known,
    word: string,
    isOver: boolean,
  ): Promise<Refusal | undefined> {
    if (isOver && isWordOn(word, claims)) {
      return refuse("ERR_FED_UNAVAILABLE", "one before it does not verify; ask again without that");
    }
    const verified = await verifyCountersignature(word, claims, this.#options.peerKey);
    if (!verified.verified) return verified;
    return verified.by === by
      ? undefined
      : refuse("ERR_FED_SIGNATURE_INVALID", "it is another server's");
  }

  /** The answer about a crossing, whose word is filed by then. */
  async #answerTo(by: string, asked: Asked | Refusal): Promise<HomeAnswer<ReceiptAnswer>> {
    if ("verified" in asked) return { ok: false, code: asked.code, reason: asked.reason };
    const { history } = this.#options;
    const { known, word, asksForWords } = asked;
    const { claims, issued } = known;
    try {
      const isFiled = (await issued?.filed) ?? issued === undefined;
      if (!isFiled) return NOT_FILED;
      if (word !== undefined && !(issued !== undefined && by in issued.words)) {
        const written = history.countersign(claims.xfer, claims.iss, by, word);
        history.write();
        await written;
        if (issued !== undefined) issued.words[by] ??= word;
      }
      const receipt = await known.receipt();
      if (!asksForWords) return { ok: true, body: { receipt } };
      const words = { ...(await this.#othersWords(claims)), ...known.words, ...issued?.words };
      const all = { ...words, ...(word === undefined || by in words ? {} : { [by]: word }) };
      return { ok: true, body: { receipt, countersignatures: Object.values(all).slice(0, 2) } };
    } catch (cause) {
      this.#options.onHistoryLost(cause);
      return NOT_FILED;
    }
  }

  /** What was filed beside the record of a crossing. Home countersigns nothing: it is an end of most. */
  async #othersWords({ xfer, iss, from, to }: ReceiptClaims): Promise<Words> {
    const { history, origin, moves = NOBODY_MOVED } = this.#options;
    const isHomes = [from, to].some((end) => moves.currentOrigin(end) === origin);
    return isHomes ? {} : history.words(xfer, iss);
  }

  async #known(transferId: string): Promise<Known | undefined> {
    const issued = this.#issued.get(transferId.toLowerCase());
    if (issued !== undefined) {
      const { claims, words } = issued;
      return {
        from: claims.from,
        to: claims.to,
        claims,
        words,
        issued,
        receipt: () => issued.receipt,
      };
    }
    const crossing = await this.#recorded(transferId);
    if (crossing === undefined) return undefined;
    const { from, to, receipt, words = {} } = crossing;
    const claims = readReceipt(receipt);
    if (claims === undefined) return undefined;
    return { from, to, claims, words, issued: undefined, receipt: () => Promise.resolve(receipt) };
  }

  async #recorded(
    transferId: string,
  ): Promise<(Crossing & { readonly words?: Words | undefined }) | undefined> {
    const { history, origin, moves = NOBODY_MOVED } = this.#options;
    for (const home of [origin, ...moves.formerOrigins(origin)]) {
      const crossing = await history.crossing(transferId, home);
      if (crossing !== undefined) return crossing;
    }
    return undefined;
  }

  /** Makes up for a crash between a claim and the writing of its crossing. */
  async makeUp(row: LedgerRow): Promise<void> {
    const { last } = row;
    await this.#options.history.flush();
    const unwritten =
      last?.kind === "claim" && (await this.#recorded(last.transferId)) === undefined;
    if (unwritten) await this.issue({ ...row, epoch: last.epoch }, last.transferId, last.to);
  }
}
