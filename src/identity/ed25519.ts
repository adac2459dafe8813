/**
 * Strict Ed25519 over `node:crypto` (RFC 8032 §5.1.7): S below the group order; no public key and no
 * R that is of small order or not canonical; no public key off the curve.
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

/** The curve's constant d and its field, for the one check that needs arithmetic. */
const P = 2n ** 255n - 19n;
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;

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
  if (!isStrictPoint(point)) {
    throw new FederationError(
      "ERR_FED_WEAK_KEY",
      "The public key is of small order or not canonical.",
    );
  }
  if (!isOnCurve(point)) {
    throw new FederationError("ERR_FED_WEAK_KEY", "The public key is no point of the curve.");
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
      isStrictPoint(signature.subarray(0, 32)) &&
      verify(null, data, keyObject, signature),
  };
  cache.set(x, key);
  if (cache.size > CACHE_SIZE) {
    const oldest = cache.keys().next().value;
    if (oldest !== undefined) cache.delete(oldest);
  }
  return key;
}

/** Whether 32 bytes encode a y below p that is not of a point of small order. */
function isStrictPoint(point: Uint8Array): boolean {
  const y = Buffer.from(point);
  y.writeUInt8(y.readUInt8(31) & 0x7f, 31);
  return isBelow(y, FIELD_PRIME) && !SMALL_ORDER.has(y.toString("hex"));
}

/** Whether x² = (y² − 1) / (d·y² + 1) has a root: a quotient is a square where the product is. */
function isOnCurve(point: Uint8Array): boolean {
  const bigEndian = Buffer.from(point).reverse();
  bigEndian.writeUInt8(bigEndian.readUInt8(0) & 0x7f, 0);
  const y = BigInt(`0x${bigEndian.toString("hex")}`);
  const ySquared = (y * y) % P;
  return jacobi(((ySquared + P - 1n) * (D * ySquared + 1n)) % P, P) === 1;
}

/** The Jacobi symbol (value / modulus) for an odd modulus. */
function jacobi(value: bigint, modulus: bigint): number {
  let [a, n, sign] = [value, modulus, 1];
  while (a !== 0n) {
    while ((a & 1n) === 0n) {
      a >>= 1n;
      const rest = n & 7n;
      if (rest === 3n || rest === 5n) sign = -sign;
    }
    [a, n] = [n, a];
    if ((a & 3n) === 3n && (n & 3n) === 3n) sign = -sign;
    a %= n;
  }
  return n === 1n ? sign : 0;
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
