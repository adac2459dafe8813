/** A store's quota: what is counted against it, and what gives way when room is needed. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { FederationError } from "../../errors.ts";
import type { Clock, Logger } from "../../ports.ts";
import type { AssetEntry, AssetFiles } from "./asset-files.ts";
import type { Partials } from "./partials.ts";
import { type StoreFolder, absent, contentOf } from "./store-folder.ts";
import type { StoreSession } from "./store-session.ts";

/** With other processes on the folder: how old a picture of it may be when room is made. */
export const RESCAN_MILLISECONDS = 10_000;

/** Counts bytes on disk, and evicts: first what can be resumed, then the least recently used. */
export class StoreRoom {
  readonly #folder: StoreFolder;
  readonly #session: StoreSession;
  readonly #files: AssetFiles;
  readonly #partials: Partials;
  readonly #isHeld: (hex: string) => boolean;
  readonly #clearDead: () => Promise<void>;
  readonly #maxBytes: number;
  readonly #maxAssets: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #incomingBytes = 0;
  #othersBytes = 0;
  #scannedAt = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: {
    readonly folder: StoreFolder;
    readonly session: StoreSession;
    readonly files: AssetFiles;
    readonly partials: Partials;
    readonly isHeld: (hex: string) => boolean;
    /** Clears up what processes that died left behind. */
    readonly clearDead: () => Promise<void>;
    readonly maxBytes: number;
    readonly maxAssets: number;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#folder = options.folder;
    this.#session = options.session;
    this.#files = options.files;
    this.#partials = options.partials;
    this.#isHeld = options.isHeld;
    this.#clearDead = options.clearDead;
    this.#maxBytes = options.maxBytes;
    this.#maxAssets = options.maxAssets;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Bytes of what is not complete. */
  get incomingBytes(): number {
    return this.#incomingBytes + this.#partials.bytes;
  }

  /**
   * Counts bytes that are about to be written, once there is room for them.
   *
   * @throws FederationError `ERR_FED_ASSET_STORE_FULL` when nothing more may be evicted.
   */
  async reserve(bytes: number): Promise<void> {
    if (this.#usedBytes + bytes > this.#maxBytes) {
      await this.exclusively(() => this.make(bytes));
    } else {
      this.count(bytes);
    }
  }

  /** Counts bytes that are there already, whether there is room for them or not. */
  count(bytes: number): void {
    this.#incomingBytes += bytes;
  }

  /** Takes back what was counted: the bytes are gone, or counted as an asset's now. */
  free(bytes: number): void {
    this.#incomingBytes -= bytes;
  }

  /**
   * Refuses what could not fit even if everything that may be evicted were.
   *
   * @throws FederationError `ERR_FED_ASSET_STORE_FULL`
   */
  assertCanFit(size: number): void {
    if (this.#usedBytes + size <= this.#maxBytes) return;
    let spared = this.#files.bytes;
    for (const entry of this.#evictable()) spared -= entry.meta.size;
    if (spared + size > this.#maxBytes) throw full(size);
  }

  /** Evicts until so much more fits, and counts it. Only within {@link exclusively}. */
  async make(bytes: number, assets = 0): Promise<void> {
    await this.lookAround();
    for (;;) {
      const tooLarge = this.#usedBytes + bytes > this.#maxBytes;
      if (!tooLarge && this.#files.count + assets <= this.#maxAssets) {
        this.count(bytes);
        return;
      }
      if (tooLarge && (await this.#partials.dropOldest())) continue;
      const next = this.#evictable().next();
      if (next.done === true) throw full(bytes);
      const entry = next.value;
      if (await this.#files.wasUsedElsewhere(entry)) continue;
      // While that was looked up, somebody may have opened it.
      if (entry.readers > 0 || this.#isHeld(entry.hex)) continue;
      await this.#files.remove(entry.hex);
      this.#logger.debug(`Evicted asset ${entry.hex}.`);
    }
  }

  /** One change of what is kept and evicted at a time. */
  exclusively<T>(step: () => Promise<T>): Promise<T> {
    const taken = this.#turn.then(step);
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  /** Takes note of what other processes did, if there are any. Only within {@link exclusively}. */
  async lookAround(): Promise<void> {
    if (this.#clock.monotonic() - this.#scannedAt < RESCAN_MILLISECONDS) return;
    if ((await readdir(this.#folder.incoming)).length > 1) await this.scan();
    else this.#othersBytes = 0;
    this.#scannedAt = this.#clock.monotonic();
  }

  /** Looks through the whole folder. */
  async scan(): Promise<void> {
    this.#scannedAt = this.#clock.monotonic();
    await this.#clearDead();
    await this.#files.scan();
    await this.#partials.scan();
    this.#othersBytes = 0;
    for (const name of await readdir(this.#folder.incoming)) {
      const session = join(this.#folder.incoming, name);
      if (session === this.#session.path) continue;
      for (const place of (await readdir(session).catch(absent)) ?? []) {
        const content = await stat(contentOf(join(session, place))).catch(absent);
        this.#othersBytes += content?.size ?? 0;
      }
    }
  }

  get #usedBytes(): number {
    return this.#files.bytes + this.#partials.bytes + this.#incomingBytes + this.#othersBytes;
  }

  *#evictable(): Generator<AssetEntry, undefined> {
    for (const entry of this.#files.entries()) {
      if (!entry.meta.own && entry.readers === 0 && !this.#isHeld(entry.hex)) yield entry;
    }
    return undefined;
  }
}

function full(bytes: number): FederationError {
  return new FederationError(
    "ERR_FED_ASSET_STORE_FULL",
    `There is no room for ${bytes} bytes more, and what is there is in use or the operator's own: raise the store's quota or remove assets.`,
  );
}
