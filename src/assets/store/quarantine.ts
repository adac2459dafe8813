/** Bytes that are not what their hash names, kept for the operator to look at; never served. */
import { createHash, randomUUID } from "node:crypto";
import { readFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { FederationError } from "../../errors.ts";
import type { Clock, Logger } from "../../ports.ts";
import { feedFile } from "../verify/file-reading.ts";
import { assetHash } from "../verify/integrity.ts";
import {
  type StoreFolder,
  codeOf,
  contentOf,
  moveFolder,
  openContent,
  storeFailure,
  writeWhole,
} from "./store-folder.ts";
import type { StoredAsset } from "./stored-asset.ts";

const DETAILS = "details.json";
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

/** Why something is put aside. */
export interface QuarantineDetails {
  /** For the operator; at most 500 characters are kept. */
  readonly reason: string;
  /** Origin of the server that sent it. */
  readonly origin?: string | undefined;
}

const detailsSchema = z.strictObject({
  expectedHash: z.string().max(128),
  actualHash: z.string().max(128),
  size: z.int().nonnegative(),
  mediaType: z.string().max(127),
  reason: z.string().max(500),
  origin: z.string().max(300).optional(),
  quarantinedAt: z.int(),
});

/** One item in quarantine. */
export interface QuarantinedAsset extends Readonly<z.infer<typeof detailsSchema>> {
  readonly id: string;
}

/** How much is kept. */
export interface QuarantineLimits {
  readonly maxBytes: number;
  readonly maxCount: number;
}

/** The store's part in a release: takes the folder at `place` in under its real hash. */
export type Readmit = (
  claim: (place: string) => Promise<boolean>,
  item: QuarantinedAsset,
) => Promise<StoredAsset>;

/**
 * The quarantine of a store: bounded in number and bytes, the oldest giving way. The folder is all
 * there is of it, so several processes see the same.
 */
export class Quarantine {
  readonly #folder: StoreFolder;
  readonly #limits: QuarantineLimits;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #readmit: Readmit;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: {
    readonly folder: StoreFolder;
    readonly limits: QuarantineLimits;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly readmit: Readmit;
  }) {
    this.#folder = options.folder;
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#readmit = options.readmit;
  }

  /** What is in quarantine, the oldest first. */
  async list(): Promise<QuarantinedAsset[]> {
    const items: QuarantinedAsset[] = [];
    for (const id of await readdir(this.#folder.quarantine)) {
      const item = await this.#read(id);
      if (item !== undefined) items.push(item);
    }
    return items.sort((a, b) => a.quarantinedAt - b.quarantinedAt);
  }

  /**
   * Takes an item into the store, under the hash that its bytes really have.
   *
   * @returns undefined when there is no such item.
   * @throws FederationError `ERR_FED_ASSET_STORE_FULL`, `ERR_FED_STORE_UNAVAILABLE`; it stays here.
   */
  async release(id: string): Promise<StoredAsset | undefined> {
    const item = await this.#read(id);
    if (item === undefined) return undefined;
    const path = this.#path(id);
    let claimed: string | undefined;
    try {
      const released = await this.#readmit(async (place) => {
        if (!(await moveFolder(path, place))) return false;
        claimed = place;
        return true;
      }, item);
      this.#logger.info(`Released ${item.actualHash} from quarantine.`);
      return released;
    } catch (cause) {
      if (claimed !== undefined) await moveFolder(claimed, path);
      throw storeFailure(cause);
    }
  }

  /** Deletes one item, or all; tells how many. */
  async purge(id?: string): Promise<number> {
    const ids = id === undefined ? await readdir(this.#folder.quarantine) : [id];
    let purged = 0;
    for (const each of ids) {
      if (ID.test(each) && (await this.#folder.dispose(this.#path(each)))) purged += 1;
    }
    return purged;
  }

  /**
   * Puts a folder with content aside.
   *
   * @returns its id, or undefined when it is larger than the whole quarantine: it is deleted then.
   */
  keep(
    place: string,
    expected: { readonly hash: string; readonly mediaType: string },
    details: QuarantineDetails,
  ): Promise<string | undefined> {
    const kept = this.#turn.then(async () => {
      const { size } = await stat(contentOf(place));
      if (size > this.#limits.maxBytes || this.#limits.maxCount < 1) {
        await this.#folder.dispose(place);
        return undefined;
      }
      await this.#makeRoom(size);
      const id = randomUUID();
      const item: z.infer<typeof detailsSchema> = {
        expectedHash: expected.hash,
        actualHash: await hashOf(place),
        size,
        mediaType: expected.mediaType,
        reason: details.reason.slice(0, 500),
        ...(details.origin === undefined ? {} : { origin: details.origin.slice(0, 300) }),
        quarantinedAt: Math.round(this.#clock.now()),
      };
      await writeWhole(place, DETAILS, `${JSON.stringify(item)}\n`);
      await moveFolder(place, this.#path(id));
      return id;
    });
    this.#turn = kept.catch(() => undefined);
    return kept;
  }

  async #makeRoom(size: number): Promise<void> {
    const items = await this.list();
    let bytes = items.reduce((sum, each) => sum + each.size, 0);
    while (items.length >= this.#limits.maxCount || bytes + size > this.#limits.maxBytes) {
      const oldest = items.shift();
      if (oldest === undefined) return;
      bytes -= oldest.size;
      await this.purge(oldest.id);
      this.#logger.warn(`The quarantine is full: ${oldest.actualHash} gave way.`);
    }
  }

  /** Deletes what a process that died had not quite put aside. */
  async repair(): Promise<void> {
    for (const id of await readdir(this.#folder.quarantine)) {
      if ((await this.#read(id)) === undefined) await this.#folder.dispose(this.#path(id));
    }
  }

  #path(id: string): string {
    return join(this.#folder.quarantine, id);
  }

  async #read(id: string): Promise<QuarantinedAsset | undefined> {
    if (!ID.test(id)) return undefined;
    try {
      const text = await readFile(join(this.#path(id), DETAILS), "utf8");
      return { id, ...detailsSchema.parse(JSON.parse(text)) };
    } catch (cause) {
      if (codeOf(cause) === undefined || codeOf(cause) === "ENOENT") return undefined;
      throw storeFailure(cause);
    }
  }
}

/** Removes what made an item of a folder that has been released. */
export async function forgetDetails(place: string): Promise<void> {
  await rm(join(place, DETAILS), { force: true });
}

async function hashOf(place: string): Promise<string> {
  const handle = await openContent(place);
  if (handle === undefined) throw new FederationError("ERR_FED_STORE_UNAVAILABLE");
  try {
    const hash = createHash("sha256");
    await feedFile(handle, (chunk) => {
      hash.update(chunk);
      return true;
    });
    return assetHash("sha256", hash.digest()).sri;
  } finally {
    await handle.close();
  }
}
