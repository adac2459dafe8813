/**
 * Assets on disk, each once, under the hash of its bytes.
 *
 * Nothing is visible before all of it is right and on the disk. Several processes of one machine may
 * share a folder: each sees what the others store; the quota is then kept to within what the others
 * took in during the last ten seconds. A file that was changed on disk since its hash
 * was last seen to be right is hashed again before it is served; who can write to the folder and sets
 * out to deceive can also forge that record, which receivers notice, because they verify too.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { FederationError } from "../../errors.ts";
import type { Clock, Logger } from "../../ports.ts";
import { parseAssetHash } from "../verify/integrity.ts";
import { isMediaType } from "../verify/media-type.ts";
import { type AssetEntry, AssetFiles, describe } from "./asset-files.ts";
import { Holds } from "./holds.ts";
import type { ExpectedIncoming, IncomingAsset } from "./incoming-asset.ts";
import { Intake } from "./intake.ts";
import { Partials } from "./partials.ts";
import { Quarantine } from "./quarantine.ts";
import { StoreFolder, absent, contentOf, moveFolder, storeFailure } from "./store-folder.ts";
import { StoreRoom } from "./store-room.ts";
import { StoreSession, clearDeadSessions } from "./store-session.ts";
import { StoreSteps } from "./store-steps.ts";
import { type OpenAsset, type StoredAsset, openAsset } from "./stored-asset.ts";

/** Options of {@link ContentStore.open}. */
export interface ContentStoreOptions {
  /** Made when missing; must be one file system. */
  readonly directory: string;
  /** What all assets together may take, with those coming in. */
  readonly maxBytes: number;
  /** How many assets there may be, and as many resumable ones. Default 100,000. */
  readonly maxAssets?: number | undefined;
  /** What the quarantine may take, beside the quota. Default a quarter of `maxBytes`. */
  readonly maxQuarantineBytes?: number | undefined;
  /** How many items the quarantine may hold. Default 100. */
  readonly maxQuarantined?: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A content-addressed store of assets in a folder. */
export class ContentStore {
  /** What was put aside for the operator. */
  readonly quarantine: Quarantine;
  readonly #folder: StoreFolder;
  readonly #session: StoreSession;
  readonly #logger: Logger;
  readonly #files: AssetFiles;
  readonly #partials: Partials;
  readonly #room: StoreRoom;
  readonly #holds: Holds;
  readonly #steps = new StoreSteps();
  readonly #intake: Intake;
  #ending: Promise<void> | undefined;

