/**
 * What a server keeps, durably, about the players of other homes whom it holds: one row per player,
 * changed by compare-and-set only (PROTOCOL 6, rule 3).
 */
import { z } from "zod";
import { FederationError } from "../../errors.ts";
import type { JsonValue } from "../../json.ts";
import type { Logger, Store } from "../../ports.ts";
import { RowCache } from "../../rows/row-cache.ts";
import { type RowKind, RowReader } from "../../rows/rows.ts";

/** Custody of a visiting player, as its holder keeps it. */
export interface HeldCustody {
  readonly epoch: number;
  /**
   * `held`: plays here. `frozen`: a departure is open, simulated by nobody. `returning`: the
   * session is over, home has not confirmed yet.
   */
  readonly phase: "held" | "frozen" | "returning";
  /** The departure it is frozen for. */
  readonly transferId?: string;
  /** State to give back with the return. */
  readonly state?: JsonValue;
  /** Where several processes are this server: the one that plays the player, or did. */
  readonly life?: string;
}

/** The next phase of a held player; the process it is played in stays the same. */
export function inPhase(
  held: HeldCustody,
  phase: HeldCustody["phase"],
  more: { readonly epoch?: number; readonly transferId?: string; readonly state?: JsonValue } = {},
): HeldCustody {
  const { life, epoch } = held;
  return { epoch, ...more, phase, ...(life === undefined ? {} : { life }) };
}

/** A player of another home whom this server holds. */
export interface VisitorRow {
  readonly player: string;
  /** Origin of the player's home. */
  readonly home: string;
  readonly held: HeldCustody;
  /** Thumbprint of the player's own key, as home's pass named it and the client proved it; absent: it has none. */
  readonly jkt?: string;
  /** This server's operator has kept the player, whose home is gone, as one of this server's own. */
  readonly adopted?: VisitorAdoption;
}

/** Whom a visitor was kept as. Nobody plays it here under its home's id any more; home gets it back as ever. */
export interface VisitorAdoption {
  /** Local id of the player of this server. */
  readonly as: string;
  /** Unix seconds. */
  readonly at: number;
}

/** What a visitor carried that its home would not take. */
export interface RefusedState {
  readonly player: string;
  /** Origin of the player's home. */
  readonly home: string;
  /** The epoch it was held under. */
  readonly epoch: number;
  /** Unix seconds. */
  readonly at: number;
  readonly state: JsonValue;
}

const COMPARE_AND_SET_TRIES = 32;
const REFUSED_PREFIX = "refused/";
/** States that homes would not take, kept for the operator: of one home, and of all. */
const MAX_REFUSED_OF_HOME = 100;
const MAX_REFUSED_STATES = 1_000;
const REFUSED_KEPT_MILLISECONDS = 90 * 24 * 3600 * 1000;
const visitorKey = (player: string): string => `visitor/${player}`;

const VISITOR_ROW: RowKind<VisitorRow> = {
  what: "visitor's row",
  schema: z.looseObject({
    player: z.string().min(1).max(400),
    home: z.string().min(1).max(300),
    held: z.looseObject({
      epoch: z.int().nonnegative(),
      phase: z.enum(["held", "frozen", "returning"]),
      transferId: z.string().max(64).optional(),
      life: z.string().max(64).optional(),
    }),
    jkt: z.string().max(64).optional(),
    adopted: z.looseObject({ as: z.string().min(1).max(64), at: z.int().nonnegative() }).optional(),
  }),
  belongs: ({ player }, key) => key === visitorKey(player),
  blocks: true,
  advice:
    "Its player is refused here until you put the row back from a backup of the store, or drop it with `players forget <player>`: home takes the player back by itself",
};

const REFUSED_ROW: RowKind<RefusedState> = {
  what: "refused state",
  schema: z.looseObject({
    player: z.string().max(400),
    home: z.string().max(300),
    epoch: z.int().nonnegative(),
    at: z.int(),
    state: z.json(),
  }),
  blocks: false,
  advice: "Nobody's custody hangs on it",
};

/** A row and the text that it stands in. */
interface StoredVisitor {
  readonly text: string;
  readonly row: VisitorRow;
}

/** The durable rows of visiting players. */
export class VisitorBook {
  readonly #store: Store;
  readonly #reader: RowReader<VisitorRow>;
  readonly #refused: RowReader<RefusedState>;
  /** Rows that are being written for the first time, by player: whoever asks for one waits. */
  readonly #recording = new Map<string, Promise<unknown>>();
  /** As this process has written them last: for changes, which show by themselves whether that is old. */
  readonly #written = new RowCache<StoredVisitor>();

  constructor(store: Store, logger?: Pick<Logger, "error">) {
    this.#store = store;
    this.#refused = new RowReader(store, logger, REFUSED_ROW);
    this.#reader = new RowReader(store, logger, VISITOR_ROW);
  }

