/**
 * What holders brought back too late: their leases had run out and the player has been played since.
 * Nothing of it is used; it is kept aside for the operator, who decides (PROTOCOL 6, rule 12).
 */
import { z } from "zod";
import type { JsonValue } from "../../json.ts";
import type { Clock, Logger, Store } from "../../ports.ts";
import { type RowKind, RowReader } from "../../rows/rows.ts";

/** One state that came too late. */
export interface LateReturn {
  /** `<local id>@<home authority>`. */
  readonly player: string;
  /** Origin that held the player. */
  readonly from: string;
  /** Epoch it held the player under. */
  readonly epoch: number;
  /** Unix seconds at which it came. */
  readonly at: number;
  /** What the player carried there. */
  readonly state: JsonValue;
  /** What home's import policy would have made of it when it came. */
  readonly accepted: JsonValue;
}

/** How long they are kept. */
const KEPT_MILLISECONDS = 90 * 24 * 3600 * 1000;
const PREFIX = "late/";
const EPOCH_DIGITS = 16;

const LATE_ROW: RowKind<LateReturn> = {
  what: "late return",
  schema: z.looseObject({
    player: z.string().max(400),
    from: z.string().max(300),
    epoch: z.int().nonnegative(),
    at: z.int(),
    state: z.json(),
    accepted: z.json(),
  }),
  blocks: false,
  advice: "Nobody's custody hangs on it; look at it before you delete it",
};

/** Durable, by player and epoch: one for each time a holder lapsed. */
export class LateReturns {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #reader: RowReader<LateReturn>;

  constructor({
    store,
    clock,
    logger,
  }: {
    readonly store: Store;
    readonly clock: Clock;
    readonly logger?: Pick<Logger, "error">;
  }) {
    this.#reader = new RowReader(store, logger, LATE_ROW);
    this.#store = store;
    this.#clock = clock;
  }

  /** Puts a state aside and returns the record; undefined when the same is there already. */
  async keep(localId: string, late: Omit<LateReturn, "at">): Promise<LateReturn | undefined> {
    const kept = { ...late, at: Math.floor(this.#clock.now() / 1000) };
    const key = `${PREFIX}${localId}/${String(late.epoch).padStart(EPOCH_DIGITS, "0")}`;
    const text = JSON.stringify(kept);
    const fresh = await this.#store.compareAndSet(key, undefined, text, KEPT_MILLISECONDS);
    return fresh ? kept : undefined;
  }

  /** What was put aside, of one player or of all, oldest first for each. */
  async *list(localId?: string): AsyncGenerator<LateReturn> {
    const prefix = localId === undefined ? PREFIX : `${PREFIX}${localId}/`;
    for await (const [key, text] of this.#store.entries(prefix)) {
      const late = this.#reader.parse(key, text);
      if (late === undefined) await this.#reader.setAside(key, text);
      else yield late;
    }
  }
}
