/**
 * What a server keeps of a crossing that it was an end of: home's receipt, once it verifies, and what
 * both ends have signed beside it (PROTOCOL 6). Nobody's custody hangs on any of it.
 */
import { type FederationErrorCode, isTrustRefusal } from "../../errors.ts";
import {
  type CountersignatureClaims,
  type ReceiptClaims,
  type ReceiptKeys,
  digestOfState,
  issueCountersignature,
  issueCountersignatures,
  verifyCountersignature,
  verifyReceipt,
} from "../../identity/receipt.ts";
import type { SigningKey } from "../../identity/server-keys.ts";
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger } from "../../ports.ts";
import { counted } from "../../words.ts";
import { AskedLater } from "./asked-later.ts";
import { withinMilliseconds } from "./deadlines.ts";
import { Gathering } from "./gathering.ts";
import type { CrossingHistory, Words } from "./history.ts";
import type { Home, HomeAnswer } from "./home.ts";
import type { ReceiptAnswer } from "./messages.ts";
import { type Moves, NOBODY_MOVED, currentPlayer } from "./moves.ts";
import { askForReceipts } from "./receipt-calls.ts";

/** By how much the clocks of two servers may differ. */
const CLOCKS_SECONDS = 150;
/** How long a crossing waits for others, so that they are one call and one signature. */
const GATHER_MILLISECONDS = 100;
/** So many wait for no others. */
const GATHERED_AT_MOST = 256;
/** When home is asked again that has not answered, or does not know the crossing yet. */
const RETRY_SECONDS = [1, 10, 60] as const;
/** How long a server that stops waits for what it has asked. */
const ASKED_MILLISECONDS = 1_000;
/** Crossings of which it is asked again; for more, there is no second time. */
const MAX_RETRIED = 1_024;

/** Options of {@link EndReceipts}. */
export interface EndReceiptsOptions {
  readonly origin: string;
  readonly history: CrossingHistory;
  readonly homeAt: (origin: string) => Home;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signingKey: () => SigningKey;
  /** A peer's key, this server's own included. */
  readonly peerKey: ReceiptKeys;
  /** Whether a home has `RECEIPTS_CAPABILITY`. */
  readonly knowsReceipts: (home: string) => boolean;
  /** Default: nobody has moved. */
  readonly moves?: Moves | undefined;
}

/** A crossing as one of its ends knows it. */
export interface CrossingEnd {
  readonly home: string;
  readonly transferId: string;
  readonly player: string;
  /** Epoch that the claim decided. */
  readonly epoch: number;
  readonly from: string;
  readonly to: string;
  /** What the player carried when it went, or came. */
  readonly state: JsonValue | undefined;
}

/** A receipt, and what it says. */
interface ReadReceipt {
  readonly receipt: string;
  readonly claims: ReceiptClaims;
}

/** A crossing whose receipt is to be kept. */
interface Task {
  readonly end: Omit<CrossingEnd, "state">;
  /** Until it is signed for, and its digest from then on. */
  state: JsonValue | undefined;
  digest?: string;
  /** What home has said already. */
  readonly given: string | undefined;
  told?: ReadReceipt;
  /** This end's own word. */
  word?: string | undefined;
  /** Home has not taken that: it is asked for its own first. */
  isMute?: boolean;
  isFiled?: boolean;
  /** How often home has been asked again. */
  retries: number;
  readonly done: (receipt: string | undefined) => void;
}

/** Refusals that are home's last word on a receipt. */
const FINAL: ReadonlySet<FederationErrorCode> = new Set([
  "ERR_FED_NOT_FOUND",
  "ERR_FED_NOT_DESTINATION",
]);
/** Refusals of what this end has signed: home has moved since the crossing, or knows no countersignatures. */
const NOT_TAKEN: ReadonlySet<FederationErrorCode> = new Set([
  "ERR_FED_MALFORMED",
  "ERR_FED_SIGNATURE_INVALID",
  "ERR_FED_UNKNOWN_KEY",
]);

/** The receipts of crossings that this server was an end of and not the home. */
export class EndReceipts {
  readonly #options: EndReceiptsOptions;
  readonly #gathered: Gathering<Task>;
  /** Calls that home has not answered yet. */
  readonly #asking = new Set<Promise<void>>();
  readonly #retried: AskedLater<Task>;
  #stopped = false;

