/** The audit log: one JSON line for every trust decision, on disk before the method resolves. */
import { mkdir, open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { FederationError } from "../errors.ts";

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

/** An append-only file, mode 0600. Several processes may append to one. */
export class AuditLog {
  readonly #path: string;
  readonly #maxBytes: number;
  #queue: Promise<void> = Promise.resolve();

  /** `maxBytes`: when a file is put aside; the last two are kept. Default 8 MiB. */
  constructor(path: string, { maxBytes = MAX_BYTES }: { readonly maxBytes?: number } = {}) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** Appends. @throws FederationError `ERR_FED_STORE_UNAVAILABLE`. */
  append(entry: AuditEntry): Promise<void> {
    const written = this.#queue.then(() => this.#write(`${JSON.stringify(entry)}\n`));
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

  async #write(line: string): Promise<void> {
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await this.#rotate();
      const file = await open(this.#path, "a", 0o600);
      try {
        await file.appendFile(line);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw new FederationError(
        "ERR_FED_STORE_UNAVAILABLE",
        `The audit log ${this.#path} cannot be written.`,
        { cause },
      );
    }
  }
}
