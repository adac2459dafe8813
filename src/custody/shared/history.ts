/** The crossings of home's players, and those that this server was an end of: kept and readable. */
import { z } from "zod";
import type { Clock, Logger, Store } from "../../ports.ts";
import { type RowKind, RowReader } from "../../rows/rows.ts";
import { Gathering } from "./gathering.ts";

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

/** A crossing, and what its ends had signed, by origin, when it was written. */
interface CrossingRow extends Crossing {
  readonly words?: Readonly<Record<string, string>> | undefined;
}

/** How long a crossing can be looked up. */
const KEPT_MILLISECONDS = 90 * 24 * 3600 * 1000;
const EPOCH_DIGITS = 16;

const prefixOf = (localId: string): string => `history/${localId}/`;
const idPrefix = (transferId: string): string => `receipt/${transferId.toLowerCase()}/`;
const receiptKey = (transferId: string, home: string): string => `${idPrefix(transferId)}${home}`;
const wordPrefix = (transferId: string, home: string): string =>
  `countersignature/${transferId.toLowerCase()}/${home} `;

const CROSSING_ROW: RowKind<CrossingRow> = {
  what: "record of a crossing",
  schema: z.looseObject({
    transferId: z.string().max(64),
    home: z.string().max(300),
    from: z.string().max(300),
    to: z.string().max(300),
    epoch: z.int().nonnegative(),
    at: z.int(),
    receipt: z.string().max(16_384),
    words: z.record(z.string().max(300), z.string().max(16_384)).optional(),
  }),
  blocks: false,
  advice: "Nobody's custody hangs on it; its receipt may be in it still",
};

/** Nobody's custody hangs on a record, so it waits for others: many are one commit. */
const GATHER_MILLISECONDS = 100;
/** So many wait for no others. */
const GATHERED_AT_MOST = 256;

/** What the ends of a crossing have signed, by their origins. */
export type Words = Readonly<Record<string, string>>;

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
  readonly #reader: RowReader<CrossingRow>;
  /** By key, until they are in the store. */
  readonly #unwritten = new Map<string, Gathered>();
  readonly #gathered: Gathering<Gathered>;
  readonly #makers: (() => Promise<void>)[] = [];

  constructor(
    store: Store,
    logger?: Pick<Logger, "error">,
    clock?: Pick<Clock, "setTimeout" | "clearTimeout">,
  ) {
    this.#store = store;
    this.#reader = new RowReader(store, logger, CROSSING_ROW);
    this.#gathered = new Gathering({
      clock,
      milliseconds: GATHER_MILLISECONDS,
      most: GATHERED_AT_MOST,
      // Asked for together, so that an engine with group commit makes them durable as one.
      work: async (records) => {
        for (const { write } of records) write();
        await Promise.allSettled(records.map(({ written }) => written));
      },
    });
  }

  /** Who has records to file has them filed by `flush` before anybody looks through them. */
  flushFirst(flush: () => Promise<void>): void {
    this.#makers.push(flush);
  }

  /** Writes what is gathered. Resolves once it is in the store, or the store has refused it. */
  async flush(): Promise<void> {
    await Promise.all(this.#makers.map((flush) => flush()));
    await this.#gathered.flush();
  }

  /** Writes the records that are filed already. */
  write(): void {
    this.#gathered.start();
  }

  /** Writes what is gathered, and gathers no more. */
  stop(): void {
    this.#gathered.stop();
  }

  /** Writes a crossing of a player of this home down; the first word stays. */
  async record(localId: string, crossing: Crossing, words?: Words): Promise<void> {
    const epoch = String(crossing.epoch).padStart(EPOCH_DIGITS, "0");
    const key = `${prefixOf(localId)}${epoch}-${crossing.transferId.toLowerCase()}`;
    await Promise.all([this.keep(crossing, words), this.#file(key, crossing.home)]);
  }

  /** Keeps a crossing that this server was an end of, whose receipt and words it has verified. */
  async keep(crossing: Crossing, words: Words = {}): Promise<void> {
    const row: CrossingRow = Object.keys(words).length === 0 ? crossing : { ...crossing, words };
    await this.#file(receiptKey(crossing.transferId, crossing.home), JSON.stringify(row));
  }

  /** Keeps what an end of a crossing has signed since that was kept, verified already; its first word stays. */
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
    const found = await this.crossing(transferId, home);
    return found === undefined ? undefined : this.#withWords(found);
  }

  /** {@link find}, though it is not in the store yet, with what its ends had signed when it was filed. */
  async crossing(
    transferId: string,
    home: string,
  ): Promise<(Crossing & { readonly words?: Words | undefined }) | undefined> {
    const key = receiptKey(transferId, home);
    const unwritten = this.#unwritten.get(key)?.text;
    // Where there is a former word, that stays.
    const text = (await this.#store.get(key)) ?? unwritten;
    return text === undefined ? undefined : this.#parse(key, text);
  }

  /** What the ends of a crossing have signed after it was filed, as far as it is in the store. */
  async words(transferId: string, home: string): Promise<Words> {
    const words: Record<string, string> = {};
    const prefix = wordPrefix(transferId, home);
    for await (const [key, word] of this.#store.entries(prefix)) {
      words[key.slice(prefix.length)] = word;
    }
    return words;
  }

  #file(key: string, text: string): Promise<void> {
    const there = this.#unwritten.get(key);
    if (there !== undefined) return there.written;
    let write: () => void = () => undefined;
    const written = new Promise<void>((resolve, reject) => {
      write = () => {
        this.#store
          .compareAndSet(key, undefined, text, KEPT_MILLISECONDS)
          .then(() => undefined)
          .finally(() => this.#unwritten.delete(key))
          .then(resolve, reject);
      };
    });
    const gathered = { text, written, write };
    this.#unwritten.set(key, gathered);
    this.#gathered.add(gathered);
    return written;
  }

  async #parse(key: string, text: string): Promise<CrossingRow | undefined> {
    const crossing = this.#reader.parse(key, text);
    if (crossing === undefined) await this.#reader.setAside(key, text);
    return crossing;
  }

  async #record(key: string, text: string): Promise<CrossingRecord | undefined> {
    const crossing = await this.#parse(key, text);
    return crossing === undefined ? undefined : this.#withWords(crossing);
  }

  async #withWords({ words, ...crossing }: CrossingRow): Promise<CrossingRecord> {
    const later = await this.words(crossing.transferId, crossing.home);
    const all = Object.entries({ ...later, ...words }).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return { ...crossing, countersignatures: all.map(([, word]) => word) };
  }
}
