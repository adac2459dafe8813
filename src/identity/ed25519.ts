/**
 * Strict Ed25519 over `node:crypto` (RFC 8032 §5.1.7): S below the group order; no public key and no
 * R that is of small order or not canonical; no public key off the curve.
 */
import { type KeyObject, createPublicKey, hash, verify } from "node:crypto";
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
/** A point's last byte without the sign of its x. */
const WITHOUT_SIGN = 0x7f;
/** y coordinates of the eight points of small order, little-endian, sign bit cleared. */
const SMALL_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((y) => Buffer.from(y, "hex"));

/** The curve's constant d and its field, for the one check that needs arithmetic. */
const P = 2n ** 255n - 19n;
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;

const CACHE_SIZE = 4096;

/** A key that has been read, and whether its point has been looked for on the curve. */
interface CachedKey {
  readonly key: VerifyKey;
  onCurve: boolean;
}
/** Two halves by `x`: a hit is one look-up, and what the last {@link CACHE_SIZE} / 2 keys left unused goes. */
let recent = new Map<string, CachedKey>();
let older = new Map<string, CachedKey>();

/** The RFC 7638 thumbprint of the Ed25519 key whose `x` is given: its `kid`. */
export function thumbprint(x: string): string {
  return hash("sha256", JSON.stringify({ crv: "Ed25519", kty: "OKP", x }), "base64url");
}

/**
 * Checks a public key and makes it ready to verify. Cached, so that the same key is checked once.
 *
 * @throws FederationError `ERR_FED_WEAK_KEY` when it is malformed, non-canonical, of small order or no
 *   point of the curve.
 */
export function importVerifyKey(jwk: JwkParts): VerifyKey {
  const cached = cachedKey(jwk);
  if (!cached.onCurve) {
    if (!isOnCurve(jwk)) {
      throw new FederationError("ERR_FED_WEAK_KEY", "The public key is no point of the curve.");
    }
    cached.onCurve = true;
  }
  return cached.key;
}

/**
 * {@link importVerifyKey} for a key that is nobody's unless a signature verifies by it at once: OpenSSL
 * looks for the point on the curve then, and nothing verifies by one that is not there. Who tells
 * why a signature does not verify asks {@link isOnCurve}.
 *
 * @throws FederationError `ERR_FED_WEAK_KEY` when it is malformed, non-canonical or of small order.
 */
export function importShownKey(jwk: JwkParts): VerifyKey {
  return cachedKey(jwk).key;
}

type JwkParts = Readonly<Record<"kty" | "crv" | "x", string>>;

function cachedKey(jwk: JwkParts): CachedKey {
  const { kty, crv, x } = jwk;
  if (kty !== "OKP" || crv !== "Ed25519") {
    throw new FederationError("ERR_FED_WEAK_KEY", "Not an Ed25519 public key.");
  }
  const hit = recent.get(x);
  if (hit !== undefined) return hit;
  const cached = older.get(x) ?? { key: readKey(x), onCurve: false };
  if (recent.size >= CACHE_SIZE / 2) {
    older = recent;
    recent = new Map();
  }
  recent.set(x, cached);
  return cached;
}

function readKey(x: string): VerifyKey {
  if (!/^[A-Za-z0-9_-]{43}$/u.test(x)) {
    throw new FederationError("ERR_FED_WEAK_KEY", "Not an Ed25519 public key.");
  }
  const point = Buffer.from(x, "base64url");
  if (point.toString("base64url") !== x) {
    throw new FederationError("ERR_FED_WEAK_KEY", "The public key's encoding is not canonical.");
  }
  if (!isStrictPoint(point)) {
    throw new FederationError(
      "ERR_FED_WEAK_KEY",
      "The public key is of small order or not canonical.",
    );
  }
  const keyObject = withoutStacks(() =>
    createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }),
  );
  const kid = thumbprint(x);
  return {
    kid,
    jwk: { kty: "OKP", crv: "Ed25519", x, kid, use: "sig" },
    keyObject,
    verify: (data, signature) =>
      signature.length === 64 &&
      isBelow(signature, 32, GROUP_ORDER) &&
      isStrictPoint(signature) &&
      verify(null, data, keyObject, signature),
  };
}

/**
 * Node.js finds out by exceptions what kind of key it was given; their stacks take three times as long as reading
 * the key.
 */
function withoutStacks<T>(run: () => T): T {
  const { stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 0;
  } catch {
    // Intrinsics are frozen: it takes its time then.
    return run();
  }
  try {
    return run();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Whether the first 32 bytes encode a y below p that is not of a point of small order. */
function isStrictPoint(point: Uint8Array): boolean {
  return (
    isBelow(point, 0, FIELD_PRIME, WITHOUT_SIGN) && !SMALL_ORDER.some((y) => isSameY(point, y))
  );
}

/** Compares two y coordinates, without the sign of x. */
function isSameY(point: Uint8Array, y: Uint8Array): boolean {
  for (let index = 0; index < 31; index += 1) {
    if (point[index] !== y[index]) return false;
  }
  return ((point[31] ?? 0) & WITHOUT_SIGN) === y[31];
}

/** Whether x² = (y² − 1) / (d·y² + 1) has a root: a quotient is a square where the product is. */
export function isOnCurve({ x }: { readonly x: string }): boolean {
  const bigEndian = Buffer.from(x, "base64url").reverse();
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

/**
 * Whether the little-endian number in the 32 bytes from `offset` on is below `bound`, its highest byte
 * seen through `topMask`. Not constant time: both are public.
 */
function isBelow(value: Uint8Array, offset: number, bound: Uint8Array, topMask = 0xff): boolean {
  for (let index = 31; index >= 0; index -= 1) {
    const a = (value[offset + index] ?? 0) & (index === 31 ? topMask : 0xff);
    const b = bound[index] ?? 0;
    if (a !== b) return a < b;
  }
  return false;
}
