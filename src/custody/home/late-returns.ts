/**
 * What holders brought back too late: their leases had run out and the player has been played since.
 * Nothing of it is used; it is kept aside for the operator, who decides (PROTOCOL 6, rule 12).
 */
import type { JsonValue } from "../../json.ts";
import type { Clock, Store } from "../../ports.ts";

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

/** Durable, by player and epoch: one for each time a holder lapsed. */
export class LateReturns {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor({ store, clock }: { readonly store: Store; readonly clock: Clock }) {
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
    for await (const [, text] of this.#store.entries(prefix)) yield JSON.parse(text) as LateReturn;
  }
}
