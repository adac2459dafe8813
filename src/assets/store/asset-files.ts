/**
 * The assets that are complete, and an index of them in memory.
 *
 * The folder is the truth: what another process stored is found when it is asked for, what another
 * process evicted is noticed when it is opened.
 */
import { createHash } from "node:crypto";
import { type FileHandle, lstat, mkdir, readdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Logger } from "../../ports.ts";
import { feedFile } from "../verify/file-reading.ts";
import { assetHash } from "../verify/integrity.ts";
import {
  type AssetMeta,
  type StoreFolder,
  absent,
  contentOf,
  fingerprint,
  isHex,
  isShard,
  isUntouched,
  metaOf,
  moveFolder,
  openContent,
  readMeta,
  syncFolder,
  writeMeta,
} from "./store-folder.ts";
import type { StoredAsset } from "./stored-asset.ts";

/** One asset of the index. */
export interface AssetEntry {
  readonly hex: string;
  meta: AssetMeta;
  /** Wall clock, milliseconds. */
  lastUse: number;
  /** What of it is on disk, where the next start and other processes see it. */
  savedUse: number;
  /** How many have it open here. */
  readers: number;
}

/** What the index knows of an asset, as callers see it. */
export function describe({ hex, meta }: AssetEntry): StoredAsset {
  const { sri } = assetHash("sha256", Buffer.from(hex, "hex"));
  return { hash: sri, hex, size: meta.size, mediaType: meta.mediaType };
}

/** A use is written down when the one on disk is older than this. */
export const SAVE_USE_MILLISECONDS = 60_000;
/** How many folders are looked at at once. */
const SCAN_WIDTH = 16;

/** The complete assets of a store's folder. */
export class AssetFiles {
  readonly #folder: StoreFolder;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Puts a file aside whose bytes are no longer those of its name. */
  readonly #putAside: (entry: AssetEntry) => Promise<void>;
  /** The least recently used first. */
  readonly #index = new Map<string, AssetEntry>();
  readonly #rechecks = new Map<string, Promise<boolean>>();
  #bytes = 0;

  constructor(options: {
    readonly folder: StoreFolder;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly putAside: (entry: AssetEntry) => Promise<void>;
  }) {
    this.#folder = options.folder;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#putAside = options.putAside;
  }

  /** Whose an asset of the index is; undefined when it is not there. */
  ownership(
    hex: string,
  ): { readonly own: boolean; readonly owner: string | undefined } | undefined {
    const meta = this.#index.get(hex)?.meta;
    return meta === undefined ? undefined : { own: meta.own, owner: meta.owner };
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#index.size;
  }

  /** The least recently used first. */
  entries(): IterableIterator<AssetEntry> {
    return this.#index.values();
  }

  /** An asset by its name alone: its content has not been looked at. */
  async find(hex: string): Promise<AssetEntry | undefined> {
    const known = this.#index.get(hex);
    if (known !== undefined) return known;
    const path = this.#folder.asset(hex);
    const [meta, used] = await Promise.all([readMeta(path), stat(metaOf(path)).catch(absent)]);
    if (meta === undefined || used === undefined) return undefined;
    return this.#insert(hex, meta, used.mtimeMs);
  }

