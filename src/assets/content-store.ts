/**
 * Assets on disk, each once, under the hash of its bytes.
 *
 * Nothing is visible before all of it is right and on the disk. Several processes of one machine may
 * share a folder: each sees what the others store; the quota is then kept to within what the others
 * took in during the last {@link RESCAN_MILLISECONDS}. A file that was changed on disk since its hash
 * was last seen to be right is hashed again before it is served; who can write to the folder and sets
 * out to deceive can also forge that record, which receivers notice, because they verify too.
 */
import { type Hash, createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, lstat, mkdir, readdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { FederationError } from "../errors.ts";
import type { Clock, Logger, TimerHandle } from "../ports.ts";
import { feedFile } from "./file-reading.ts";
import {
  type ExpectedIncoming,
  IncomingAsset,
  IncomingFile,
  type IncomingHost,
  type IncomingResult,
} from "./incoming-asset.ts";
import { assetHash, parseAssetHash } from "./integrity.ts";
import { agreesWithMediaType, isMediaType, sniffMediaType } from "./media-type.ts";
import { Quarantine, type QuarantinedAsset, forgetDetails } from "./quarantine.ts";
import {
  type AssetMeta,
  StoreFolder,
  codeOf,
  contentOf,
  fingerprint,
  isHex,
  isShard,
  isUntouched,
  metaOf,
  moveFolder,
  openContent,
  readMeta,
  storeFailure,
  syncFolder,
  writeMeta,
} from "./store-folder.ts";
import { StoreSession, clearDeadSessions, countSessions } from "./store-session.ts";
import { AssetVerifier } from "./verification.ts";

export type { ExpectedIncoming, IncomingAsset, IncomingResult, QuarantinedAsset };

/** An asset of the store. */
export interface StoredAsset {
  /** SRI, sha256. */
  readonly hash: string;
  /** The same in lower-case hex. */
  readonly hex: string;
  /** Bytes. */
  readonly size: number;
  /** As whoever stored these bytes first had it, and as the bytes agree with. */
  readonly mediaType: string;
}

/** An asset that is being read: neither eviction nor removal takes its bytes away until it is closed. */
export interface OpenAsset {
  readonly asset: StoredAsset;
  /**
   * A stream of all bytes or of a range, `end` included. Several at once are fine.
   *
   * @throws RangeError when the range is not within the asset.
   */
  stream(range?: { readonly start: number; readonly end: number }): Readable;
  /** Call it when the streams have ended. Harmless when closed. */
  close(): Promise<void>;
}

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

interface Entry {
  readonly hex: string;
  meta: AssetMeta;
  /** Wall clock, milliseconds. */
  lastUse: number;
  /** What of it is on disk, where the next start and other processes see it. */
  savedUse: number;
  readers: number;
}

/** A use is written down when the one on disk is older than this. */
const SAVE_USE_MILLISECONDS = 60_000;
/** With other processes on the folder: how old a picture of it may be when room is made. */
export const RESCAN_MILLISECONDS = 10_000;
/** How many folders are looked at at once. */
const SCAN_WIDTH = 16;

/** A content-addressed store of assets in a folder. */
export class ContentStore {
  /** What was put aside for the operator. */
  readonly quarantine: Quarantine;
  readonly #folder: StoreFolder;
  readonly #session: StoreSession;
  readonly #maxBytes: number;
  readonly #maxAssets: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** The least recently used first. */
  readonly #index = new Map<string, Entry>();
  /** Sizes of what can be resumed, the oldest first. */
  readonly #partials = new Map<string, number>();
  readonly #holds = new Map<string, number>();
  readonly #incoming = new Set<IncomingAsset>();
  readonly #rechecks = new Map<string, Promise<boolean>>();
  #storedBytes = 0;
  #partialBytes = 0;
  #incomingBytes = 0;
  #othersBytes = 0;
  #scannedAt = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #holdTimer: TimerHandle | undefined;
  #closed = false;

  private constructor(folder: StoreFolder, session: StoreSession, options: ContentStoreOptions) {
    this.#folder = folder;
    this.#session = session;
    this.#maxBytes = options.maxBytes;
    this.#maxAssets = options.maxAssets ?? 100_000;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.quarantine = new Quarantine({
      folder,
      limits: {
        maxBytes: options.maxQuarantineBytes ?? Math.floor(options.maxBytes / 4),
        maxCount: options.maxQuarantined ?? 100,
      },
      clock: options.clock,
      logger: options.logger,
      readmit: (claim, item) => this.#readmit(claim, item),
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
    if (typeof options.directory !== "string" || options.directory === "") {
      throw new TypeError("directory must be a path");
    }
    for (const name of ["maxBytes", "maxAssets", "maxQuarantineBytes", "maxQuarantined"] as const) {
      const value = options[name] ?? (name === "maxBytes" ? undefined : 1);
      const least = name.startsWith("maxQ") ? 0 : 1;
      if (!Number.isSafeInteger(value) || Number(value) < least) {
        throw new TypeError(`${name} must be a whole number, ${least} or more`);
      }
    }
    try {
      const folder = new StoreFolder(options.directory);
      await folder.prepare();
      const session = await StoreSession.begin(folder);
      const store = new ContentStore(folder, session, options);
      try {
        await store.#repair();
      } catch (cause) {
        await session.end();
        throw cause;
      }
      return store;
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
    return this.#io(async () => {
      const entry = await this.#entry(hexOf(hash));
      if (entry === undefined) return undefined;
      const now = await lstat(contentOf(this.#folder.asset(entry.hex)), { bigint: true }).catch(
        absent,
      );
      if (now !== undefined && now.isFile() && isUntouched(now, entry.meta)) {
        return describe(entry);
      }
      const handle = await this.#openVerified(entry);
      await handle?.close();
      return handle === undefined ? undefined : describe(entry);
    });
  }

  /**
   * Opens an asset for reading; undefined when it is not here or has been damaged.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when it is no sha256.
   */
  async open(hash: string): Promise<OpenAsset | undefined> {
    return this.#io(async () => {
      const entry = await this.#entry(hexOf(hash));
      if (entry === undefined) return undefined;
      entry.readers += 1;
      try {
        const handle = await this.#openVerified(entry);
        if (handle === undefined) {
          entry.readers -= 1;
          return undefined;
        }
        await this.#use(entry);
        return openAsset(describe(entry), handle, () => {
          entry.readers -= 1;
        });
      } catch (cause) {
        entry.readers -= 1;
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
    let verifier = new AssetVerifier(expected);
    return this.#io(async () => {
      this.#assertCanFit(expected.size);
      const place = this.#session.unusedPlace(hex);
      let file: IncomingFile | undefined;
      if (await moveFolder(this.#folder.partial(hex), place)) {
        this.#dropPartial(hex);
        try {
          file = await IncomingFile.resume(place, (chunk) => verifier.update(chunk));
        } catch (cause) {
          await this.#folder.dispose(place);
          // A partial without content is one whose process died early.
          if (codeOf(cause) !== "ENOENT") throw cause;
        }
      }
      if (file !== undefined && file.size > expected.size) {
        await file.clear();
        verifier = new AssetVerifier(expected);
      }
      file ??= await IncomingFile.create(place);
      try {
        await this.#reserve(file.size);
      } catch (cause) {
        await file.close();
        await this.#folder.dispose(place);
        throw cause;
      }
      const host = this.#host(hex, expected, () => this.#incoming.delete(incoming));
      const incoming = new IncomingAsset(host, expected, file, verifier);
      this.#incoming.add(incoming);
      return incoming;
    });
  }

  /**
   * Stores a file of the operator's own: it is never evicted. If a peer's copy of the same bytes is
   * here, it becomes the operator's, and of this media type.
   *
   * @throws FederationError `ERR_FED_ASSET_STORE_FULL`; `ERR_FED_ASSET_TYPE` when the bytes are not
   * of that type.
   * @throws TypeError when the media type is none.
   */
  async add(
    source: Uint8Array | AsyncIterable<Uint8Array>,
    options: { readonly mediaType: string },
  ): Promise<StoredAsset> {
    const { mediaType } = options;
    assertMediaType(mediaType);
    return this.#io(async () => {
      const file = await IncomingFile.create(this.#session.unusedPlace());
      let reserved = 0;
      try {
        const hash = createHash("sha256");
        for await (const chunk of source instanceof Uint8Array ? [source] : source) {
          await this.#reserve(chunk.length);
          reserved += chunk.length;
          hash.update(chunk);
          await file.append(chunk);
        }
        if (!agreesWithMediaType(file.head, mediaType)) {
          const looks = sniffMediaType(file.head) ?? "something else";
          throw new FederationError(
            "ERR_FED_ASSET_TYPE",
            `The file looks like ${looks}, not like ${mediaType}.`,
          );
        }
        const { hex } = assetHash("sha256", hash.digest());
        const entry = await this.#adopt(file, hex, await file.seal(), { mediaType, own: true });
        return describe(entry);
      } catch (cause) {
        this.#incomingBytes -= reserved;
        await file.close();
        await this.#folder.dispose(file.place);
        throw cause;
      }
    });
  }

  /**
   * Marks an asset as in use, here already or not: eviction spares it until the returned function is
   * called. To other processes on the folder it counts as used every minute.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when it is no sha256.
   */
  hold(hash: string): () => void {
    const hex = hexOf(hash);
    this.#holds.set(hex, (this.#holds.get(hex) ?? 0) + 1);
    this.#holdTimer ??= this.#clock.setTimeout(() => {
      this.#holdTimer = undefined;
      void this.#refreshHolds();
    }, SAVE_USE_MILLISECONDS);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#holds.get(hex) ?? 1) - 1;
      if (left > 0) this.#holds.set(hex, left);
      else this.#holds.delete(hex);
    };
  }

  /** Deletes an asset, held or the operator's own as it may be; whether it was here. */
  async remove(hash: string): Promise<boolean> {
    const hex = hexOf(hash);
    return this.#io(async () => {
      const removed = await this.#folder.dispose(this.#folder.asset(hex));
      this.#forget(hex);
      return removed;
    });
  }

  /** All assets, the least recently used first. */
  async *list(): AsyncIterable<StoredAsset> {
    await this.#io(() => this.#exclusively(() => this.#rescanIfShared()));
    for (const hex of [...this.#index.keys()]) {
      const entry = this.#index.get(hex);
      if (entry !== undefined) yield describe(entry);
    }
  }

  /** Bytes and number of the assets, and bytes of what is coming in or can be resumed. */
  usage(): { readonly bytes: number; readonly count: number; readonly incomingBytes: number } {
    return {
      bytes: this.#storedBytes,
      count: this.#index.size,
      incomingBytes: this.#incomingBytes + this.#partialBytes,
    };
  }

  /** Ends: what is coming in is kept for a resume, what is being read can be read to its end. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const incoming of [...this.#incoming]) await incoming.suspend();
    if (this.#holdTimer !== undefined) this.#clock.clearTimeout(this.#holdTimer);
    for (const entry of this.#index.values()) {
      if (entry.lastUse > entry.savedUse) await this.#saveUse(entry);
    }
    await this.#session.end();
  }

  // --- Room

  get #usedBytes(): number {
    return this.#storedBytes + this.#partialBytes + this.#incomingBytes + this.#othersBytes;
  }

  /** Counts bytes that are about to be written, once there is room for them. */
  async #reserve(bytes: number): Promise<void> {
    if (this.#usedBytes + bytes > this.#maxBytes) {
      await this.#exclusively(async () => {
        await this.#makeRoom(bytes);
        this.#incomingBytes += bytes;
      });
    } else {
      this.#incomingBytes += bytes;
    }
  }

  async #makeRoom(bytes: number, assets = 0): Promise<void> {
    await this.#rescanIfShared();
    for (;;) {
      const overBytes = this.#usedBytes + bytes > this.#maxBytes;
      if (!overBytes && this.#index.size + assets <= this.#maxAssets) return;
      const [partial] = overBytes ? this.#partials.keys() : [];
      if (partial !== undefined) {
        await this.#folder.dispose(this.#folder.partial(partial));
        this.#dropPartial(partial);
        continue;
      }
      const entry = [...this.#evictable()][0];
      if (entry === undefined) throw full(bytes);
      if (await this.#usedElsewhere(entry)) continue;
      await this.#folder.dispose(this.#folder.asset(entry.hex));
      this.#forget(entry.hex);
      this.#logger.debug(`Evicted asset ${entry.hex}.`);
    }
  }

  *#evictable(): Generator<Entry> {
    for (const entry of this.#index.values()) {
      if (!entry.meta.own && entry.readers === 0 && !this.#holds.has(entry.hex)) yield entry;
    }
  }

  /** Whether another process has used it since; then it is no longer the least recently used. */
  async #usedElsewhere(entry: Entry): Promise<boolean> {
    const used = await stat(metaOf(this.#folder.asset(entry.hex))).catch(absent);
    // The file system keeps fractions of a millisecond its own way.
    if (used === undefined || used.mtimeMs <= entry.lastUse + 1) return false;
    entry.lastUse = entry.savedUse = used.mtimeMs;
    this.#index.delete(entry.hex);
    this.#index.set(entry.hex, entry);
    return true;
  }

  #assertCanFit(size: number): void {
    if (this.#usedBytes + size <= this.#maxBytes) return;
    let evictable = this.#partialBytes;
    for (const entry of this.#evictable()) evictable += entry.meta.size;
    const spared = this.#storedBytes + this.#partialBytes - evictable;
    if (spared + size > this.#maxBytes) throw full(size);
  }

  // --- What is there

  async #entry(hex: string): Promise<Entry | undefined> {
    return this.#index.get(hex) ?? (await this.#load(hex));
  }

  /** Takes an asset from the folder into the index: one of another process, or all at the start. */
  async #load(hex: string): Promise<Entry | undefined> {
    const path = this.#folder.asset(hex);
    const [meta, used] = await Promise.all([readMeta(path), stat(metaOf(path)).catch(absent)]);
    if (meta === undefined || used === undefined) return undefined;
    return this.#insert(hex, meta, used.mtimeMs);
  }

  #insert(hex: string, meta: AssetMeta, lastUse: number): Entry {
    const known = this.#index.get(hex);
    if (known !== undefined) return known;
    const entry: Entry = { hex, meta, lastUse, savedUse: lastUse, readers: 0 };
    this.#index.set(hex, entry);
    this.#storedBytes += meta.size;
    return entry;
  }

  #forget(hex: string): void {
    const entry = this.#index.get(hex);
    if (entry === undefined) return;
    this.#index.delete(hex);
    this.#storedBytes -= entry.meta.size;
  }

  #dropPartial(hex: string): void {
    this.#partialBytes -= this.#partials.get(hex) ?? 0;
    this.#partials.delete(hex);
  }

  async #use(entry: Entry): Promise<void> {
    entry.lastUse = this.#clock.now();
    if (this.#index.get(entry.hex) !== entry) return;
    this.#index.delete(entry.hex);
    this.#index.set(entry.hex, entry);
    if (entry.lastUse - entry.savedUse >= SAVE_USE_MILLISECONDS) await this.#saveUse(entry);
  }

  async #saveUse(entry: Entry): Promise<void> {
    entry.savedUse = entry.lastUse;
    const seconds = entry.lastUse / 1000;
    // Not worth failing for: at worst it is evicted too early.
    await utimes(metaOf(this.#folder.asset(entry.hex)), seconds, seconds).catch(() => undefined);
  }

  async #refreshHolds(): Promise<void> {
    for (const hex of [...this.#holds.keys()]) {
      const entry = this.#index.get(hex);
      if (entry !== undefined && !this.#closed) await this.#use(entry);
    }
    if (this.#closed || this.#holds.size === 0) return;
    this.#holdTimer ??= this.#clock.setTimeout(() => {
      this.#holdTimer = undefined;
      void this.#refreshHolds();
    }, SAVE_USE_MILLISECONDS);
  }

  /** Opens an asset's content, if it is still what its hash names. */
  async #openVerified(entry: Entry): Promise<FileHandle | undefined> {
    const path = this.#folder.asset(entry.hex);
    const handle = await openContent(path);
    if (handle === undefined) {
      this.#forget(entry.hex);
      // Evicted by another process, or damaged: without content it must not keep its place.
      if (await this.#folder.dispose(path)) {
        this.#logger.error(`Asset ${entry.hex} had lost its content and was removed.`);
      }
      return undefined;
    }
    try {
      if (isUntouched(await handle.stat({ bigint: true }), entry.meta)) return handle;
      const recheck = this.#rechecks.get(entry.hex) ?? this.#recheck(entry, handle);
      this.#rechecks.set(entry.hex, recheck);
      const intact = await recheck.finally(() => this.#rechecks.delete(entry.hex));
      // Whoever hashed may have had another file open under this name.
      if (intact && isUntouched(await handle.stat({ bigint: true }), entry.meta)) return handle;
    } catch (cause) {
      await handle.close();
      throw cause;
    }
    await handle.close();
    return undefined;
  }

  /** Hashes a file again that is not as it was left. */
  async #recheck(entry: Entry, handle: FileHandle): Promise<boolean> {
    const path = this.#folder.asset(entry.hex);
    const before = await handle.stat({ bigint: true });
    const noted = await readMeta(path);
    if (noted !== undefined && isUntouched(before, noted)) {
      this.#replaceMeta(entry, noted);
      return true;
    }
    const hash = createHash("sha256");
    await feedFile(handle, (chunk) => {
      hash.update(chunk);
      return true;
    });
    const after = await handle.stat({ bigint: true });
    const meta = { ...entry.meta, ...fingerprint(after) };
    if (hash.digest("hex") === entry.hex && isUntouched(before, meta)) {
      await writeMeta(path, meta);
      this.#replaceMeta(entry, meta);
      await this.#saveUse(entry);
      return true;
    }
    this.#logger.error(`Asset ${entry.hex} was changed on disk: it is in quarantine.`);
    this.#forget(entry.hex);
    const place = this.#session.unusedPlace(entry.hex);
    if (await moveFolder(path, place)) {
      const { hash: sri, mediaType } = describe(entry);
      await this.quarantine.keep(place, { hash: sri, mediaType }, { reason: "changed on disk" });
    }
    return false;
  }

  #replaceMeta(entry: Entry, meta: AssetMeta): void {
    if (this.#index.get(entry.hex) === entry) this.#storedBytes += meta.size - entry.meta.size;
    entry.meta = meta;
  }

  // --- Coming in

  #host(hex: string, expected: ExpectedIncoming, over: () => void): IncomingHost {
    const ended = (file: IncomingFile): void => {
      this.#incomingBytes -= file.size;
      over();
    };
    return {
      reserve: (bytes) => this.#reserve(bytes),
      free: (bytes) => {
        this.#incomingBytes -= bytes;
      },
      adopt: async (file, sealed, mediaType) => {
        await this.#adopt(file, hex, sealed, { mediaType, own: false });
        over();
      },
      keep: async (file) => {
        await this.#keepPartial(file.place, hex, file.size);
        ended(file);
      },
      quarantine: async (file, details) => {
        const id = await this.quarantine.keep(file.place, expected, details);
        ended(file);
        return id;
      },
      dispose: async (file) => {
        await this.#folder.dispose(file.place);
        ended(file);
      },
    };
  }

  /** Gives sealed content its place in one step; from then on it is served. */
  #adopt(
    file: { readonly place: string; readonly size: number },
    hex: string,
    sealed: BigIntStats,
    as: { readonly mediaType: string; readonly own: boolean },
  ): Promise<Entry> {
    return this.#exclusively(async () => {
      await this.#makeRoom(0, 1);
      const meta: AssetMeta = { version: 1, ...as, ...fingerprint(sealed) };
      await writeMeta(file.place, meta);
      const now = this.#clock.now();
      await utimes(metaOf(file.place), now / 1000, now / 1000);
      const shard = this.#folder.shard(hex);
      if ((await mkdir(shard, { recursive: true, mode: 0o700 })) !== undefined) {
        await syncFolder(this.#folder.assets);
      }
      for (let attempt = 0; attempt < 3; attempt += 1) {
        if (await moveFolder(file.place, this.#folder.asset(hex))) {
          await syncFolder(shard);
          this.#forget(hex);
          this.#incomingBytes -= file.size;
          return this.#insert(hex, meta, now);
        }
        const entry = await this.#entry(hex);
        const handle = entry === undefined ? undefined : await this.#openVerified(entry);
        await handle?.close();
        if (entry === undefined || handle === undefined) {
          await this.#folder.dispose(this.#folder.asset(hex));
          continue;
        }
        if (as.own && !(entry.meta.own && entry.meta.mediaType === as.mediaType)) {
          const claimed = { ...entry.meta, ...as };
          await writeMeta(this.#folder.asset(hex), claimed);
          entry.meta = claimed;
        }
        await this.#use(entry);
        await this.#folder.dispose(file.place);
        this.#incomingBytes -= file.size;
        return entry;
      }
      throw new Error("the incoming file is not there any more");
    });
  }

  async #keepPartial(place: string, hex: string, size: number): Promise<void> {
    const target = this.#folder.partial(hex);
    const there = size === 0 ? undefined : await stat(contentOf(target)).catch(absent);
    if (size === 0 || (there !== undefined && there.size >= size)) {
      await this.#folder.dispose(place);
      return;
    }
    await this.#folder.dispose(target);
    this.#dropPartial(hex);
    if (!(await moveFolder(place, target))) {
      await this.#folder.dispose(place);
      return;
    }
    const [oldest] = this.#partials.size >= this.#maxAssets ? this.#partials.keys() : [];
    if (oldest !== undefined) {
      await this.#folder.dispose(this.#folder.partial(oldest));
      this.#dropPartial(oldest);
    }
    this.#partials.set(hex, size);
    this.#partialBytes += size;
  }

  async #readmit(
    claim: (place: string) => Promise<boolean>,
    item: QuarantinedAsset,
  ): Promise<StoredAsset> {
    const place = this.#session.unusedPlace();
    let reserved = 0;
    try {
      await this.#reserve(item.size);
      reserved = item.size;
      if (!(await claim(place))) throw new FederationError("ERR_FED_ASSET_UNKNOWN");
      const hash: Hash = createHash("sha256");
      const file = await IncomingFile.resume(place, (chunk) => {
        hash.update(chunk);
        return true;
      });
      const sealed = await file.seal();
      this.#incomingBytes += file.size - reserved;
      reserved = file.size;
      const { hex } = assetHash("sha256", hash.digest());
      const mediaType = agreesWithMediaType(file.head, item.mediaType)
        ? item.mediaType
        : (sniffMediaType(file.head) ?? "application/octet-stream");
      const entry = await this.#adopt(file, hex, sealed, { mediaType, own: false });
      reserved = 0;
      await forgetDetails(this.#folder.asset(hex));
      return describe(entry);
    } finally {
      this.#incomingBytes -= reserved;
    }
  }

  // --- The folder

  async #repair(): Promise<void> {
    for (const name of await readdir(this.#folder.trash)) {
      await this.#folder.dispose(join(this.#folder.trash, name));
    }
    await clearDeadSessions(this.#folder, async (place, hex) => {
      const { size } = (await stat(contentOf(place)).catch(absent)) ?? { size: 0 };
      await this.#keepPartial(place, hex, size);
    });
    await this.#scan();
    for (const id of await readdir(this.#folder.quarantine)) {
      if (!(await this.quarantine.has(id))) {
        await this.#folder.dispose(join(this.#folder.quarantine, id));
      }
    }
    try {
      await this.#exclusively(() => this.#makeRoom(0));
    } catch (cause) {
      if (!(cause instanceof FederationError) || cause.code !== "ERR_FED_ASSET_STORE_FULL") {
        throw cause;
      }
      this.#logger.warn("The operator's own assets alone are larger than the store's quota.");
    }
  }

  async #rescanIfShared(): Promise<void> {
    if (this.#clock.monotonic() - this.#scannedAt < RESCAN_MILLISECONDS) return;
    if ((await countSessions(this.#folder)) > 1) await this.#scan();
    else this.#othersBytes = 0;
    this.#scannedAt = this.#clock.monotonic();
  }

  /** Brings the index up to what the folder holds. */
  async #scan(): Promise<void> {
    this.#scannedAt = this.#clock.monotonic();
    const known = [...this.#index.keys()];
    const there = new Set<string>();
    for (const shard of (await readdir(this.#folder.assets)).filter(isShard)) {
      const names = (await readdir(join(this.#folder.assets, shard))).filter(isHex);
      for (let at = 0; at < names.length; at += SCAN_WIDTH) {
        const loaded = await Promise.all(
          names.slice(at, at + SCAN_WIDTH).map(async (hex) => ({
            hex,
            entry: await this.#entry(hex),
          })),
        );
        for (const { hex, entry } of loaded) {
          if (entry !== undefined) there.add(hex);
          else if (await this.#folder.dispose(this.#folder.asset(hex))) {
            this.#logger.warn(`Asset ${hex} was damaged on disk and was removed.`);
          }
        }
      }
    }
    for (const hex of known) if (!there.has(hex)) this.#forget(hex);
    const byUse = [...this.#index.values()].sort((a, b) => a.lastUse - b.lastUse);
    this.#index.clear();
    for (const entry of byUse) this.#index.set(entry.hex, entry);
    await this.#scanPartials();
    this.#othersBytes = await this.#incomingOfOthers();
  }

  async #scanPartials(): Promise<void> {
    const found: { hex: string; size: number; at: number }[] = [];
    for (const hex of (await readdir(this.#folder.partials)).filter(isHex)) {
      const content = await stat(contentOf(this.#folder.partial(hex))).catch(absent);
      if (content === undefined) await this.#folder.dispose(this.#folder.partial(hex));
      else found.push({ hex, size: content.size, at: content.mtimeMs });
    }
    found.sort((a, b) => a.at - b.at);
    this.#partials.clear();
    for (const { hex, size } of found) this.#partials.set(hex, size);
    this.#partialBytes = found.reduce((sum, { size }) => sum + size, 0);
  }

  async #incomingOfOthers(): Promise<number> {
    let bytes = 0;
    for (const name of await readdir(this.#folder.incoming)) {
      const session = join(this.#folder.incoming, name);
      if (session === this.#session.path) continue;
      for (const place of (await readdir(session).catch(absent)) ?? []) {
        const content = await stat(contentOf(join(session, place))).catch(absent);
        bytes += content?.size ?? 0;
      }
    }
    return bytes;
  }

  /** One change of what is kept and evicted at a time. */
  #exclusively<T>(step: () => Promise<T>): Promise<T> {
    const taken = this.#turn.then(step);
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async #io<T>(step: () => Promise<T>): Promise<T> {
    if (this.#closed) {
      throw new FederationError("ERR_FED_STORE_UNAVAILABLE", "The asset store is closed.");
    }
    try {
      return await step();
    } catch (cause) {
      if (cause instanceof TypeError || cause instanceof RangeError) throw cause;
      throw storeFailure(cause);
    }
  }
}

function openAsset(asset: StoredAsset, handle: FileHandle, closed: () => void): OpenAsset {
  let open = true;
  return {
    asset,
    stream: (range = { start: 0, end: asset.size - 1 }) => {
      const { start, end } = range;
      if (asset.size === 0 && start === 0 && end === -1) return Readable.from([]);
      if (!Number.isInteger(start) || !Number.isInteger(end)) {
        throw new RangeError("start and end must be whole numbers");
      }
      if (start < 0 || start > end || end >= asset.size) {
        throw new RangeError(`bytes ${start}–${end} are not within ${asset.size}`);
      }
      return handle.createReadStream({ start, end, autoClose: false, highWaterMark: 256 * 1024 });
    },
    close: async () => {
      if (!open) return;
      open = false;
      closed();
      await handle.close();
    },
  };
}

function describe({ hex, meta }: Entry): StoredAsset {
  const { sri } = assetHash("sha256", Buffer.from(hex, "hex"));
  return { hash: sri, hex, size: meta.size, mediaType: meta.mediaType };
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

function full(bytes: number): FederationError {
  return new FederationError(
    "ERR_FED_ASSET_STORE_FULL",
    `There is no room for ${bytes} bytes more, and what is there is in use or the operator's own: raise the store's quota or remove assets.`,
  );
}

function absent(cause: unknown): undefined {
  if (codeOf(cause) === "ENOENT" || codeOf(cause) === "ENOTDIR") return undefined;
  throw cause;
}
