/** Whose departure a transfer is: a claim names only the transfer. */
import type { Store } from "../../ports.ts";
import { RowCache } from "../../rows/row-cache.ts";

const KEPT_MILLISECONDS = 7 * 24 * 3600 * 1000;

/** Transfers remembered until they are claimed; whoever comes later is looked up. */
const MAX_NOTED = 4_096;

const transferKey = (transferId: string): string => `transfer/${transferId.toLowerCase()}`;

/** Durable, for a week. */
export class TransferIndex {
  readonly #store: Store;
  /** As this process has noted them. Whose a transfer is never changes; whether it is open its player's row says. */
  readonly #noted = new RowCache<string>({ maxRows: MAX_NOTED });

  constructor(store: Store) {
    this.#store = store;
  }

  /** Notes whose transfer it is: whether that was news, or it is another player's already. */
  async note(transferId: string, localId: string): Promise<"noted" | "known" | "another's"> {
    const key = transferKey(transferId);
    const made = await this.#store.compareAndSet(key, undefined, localId, KEPT_MILLISECONDS);
    if (made) {
      this.#noted.set(key, localId, key.length + localId.length);
      return "noted";
    }
    return (await this.#store.get(key)) === localId ? "known" : "another's";
  }

  /** Forgets a transfer that was never opened. */
  async drop(transferId: string, localId: string): Promise<void> {
    const key = transferKey(transferId);
    this.#noted.drop(key);
    await this.#store.compareAndSet(key, localId, undefined);
  }

  /** The player that a transfer is of, or undefined for one never seen. */
  async playerOf(transferId: string): Promise<string | undefined> {
    const key = transferKey(transferId);
    return this.#noted.get(key) ?? (await this.#store.get(key));
  }
}
