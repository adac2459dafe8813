/** Whose departure a transfer is: a claim names only the transfer. */
import type { Store } from "../../ports.ts";

const KEPT_MILLISECONDS = 7 * 24 * 3600 * 1000;

const transferKey = (transferId: string): string => `transfer/${transferId.toLowerCase()}`;

/** Durable, for a week. */
export class TransferIndex {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Notes whose transfer it is: whether that was news, or it is another player's already. */
  async note(transferId: string, localId: string): Promise<"noted" | "known" | "another's"> {
    const key = transferKey(transferId);
    const made = await this.#store.compareAndSet(key, undefined, localId, KEPT_MILLISECONDS);
    if (made) return "noted";
    return (await this.#store.get(key)) === localId ? "known" : "another's";
  }

  /** Forgets a transfer that was never opened. */
  async drop(transferId: string, localId: string): Promise<void> {
    await this.#store.compareAndSet(transferKey(transferId), localId, undefined);
  }

  /** The player that a transfer is of, or undefined for one never seen. */
  playerOf(transferId: string): Promise<string | undefined> {
    return this.#store.get(transferKey(transferId));
  }
}
