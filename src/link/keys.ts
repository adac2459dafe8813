/** The keys of one link (PROTOCOL 12): X25519 by ephemeral keys, HKDF over what both servers signed. */
import {
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  hkdfSync,
} from "node:crypto";
import type { Random } from "../ports.ts";

/** A key that is good for one link. */
export interface EphemeralKey {
  /** 32 bytes in base64url: what the other side is told. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** What both sides have seen of a link's opening. */
export interface LinkTranscript {
  /** Origin of who asked for the link. */
  readonly opener: string;
  /** Origin of who was asked. */
  readonly accepter: string;
  /** The 64 bytes of the request's signature. */
  readonly requestSignature: Uint8Array;
  /** The 64 bytes of the signature of the answer to it. */
  readonly answerSignature: Uint8Array;
}

/** The keys of a link's MACs, one for each direction. */
export interface LinkKeys {
  /** Of what the opener sends. */
  readonly byOpener: KeyObject;
  /** Of what the accepter sends. */
  readonly byAccepter: KeyObject;
}

const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const KEY_BYTES = 32;
const LABEL = Buffer.from("aether/1 link\0");

/** A fresh key. */
export function createEphemeralKey(random: Random): EphemeralKey {
  const der = Buffer.concat([PKCS8_PREFIX, random.bytes(KEY_BYTES)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  if (x === undefined) throw new TypeError("an X25519 key has an x");
  return { publicKey: x, privateKey };
}

/**
 * The keys that both sides come to. Undefined for a public key of the other side that is no 32 bytes in
 * canonical base64url, or by which the shared secret would be the same whatever ours is (RFC 7748,
 * section 6.1).
 */
export function agreeOnKeys(
  own: EphemeralKey,
  theirs: string,
  transcript: LinkTranscript,
): LinkKeys | undefined {
  const secret = sharedSecret(own, theirs);
  if (secret === undefined) return undefined;
  const { opener, accepter, requestSignature, answerSignature } = transcript;
  const salt = createHash("sha256").update(requestSignature).update(answerSignature).digest();
  const info = Buffer.concat([LABEL, prefixed(opener), prefixed(accepter)]);
  const bytes = Buffer.from(hkdfSync("sha256", secret, salt, info, 2 * KEY_BYTES));
  return {
    byOpener: createSecretKey(bytes.subarray(0, KEY_BYTES)),
    byAccepter: createSecretKey(bytes.subarray(KEY_BYTES)),
  };
}

function sharedSecret({ privateKey }: EphemeralKey, theirs: string): Buffer | undefined {
  const point = Buffer.from(theirs, "base64url");
  if (point.length !== KEY_BYTES || point.toString("base64url") !== theirs) return undefined;
  try {
    const jwk = { kty: "OKP", crv: "X25519", x: theirs };
    const publicKey = createPublicKey({ key: jwk, format: "jwk" });
    const secret = diffieHellman({ privateKey, publicKey });
    return secret.every((byte) => byte === 0) ? undefined : secret;
  } catch {
    // OpenSSL refuses a point of small order by itself.
    return undefined;
  }
}

function prefixed(origin: string): Buffer {
  const bytes = Buffer.from(origin);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
