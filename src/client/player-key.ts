import nacl from "tweetnacl/nacl.js";
import { decodeBase64Url, encodeBase64Url, encodeJson } from "./base64url.ts";
import type { KeyStorage } from "./storage.ts";

const STORAGE_KEY = "aether-federation:player-key";
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
export class PlayerKey {
  readonly #pair: nacl.SignKeyPair;
  #native: Promise<CryptoKey | undefined> | undefined;

  private constructor(seed: Uint8Array) {
    this.#pair = nacl.sign.keyPair.fromSeed(seed);
  }

  /** A new key. */
  static generate(): PlayerKey {
    return new PlayerKey(nacl.randomBytes(32));
  }

  /**
   * The key kept in `storage`, made and kept there when there is none. What is kept already is never
   * overwritten.
   *
   * @throws TypeError when what is kept there is no key; whatever `storage` throws.
   */
  static load(storage: KeyStorage): PlayerKey {
    const kept: unknown = storage.getItem(STORAGE_KEY);
    if (kept !== null && kept !== undefined) {
      const seed = typeof kept === "string" ? decodeBase64Url(kept) : undefined;
      if (seed?.length === 32) return new PlayerKey(seed);
      throw new TypeError(
        `"${STORAGE_KEY}" in storage is no player's key: remove it to begin anew. Storage must answer at once.`,
      );
    }
    const fresh = nacl.randomBytes(32);
    storage.setItem(STORAGE_KEY, encodeBase64Url(fresh));
    return new PlayerKey(fresh);
  }

  /** The public half as a JWK. */
  get jwk(): PublicKeyJwk {
    return { kty: "OKP", crv: "Ed25519", x: encodeBase64Url(this.#pair.publicKey) };
  }

  /** RFC 7638 thumbprint: after `key-`, the local id at a home without accounts. Needs WebCrypto. */
  async thumbprint(): Promise<string> {
    return thumbprintOf(this.jwk);
  }

  /**
   * A proof of possession (PROTOCOL 5), for that use at `audience` and nothing else, once. Good for
   * under a minute.
   *
   * @param at What time it is there, in Unix milliseconds. Default: this machine's clock.
   */
  async prove(audience: string, use: ProofUse = "login", at = Date.now()): Promise<string> {
    return proofBy(this.jwk, this.#sign, audience, use, at);
  }

  /**
   * A delegation (PROTOCOL 5): that other key takes that one seat, and stays there, within a minute. It is for the
   * page of home alone to give, after home has said that the player is on that crossing.
   *
   * @param at What time it is there, in Unix milliseconds. Default: this machine's clock.
   */
  async delegate(
    { audience: aud, seat: sid, transferId: xfer, jkt }: SeatDelegation,
    at = Date.now(),
  ): Promise<string> {
    const claims = { aud, use: "delegate", sid, xfer, cnf: { jkt } };
    return statement(this.jwk, this.#sign, "aether-delegation+jwt", claims, at);
  }

  /** WebCrypto signs in a fraction of the time; not every browser has it, and only on `https:`. */
  readonly #sign = async (message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> => {
    this.#native ??= importNatively(this.#pair.secretKey.slice(0, 32));
    const key = await this.#native;
    return key === undefined
      ? nacl.sign.detached(message, this.#pair.secretKey)
      : new Uint8Array(await crypto.subtle.sign("Ed25519", key, message));
  };
}

type Sign = (message: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;

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

async function importNatively(seed: Uint8Array): Promise<CryptoKey | undefined> {
  try {
    const key = new Uint8Array([...PKCS8_HEAD, ...seed]);
    return await crypto.subtle.importKey("pkcs8", key, "Ed25519", false, ["sign"]);
  } catch {
    return undefined;
  }
}
