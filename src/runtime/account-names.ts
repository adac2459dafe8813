/** The local ids of the host's accounts (PROTOCOL 1), which one secret of the store makes. */
import { FederationError } from "../errors.ts";
import { type AccountId, disguisedAccount, plainAccount } from "../identity/local-id.ts";
import type { Random, Store } from "../ports.ts";

/** Kept with the players, whose names depend on it. */
const SECRET_KEY = "accounts/secret";
const SECRET_BYTES = 32;

/** Names the accounts of one home. */
export class AccountNames {
  /** Where the secret is. */
  readonly store: Pick<Store, "get" | "compareAndSet">;
  readonly #random: Random;
  #secret: Promise<Uint8Array> | undefined;

  constructor(options: {
    readonly store: Pick<Store, "get" | "compareAndSet">;
    readonly random: Random;
  }) {
    this.store = options.store;
    this.#random = options.random;
  }

  /**
   * The local id of an account, always the same.
   *
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE`, and `ERR_FED_STORE_IDENTITY` when the secret is
   * damaged.
   */
  async localId(account: AccountId): Promise<string> {
    const plain = plainAccount(account);
    if (plain !== undefined) return plain;
    this.#secret ??= this.#readSecret().catch((cause: unknown) => {
      this.#secret = undefined;
      throw cause;
    });
    return disguisedAccount(account, await this.#secret);
  }

  async #readSecret(): Promise<Uint8Array> {
    const kept = await this.store.get(SECRET_KEY);
    if (kept === undefined) {
      const made = Buffer.from(this.#random.bytes(SECRET_BYTES)).toString("base64url");
      // Another process of this server may have been first.
      await this.store.compareAndSet(SECRET_KEY, undefined, made);
    }
    const secret = Buffer.from((await this.store.get(SECRET_KEY)) ?? "", "base64url");
    if (secret.length === SECRET_BYTES) return secret;
    throw new FederationError(
      "ERR_FED_STORE_IDENTITY",
      `The store's entry "${SECRET_KEY}", from which players have their names, is damaged: restore it from a backup.`,
    );
  }
}