  /** The row as it is. */
  async get(player: string): Promise<VisitorRow | undefined> {
    return (await this.#read(player))?.row;
  }

  /**
   * Writes down that this server holds a player. False when it is held already. Until this has ended,
   * every other call for the player waits.
   *
   * @param jkt Thumbprint of the player's own key; undefined: it has none.
   */
  hold(player: string, home: string, held: HeldCustody, jkt?: string): Promise<boolean> {
    const row: VisitorRow = { player, home, held, ...(jkt === undefined ? {} : { jkt }) };
    const recording = this.#record({ text: JSON.stringify(row), row });
    const over = recording
      .catch(() => undefined)
      .finally(() => {
        if (this.#recording.get(player) === over) this.#recording.delete(player);
      });
    this.#recording.set(player, over);
    return recording;
  }

  async #record(first: StoredVisitor): Promise<boolean> {
    const { player } = first.row;
    if (await this.#write(player, undefined, first)) return true;
    // A damaged row is nobody's to write over, and is told of.
    await this.#stored(player);
    return false;
  }

  /** Whether {@link hold} is under way for a player. */
  isRecording(player: string): boolean {
    return this.#recording.has(player);
  }

  /**
   * Changes custody in one durable step; `undefined` drops it. The row must hold what `expected` says.
   * `change` may run several times.
   */
  async changeHeld(
    player: string,
    expected: (held: HeldCustody) => boolean,
    change: (held: HeldCustody, row: VisitorRow) => HeldCustody | undefined,
  ): Promise<boolean> {
    return this.#change(player, (row) => {
      if (!expected(row.held)) return undefined;
      const held = change(row.held, row);
      return { next: held && { ...row, held } };
    });
  }

  /**
   * Writes down, once for each stay, that its player is kept as one of this server's own. Returns the adoption that
   * stands: the one that was there, if there was one.
   *
   * Undefined: there is no such row, or `mayAdopt` says no to it.
   */
  async adopt(
    player: string,
    mayAdopt: (row: VisitorRow) => boolean,
    adoption: VisitorAdoption,
  ): Promise<VisitorAdoption | undefined> {
    let standing: VisitorAdoption | undefined;
    await this.#change(player, (row) => {
      standing = row.adopted;
      if (standing !== undefined || !mayAdopt(row)) return undefined;
      standing = adoption;
      return { next: { ...row, adopted: adoption } };
    });
    return standing;
  }

  /** Undefined of `change`: nothing is written. */
  async #change(
    player: string,
    change: (row: VisitorRow) => { readonly next: VisitorRow | undefined } | undefined,
  ): Promise<boolean> {
    for (let tries = 0; tries < COMPARE_AND_SET_TRIES; tries += 1) {
      const stored = await this.#read(player, { known: true });
      const changed = stored && change(stored.row);
      if (changed === undefined) {
        // What is known may be old, and nothing is written that would show it.
        if (stored === undefined || stored !== this.#written.get(player)) return false;
        this.#written.drop(player);
        continue;
      }
      const { next: row } = changed;
      const next = row && { text: JSON.stringify(row), row };
      if (await this.#write(player, stored?.text, next)) return true;
    }
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      "The visitor's row kept changing: try again.",
    );
  }

  /** `known`: as this process has written it last, where it knows, without a look at the store. */
  async #read(
    player: string,
    { known = false }: { readonly known?: boolean } = {},
  ): Promise<StoredVisitor | undefined> {
    await this.#recording.get(player);
    return (known ? this.#written.get(player) : undefined) ?? this.#stored(player);
  }

  async #stored(player: string): Promise<StoredVisitor | undefined> {
    const text = await this.#store.get(visitorKey(player));
    if (text === undefined) return undefined;
    return { text, row: await this.#reader.read(visitorKey(player), text) };
  }

  async #write(
    player: string,
    expected: string | undefined,
    next: StoredVisitor | undefined,
  ): Promise<boolean> {
    this.#written.drop(player);
    const key = visitorKey(player);
    const written = await this.#store.compareAndSet(key, expected, next?.text);
    // A state is the host's own object, and may be another one by the next change.
    if (written && next !== undefined && next.row.held.state === undefined) {
      this.#written.set(player, next, next.text.length);
    }
    return written;
  }

  /**
   * Keeps aside, for 90 days, what a home would not take of a player. Returns the key it is under;
   * undefined when there is no room for more, of that home or in all.
   */
  async keepRefused(
    player: string,
    refused: Pick<RefusedState, "epoch" | "at" | "state">,
  ): Promise<string | undefined> {
    const home = (await this.get(player))?.home;
    if (home === undefined) return undefined;
    const key = `${REFUSED_PREFIX}${player}/${refused.epoch}`;
    const all: string[] = [];
    for await (const [each] of this.#store.entries(REFUSED_PREFIX))
      if (each !== key) all.push(each);
    const ofHome = all.filter((each) => each.includes(`@${new URL(home).host}/`));
    if (all.length >= MAX_REFUSED_STATES || ofHome.length >= MAX_REFUSED_OF_HOME) return undefined;
    const kept: RefusedState = { player, home, ...refused };
    await this.#store.set(key, JSON.stringify(kept), REFUSED_KEPT_MILLISECONDS);
    return key;
  }

  /** What homes would not take. */
  async *refused(): AsyncGenerator<RefusedState> {
    for await (const [key, text] of this.#store.entries(REFUSED_PREFIX)) {
      const refused = this.#refused.parse(key, text);
      if (refused === undefined) await this.#refused.setAside(key, text);
      else yield refused;
    }
  }

  /** Every row, for settling after a restart, but for damaged ones, which are set aside. */
  async *all(): AsyncGenerator<VisitorRow> {
    for await (const [key, text] of this.#store.entries("visitor/")) {
      const row = this.#reader.parse(key, text);
      if (row === undefined) await this.#reader.setAside(key, text);
      else yield row;
    }
  }
}
