/** Names of bytes: a hash as Subresource Integrity or as hex, and nothing else. */
import { FederationError } from "../../errors.ts";

/** The algorithms Subresource Integrity knows. */
export type HashAlgorithm = "sha256" | "sha384" | "sha512";

/** A hash, in each form it is written. */
export interface AssetHash {
  readonly algorithm: HashAlgorithm;
  /** Lower case. */
  readonly hex: string;
  /** `<algorithm>-<base64>`: the form of the wire and of a page's `integrity` attribute. */
  readonly sri: string;
}

const DIGEST_BYTES: Readonly<Record<HashAlgorithm, number>> = {
  sha256: 32,
  sha384: 48,
  sha512: 64,
};
const SRI = /^(sha256|sha384|sha512)-([A-Za-z0-9+/]+={0,2})$/u;
const HEX = /^[0-9A-Fa-f]+$/u;
/** `sha512-` and 88 characters of base64, or 128 of hex. */
const MAX_LENGTH = 128;

/**
 * Reads a hash: Subresource Integrity with exactly one hash in canonical base64 and without options,
 * or bare hex in either case, whose length tells the algorithm.
 *
 * Unlike a browser, which ignores what it does not understand and then loads unchecked, this refuses:
 * a hash that cannot be read never verifies anything.
 *
 * @throws FederationError `ERR_FED_ASSET_HASH_INVALID` for anything else.
 * @see https://www.w3.org/TR/SRI/#the-integrity-attribute
 */
export function parseAssetHash(text: string): AssetHash {
  // From a peer's JSON it may be anything, whatever the type says.
  if (typeof text !== "string" || text.length > MAX_LENGTH) throw invalid(text);
  const [, named, base64 = ""] = SRI.exec(text) ?? [];
  if (named !== undefined) {
    const algorithm = named as HashAlgorithm;
    const digest = Buffer.from(base64, "base64");
    // Decoding is lenient: only what encodes back to itself is one name for one hash.
    if (digest.length !== DIGEST_BYTES[algorithm] || digest.toString("base64") !== base64) {
      throw invalid(text);
    }
    return assetHash(algorithm, digest);
  }
  const algorithm = (Object.keys(DIGEST_BYTES) as HashAlgorithm[]).find(
    (each) => DIGEST_BYTES[each] * 2 === text.length,
  );
  if (algorithm === undefined || !HEX.test(text)) throw invalid(text);
  return assetHash(algorithm, Buffer.from(text, "hex"));
}

/** The hash whose bytes are `digest`. */
export function assetHash(algorithm: HashAlgorithm, digest: Uint8Array): AssetHash {
  const bytes = Buffer.from(digest);
  return {
    algorithm,
    hex: bytes.toString("hex"),
    sri: `${algorithm}-${bytes.toString("base64")}`,
  };
}

function invalid(text: unknown): FederationError {
  const shown = typeof text === "string" ? JSON.stringify(text.slice(0, 80)) : typeof text;
  return new FederationError(
    "ERR_FED_ASSET_HASH_INVALID",
    `${shown} is not a hash: write sha256-, sha384- or sha512- and base64, or hex.`,
  );
}
