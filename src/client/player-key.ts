import nacl from "tweetnacl/nacl.js";
import { decodeBase64Url, encodeBase64Url, encodeJson } from "./base64url.ts";
import type { KeyStorage } from "./storage.ts";

/** Where the key is kept. */
export const STORAGE_KEY = "aether-federation:player-key";
/** What storage has in the place of a key that is locked: `x` of its JWK. `keys/` writes it. */
export const LOCKED = /^locked:(.+)$/u;
const PROOF_SECONDS = 55;
/** What RFC 8410 puts before the 32 bytes of an Ed25519 private key. */
const PKCS8_HEAD = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

/**
 * What a proof is for: a login at home, travel without a room, the player's keys, a hand-over by a page of home,
 * the seat of that session id, the trade of that digest, or a purpose of a server's own, such as its shop.
 */
export type ProofUse =
  | "login"
  | "travel"
  | "keys"
  | "hand-over"
  | { readonly seat: string }
  | { readonly trade: string }
  | { readonly purpose: string };

/** The public half of a key as a JWK. */
export interface PublicKeyJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
}

/** What another key may do for the player's: take that one seat. */
export interface SeatDelegation {
  /** Origin of the server that the seat is at. */
  readonly audience: string;
  /** The seat's session id. */
  readonly seat: string;
  readonly transferId: string;
  /** Thumbprint of the other key. */
  readonly jkt: string;
}

/** Whatever signs for a player: its own key, or one that acts for it. */
export interface ProvingKey {
  readonly jwk: PublicKeyJwk;
  prove(audience: string, use: ProofUse, at?: number): Promise<string>;
  thumbprint(): Promise<string>;
  /** Of the player's own key alone. */
  delegate?(to: SeatDelegation, at?: number): Promise<string>;
}

/**
 * The player's Ed25519 key. At a home without accounts it *is* the account: who holds it is the
 * player, who loses it is somebody else.
 */
export class PlayerKey implements ProvingKey {
  /** The public half as a JWK. */
  readonly jwk: PublicKeyJwk;
  readonly #sign: Sign;

  /**
   * A key whose private half is somewhere else.
   *
   * @param sign Signs by it: 64 bytes, Ed25519.
   */
  constructor(jwk: PublicKeyJwk, sign: Sign) {
    this.jwk = jwk;
    this.#sign = sign;
  }

  /** A new key. */
  static generate(): PlayerKey {
    return ofSeed(nacl.randomBytes(32));
  }

  /**
   * The key kept in `storage`, made and kept there when there is none. What is kept already is never
   * overwritten. One that is locked (`PlayerKeys.lock`) signs by WebCrypto: that rejects with `ERR_FED_KEY_LOST` where
   * the browser has it no more.
   *
   * @throws TypeError when what is kept there is no key; whatever `storage` throws.
   */
  static load(storage: KeyStorage): PlayerKey {
    let kept = storage.getItem(STORAGE_KEY) as string | null | undefined;
    if (kept === null || kept === undefined) {
      kept = encodeBase64Url(nacl.randomBytes(32));
      storage.setItem(STORAGE_KEY, kept);
    }
    const x = LOCKED.exec(kept)?.[1];
    if (x !== undefined) return lockedKey(x);
    const seed = decodeBase64Url(kept);
    if (seed?.length === 32) return ofSeed(seed);
    throw new TypeError(`"${STORAGE_KEY}" in storage is no player's key: remove it to begin anew.`);
  }

  /** RFC 7638 thumbprint: after `key-`, the local id at a home without accounts. Needs WebCrypto. */
  thumbprint(): Promise<string> {
    return thumbprintOf(this.jwk);
  }

  /**
   * A proof of possession (PROTOCOL 5), for that use at `audience` and nothing else, once. Good for
   * under a minute.
   *
   * @param at What time it is there, in Unix milliseconds. Default: this machine's clock.
   */
  prove(audience: string, use: ProofUse = "login", at = Date.now()): Promise<string> {
    return proofBy(this.jwk, this.#sign, audience, use, at);
  }

  /**
   * A delegation (PROTOCOL 5): that other key takes that one seat, and stays there, within a minute. It is for the
   * page of home alone to give, after home has said that the player is on that crossing.
   *
   * @param at What time it is there, in Unix milliseconds. Default: this machine's clock.
   */
  delegate(
    { audience: aud, seat: sid, transferId: xfer, jkt }: SeatDelegation,
    at = Date.now(),
  ): Promise<string> {
    const claims = { aud, use: "delegate", sid, xfer, cnf: { jkt } };
    return statement(this.jwk, this.#sign, "aether-delegation+jwt", claims, at);
  }
}

function ofSeed(seed: Uint8Array): PlayerKey {
  const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(seed);
  let native: Promise<CryptoKey | undefined> | undefined;
  // WebCrypto signs in a fraction of the time; not every browser has it, and only on `https:`.
  return new PlayerKey(jwkOf(encodeBase64Url(publicKey)), async (message) => {
    native ??= importNatively(seed);
    const key = await native;
    return key === undefined
      ? nacl.sign.detached(message, secretKey)
      : new Uint8Array(await crypto.subtle.sign("Ed25519", key, message));
  });
}

function lockedKey(x: string): PlayerKey {
  return new PlayerKey(jwkOf(x), async (message) => {
    return (await import("./later/locked-key.ts")).signLocked(x, message);
  });
}

/** A public key as a JWK. */
export function jwkOf(x: string): PublicKeyJwk {
  return { kty: "OKP", crv: "Ed25519", x };
}

/** Signs as a private key does. */
export type Sign = (message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

/** RFC 7638. */
export async function thumbprintOf({ crv, kty, x }: PublicKeyJwk): Promise<string> {
  const canonical = new TextEncoder().encode(JSON.stringify({ crv, kty, x }));
  return encodeBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", canonical)));
}

/** A proof of possession, by whatever signs. */
export function proofBy(
  jwk: PublicKeyJwk,
  sign: Sign,
  aud: string,
  use: ProofUse,
  at: number,
): Promise<string> {
  return statement(jwk, sign, "aether-pop+jwt", { aud, ...claimsOf(use) }, at);
}

async function statement(
  jwk: PublicKeyJwk,
  sign: Sign,
  typ: string,
  said: object,
  at: number,
): Promise<string> {
  const iat = Math.floor(at / 1000);
  const jti = encodeBase64Url(nacl.randomBytes(16));
  const claims = encodeJson({ ...said, jti, iat, exp: iat + PROOF_SECONDS });
  const input = `${encodeJson({ alg: "EdDSA", typ, jwk })}.${claims}`;
  return `${input}.${encodeBase64Url(await sign(new TextEncoder().encode(input)))}`;
}

function claimsOf(use: ProofUse): object {
  if (typeof use === "string") return { use };
  if ("seat" in use) return { use: "seat", sid: use.seat };
  return "trade" in use
    ? { use: "trade", purpose: use.trade }
    : { use: "host", purpose: use.purpose };
}

/** A key in WebCrypto, which does not give it away; undefined where that has no Ed25519, as on `http:`. */
export async function importNatively(seed: Uint8Array): Promise<CryptoKey | undefined> {
  try {
    const key = new Uint8Array([...PKCS8_HEAD, ...seed]);
    return await crypto.subtle.importKey("pkcs8", key, "Ed25519", false, ["sign"]);
  } catch {
    return undefined;
  }
}
