import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type HashAlgorithm, parseAssetHash } from "../../../src/assets/verify/integrity.ts";
import { FederationError } from "../../../src/errors.ts";

const bytes = Buffer.from("a hat of green felt");
const digest = (algorithm: string): Buffer => createHash(algorithm).update(bytes).digest();
const sri = (algorithm: string): string => `${algorithm}-${digest(algorithm).toString("base64")}`;
const sha256 = digest("sha256");
const base64 = sha256.toString("base64");

/** The last character before the padding, with a bit set that no byte uses. */
function nonCanonical(text: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const at = text.indexOf("=") - 1;
  return text.slice(0, at) + alphabet[alphabet.indexOf(text[at]!) + 1]! + text.slice(at + 1);
}

describe("assets/integrity", () => {
  for (const algorithm of ["sha256", "sha384", "sha512"] satisfies HashAlgorithm[]) {
    it(`reads ${algorithm} as SRI and as hex of either case`, () => {
      const hex = digest(algorithm).toString("hex");
      const expected = { algorithm, hex, sri: sri(algorithm) };
      assert.deepEqual(parseAssetHash(expected.sri), expected);
      assert.deepEqual(parseAssetHash(hex), expected);
      assert.deepEqual(parseAssetHash(hex.toUpperCase()), expected);
    });
  }

  const refused: Record<string, unknown> = {
    nothing: "",
    "no text": undefined,
    "a list of one hash": [sri("sha256")],
    "an algorithm alone": "sha256",
    "an algorithm and a dash": "sha256-",
    "base64 alone": base64,
    "what is not base64": `sha256-${"!".repeat(44)}`,
    "base64 cut short": `sha256-${base64.slice(0, 40)}`,
    "base64 without its padding": `sha256-${base64.replace("=", "")}`,
    "base64 with padding too much": `sha256-${base64}=`,
    base64url: `sha256-${Buffer.alloc(32, 0xff).toString("base64url")}=`,
    "base64 that other text decodes to as well": `sha256-${nonCanonical(base64)}`,
    "two hashes": `${sri("sha256")} ${sri("sha512")}`,
    "the same hash twice": `${sri("sha256")} ${sri("sha256")}`,
    "a hash with options": `${sri("sha256")}?ct=image/png`,
    "white space before": ` ${sri("sha256")}`,
    "white space after": `${sri("sha256")}\n`,
    "an algorithm in upper case": sri("sha256").replace("sha256", "SHA256"),
    "sha256 with sha512's length": `sha256-${digest("sha512").toString("base64")}`,
    "sha512 with sha256's length": `sha512-${base64}`,
    md5: sri("md5"),
    sha1: sri("sha1"),
    sha3: sri("sha3-256"),
    "md5 in hex": digest("md5").toString("hex"),
    "sha1 in hex": digest("sha1").toString("hex"),
    "sha224 in hex": digest("sha224").toString("hex"),
    "hex after an algorithm": `sha256-${sha256.toString("hex")}`,
    "hex after 0x": `0x${sha256.toString("hex")}`,
    "hex with one digit less": sha256.toString("hex").slice(1),
    "hex with one digit more": `${sha256.toString("hex")}0`,
    "as many characters as hex has": "g".repeat(64),
    "hex with a digit of another script": `${sha256.toString("hex").slice(1)}٣`,
    "a path": "../".repeat(21) + "x",
    "a megabyte": "a".repeat(1024 * 1024),
  };
  for (const [name, text] of Object.entries(refused)) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => parseAssetHash(text as string),
        (error: unknown) => {
          assert.ok(error instanceof FederationError);
          assert.equal(error.code, "ERR_FED_ASSET_HASH_INVALID");
          assert.ok(error.message.length < 300);
          return true;
        },
      );
    });
  }
});
