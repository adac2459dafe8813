/**
 * Whether bytes are those a hash names: in memory, from a file or from a stream.
 *
 * Works alone, without a server. Costs one pass over the bytes and constant memory, at about the
 * speed of the disk or of OpenSSL, whichever is slower.
 */
import { type Hash, createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { FederationError } from "../../errors.ts";
import { READ_NOW, feedFile } from "./file-reading.ts";
import { type AssetHash, assetHash, parseAssetHash } from "./integrity.ts";
import { type FederationAssetReference, HashMismatchAction, wishOf } from "./reference.ts";

/** What the bytes should be. */
export interface ExpectedAsset {
  /** SRI or hex, as `parseAssetHash` reads it. */
  readonly hash: string;
  /** Bytes. With it, reading stops at the first byte too many. */
  readonly size?: number | undefined;
}

/** What was found, as data: a mismatch is never thrown. Hashes are SRI. */
export type VerificationResult =
  | { readonly valid: true; readonly hash: string; readonly size: number }
  | {
      readonly valid: false;
      /** What differs; never empty. */
      readonly mismatches: readonly ("hash" | "size")[];
      readonly expected: { readonly hash: string; readonly size: number | undefined };
      readonly actual: {
        /** Undefined when reading stopped because there were more bytes than expected. */
        readonly hash: string | undefined;
        /** Bytes seen; a file's size. When reading stopped, at least this many. */
        readonly size: number;
      };
    };

/** What {@link AssetVerification.verify} takes. */
export type AssetSource = Uint8Array | AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;

/** Bytes in memory are hashed in pieces of this size, and others get their turn in between. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Bytes that have been verified. */
export class VerifiedBytes {
  /** What was found. */
  readonly result: VerificationResult;
  /** What is to be done about wrong bytes, by the reference they were held against. Default `reject`. */
  readonly onMismatch: HashMismatchAction;

  constructor(result: VerificationResult, onMismatch: HashMismatchAction) {
    this.result = result;
    this.onMismatch = onMismatch;
  }

  /** Whether the bytes are those the hash names, and as many as were expected. */
  isValid(): boolean {
    return this.result.valid;
  }
}

/** Verifies bytes against a hash and a size. Keeps nothing between calls. */
export class AssetVerification {
  /**
   * Verifies bytes in memory at once, against a hash, an {@link ExpectedAsset} or a reference. Nothing
   * else runs meanwhile, for about a second a gigabyte: larger ones are for {@link verify}.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when the hash is none.
   * @throws TypeError when the size is no size, or the bytes are none.
   */
  static verify(
    bytes: Uint8Array,
    expected: string | ExpectedAsset | FederationAssetReference,
  ): VerifiedBytes {
    const reference =
      typeof expected === "object" && "assetHash" in expected ? expected : undefined;
    const asked: ExpectedAsset =
      typeof expected === "string"
        ? { hash: expected }
        : "assetHash" in expected
          ? { hash: expected.assetHash, size: expected.size }
          : expected;
    const verifier = new AssetVerifier(asked);
    verifier.update(bytes);
    return new VerifiedBytes(
      verifier.result(),
      wishOf(reference?.policy) ?? HashMismatchAction.Reject,
    );
  }

  /**
   * Verifies bytes or a stream. A stream that is longer than expected is cancelled there.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when `expected.hash` is no hash.
   * @throws TypeError when `expected.size` is no size, or the source yields anything but bytes.
   */
  async verify(source: AssetSource, expected: ExpectedAsset): Promise<VerificationResult> {
    const verifier = this.begin(expected);
    if (source instanceof Uint8Array) {
      for (let at = 0; at < source.length; at += PIECE_BYTES) {
        if (at > 0) await new Promise(setImmediate);
        if (!verifier.update(source.subarray(at, at + PIECE_BYTES))) break;
      }
      return verifier.result();
    }
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      if (!verifier.update(chunk)) break;
    }
    return verifier.result();
  }

  /**
   * Verifies a regular file, reading ahead while hashing: 2 MiB of memory whatever its size.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when `expected.hash` is no hash;
   * `ERR_FED_ASSET_UNAVAILABLE` when the file cannot be read.
   * @throws TypeError when `expected.size` is no size.
   */
  async verifyFile(path: string, expected: ExpectedAsset): Promise<VerificationResult> {
    const verifier = this.begin(expected);
    try {
      const handle = await open(path, READ_NOW);
      try {
        const stat = await handle.stat();
        // A pipe or a device may never end.
        if (!stat.isFile()) throw new Error("not a regular file");
        if (expected.size !== undefined && stat.size > expected.size) {
          return verifier.tooLong(stat.size);
        }
        await feedFile(handle, (chunk) => verifier.update(chunk));
      } finally {
        await handle.close();
      }
    } catch (cause) {
      throw new FederationError(
        "ERR_FED_ASSET_UNAVAILABLE",
        `The file ${path} cannot be read: check that it is there and readable.`,
        { cause },
      );
    }
    return verifier.result();
  }

  /**
   * Begins to verify bytes that come in pieces.
   *
   * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` when `expected.hash` is no hash.
   * @throws TypeError when `expected.size` is no size.
   */
  begin(expected: ExpectedAsset): AssetVerifier {
    return new AssetVerifier(expected);
  }
}

/** A verification under way. @see AssetVerification.begin */
export class AssetVerifier {
  readonly #expected: AssetHash;
  readonly #expectedSize: number | undefined;
  readonly #hash: Hash;
  #size = 0;
  #tooLong = false;
  #result: VerificationResult | undefined;

  constructor(expected: ExpectedAsset) {
    this.#expected = parseAssetHash(expected.hash);
    const { size } = expected;
    if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) {
      throw new TypeError("size must be a whole number of bytes, 0 or more");
    }
    this.#expectedSize = size;
    this.#hash = createHash(this.#expected.algorithm);
  }

  /** Bytes taken so far. */
  get size(): number {
    return this.#size;
  }

  /** Takes the next bytes; false once there are more than expected, and the rest need not be read. */
  update(chunk: Uint8Array): boolean {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("an asset's chunks must be Uint8Array");
    if (this.#result !== undefined) throw new TypeError("update() after result()");
    this.#size += chunk.length;
    if (this.#expectedSize !== undefined && this.#size > this.#expectedSize) this.#tooLong = true;
    else this.#hash.update(chunk);
    return !this.#tooLong;
  }

  /** What all the bytes together are. Repeated, gives the same answer. */
  result(): VerificationResult {
    this.#result ??= this.#conclude();
    return this.#result;
  }

  /** The answer about a source that is known to be `size` bytes long, more than expected. */
  tooLong(size: number): VerificationResult {
    this.#size = size;
    this.#tooLong = true;
    return this.result();
  }

  #conclude(): VerificationResult {
    const expected = { hash: this.#expected.sri, size: this.#expectedSize };
    if (this.#tooLong) {
      const actual = { hash: undefined, size: this.#size };
      return { valid: false, mismatches: ["size"], expected, actual };
    }
    const { sri } = assetHash(this.#expected.algorithm, this.#hash.digest());
    const mismatches: ("hash" | "size")[] = [];
    if (sri !== expected.hash) mismatches.push("hash");
    if (expected.size !== undefined && this.#size !== expected.size) mismatches.push("size");
    if (mismatches.length === 0) return { valid: true, hash: sri, size: this.#size };
    return { valid: false, mismatches, expected, actual: { hash: sri, size: this.#size } };
  }
}
