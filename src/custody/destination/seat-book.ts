/**
 * The seats that players on their way here have been promised, and the passes used up for them.
 *
 * A seat is a place that the matchmaker keeps in memory, so what is written of it need live no longer than
 * the process does: a crash costs the seat either way, and its crossing ends as one whose client never came.
 */
import { z } from "zod";
import { FederationError } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import type { Logger, Store } from "../../ports.ts";
import { type RowKind, RowReader } from "../../rows/rows.ts";
import { MAX_PARTY_MEMBERS } from "../shared/party.ts";
import { TRACEPARENT_LENGTH } from "../../telemetry/trace-context.ts";

/** A seat promised to a transfer. */
export interface SeatRecord {
  /** Origin of the player's home. */
  readonly home: string;
  /** Server that asked for it. */
  readonly caller: string;
  readonly transferId: string;
  readonly world: string;
  readonly name: string;
  /** Thumbprint the client must prove, when the pass was bound. */
  readonly jkt?: string;
  /** Session the room knows it by. */
  readonly sessionId: string;
  /** Colyseus' own reservation, as the client consumes it. */
  readonly reservation: JsonValue;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** `traceparent` of the reservation: its arrival belongs to the same trace. */
  readonly trace?: string;
  /** The party that its player comes with: nobody of it comes in before all have come. */
  readonly party?: SeatedParty;
}

/** A party whose members have seats, as each of their seats knows it. */
export interface SeatedParty {
  /** The source's; of two sources, two may be the same. */
  readonly id: string;
  /** Whether the others go when one cannot. */
  readonly others: boolean;
  /** Of whom it is, in the order in which they were named. */
  readonly members: readonly {
    readonly transferId: string;
    readonly player: string;
    readonly name: string;
  }[];
}

/** Departures of one player that may wait here at once; the oldest seat gives way. */
const MAX_SEATS_PER_PLAYER = 4;
/** A seat that ran out this long ago is forgotten. */
const FORGOTTEN_AFTER_MILLISECONDS = 60_000;
const COMPARE_AND_SET_TRIES = 32;

const seatsKey = (player: string): string => `seats/${player}`;
const indexKey = (caller: string, transferId: string): string =>
  `seat/${transferId.toLowerCase()}/${caller}`;

const SEATS_ROW: RowKind<readonly SeatRecord[]> = {
  what: "row of promised seats",
  schema: z
    .array(
      z.looseObject({
        home: z.string().max(300),
        caller: z.string().max(300),
        transferId: z.string().max(64),
        world: z.string().max(64),
        name: z.string().max(1024),
        jkt: z.string().max(64).optional(),
        sessionId: z.string().max(256),
        reservation: z.unknown(),
        expiresAt: z.number(),
        trace: z.string().max(TRACEPARENT_LENGTH).optional(),
        party: z
          .object({
            id: z.string().max(64),
            others: z.boolean(),
            members: z
              .array(
                z.object({
                  transferId: z.string().max(64),
                  player: z.string().max(330),
                  name: z.string().max(1024),
                }),
              )
              .max(MAX_PARTY_MEMBERS),
          })
          .optional(),
      }),
    )
    .max(64),
  blocks: false,
  advice: "Its player comes again by another seat",
};

/** Options of {@link SeatBook}. */
export interface SeatBookOptions {
  /** In memory where this process is the whole server; what all its processes share, else. */
  readonly store: Store;
  /** How long a seat and a pass are remembered, in milliseconds: longer than a repeat of either may come. */
  readonly memoryMilliseconds: number;
  readonly now: () => number;
  readonly logger: Pick<Logger, "error">;
}

/** Seats by player, and by caller and transfer. Every method rejects while the store does not answer. */
export class SeatBook {
  readonly #options: SeatBookOptions;
  readonly #reader: RowReader<readonly SeatRecord[]>;

  constructor(options: SeatBookOptions) {
    this.#options = options;
    this.#reader = new RowReader(options.store, options.logger, SEATS_ROW);
  }

