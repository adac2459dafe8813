/**
 * One Ed25519 signature for many texts (PROTOCOL 6): a Merkle tree as RFC 9162 §2.1 has it, whose root is
 * signed. Each text has a signature of its own, by which it is verified without the others.
 */
import { hash } from "node:crypto";
import type { VerifyKey } from "./ed25519.ts";
import type { SigningKey } from "./server-keys.ts";

/** The `alg` of a JWS with such a signature. */
export const TREE_ALGORITHM = "aether-tree-EdDSA";

/** Texts under one signature, at most. */
export const MAX_TREE_SIZE = 256;

const ED25519_BYTES = 64;
const HASH_BYTES = 32;
/** The Ed25519 signature, how many texts there are, and which of them this is. */
const FIXED_BYTES = ED25519_BYTES + 4;

/** No other thing that a server signs begins so. */
const ROOT_PREFIX = Buffer.from("aether-tree/1\0", "latin1");
const LEAF_PREFIX = Buffer.of(0);
const NODE_PREFIX = Buffer.of(1);

/** Roots that verified last: whoever reads one text of a tree reads others of it. */
const MAX_VERIFIED_ROOTS = 256;
const verifiedRoots = new Set<string>();

/**
 * Signs all of `texts`, 1 to {@link MAX_TREE_SIZE}. The signatures are in their order: the Ed25519 signature of
 * the root, the number of texts and the place of this one as 16 bits each, highest byte first, and the path.
 */
export function signTree(texts: readonly Uint8Array[], key: SigningKey): Buffer[] {
  if (texts.length === 0 || texts.length > MAX_TREE_SIZE) {
    throw new TypeError(`texts must be 1 to ${MAX_TREE_SIZE}, not ${texts.length}.`);
  }
  const paths: Buffer[][] = texts.map(() => []);
  const root = grow(texts.map(leafOf), 0, paths);
  const signature = key.sign(signedText(texts.length, root));
  return paths.map((path, index) =>
    Buffer.concat([signature, placeOf(texts.length, index), ...path]),
  );
}

/** Whether `signature` is of `text`, in a tree that `key` has signed. Never throws. */
export function verifyTree(text: Uint8Array, signature: Uint8Array, key: VerifyKey): boolean {
  const length = (signature.length - FIXED_BYTES) / HASH_BYTES;
  if (!Number.isInteger(length) || length < 0) return false;
  const bytes = Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength);
  const size = bytes.readUInt16BE(ED25519_BYTES);
  const index = bytes.readUInt16BE(ED25519_BYTES + 2);
  if (size > MAX_TREE_SIZE || index >= size) return false;
  const root = rootOf(leafOf(text), { index, size, path: bytes.subarray(FIXED_BYTES) });
  if (root === undefined) return false;
  const signed = signedText(size, root);
  const name = `${key.kid} ${signed.toString("latin1")}${bytes.toString("latin1", 0, ED25519_BYTES)}`;
  if (verifiedRoots.has(name)) return true;
  if (!key.verify(signed, bytes.subarray(0, ED25519_BYTES))) return false;
  remember(name);
  return true;
}

function remember(root: string): void {
  if (verifiedRoots.size >= MAX_VERIFIED_ROOTS) {
    for (const oldest of verifiedRoots) {
      verifiedRoots.delete(oldest);
      break;
    }
  }
  verifiedRoots.add(root);
}

/** RFC 9162 §2.1.1 and §2.1.3.1: the hash of `leaves`, each of whose paths gets what is beside it here. */
function grow(leaves: readonly Buffer[], from: number, paths: readonly Buffer[][]): Buffer {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const left = grow(leaves.slice(0, split), from, paths);
  const right = grow(leaves.slice(split), from + split, paths);
  for (let index = 0; index < leaves.length; index += 1) {
    paths[from + index]?.push(index < split ? right : left);
  }
  return nodeOf(left, right);
}

/** RFC 9162 §2.1.3.2: the root that a path leads to; undefined where it is too short or too long. */
function rootOf(
  leaf: Buffer,
  { index, size, path }: { readonly index: number; readonly size: number; readonly path: Buffer },
): Buffer | undefined {
  let [fn, sn, root] = [index, size - 1, leaf];
  for (let at = 0; at < path.length; at += HASH_BYTES) {
    if (sn === 0) return undefined;
    const beside = path.subarray(at, at + HASH_BYTES);
    if (fn % 2 === 1 || fn === sn) {
      root = nodeOf(beside, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else {
      root = nodeOf(root, beside);
    }
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  return sn === 0 ? root : undefined;
}

function leafOf(text: Uint8Array): Buffer {
  return hash("sha256", Buffer.concat([LEAF_PREFIX, text]), "buffer");
}

function nodeOf(left: Uint8Array, right: Uint8Array): Buffer {
  return hash("sha256", Buffer.concat([NODE_PREFIX, left, right]), "buffer");
}

function signedText(size: number, root: Uint8Array): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(size);
  return Buffer.concat([ROOT_PREFIX, count, root]);
}

function placeOf(size: number, index: number): Buffer {
  const place = Buffer.alloc(4);
  place.writeUInt16BE(size);
  place.writeUInt16BE(index, 2);
  return place;
}
