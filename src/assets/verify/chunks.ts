/** Large assets in chunks, each with a hash of its own, so that a bad one is found before the next. */
import { createHash } from "node:crypto";
import { assetHash } from "./integrity.ts";
import type { VerificationResult } from "./verification.ts";

/** Hashes of an asset's chunks, all of one size but the last, which is what is left. */
export interface AssetChunks {
  /** Bytes, from {@link MIN_CHUNK_BYTES} to {@link MAX_CHUNK_BYTES}. */
  readonly chunkSize: number;
  /** sha256 of each chunk, base64. */
  readonly chunks: readonly string[];
}

/** Smaller chunks are not worth their hashes. */
export const MIN_CHUNK_BYTES = 16 * 1024;
/** A chunk waits in memory until it is whole. */
export const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
/** What {@link hashChunks} cuts into when not told. */
export const DEFAULT_CHUNK_BYTES = 1024 * 1024;

/** Whether the chunks are those of an asset of `size` bytes. */
export function chunksFit({ chunkSize, chunks }: AssetChunks, size: number): boolean {
  return (
    Number.isSafeInteger(chunkSize) &&
    chunkSize >= MIN_CHUNK_BYTES &&
    chunkSize <= MAX_CHUNK_BYTES &&
    chunks.length === Math.ceil(size / chunkSize)
  );
}

/**
 * Hashes the chunks of a file or stream, for a manifest.
 *
 * @param chunkSize - Bytes. Default 1 MiB.
 * @throws TypeError when `chunkSize` is out of bounds.
 */
export async function hashChunks(
  source: AsyncIterable<Uint8Array>,
  chunkSize = DEFAULT_CHUNK_BYTES,
): Promise<AssetChunks> {
  if (!chunksFit({ chunkSize, chunks: [] }, 0)) {
    throw new TypeError(`chunkSize must be from ${MIN_CHUNK_BYTES} to ${MAX_CHUNK_BYTES} bytes`);
  }
  const chunks: string[] = [];
  let hash = createHash("sha256");
  let filled = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + chunkSize - filled);
      hash.update(part);
      filled += part.length;
      at += part.length;
      if (filled === chunkSize) {
        chunks.push(hash.digest("base64"));
        hash = createHash("sha256");
        filled = 0;
      }
    }
  }
  if (filled > 0) chunks.push(hash.digest("base64"));
  return { chunkSize, chunks };
}

/** What a {@link ChunkGate} makes of some bytes. */
export interface Passed {
  /** Bytes of chunks that are whole and right; of the first piece when it began within a chunk. */
  readonly good: readonly Uint8Array[];
  readonly bad: { readonly chunk: number; readonly result: VerificationResult } | undefined;
}

/** Holds bytes back until the chunk they are of is whole, and lets only right ones through. */
export class ChunkGate {
  readonly #expected: AssetChunks;
  readonly #size: number;
  #position: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #hash = createHash("sha256");

  /** @param position - Where the bytes begin. Within a chunk: its rest cannot be checked alone. */
  constructor(expected: AssetChunks, size: number, position: number) {
    this.#expected = expected;
    this.#size = size;
    this.#position = position;
  }

  /** Takes bytes, none past the asset's size. */
  push(bytes: Uint8Array): Passed {
    const good: Uint8Array[] = [];
    const { chunkSize } = this.#expected;
    for (let at = 0; at < bytes.length;) {
      const chunk = Math.floor(this.#position / chunkSize);
      const start = chunk * chunkSize;
      const end = Math.min(start + chunkSize, this.#size);
      const part = bytes.subarray(at, at + end - this.#position);
      at += part.length;
      this.#position += part.length;
      this.#held.push(part);
      this.#heldBytes += part.length;
      this.#hash.update(part);
      if (this.#position < end) {
        if (this.#heldBytes === this.#position - start) continue;
      } else if (this.#heldBytes === end - start) {
        const bad = this.#check(chunk);
        if (bad !== undefined) return { good, bad: { chunk, result: bad } };
      }
      good.push(...this.#held);
      this.#held = [];
      if (this.#position === end) {
        this.#heldBytes = 0;
        this.#hash = createHash("sha256");
      }
    }
    return { good, bad: undefined };
  }

  #check(chunk: number): VerificationResult | undefined {
    const actual = assetHash("sha256", this.#hash.digest()).sri;
    const hash = `sha256-${this.#expected.chunks[chunk] ?? ""}`;
    if (actual === hash) return undefined;
    const size = this.#heldBytes;
    return {
      valid: false,
      mismatches: ["hash"],
      expected: { hash, size },
      actual: { hash: actual, size },
    };
  }
}
