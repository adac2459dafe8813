/** Locks a key: into WebCrypto and IndexedDB, where it is seen to be before anything else counts on it. */
import nacl from "tweetnacl/nacl.js";
import { encodeBase64Url } from "../base64url.ts";
import { keepLocked, signLocked } from "../later/locked-key.ts";
import { importNatively } from "../player-key.ts";

const CANNOT =
  "This browser cannot lock your key, so it stays as it was: pages by https: can, in browsers of 2025 or later.";

/**
 * Has the browser keep a key so that no script can read it, and signs by what is there then. What it did not come to be
 * is left behind where that fails: nobody can read that either.
 *
 * @returns Its public half: `x` of the JWK.
 * @throws Error with a sentence for the player: without Ed25519 in WebCrypto, without IndexedDB, and where that refuses,
 * or does not answer for 5 s.
 */
export async function lockSeed(seed: Uint8Array): Promise<string> {
  const { publicKey } = nacl.sign.keyPair.fromSeed(seed);
  const x = encodeBase64Url(publicKey);
  try {
    const privateKey = await importNatively(seed);
    if (privateKey === undefined) throw new Error("WebCrypto has no Ed25519 here");
    await keepLocked(x, privateKey);
    const message = new Uint8Array(nacl.randomBytes(32));
    const signature = await signLocked(x, message);
    if (nacl.sign.detached.verify(message, signature, publicKey)) return x;
    throw new Error("another key lies there");
  } catch (cause) {
    throw new Error(CANNOT, { cause });
  }
}
