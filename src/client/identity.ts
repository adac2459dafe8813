/** Who travels: the player's home, its key and the name it wishes for. */
import { PlayerKey } from "./player-key.ts";
import { type KeyStorage, browserStorage } from "./storage.ts";

/** One player, as its home and others know it. */
export class Identity {
  /** Origin of the player's home server. */
  readonly home: string;
  /** Name the player wishes to be shown with. */
  readonly name: string | undefined;
  /** Absent for a guest. */
  readonly key: PlayerKey | undefined;
  #playerId: string | undefined;

  /**
   * @param home URL of the home server.
   * @param storage Where the key is kept; undefined: the browser's, where there is one; null: no key.
   * @throws TypeError when `home` is no URL.
   */
  constructor(home: string, name: string | undefined, storage: KeyStorage | null | undefined) {
    if (!URL.canParse(home)) throw new TypeError(`home must be a URL, got "${home}"`);
    this.home = new URL(home).origin;
    this.name = name;
    const kept = storage === undefined ? browserStorage("localStorage") : storage;
    if (kept !== null) {
      this.key = kept === undefined ? PlayerKey.generate() : PlayerKey.load(kept);
    }
  }

  /** `<local id>@<home authority>` where the key is the account; known after {@link learnPlayerId}. */
  get playerId(): string | undefined {
    return this.#playerId;
  }

  /** Makes the player id of the key, where there is a key and the platform can. */
  async learnPlayerId(): Promise<void> {
    if (this.key === undefined || this.#playerId !== undefined) return;
    const authority = new URL(this.home).host;
    this.#playerId = await this.key.thumbprint().then(
      (thumbprint) => `key-${thumbprint}@${authority}`,
      () => undefined,
    );
  }
}
