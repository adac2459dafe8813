/** A player's key outside of storage: in words, or in a file that a passphrase opens. */
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import nacl from "tweetnacl/nacl.js";
import { decodeBase64Url, encodeBase64Url } from "../base64url.ts";

/** Bytes of an Ed25519 private key. */
export const SEED_BYTES = 32;
/** Rounds of PBKDF2 that a file is sealed with; OWASP's figure for SHA-256. */
const ITERATIONS = 600_000;
/** A file asks for no more: whoever opens it waits for each. */
const MAX_ITERATIONS = 5_000_000;
const MIN_ITERATIONS = 100_000;
const MIN_PASSPHRASE_LENGTH = 8;
const MAX_FILE_LENGTH = 4096;
const FORMAT = "aether-key/1";

const NO_WORDS =
  "These are not the 24 words of a key: look at the spelling and at the order of the words.";
const NO_FILE = "This is no file of a key.";

/** A key as 24 English words (BIP 39), the last of which checks the others. */
export function wordsOf(seed: Uint8Array): string {
  return entropyToMnemonic(seed, wordlist);
}

/** The key that 24 words are, in whatever spacing and case. @throws Error, with a sentence for the player. */
export function seedOfWords(words: string): Uint8Array {
  const plain = words.trim().toLowerCase().split(/\s+/u).join(" ");
  let seed: Uint8Array;
  try {
    seed = mnemonicToEntropy(plain, wordlist);
  } catch (cause) {
    throw new Error(NO_WORDS, { cause });
  }
  if (seed.length !== SEED_BYTES) throw new Error(NO_WORDS);
  return seed;
}

/**
 * A key in the text of a file, sealed by PBKDF2 and AES-GCM of the browser.
 *
 * @param passphrase At least 8 characters.
 * @throws TypeError for a shorter one.
 */
export async function sealKey(seed: Uint8Array, passphrase: string): Promise<string> {
  if (passphrase.length < MIN_PASSPHRASE_LENGTH) {
    throw new TypeError(`passphrase must have at least ${MIN_PASSPHRASE_LENGTH} characters`);
  }
  const [salt, iv] = [nacl.randomBytes(16), nacl.randomBytes(12)];
  const key = await keyOf(passphrase, own(salt), ITERATIONS, "encrypt");
  const name = "AES-GCM";
  const sealed = await crypto.subtle.encrypt({ name, iv: own(iv) }, key, own(seed));
  const data = encodeBase64Url(new Uint8Array(sealed));
  const file = {
    ...{ format: FORMAT, kdf: "PBKDF2-SHA-256", iterations: ITERATIONS },
    ...{ salt: encodeBase64Url(salt), cipher: name, iv: encodeBase64Url(iv), data },
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** The key in a file. @throws Error, with a sentence for the player. */
export async function openKey(file: string, passphrase: string): Promise<Uint8Array> {
  const { iterations, salt, iv, data } = partsOf(file);
  const key = await keyOf(passphrase, salt, iterations, "decrypt");
  let seed: Uint8Array;
  try {
    seed = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, data));
  } catch (cause) {
    throw new Error("The passphrase does not open this file.", { cause });
  }
  if (seed.length !== SEED_BYTES) throw new Error(NO_FILE);
  return seed;
}

interface FileParts {
  readonly iterations: number;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
}

function partsOf(file: string): FileParts {
  let parsed: unknown;
  try {
    if (file.length > MAX_FILE_LENGTH) throw new Error("too long");
    parsed = JSON.parse(file);
  } catch (cause) {
    throw new Error(NO_FILE, { cause });
  }
  const { format, kdf, iterations, salt, cipher, iv, data } = (parsed ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const isOurs = format === FORMAT && kdf === "PBKDF2-SHA-256" && cipher === "AES-GCM";
  const rounds = Number.isInteger(iterations) ? (iterations as number) : 0;
  const [saltBytes, ivBytes, dataBytes] = [bytesOf(salt), bytesOf(iv), bytesOf(data)];
  if (
    !isOurs ||
    !(rounds >= MIN_ITERATIONS && rounds <= MAX_ITERATIONS) ||
    saltBytes === undefined ||
    ivBytes?.length !== 12 ||
    dataBytes === undefined
  ) {
    throw new Error(NO_FILE);
  }
  return { iterations: rounds, salt: saltBytes, iv: ivBytes, data: dataBytes };
}

function bytesOf(text: unknown): Uint8Array<ArrayBuffer> | undefined {
  const bytes = typeof text === "string" ? decodeBase64Url(text) : undefined;
  return bytes && own(bytes);
}

/** Bytes of their own, as WebCrypto wants them. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

async function keyOf(
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
  use: "encrypt" | "decrypt",
): Promise<CryptoKey> {
  const text = new TextEncoder().encode(passphrase.normalize("NFKC"));
  const base = await crypto.subtle.importKey("raw", text, "PBKDF2", false, ["deriveKey"]);
  const kdf = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return crypto.subtle.deriveKey(kdf, base, { name: "AES-GCM", length: 256 }, false, [use]);
}
