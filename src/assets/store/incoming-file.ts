/** A file on its way into the store, as it lies in a place of its own until it is settled. */
import type { BigIntStats } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { feedFile } from "../verify/file-reading.ts";
import { SNIFF_BYTES } from "../verify/media-type.ts";
import { contentOf } from "./store-folder.ts";

/** A file that is being written, and the beginning of its bytes. */
export class IncomingFile {
  /** The folder it lies in. */
  readonly place: string;
  readonly #handle: FileHandle;
  #head = Buffer.alloc(0);
  #size = 0;
  #closed = false;

  private constructor(place: string, handle: FileHandle) {
    this.place = place;
    this.#handle = handle;
  }

  static async create(place: string): Promise<IncomingFile> {
    await mkdir(place, { mode: 0o700 });
    return new IncomingFile(place, await open(contentOf(place), "wx+", 0o600));
  }

  /** Takes up a file that is there already, and hands its bytes to `take`. */
  static async resume(place: string, take: (chunk: Uint8Array) => boolean): Promise<IncomingFile> {
    const file = new IncomingFile(place, await open(contentOf(place), "r+"));
    try {
      await feedFile(file.#handle, (chunk) => {
        file.#count(chunk);
        return take(chunk);
      });
    } catch (cause) {
      await file.close();
      throw cause;
    }
    return file;
  }

  /** Bytes written. */
  get size(): number {
    return this.#size;
  }

  /** The first bytes, as many as sniffing wants. */
  get head(): Uint8Array {
    return this.#head;
  }

  async append(chunk: Uint8Array): Promise<void> {
    const from = this.#size;
    for (let done = 0; done < chunk.length;) {
      const left = chunk.length - done;
      const { bytesWritten } = await this.#handle.write(chunk, done, left, from + done);
      done += bytesWritten;
    }
    this.#count(chunk);
  }

  async clear(): Promise<void> {
    await this.#handle.truncate(0);
    this.#size = 0;
    this.#head = Buffer.alloc(0);
  }

  /** Puts the bytes on the disk for good and ends the writing. */
  async seal(): Promise<BigIntStats> {
    await this.#handle.sync();
    const stat = await this.#handle.stat({ bigint: true });
    await this.close();
    return stat;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }

  #count(chunk: Uint8Array): void {
    this.#size += chunk.length;
    const missing = SNIFF_BYTES - this.#head.length;
    if (missing > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, missing)]);
  }
}