  constructor(options: EndReceiptsOptions) {
    this.#options = options;
    const { clock, history } = options;
    this.#gathered = new Gathering({
      clock,
      milliseconds: GATHER_MILLISECONDS,
      most: GATHERED_AT_MOST,
      work: (tasks) => this.#begin(tasks),
    });
    this.#retried = new AskedLater({
      clock,
      afterSeconds: RETRY_SECONDS,
      most: MAX_RETRIED,
      again: (tasks) => {
        for (const task of tasks) this.#gathered.add(task);
      },
    });
    history.flushFirst(() => this.#gathered.flush());
  }

  /**
   * Files the receipt, countersigns it and files what the other end has signed, as far as home knows. Crossings of
   * {@link GATHER_MILLISECONDS} are done together: neither the player who arrives waits for it, nor whoever comes next.
   * `receipt`: what home has said already; otherwise it is asked. Resolves with the receipt, once it verifies, or
   * undefined, once home has not given it and is asked no more; never rejects.
   */
  keep(end: CrossingEnd, receipt: string | undefined): Promise<string | undefined> {
    const { state, ...rest } = end;
    return new Promise((done) => {
      this.#gathered.add({ end: rest, state, given: receipt, retries: 0, done });
    });
  }

  /** Asks for what is gathered, and resolves once every home has answered, or after {@link ASKED_MILLISECONDS}. */
  async whenAsked(): Promise<void> {
    await this.#gathered.flush();
    await withinMilliseconds(this.#options.clock, ASKED_MILLISECONDS, Promise.all(this.#asking));
  }

  /** Files what it has, and asks no more. */
  stop(): void {
    this.#stopped = true;
    for (const { done } of this.#retried.stop()) done(undefined);
    this.#gathered.stop();
  }

  /** What this end knows by itself is signed and filed; home is asked for the rest. Never rejects. */
  async #begin(tasks: readonly Task[]): Promise<void> {
    const { logger } = this.#options;
    try {
      const own: Task[] = [];
      for (const task of tasks) {
        if (task.given !== undefined && task.told === undefined) {
          const told = await this.#read(task.end, task.given);
          if (told === undefined) {
            task.done(undefined);
            continue;
          }
          task.told = told;
        }
        own.push(task);
      }
      await this.#sign(own);
      for (const task of own) {
        if (task.told === undefined || task.isFiled === true) continue;
        task.isFiled = true;
        this.#file(task, task.told, {});
        task.done(task.told.receipt);
      }
      this.#options.history.write();
      for (const [home, ofHome] of groupBy(own, ({ end }) => this.#now(end.home))) {
        const asking = this.#ask(home, ofHome).finally(() => this.#asking.delete(asking));
        this.#asking.add(asking);
      }
    } catch (cause) {
      logger.error("the receipts of crossings could not be signed for", cause);
      for (const { done } of tasks) done(undefined);
    }
  }

  /** This end's own words, those for homes that read them so under one signature. */
  async #sign(tasks: readonly Task[]): Promise<void> {
    const { signingKey, knowsReceipts } = this.#options;
    const unsigned = tasks.filter(({ word, isMute }) => word === undefined && isMute !== true);
    const isJoint = ({ end }: Task): boolean => knowsReceipts(this.#now(end.home));
    const joint = unsigned.filter(isJoint);
    const words = await issueCountersignatures(
      joint.map((task) => this.#claimsOf(task)),
      signingKey(),
    );
    for (const [index, task] of joint.entries()) task.word = words[index] ?? "";
    for (const task of unsigned) {
      task.word ??= await issueCountersignature(this.#claimsOf(task), signingKey());
    }
  }

  #claimsOf(task: Task): CountersignatureClaims {
    const { origin, clock } = this.#options;
    const { end, told } = task;
    const named = told === undefined ? this.#named(end) : asIn(end, told.claims);
    const { home, transferId: xfer, player, epoch, from, to } = named;
    const iat = Math.floor(clock.now() / 1000);
    task.digest ??= digestOfState(task.state);
    task.state = undefined;
    const { digest } = task;
    return { iss: origin, home, xfer, player, epoch, from, to, iat, digest };
  }

  /** Never rejects. */
  async #ask(home: string, tasks: readonly Task[]): Promise<void> {
    const { knowsReceipts, history, homeAt, logger } = this.#options;
    if (this.#stopped) {
      for (const { done } of tasks) done(undefined);
      return;
    }
    const again: Task[] = [];
    const answered = async (task: Task, answer: HomeAnswer<ReceiptAnswer>): Promise<void> => {
      if (answer.ok) {
        await this.#answered(task, answer.body);
      } else if (NOT_TAKEN.has(answer.code) && task.told === undefined && task.isMute !== true) {
        task.isMute = true;
        task.word = undefined;
        this.#gathered.add(task);
      } else if (isFinal(answer.code)) {
        const { transferId } = task.end;
        const fields = { peer: home, transferId, code: answer.code };
        logger.debug(`${home} refuses the receipt of ${transferId}: ${answer.reason}`, fields);
        task.done(undefined);
      } else {
        again.push(task);
      }
    };
    try {
      const requests = tasks.map(({ end: { transferId }, word }) => ({
        transferId,
        ...(word === undefined ? {} : { countersignature: word }),
      }));
      const answers = await askForReceipts(homeAt(home), requests, knowsReceipts(home));
      for (const [index, answer] of answers.entries()) {
        const task = tasks[index];
        if (task !== undefined) await answered(task, answer);
      }
      history.write();
    } catch (cause) {
      logger.error(`receipts of ${home} could not be kept`, cause, { peer: home });
      for (const { done } of tasks) done(undefined);
    }
    this.#askAgain(home, again);
  }

  /** Home is asked again after a while, for as often as {@link RETRY_SECONDS} says. */
  #askAgain(home: string, tasks: readonly Task[]): void {
    const over = this.#retried.add(tasks);
    if (over.length === 0) return;
    for (const { done } of over) done(undefined);
    this.#options.logger.warn(
      `${home} has not given the receipts of ${counted(over.length, "crossing")}, or not taken what this server has signed: they are not asked for any more`,
      { peer: home },
    );
  }

  /** Keeps what home has answered, as far as it verifies. */
  async #answered(task: Task, { receipt, countersignatures = [] }: ReceiptAnswer): Promise<void> {
    const { history, peerKey } = this.#options;
    const { end, told } = task;
    const read = told ?? (await this.#read(end, receipt));
    if (read === undefined) {
      task.done(undefined);
      return;
    }
    if (task.isMute === true) {
      task.isMute = false;
      task.told = read;
      // Filed with a word by the names that home has said, which it is then told.
      this.#gathered.add(task);
      return;
    }
    const others: Record<string, string> = {};
    for (const other of countersignatures) {
      if (other === task.word) continue;
      const verified = await verifyCountersignature(other, read.claims, peerKey);
      if (verified.verified && verified.by !== this.#options.origin) others[verified.by] = other;
    }
    if (told === undefined) {
      this.#file(task, read, others);
      task.done(read.receipt);
      return;
    }
    for (const [by, other] of Object.entries(others)) {
      this.#lost(end, history.countersign(end.transferId, read.claims.iss, by, other));
    }
  }

  /** Keeps a receipt, this end's own word and those of others in one record. */
  #file({ end, word }: Task, { receipt, claims }: ReadReceipt, others: Words): void {
    const { origin, history } = this.#options;
    const { home, transferId, from, to, epoch } = asIn(end, claims);
    const crossing = { transferId, home, from, to, epoch, at: claims.iat, receipt };
    const words = { ...others, ...(word === undefined ? {} : { [origin]: word }) };
    this.#lost(end, history.keep(crossing, words));
  }

  #lost({ transferId, home: peer }: Task["end"], written: Promise<void>): void {
    const { logger } = this.#options;
    written.catch((cause: unknown) => {
      logger.error(`the receipt of ${transferId} could not be kept`, cause, { peer, transferId });
    });
  }

  #now(origin: string): string {
    const { moves = NOBODY_MOVED } = this.#options;
    return moves.currentOrigin(origin);
  }

  /** The crossing by the names that its servers have now. */
  #named(end: Task["end"]): Task["end"] {
    const { moves = NOBODY_MOVED } = this.#options;
    const { home, from, to } = end;
    const player = currentPlayer(moves, end.player);
    return { ...end, player, home: this.#now(home), from: this.#now(from), to: this.#now(to) };
  }

  /** A receipt that is home's word on this very crossing. */
  async #read(end: Task["end"], receipt: string): Promise<ReadReceipt | undefined> {
    const { peerKey, logger } = this.#options;
    const { home, transferId, epoch } = end;
    const verified = await verifyReceipt(receipt, peerKey);
    const claims = verified.verified ? verified.claims : undefined;
    const said = claims && this.#named(asIn(end, claims));
    const { home: iss, player, from, to } = this.#named(end);
    if (
      claims === undefined ||
      said?.home !== iss ||
      claims.xfer.toLowerCase() !== transferId.toLowerCase() ||
      said.player !== player ||
      claims.epoch !== epoch ||
      said.from !== from ||
      said.to !== to ||
      claims.iat > this.#options.clock.now() / 1000 + CLOCKS_SECONDS
    ) {
      const why = verified.verified
        ? "it is of another crossing, or another time"
        : verified.reason;
      logger.warn(
        `the receipt of ${transferId} by ${home} does not verify and is not kept: ${why}`,
        { peer: home, transferId },
      );
      return undefined;
    }
    return { receipt, claims };
  }
}

function isFinal(code: FederationErrorCode): boolean {
  return FINAL.has(code) || NOT_TAKEN.has(code) || isTrustRefusal(code);
}

/** The crossing by the names that its receipt says. */
function asIn(end: Task["end"], { iss: home, player, from, to }: ReceiptClaims): Task["end"] {
  return { ...end, home, player, from, to };
}

function groupBy<Key>(tasks: readonly Task[], keyOf: (task: Task) => Key): Map<Key, Task[]> {
  const groups = new Map<Key, Task[]>();
  for (const task of tasks) {
    const key = keyOf(task);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [task]);
    else group.push(task);
  }
  return groups;
}
