import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "./sqlite.ts";
import { FederationError } from "../errors.ts";
import { isLink } from "./private-files.ts";

/**
 * Locks a file for as long as this process lives: the operating system lets go of the lock when the process
 * ends, however it ends. Returns how to let go earlier, or undefined while another has it.
 *
 * Throws whatever keeps the file from being locked at all.
 */
export function lockFile(path: string): (() => void) | undefined {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (isLink(path)) throw new Error("a symbolic link");
    database = new DatabaseSync(path);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;");
    const locked = database;
    return () => {
      locked.close();
    };
  } catch (cause) {
    database?.close();
    // SQLITE_BUSY
    if (((cause as { errcode?: number }).errcode ?? 0) % 256 === 5) return undefined;
    throw cause;
  }
}

/**
 * Locks a data folder for as long as this process lives. Returns how to let go earlier.
 *
 * A second process on the same folder would take the first one's visitors for what a dead process
 * left behind, and send them home while they play.
 *
 * @throws FederationError `ERR_FED_STORE_IN_USE` when another process has the folder,
 * `ERR_FED_STORE_UNAVAILABLE` when nothing can be locked there.
 */
export function lockFolder(path: string): () => void {
  let release: (() => void) | undefined;
  try {
    release = lockFile(path);
  } catch (cause) {
    throw new FederationError(
      "ERR_FED_STORE_UNAVAILABLE",
      `The folder ${dirname(path)} cannot be locked: check that it is writable and that ${path} is what this server made; it may be removed while no server runs.`,
      { cause },
    );
  }
  if (release !== undefined) return release;
  throw new FederationError(
    "ERR_FED_STORE_IN_USE",
    `Another process runs on the folder ${dirname(path)}: stop it, or give each server its own dataDirectory. Several processes of one server need Colyseus' RedisPresence.`,
  );
}
