/** Files that are this server's alone: no links that lead elsewhere, in a folder that nobody else can change. */
import { randomUUID } from "node:crypto";
import { constants, lstatSync, statSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FederationError } from "../errors.ts";

/** For `open`: fails with ELOOP at a symbolic link. Windows has no such flag. */
export const NO_FOLLOW = (constants as { readonly O_NOFOLLOW?: number }).O_NOFOLLOW ?? 0;

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

/** Whether a symbolic link stands at a path. */
export function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/**
 * Whoever can write in the data folder can be this server. Returns a warning where the group can.
 *
 * @throws FederationError `ERR_FED_STORE_UNAVAILABLE` when everybody can.
 */
export function checkDataFolder(path: string): string | undefined {
  if (process.platform === "win32") return undefined;
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & OTHERS_WRITE) !== 0) {
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      `Every user of this machine can write in the data folder ${path}, and so take this server's key and players: run chmod 700 on it, and look for files there that are not yours.`,
    );
  }
  return (mode & GROUP_WRITES) === 0
    ? undefined
    : `the group of the data folder ${path} can write in it, and so be this server: run chmod 700 on it unless that is meant`;
}

/** Writes a file whole, in place of what stands there, link or not. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text, { flag: "wx", mode: 0o600 });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
}

/** A folder of this process's own for what is not to be kept, mode 0700, and how it is removed. */
export async function makeTemporaryFolder(): Promise<{
  readonly path: string;
  readonly remove: () => Promise<void>;
}> {
  const path = await mkdtemp(join(tmpdir(), "aether-federation-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
