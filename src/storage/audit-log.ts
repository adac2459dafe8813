/** The audit log: one JSON line for every trust decision, on disk before the method resolves. */
import { constants } from "node:fs";
import { open, rename, stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { FederationError } from "../errors.ts";
import { hashOf, lastLineOf, openToRead } from "./audit-chain.ts";
import { lockFile } from "./file-lock.ts";
import { NO_FOLLOW, isLink } from "./private-files.ts";

/** One decision. */
export interface AuditEntry {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** `server` for what policy and protocol decided, `operator` for the command line and the API. */
  readonly by: "server" | "operator";
  readonly what: string;
  /** Origin, pattern or key it is about. */
  readonly subject: string;
  /** What it is now. */
  readonly trust?: string;
  readonly keys?: readonly string[];
  /** Origins of the known servers that it concerned. */
  readonly matched?: readonly string[];
}

const MAX_BYTES = 8 * 1024 * 1024;
const LOCK_MILLISECONDS = 5_000;
const LOCK_RETRY_MILLISECONDS = 20;

class LockedError extends Error {}

/**
 * An append-only file, mode 0600, each line of which carries the hash of the one before (`previous`). Several
 * processes may append to one.
 */
export class AuditLog {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #lockTries: number;
  #queue: Promise<void> = Promise.resolve();

  /**
   * `maxBytes`: when a file is put aside; the last two are kept. Default 8 MiB. `lockMilliseconds`: how long
   * another process that writes is waited for. Default 5000.
   */
  constructor(
    path: string,
    {
      maxBytes = MAX_BYTES,
      lockMilliseconds = LOCK_MILLISECONDS,
    }: { readonly maxBytes?: number; readonly lockMilliseconds?: number } = {},
  ) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#lockTries = Math.ceil(lockMilliseconds / LOCK_RETRY_MILLISECONDS);
  }

  /** Appends. @throws FederationError `ERR_FED_STORE_UNAVAILABLE`. */
  append(entry: AuditEntry): Promise<void> {
    const written = this.#queue.then(() => this.#write(entry));
    this.#queue = written.catch(() => undefined);
    return written;
  }

  /** Two full files are kept beside the one that is written. */
  async #rotate(): Promise<void> {
    const size = await stat(this.#path).then(
      (found) => found.size,
      () => 0,
    );
    if (size < this.#maxBytes) return;
    await rename(`${this.#path}.1`, `${this.#path}.2`).catch(() => undefined);
    await rename(this.#path, `${this.#path}.1`);
  }

  async #write(entry: AuditEntry): Promise<void> {
    try {
      await this.#locked(async () => {
        if (isLink(this.#path)) throw new Error("it is a symbolic link");
        await this.#rotate();
        const last = (await lastIn(this.#path)) ?? (await lastIn(`${this.#path}.1`));
        const previous = last === undefined ? "" : hashOf(last.line);
        const torn = last !== undefined && !last.whole;
        await this.#append(`${torn ? "\n" : ""}${JSON.stringify({ ...entry, previous })}\n`);
      });
    } catch (cause) {
      const why = isLink(this.#path)
        ? "it is a symbolic link: put the file itself there, and look who made the link"
        : cause instanceof LockedError
          ? `${cause.message}: look for one that hangs, and end it`
          : "check that the folder is writable and the disk not full";
      throw new FederationError(
        "ERR_FED_STORE_UNAVAILABLE",
        `The audit log ${this.#path} cannot be written: ${why}.`,
        { cause },
      );
    }
  }

  async #append(text: string): Promise<void> {
    const { O_WRONLY, O_APPEND, O_CREAT } = constants;
    const file = await open(this.#path, O_WRONLY | O_APPEND | O_CREAT | NO_FOLLOW, 0o600);
    try {
      await file.appendFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** One writer at a time, in whatever process: each line follows from the one before. */
  async #locked(work: () => Promise<void>): Promise<void> {
    const path = `${this.#path}.lock`;
    let release = lockFile(path);
    for (let tries = 1; release === undefined && tries < this.#lockTries; tries += 1) {
      await setTimeout(LOCK_RETRY_MILLISECONDS);
      release = lockFile(path);
    }
    if (release === undefined) throw new LockedError(`another process holds ${path}`);
    try {
      await work();
    } finally {
      release();
    }
  }
}

async function lastIn(path: string): ReturnType<typeof lastLineOf> {
  const file = await openToRead(path);
  if (file === undefined) return undefined;
  try {
    return await lastLineOf(file);
  } finally {
    await file.close();
  }
}
