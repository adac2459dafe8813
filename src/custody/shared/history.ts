/** The crossings of home's players, and those that this server was an end of: kept and readable. */
import { z } from "zod";
import type { Clock, Logger, Store, TimerHandle } from "../../ports.ts";
import { type RowKind, RowReader } from "../../rows/rows.ts";

/** One crossing that a claim has decided. */
export interface Crossing {
  readonly transferId: string;
  /** Origin of the player's home, which issued the receipt. */
  readonly home: string;
  /** Origin the player left. */
  readonly from: string;
  /** Origin that claimed it. */
  readonly to: string;
  /** Epoch that the claim decided. */
  readonly epoch: number;
  /** Unix seconds. */
  readonly at: number;
  /** Home's signed receipt (PROTOCOL 6). */
  readonly receipt: string;
}

/** A crossing as it is kept. */
export interface CrossingRecord extends Crossing {
  /** What its ends have signed beside the receipt; verified when they were filed. */
  readonly countersignatures: readonly string[];
}

/** How long a crossing can be looked up. */
const KEPT_MILLISECONDS = 90 * 24 * 3600 * 1000;
const EPOCH_DIGITS = 16;

const prefixOf = (localId: string): string => `history/${localId}/`;
const idPrefix = (transferId: string): string => `receipt/${transferId.toLowerCase()}/`;
const receiptKey = (transferId: string, home: string): string => `${idPrefix(transferId)}${home}`;
const wordPrefix = (transferId: string, home: string): string =>
  `countersignature/${transferId.toLowerCase()}/${home} `;

const CROSSING_ROW: RowKind<Crossing> = {
  what: "record of a crossing",
  schema: z.looseObject({
    transferId: z.string().max(64),
    home: z.string().max(300),
    from: z.string().max(300),
    to: z.string().max(300),
    epoch: z.int().nonnegative(),
    at: z.int(),
    receipt: z.string().max(16_384),
  }),
  blocks: false,
  advice: "Nobody's custody hangs on it; its receipt may be in it still",
};

/** Nobody's custody hangs on a record, so it waits for others: many are one commit. */
const GATHER_MILLISECONDS = 100;
/** So many wait for no others. */
const GATHERED_AT_MOST = 256;

/** A record that is not in the store yet. */
interface Gathered {
  readonly text: string;
  readonly written: Promise<void>;
  readonly write: () => void;
}

/**
 * Durable records, once each: by transfer and home (a source chooses transfer ids as it likes), and
 * beside them, by player, where to find them. None is ever written over; all are gone after 90 days.
 *
 * With a clock, records are gathered for {@link GATHER_MILLISECONDS} and written together.
 */
export class CrossingHistory {
  readonly #store: Store;
  readonly #reader: RowReader<Crossing>;
  readonly #clock: Pick<Clock, "setTimeout" | "clearTimeout"> | undefined;
  /** By key, until they are in the store. */
  readonly #gathered = new Map<string, Gathered>();
  /** Of them, those that nobody has begun to write. */
  #waiting: Gathered[] = [];
  /** What is to be done before the next records are written. */
  #due: (() => Promise<void>)[] = [];
  #timer: TimerHandle | undefined;
  #stopped = false;

  constructor(
    store: Store,
    logger?: Pick<Logger, "error">,
    clock?: Pick<Clock, "setTimeout" | "clearTimeout">,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#reader = new RowReader(store, logger, CROSSING_ROW);
  }

  /** Writes what is gathered. Resolves once it is in the store, or the store has refused it. */
  async flush(): Promise<void> {
    await this.#write();
    await Promise.allSettled([...this.#gathered.values()].map(({ written }) => written));
  }

  /** Writes what is gathered, and gathers no more. */
  stop(): void {
    this.#stopped = true;
    void this.#write();
  }

  /**
   * Does `work`, which files records, just before records are written or looked through: it can wait as long as
   * they can. It is not to wait for what it files.
   */
  later<Result>(work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#due.push(() => work().then(resolve, reject));
      this.#schedule();
    });
  }

