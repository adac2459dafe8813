/** A device's request to be one of a player's (PROTOCOL 8, "Player's keys"). */
import nacl from "tweetnacl/nacl.js";
import { encodeBase64Url, encodeJson } from "../base64url.ts";
import { signLocked } from "../later/locked-key.ts";
import { type PublicKeyJwk, type Sign, jwkOf } from "../player-key.ts";

/** A person carries it from one screen to the other. */
const REQUEST_SECONDS = 590;

/** Whatever signs for a device. */
export interface Signer {
  readonly jwk: PublicKeyJwk;
  readonly sign: Sign;
}

/** By the key itself. */
export function seedSigner(seed: Uint8Array): Signer {
  const { secretKey, publicKey } = nacl.sign.keyPair.fromSeed(seed);
  return {
    jwk: jwkOf(encodeBase64Url(publicKey)),
    sign: (message) => Promise.resolve(nacl.sign.detached(message, secretKey)),
  };
}

/** By the locked key of that public half. */
export function lockedSigner(x: string): Signer {
  return { jwk: jwkOf(x), sign: (message) => signLocked(x, message) };
}

/** Good for ten minutes, for that home alone. */
export async function deviceRequest(
  { jwk, sign }: Signer,
  home: string,
  name: string | undefined,
): Promise<string> {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { aud: home, ...(name && { name }), iat, exp: iat + REQUEST_SECONDS };
  const header = { alg: "EdDSA", typ: "aether-device+jwt", jwk };
  const input = `${encodeJson(header)}.${encodeJson(claims)}`;
  return `${input}.${encodeBase64Url(await sign(new TextEncoder().encode(input)))}`;
}
