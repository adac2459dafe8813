/**
 * Strict Ed25519 over `node:crypto` (RFC 8032 §5.1.7): S below the group order, no small-order and
 * no non-canonical public keys.
 */
import { type KeyObject, createHash, createPublicKey, verify } from "node:crypto";
import { FederationError } from "../errors.ts";

/** An Ed25519 public key as RFC 8037 writes it, with its RFC 7638 thumbprint. */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  /** 32 bytes, base64url. */
  readonly x: string;
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly use: "sig";
}

/** A public key that has been checked and can verify. */
export interface VerifyKey {
  readonly kid: string;
  readonly jwk: PublicJwk;
  readonly keyObject: KeyObject;
  /** Whether `signature` (64 bytes) is this key's over `data`. Never throws. */
  verify(data: Uint8Array, signature: Uint8Array): boolean;
}

/** L, the order of the base point, little-endian. */
const GROUP_ORDER = Buffer.from(
  "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
  "hex",
);
/** p = 2^255 - 19, little-endian. */
const FIELD_PRIME = Buffer.from(
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "hex",
);
/** y coordinates of the eight points of small order, sign bit cleared. */
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

const CACHE_SIZE = 4096;
const cache = new Map<string, VerifyKey>();

/** The RFC 7638 thumbprint of the Ed25519 key whose `x` is given: its `kid`. */
export function thumbprint(x: string): string {
  return createHash("sha256")
    .update(JSON.stringify({ crv: "Ed25519", kty: "OKP", x }))
    .digest("base64url");
}

/**
 * Checks a public key and makes it ready to verify. Cached, so that the same key is parsed once.
 *
 * @throws FederationError `ERR_FED_WEAK_KEY` when it is malformed, non-canonical or of small order.
 */
export function importVerifyKey(jwk: {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
}): VerifyKey {
  const { x } = jwk;
  const cached = cache.get(x);
  if (cached !== undefined && jwk.kty === "OKP" && jwk.crv === "Ed25519") {
    cache.delete(x);
    cache.set(x, cached);
    return cached;
  }
  if (jwk.kty !== "OKP" || jwk.crv !== "Ed25519" || !/^[A-Za-z0-9_-]{43}$/u.test(x)) {
    throw new FederationError("ERR_FED_WEAK_KEY", "Not an Ed25519 public key.");
  }
  const point = Buffer.from(x, "base64url");
  if (point.length !== 32 || point.toString("base64url") !== x) {
    throw new FederationError("ERR_FED_WEAK_KEY", "The public key's encoding is not canonical.");
  }
  const y = Buffer.from(point);
  y.writeUInt8(y.readUInt8(31) & 0x7f, 31);
  if (SMALL_ORDER.has(y.toString("hex")) || !isBelow(y, FIELD_PRIME)) {
    throw new FederationError(
      "ERR_FED_WEAK_KEY",
      "The public key is of small order or not canonical.",
    );
  }
  const keyObject = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const kid = thumbprint(x);
  const key: VerifyKey = {
    kid,
    jwk: { kty: "OKP", crv: "Ed25519", x, kid, use: "sig" },
    keyObject,
    verify: (data, signature) =>
      signature.length === 64 &&
      isBelow(signature.subarray(32), GROUP_ORDER) &&
      verify(null, data, keyObject, signature),
  };
  cache.set(x, key);
  if (cache.size > CACHE_SIZE) {
    const oldest = cache.keys().next().value;
    if (oldest !== undefined) cache.delete(oldest);
  }
  return key;
}

/** Compares two little-endian numbers of 32 bytes. Not constant time: both are public. */
function isBelow(value: Uint8Array, bound: Uint8Array): boolean {
  for (let index = 31; index >= 0; index -= 1) {
    const a = value[index] ?? 0;
    const b = bound[index] ?? 0;
    if (a !== b) return a < b;
  }
  return false;
}