  /** Writes a crossing of a player of this home down; the first word stays. */
  async record(localId: string, crossing: Crossing): Promise<void> {
    const epoch = String(crossing.epoch).padStart(EPOCH_DIGITS, "0");
    const key = `${prefixOf(localId)}${epoch}-${crossing.transferId.toLowerCase()}`;
    await Promise.all([this.keep(crossing), this.#file(key, crossing.home)]);
  }

  /** Keeps a crossing that this server was an end of, whose receipt it has verified. */
  async keep(crossing: Crossing): Promise<void> {
    await this.#file(receiptKey(crossing.transferId, crossing.home), JSON.stringify(crossing));
  }

  /** Keeps what an end of a crossing has signed, verified already; its first word stays. */
  async countersign(transferId: string, home: string, by: string, word: string): Promise<void> {
    await this.#file(`${wordPrefix(transferId, home)}${by}`, word);
  }

  /** A player's crossings, oldest first. */
  async of(localId: string): Promise<CrossingRecord[]> {
    await this.flush();
    const crossings: CrossingRecord[] = [];
    for await (const [key, text] of this.#store.entries(prefixOf(localId))) {
      // What the first form of the store has here is the record itself.
      const crossing =
        text.startsWith("https://") || text.startsWith("http://")
          ? await this.find(key.slice(prefixOf(localId).length + EPOCH_DIGITS + 1), text)
          : await this.#record(key, text);
      if (crossing !== undefined) crossings.push(crossing);
    }
    return crossings;
  }

  /** The crossings of one transfer id, by home: at a home, at a destination, at a source that asked. */
  async ofTransfer(transferId: string): Promise<CrossingRecord[]> {
    await this.flush();
    const crossings: CrossingRecord[] = [];
    for await (const [key, text] of this.#store.entries(idPrefix(transferId))) {
      const crossing = await this.#record(key, text);
      if (crossing !== undefined) crossings.push(crossing);
    }
    return crossings;
  }

  /** The crossing of one transfer of one home's player. */
  async find(transferId: string, home: string): Promise<CrossingRecord | undefined> {
    await this.flush();
    const crossing = await this.crossing(transferId, home);
    if (crossing === undefined) return undefined;
    return { ...crossing, countersignatures: await this.words(transferId, home) };
  }

  /** {@link find}, without what its ends have signed, and though it is not in the store yet. */
  async crossing(transferId: string, home: string): Promise<Crossing | undefined> {
    const key = receiptKey(transferId, home);
    const gathered = this.#gathered.get(key)?.text;
    // Where there is a former word, that stays.
    const text = (await this.#store.get(key)) ?? gathered;
    return text === undefined ? undefined : this.#parse(key, text);
  }

  /** What the ends of a crossing have signed, as far as it is in the store. */
  async words(transferId: string, home: string): Promise<string[]> {
    const words: string[] = [];
    for await (const [, word] of this.#store.entries(wordPrefix(transferId, home))) {
      words.push(word);
    }
    return words;
  }

  #file(key: string, text: string): Promise<void> {
    const there = this.#gathered.get(key);
    if (there !== undefined) return there.written;
    let write: () => void = () => undefined;
    const written = new Promise<void>((resolve, reject) => {
      write = () => {
        this.#store
          .compareAndSet(key, undefined, text, KEPT_MILLISECONDS)
          .then(() => undefined)
          .finally(() => this.#gathered.delete(key))
          .then(resolve, reject);
      };
    });
    const gathered = { text, written, write };
    this.#gathered.set(key, gathered);
    this.#waiting.push(gathered);
    this.#schedule();
    return written;
  }

  #schedule(): void {
    const most = Math.max(this.#waiting.length, this.#due.length);
    if (this.#clock === undefined || this.#stopped || most >= GATHERED_AT_MOST) {
      void this.#write();
    } else {
      this.#timer ??= this.#clock.setTimeout(() => {
        void this.#write();
      }, GATHER_MILLISECONDS);
    }
  }

  /** Asked for together, so that an engine with group commit makes them durable as one. */
  async #write(): Promise<void> {
    if (this.#timer !== undefined) this.#clock?.clearTimeout(this.#timer);
    this.#timer = undefined;
    const due = this.#due.splice(0);
    for (const { write } of this.#waiting.splice(0)) write();
    if (due.length === 0) return;
    await Promise.all(due.map((work) => work()));
    for (const { write } of this.#waiting.splice(0)) write();
  }

  async #parse(key: string, text: string): Promise<Crossing | undefined> {
    const crossing = this.#reader.parse(key, text);
    if (crossing === undefined) await this.#reader.setAside(key, text);
    return crossing;
  }

  async #record(key: string, text: string): Promise<CrossingRecord | undefined> {
    const crossing = await this.#parse(key, text);
    if (crossing === undefined) return undefined;
    const countersignatures = await this.words(crossing.transferId, crossing.home);
    return { ...crossing, countersignatures };
  }
}