  /** Whether an asset's content is there and still what its hash names. */
  async isIntact(entry: AssetEntry): Promise<boolean> {
    const path = contentOf(this.#folder.asset(entry.hex));
    const now = await lstat(path, { bigint: true }).catch(absent);
    if (now?.isFile() === true && isUntouched(now, entry.meta)) return true;
    const handle = await this.open(entry);
    await handle?.close();
    return handle !== undefined;
  }

  /** Opens an asset's content, if it is still what its hash names. */
  async open(entry: AssetEntry): Promise<FileHandle | undefined> {
    const path = this.#folder.asset(entry.hex);
    const handle = await openContent(path);
    if (handle === undefined) {
      this.forget(entry.hex);
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

  /**
   * Gives a folder with sealed content its place in one step; from then on it is served. Where the
   * same is there already, that one stays, and the operator's word about it counts.
   */
  async place(folder: string, hex: string, meta: AssetMeta): Promise<AssetEntry> {
    await writeMeta(folder, meta);
    const now = this.#clock.now();
    await utimes(metaOf(folder), now / 1000, now / 1000);
    const shard = this.#folder.shard(hex);
    const target = this.#folder.asset(hex);
    if ((await mkdir(shard, { recursive: true, mode: 0o700 })) !== undefined) {
      await syncFolder(this.#folder.assets);
    }
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (await moveFolder(folder, target)) {
        await syncFolder(shard);
        this.forget(hex);
        return this.#insert(hex, meta, now);
      }
      const there = await this.find(hex);
      if (there === undefined || !(await this.isIntact(there))) {
        await this.#folder.dispose(target);
        continue;
      }
      if (meta.own && !(there.meta.own && there.meta.mediaType === meta.mediaType)) {
        const { owner: _former, ...kept } = there.meta;
        const claimed = { ...kept, own: true, mediaType: meta.mediaType };
        await writeMeta(target, claimed);
        there.meta = claimed;
      }
      await this.use(there);
      await this.#folder.dispose(folder);
      return there;
    }
    throw new Error("the incoming file is not there any more");
  }

  /** Deletes an asset; whether it was there. */
  async remove(hex: string): Promise<boolean> {
    const removed = await this.#folder.dispose(this.#folder.asset(hex));
    this.forget(hex);
    return removed;
  }

  /** Drops an asset from the index, not from the disk. */
  forget(hex: string): void {
    const entry = this.#index.get(hex);
    if (entry === undefined) return;
    this.#index.delete(hex);
    this.#bytes -= entry.meta.size;
  }

  /** Notes a use: now the asset is the last to be evicted. */
  async use(entry: AssetEntry): Promise<void> {
    this.#moveLast(entry, this.#clock.now());
    if (entry.lastUse - entry.savedUse >= SAVE_USE_MILLISECONDS) await this.#saveUse(entry);
  }

  /** Whether another process has used it since; then it is no longer the first to be evicted. */
  async wasUsedElsewhere(entry: AssetEntry): Promise<boolean> {
    const used = await stat(metaOf(this.#folder.asset(entry.hex))).catch(absent);
    // The file system keeps fractions of a millisecond its own way.
    if (used === undefined || used.mtimeMs <= entry.lastUse + 1) return false;
    entry.savedUse = used.mtimeMs;
    this.#moveLast(entry, used.mtimeMs);
    return true;
  }

  /** Writes down every use that is not on disk yet. */
  async saveUses(): Promise<void> {
    for (const entry of this.#index.values()) {
      if (entry.lastUse > entry.savedUse) await this.#saveUse(entry);
    }
  }

  /** Brings the index up to what the folder holds. */
  async scan(): Promise<void> {
    const known = [...this.#index.keys()];
    const there = new Set<string>();
    for (const shard of (await readdir(this.#folder.assets)).filter(isShard)) {
      const names = (await readdir(join(this.#folder.assets, shard))).filter(isHex);
      for (let at = 0; at < names.length; at += SCAN_WIDTH) {
        await Promise.all(
          names.slice(at, at + SCAN_WIDTH).map(async (hex) => {
            if ((await this.find(hex)) !== undefined) there.add(hex);
            else if (await this.#folder.dispose(this.#folder.asset(hex))) {
              this.#logger.warn(`Asset ${hex} was damaged on disk and was removed.`);
            }
          }),
        );
      }
    }
    for (const hex of known) if (!there.has(hex)) this.forget(hex);
    const byUse = [...this.#index.values()].sort((a, b) => a.lastUse - b.lastUse);
    this.#index.clear();
    for (const entry of byUse) this.#index.set(entry.hex, entry);
  }

  #insert(hex: string, meta: AssetMeta, lastUse: number): AssetEntry {
    const known = this.#index.get(hex);
    if (known !== undefined) return known;
    const entry: AssetEntry = { hex, meta, lastUse, savedUse: lastUse, readers: 0 };
    this.#index.set(hex, entry);
    this.#bytes += meta.size;
    return entry;
  }

  #moveLast(entry: AssetEntry, lastUse: number): void {
    entry.lastUse = lastUse;
    if (this.#index.get(entry.hex) !== entry) return;
    this.#index.delete(entry.hex);
    this.#index.set(entry.hex, entry);
  }

  async #saveUse(entry: AssetEntry): Promise<void> {
    entry.savedUse = entry.lastUse;
    const seconds = entry.lastUse / 1000;
    // Not worth failing for: at worst it is evicted too early.
    await utimes(metaOf(this.#folder.asset(entry.hex)), seconds, seconds).catch(() => undefined);
  }

  /** Hashes a file again that is not as it was left. */
  async #recheck(entry: AssetEntry, handle: FileHandle): Promise<boolean> {
    const path = this.#folder.asset(entry.hex);
    const before = await handle.stat({ bigint: true });
    const noted = await readMeta(path);
    if (noted !== undefined && isUntouched(before, noted)) {
      // Another process has hashed it again.
      entry.meta = noted;
      return true;
    }
    const hash = createHash("sha256");
    await feedFile(handle, (chunk) => {
      hash.update(chunk);
      return true;
    });
    const after = fingerprint(await handle.stat({ bigint: true }));
    const meta = { ...entry.meta, ...after };
    if (assetHash("sha256", hash.digest()).hex === entry.hex && isUntouched(before, meta)) {
      await writeMeta(path, meta);
      entry.meta = meta;
      await this.#saveUse(entry);
      return true;
    }
    this.#logger.error(`Asset ${entry.hex} was changed on disk: it is in quarantine.`);
    this.forget(entry.hex);
    await this.#putAside(entry);
    return false;
  }
}
