/** Proofs of a player's key, without a client. */
import { SignJWT } from "jose";
import { type SigningKey, generateSigningKey } from "../../src/identity/server-keys.ts";
import { seededRandom } from "./seeded-random.ts";

/** A player's key; its thumbprint is `kid`. */
export function playerKey(seed: string): SigningKey {
  return generateSigningKey(seededRandom(`player ${seed}`));
}

let proofs = 0;

/** A proof by that key for `audience`, of this moment. */
export function proofBy(
  key: SigningKey,
  audience: string,
  claims: Readonly<Record<string, unknown>>,
  now: number,
): Promise<string> {
  const { kty, crv, x } = key.jwk;
  const iat = Math.floor(now / 1000);
  proofs += 1;
  return new SignJWT({ aud: audience, jti: `${proofs}`, iat, exp: iat + 55, ...claims })
    .setProtectedHeader({ alg: "EdDSA", typ: "aether-pop+jwt", jwk: { kty, crv, x } })
    .sign(key.privateKey);
}
