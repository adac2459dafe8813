import { type KeyObject, createPrivateKey, createPublicKey, sign } from "node:crypto";
import type { Random } from "../ports.ts";
import { type PublicJwk, thumbprint } from "./ed25519.ts";

/** A key this server signs with. */
export interface SigningKey {
  readonly kid: string;
  readonly jwk: PublicJwk;
  readonly privateKey: KeyObject;
  /** Ed25519 over `data`: 64 bytes. */
  sign(data: Uint8Array): Uint8Array;
}

/** The keys of one server: the one it signs with, the one announced, and those it used before. */
export interface KeyRing {
  readonly current: SigningKey;
  /** Published beside the current one before it is used (PROTOCOL 2). */
  readonly next: SigningKey | undefined;
  /** Newest first. */
  readonly retired: readonly RetiredKey[];
  /** Unix seconds since when the current one signs; undefined: since the server began. */
  readonly since?: number | undefined;
  /** The recovery key's public side; undefined: there is none. */
  readonly recovery?: RecoveryRecord | undefined;
  /** Whether a store belongs to this ring: one that is empty is not what this server left. */
  readonly hasStore?: boolean | undefined;
}

/** What a server publishes of its recovery key, whose private half is its operator's alone. */
export interface RecoveryRecord {
  /** Thumbprint of the key that can replace the others next. */
  readonly kid: string;
  /** Statements by the recovery keys before it, the oldest first. */
  readonly statements: readonly string[];
}

/** A key that this server does not sign with any more: its public half. Times are Unix seconds. */
export interface RetiredKey extends PublicJwk {
  /** When it was first signed with. */
  readonly since?: number | undefined;
  /** When it was signed with last; a key that was announced only never was. */
  readonly retiredAt?: number | undefined;
  /** From then on nothing that it signed counts. */
  readonly revokedAt?: number | undefined;
}

/** A private key as a JWK (RFC 8037). Secret. */
export interface PrivateJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly d: string;
}

const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** A new key. */
export function generateSigningKey(random: Random): SigningKey {
  return importSigningSeed(random.bytes(32));
}

/** The key of 32 secret bytes. */
export function importSigningSeed(seed: Uint8Array): SigningKey {
  const key = Buffer.concat([PKCS8_PREFIX, seed]);
  return signingKeyFrom(createPrivateKey({ key, format: "der", type: "pkcs8" }));
}

/** Reads a private JWK. @throws Error when it is not an Ed25519 private key. */
export function importSigningKey(jwk: PrivateJwk): SigningKey {
  const key = signingKeyFrom(createPrivateKey({ key: { ...jwk }, format: "jwk" }));
  if (key.jwk.x !== jwk.x) throw new Error("the public half does not belong to the private one");
  return key;
}

/** Writes a private JWK. Secret: for the key file only. */
export function exportSigningKey(key: SigningKey): PrivateJwk {
  return key.privateKey.export({ format: "jwk" }) as unknown as PrivateJwk;
}

function signingKeyFrom(privateKey: KeyObject): SigningKey {
  const { x } = createPublicKey(privateKey).export({ format: "jwk" }) as { x: string };
  const kid = thumbprint(x);
  return {
    kid,
    jwk: { kty: "OKP", crv: "Ed25519", x, kid, use: "sig" },
    privateKey,
    sign: (data) => sign(null, data, privateKey),
  };
}