  private constructor(folder: StoreFolder, session: StoreSession, options: ContentStoreOptions) {
    const { clock, logger, maxBytes, maxAssets = 100_000 } = options;
    this.#folder = folder;
    this.#session = session;
    this.#logger = logger;
    this.#partials = new Partials(folder, maxAssets);
    this.quarantine = new Quarantine({
      folder,
      limits: {
        maxBytes: options.maxQuarantineBytes ?? Math.floor(maxBytes / 4),
        maxCount: options.maxQuarantined ?? 100,
      },
      clock,
      logger,
      readmit: (claim, item) => this.#intake.readmit(claim, item),
    });
    this.#files = new AssetFiles({
      folder,
      clock,
      logger,
      putAside: (entry) => this.#putAside(entry),
    });
    this.#holds = new Holds({ files: this.#files, clock });
    this.#room = new StoreRoom({
      folder,
      session,
      files: this.#files,
      partials: this.#partials,
      isHeld: (hex) => this.#holds.has(hex),
      clearDead: () => this.#clearDead(),
      maxBytes,
      maxAssets,
      clock,
      logger,
    });
    this.#intake = new Intake({
      folder,
      session,
      files: this.#files,
      partials: this.#partials,
      room: this.#room,
      quarantine: this.quarantine,
      steps: this.#steps,
    });
  }

  /**
   * Opens the store in a folder, and clears up what a process that died left there: what it was
   * receiving can be resumed, anything else half done is deleted.
   *
   * @throws TypeError naming the option that is wrong.
   * @throws FederationError `ERR_FED_STORE_UNAVAILABLE` when the folder cannot be used,
   * `ERR_FED_ASSET_STORE_FULL` when its disk is full.
   */
  static async open(options: ContentStoreOptions): Promise<ContentStore> {
    assertOptions(options);
    try {
      const folder = new StoreFolder(options.directory);
      await folder.prepare();
      const session = await StoreSession.begin(folder);
      try {
        const store = new ContentStore(folder, session, options);
        await store.#repair();
        return store;
      } catch (cause) {
        await session.end();
        throw cause;
      }
    } catch (cause) {
      throw storeFailure(cause);
    }
  }

  /**
   * What is known of an asset, or undefined when it is not here or has been damaged.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when it is no sha256.
   */
  async stat(hash: string): Promise<StoredAsset | undefined> {
    const hex = hexOf(hash);
    return this.#steps.run(async () => {
      const entry = await this.#files.find(hex);
      if (entry === undefined || !(await this.#files.isIntact(entry))) return undefined;
      return describe(entry);
    });
  }

  /**
   * Opens an asset for reading; undefined when it is not here or has been damaged.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when it is no sha256.
   */
  async open(hash: string): Promise<OpenAsset | undefined> {
    const hex = hexOf(hash);
    return this.#steps.run(async () => {
      const entry = await this.#files.find(hex);
      if (entry === undefined) return undefined;
      entry.readers += 1;
      const done = (): void => {
        entry.readers -= 1;
      };
      try {
        const handle = await this.#files.open(entry);
        if (handle === undefined) {
          done();
          return undefined;
        }
        await this.#files.use(entry);
        return openAsset(describe(entry), handle, done);
      } catch (cause) {
        done();
        throw cause;
      }
    });
  }

  /**
   * Begins to receive an asset, or takes up where an earlier attempt stopped: then `offset` bytes are
   * there already, hashed anew. Of several who receive the same at once, one takes up and the others
   * begin; whoever is done first stores it.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID`; `ERR_FED_ASSET_STORE_FULL` when it could
   * not fit even if everything that may be evicted were.
   * @throws TypeError when the size or media type is none.
   */
  async receive(expected: ExpectedIncoming): Promise<IncomingAsset> {
    const hex = hexOf(expected.hash);
    assertMediaType(expected.mediaType);
    return this.#intake.receive(hex, expected);
  }

  /**
   * Stores a file of the operator's own: it is never evicted. If a peer's copy of the same bytes is
   * here, it becomes the operator's, and of this media type. A failure of the source is passed on.
   *
   * @throws FederationError `ERR_FED_ASSET_STORE_FULL`; `ERR_FED_ASSET_TYPE` when the bytes are not
   * of that type.
   * @throws TypeError when the media type is none, or the source yields anything but bytes.
   */
  async add(
    source: Uint8Array | AsyncIterable<Uint8Array>,
    options: { readonly mediaType: string },
  ): Promise<StoredAsset> {
    const { mediaType } = options;
    assertMediaType(mediaType);
    return this.#intake.add(source, mediaType);
  }

  /**
   * Marks an asset as in use, here already or not: eviction spares it until the returned function is
   * called. To other processes on the folder it counts as used every minute.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when it is no sha256.
   */
  hold(hash: string): () => void {
    return this.#holds.add(hexOf(hash));
  }

  /** Deletes an asset, held or the operator's own as it may be; whether it was here. */
  async remove(hash: string): Promise<boolean> {
    const hex = hexOf(hash);
    return this.#steps.run(() => this.#files.remove(hex));
  }

  /** All assets, the least recently used first. */
  async *list(): AsyncIterable<StoredAsset> {
    await this.#steps.run(() => this.#room.exclusively(() => this.#room.lookAround()));
    for (const entry of [...this.#files.entries()]) yield describe(entry);
  }

  /**
   * Where an asset of {@link list} lies, and whether it is the operator's own; `owner`: else the origin of the server
   * whose it is, as it was first asked for, where that is known. Undefined when it is gone.
   */
  fileOf({
    hex,
  }: StoredAsset):
    | { readonly path: string; readonly own: boolean; readonly owner: string | undefined }
    | undefined {
    const whose = this.#files.ownership(hex);
    return whose === undefined ? undefined : { path: contentOf(this.#folder.asset(hex)), ...whose };
  }

  /** Bytes and number of the assets, and bytes of what is coming in or can be resumed. */
  usage(): { readonly bytes: number; readonly count: number; readonly incomingBytes: number } {
    const { bytes, count } = this.#files;
    return { bytes, count, incomingBytes: this.#room.incomingBytes };
  }

  /** Ends: what is coming in is kept for a resume, what is being read can be read to its end. */
  close(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#holds.end();
    await this.#steps.close();
    await this.#intake.suspend();
    await this.#files.saveUses();
    await this.#session.end();
  }

  async #putAside(entry: AssetEntry): Promise<void> {
    const place = this.#session.unusedPlace(entry.hex);
    if (!(await moveFolder(this.#folder.asset(entry.hex), place))) return;
    await this.quarantine.keep(place, describe(entry), { reason: "changed on disk" });
  }

  async #repair(): Promise<void> {
    for (const name of await readdir(this.#folder.trash)) {
      await this.#folder.dispose(join(this.#folder.trash, name));
    }
    await this.quarantine.repair();
    await this.#room.scan();
    try {
      await this.#room.exclusively(() => this.#room.make(0));
    } catch (cause) {
      if (!(cause instanceof FederationError) || cause.code !== "ERR_FED_ASSET_STORE_FULL") {
        throw cause;
      }
      this.#logger.warn("The operator's own assets alone are larger than the store's quota.");
    }
  }

  /** What a process that died was receiving can be resumed. */
  async #clearDead(): Promise<void> {
    await clearDeadSessions(this.#folder, async (place, hex) => {
      const content = await stat(contentOf(place)).catch(absent);
      await this.#partials.keep(place, hex, content?.size ?? 0);
    });
  }
}

function assertOptions(options: ContentStoreOptions): void {
  if (typeof options.directory !== "string" || options.directory === "") {
    throw new TypeError("directory must be a path");
  }
  const least = { maxBytes: 1, maxAssets: 1, maxQuarantineBytes: 0, maxQuarantined: 0 } as const;
  for (const [name, minimum] of Object.entries(least)) {
    const value = options[name as keyof typeof least];
    if (value === undefined && name !== "maxBytes") continue;
    if (!Number.isSafeInteger(value) || Number(value) < minimum) {
      throw new TypeError(`${name} must be a whole number, ${minimum} or more`);
    }
  }
}

function hexOf(hash: string): string {
  const { algorithm, hex } = parseAssetHash(hash);
  if (algorithm === "sha256") return hex;
  throw new FederationError(
    "ERR_FED_ASSET_HASH_INVALID",
    `Assets are kept by their sha256, not by ${algorithm}.`,
  );
}

function assertMediaType(mediaType: string): void {
  if (!isMediaType(mediaType)) {
    throw new TypeError("mediaType must be a media type in lower case without parameters");
  }
}
