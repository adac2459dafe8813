/**
 * One process' own place in a store's folder, and how others know that the process is dead.
 *
 * The operating system lets go of a lock when its process ends, however it ends; so what lies in a
 * place whose lock can be had was left behind, by nobody who will ever write to it again. This needs
 * a file system with working POSIX locks: several processes on one folder means one machine.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "../../storage/sqlite.ts";
import { type StoreFolder, codeOf, isHex } from "./store-folder.ts";

const LOCK = "lock";

/** A place under `incoming/` that only this process writes to. */
export class StoreSession {
  readonly path: string;
  readonly #release: () => void;
  #next = 0;

  private constructor(path: string, release: () => void) {
    this.path = path;
    this.#release = release;
  }

  static async begin(folder: StoreFolder): Promise<StoreSession> {
    for (let attempt = 1; ; attempt += 1) {
      const path = join(folder.incoming, randomUUID());
      await mkdir(path, { mode: 0o700 });
      try {
        const release = lock(path);
        // Another process that opens the store may have taken it for a dead one's before it was
        // locked: then the lock is one of a file that is gone.
        if (existsSync(join(path, LOCK))) return new StoreSession(path, release);
        release();
      } catch (cause) {
        if (attempt >= 10) throw cause;
      }
    }
  }

  /** A path for one asset that comes in; `hex` is what it should become, when that is known. */
  unusedPlace(hex?: string): string {
    this.#next += 1;
    return join(this.path, hex === undefined ? String(this.#next) : `${hex}.${this.#next}`);
  }

  async end(): Promise<void> {
    this.#release();
    // Retried: what failed a moment ago may still be clearing up in there.
    await rm(this.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }
}

/** Hands every place of a dead process, and the hash that it was for, to `salvage`; then removes it. */
export async function clearDeadSessions(
  folder: StoreFolder,
  salvage: (place: string, hex: string) => Promise<void>,
): Promise<void> {
  for (const name of await readdir(folder.incoming)) {
    const path = join(folder.incoming, name);
    const release = tryLock(path);
    if (release === undefined) continue;
    try {
      for (const place of await readdir(path)) {
        const [hex = ""] = place.split(".");
        if (isHex(hex)) await salvage(join(path, place), hex);
      }
      await rm(path, { recursive: true, force: true });
    } catch (cause) {
      if (codeOf(cause) !== "ENOENT") throw cause;
    } finally {
      release();
    }
  }
}

function tryLock(path: string): (() => void) | undefined {
  try {
    return lock(path);
  } catch {
    return undefined;
  }
}

/** Locks a place; throws when another process has it, or when it is gone. */
function lock(path: string): () => void {
  const database = new DatabaseSync(join(path, LOCK));
  try {
    // Nothing is ever written: a lock needs no room on the disk.
    database.exec(
      "PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;",
    );
  } catch (cause) {
    database.close();
    throw cause;
  }
  return () => {
    database.close();
  };
}
