/**
 * How assets lie on disk. Each is a folder of its own that is complete before it gets its name:
 *
 *     sha256/<2 hex>/<64 hex>/{content,meta.json}   what is served
 *     incoming/<process>/<64 hex>.<n>/{content,meta.json}    being written by one live process
 *     partial/<64 hex>/content                      given up for now, to be resumed
 *     quarantine/<uuid>/{content,details.json}      for the operator
 *     trash/<uuid>/                                 being deleted
 *
 * All in one file system, so that taking a place is one rename. No name comes from the network but
 * hashes, and those as hex that has been parsed.
 */
import { randomUUID } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { FederationError } from "../../errors.ts";
import { READ_NOW } from "../verify/file-reading.ts";

const CONTENT = "content";
const META = "meta.json";
const SHARD = /^[0-9a-f]{2}$/u;
const HEX = /^[0-9a-f]{64}$/u;

const metaSchema = z.strictObject({
  version: z.literal(1),
  size: z.int().nonnegative(),
  mediaType: z.string().max(127),
  /** Added by the operator: never evicted. */
  own: z.boolean(),
  /** Origin of the server whose it is, as it was first asked for; of an operator's own: absent. */
  owner: z.string().max(300).optional(),
  /** The content's times when its hash was last seen to be right. */
  modified: z.string().max(30),
  changed: z.string().max(30),
});

/** What is known of an asset beside its bytes. */
export type AssetMeta = z.infer<typeof metaSchema>;

/** Paths within a store's folder. */
export class StoreFolder {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Makes what is missing. */
  async prepare(): Promise<void> {
    for (const name of ["sha256", "incoming", "partial", "quarantine", "trash"]) {
      await mkdir(join(this.root, name), { recursive: true, mode: 0o700 });
    }
  }

  get incoming(): string {
    return join(this.root, "incoming");
  }

  get partials(): string {
    return join(this.root, "partial");
  }

  get quarantine(): string {
    return join(this.root, "quarantine");
  }

  get assets(): string {
    return join(this.root, "sha256");
  }

  get trash(): string {
    return join(this.root, "trash");
  }

  shard(hex: string): string {
    return join(this.assets, hex.slice(0, 2));
  }

  asset(hex: string): string {
    return join(this.shard(hex), hex);
  }

  partial(hex: string): string {
    return join(this.partials, hex);
  }

  /** Takes a folder out of sight in one step, then deletes it; false when it is not there. */
  async dispose(path: string): Promise<boolean> {
    const grave = join(this.trash, randomUUID());
    if (!(await moveFolder(path, grave))) return false;
    await rm(grave, { recursive: true, force: true });
    return true;
  }
}

export const isShard = (name: string): boolean => SHARD.test(name);
export const isHex = (name: string): boolean => HEX.test(name);
export const contentOf = (folder: string): string => join(folder, CONTENT);
export const metaOf = (folder: string): string => join(folder, META);

/** Renames a folder; false when it is not there, or when there is another one at the target. */
export async function moveFolder(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (cause) {
    if (["ENOENT", "ENOTEMPTY", "EEXIST"].includes(codeOf(cause) ?? "")) return false;
    throw cause;
  }
}

/** An asset's sidecar; undefined when there is none that can be read. */
export async function readMeta(folder: string): Promise<AssetMeta | undefined> {
  try {
    return metaSchema.parse(JSON.parse(await readFile(metaOf(folder), "utf8")));
  } catch (cause) {
    if (codeOf(cause) === undefined || codeOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

/** Writes an asset's sidecar, or replaces it in one step. */
export async function writeMeta(folder: string, meta: AssetMeta): Promise<void> {
  await writeWhole(folder, META, `${JSON.stringify(meta)}\n`);
}

/** Writes a small file of a folder: after a crash there is the old one or the new one. */
export async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `${name}.${randomUUID()}`);
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, join(folder, name));
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  await syncFolder(folder);
}

/** Makes the names in a folder last through a power cut. */
export async function syncFolder(path: string): Promise<void> {
  // Windows does not open folders; there the rename is as durable as it gets.
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Opens a folder's content for reading; undefined when it is not there, or is no regular file. */
export async function openContent(folder: string): Promise<FileHandle | undefined> {
  try {
    const handle = await open(contentOf(folder), READ_NOW | constants.O_NOFOLLOW);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    return undefined;
  } catch (cause) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(codeOf(cause) ?? "")) return undefined;
    throw cause;
  }
}

/** The part of a file's state that changes with its content, whatever its times are set to. */
export function fingerprint(stat: BigIntStats): Pick<AssetMeta, "size" | "modified" | "changed"> {
  return {
    size: Number(stat.size),
    modified: String(stat.mtimeNs),
    changed: String(stat.ctimeNs),
  };
}

/** Whether a file is as it was when its hash was last seen to be right. */
export function isUntouched(stat: BigIntStats, meta: AssetMeta): boolean {
  const now = fingerprint(stat);
  return now.size === meta.size && now.modified === meta.modified && now.changed === meta.changed;
}

/** The system's error code. */
export function codeOf(cause: unknown): string | undefined {
  const code: unknown = (cause as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Out of room: the disk, the user's quota, or the process' own limit. */
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** What a failure of the file system is to a caller: `ERR_FED_ASSET_STORE_FULL` or `ERR_FED_STORE_UNAVAILABLE`. */
export function storeFailure(cause: unknown): FederationError {
  if (cause instanceof FederationError) return cause;
  return FULL.has(codeOf(cause) ?? "")
    ? new FederationError(
        "ERR_FED_ASSET_STORE_FULL",
        "The disk of the asset store is full: free some of it, or lower the store's quota.",
        { cause },
      )
    : new FederationError(
        "ERR_FED_STORE_UNAVAILABLE",
        "The folder of the asset store cannot be used: check that it is there and writable.",
        { cause },
      );
}

/** As a handler of failures: undefined for what is not there. */
export function absent(cause: unknown): undefined {
  if (codeOf(cause) === "ENOENT" || codeOf(cause) === "ENOTDIR") return undefined;
  throw cause;
}