  /** The transfer that a pass has been used for. */
  usedFor(pass: string): Promise<string | undefined> {
    return this.#options.store.get(pass);
  }

  /** Uses a pass up for a transfer; false when it has been used already. */
  use(pass: string, transferId: string): Promise<boolean> {
    const { store, memoryMilliseconds } = this.#options;
    return store.compareAndSet(pass, undefined, transferId, memoryMilliseconds);
  }

  /** All seats of one player, the oldest first. */
  async of(player: string): Promise<readonly SeatRecord[]> {
    return (await this.#read(player)).seats;
  }

  /** The player whose seat (caller, transfer) is, for as long as a repeat may come. */
  playerOf(caller: string, transferId: string): Promise<string | undefined> {
    return this.#options.store.get(indexKey(caller, transferId));
  }

  /** The seat of a transfer. */
  async find(player: string, caller: string, transferId: string): Promise<SeatRecord | undefined> {
    return (await this.of(player)).find((seat) => isSeatOf(seat, caller, transferId));
  }

  /**
   * Adds a seat, unless its transfer has one already: `same` is that one then. `forgotten` had to give way.
   */
  async add(
    player: string,
    seat: SeatRecord,
  ): Promise<{ readonly same?: SeatRecord; readonly forgotten: readonly SeatRecord[] }> {
    const { store, memoryMilliseconds, now } = this.#options;
    const { caller, transferId } = seat;
    const indexed = store.set(indexKey(caller, transferId), player, memoryMilliseconds);
    let same: SeatRecord | undefined;
    let forgotten: readonly SeatRecord[] = [];
    const added = this.#change(player, (seats) => {
      same = seats.find((other) => isSeatOf(other, caller, transferId));
      forgotten = [];
      if (same !== undefined) return seats;
      const left = seats.filter(
        ({ expiresAt }) => expiresAt * 1000 > now() - FORGOTTEN_AFTER_MILLISECONDS,
      );
      forgotten = left.slice(0, -(MAX_SEATS_PER_PLAYER - 1));
      return [...left.slice(-(MAX_SEATS_PER_PLAYER - 1)), seat];
    });
    await Promise.all([indexed, added]);
    return { ...(same === undefined ? {} : { same }), forgotten };
  }

  /** Takes a seat out of the book: of several who try, one gets it. */
  async take(player: string, sessionId: string): Promise<SeatRecord | undefined> {
    let taken: SeatRecord | undefined;
    await this.#change(player, (seats) => {
      taken = seats.find((seat) => seat.sessionId === sessionId);
      return taken === undefined ? seats : seats.filter((seat) => seat !== taken);
    });
    return taken;
  }

  async #read(player: string): Promise<{ text: string | undefined; seats: readonly SeatRecord[] }> {
    const key = seatsKey(player);
    const text = await this.#options.store.get(key);
    if (text === undefined) return { text, seats: [] };
    const seats = this.#reader.parse(key, text);
    if (seats !== undefined) return { text, seats };
    await this.#reader.setAside(key, text);
    return { text: undefined, seats: [] };
  }

  /** `change` may run several times; returning its argument writes nothing. */
  async #change(
    player: string,
    change: (seats: readonly SeatRecord[]) => readonly SeatRecord[],
  ): Promise<void> {
    const { store, memoryMilliseconds } = this.#options;
    for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries += 1) {
      const { text, seats } = await this.#read(player);
      const next = change(seats);
      if (next === seats) return;
      const written = next.length === 0 ? undefined : JSON.stringify(next);
      if (await store.compareAndSet(seatsKey(player), text, written, memoryMilliseconds)) return;
    }
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      "The player's seats kept changing: try again.",
    );
  }
}

function isSeatOf(seat: SeatRecord, caller: string, transferId: string): boolean {
  return seat.caller === caller && seat.transferId === transferId;
}
