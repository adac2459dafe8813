import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import nacl from "tweetnacl";
import {
  importShownKey,
  importVerifyKey,
  isOnCurve,
  thumbprint,
} from "../../src/identity/ed25519.ts";
import { generateSigningKey, importSigningKey } from "../../src/identity/server-keys.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { leaveOut } from "../support/left-out.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const importHex = (point: string) =>
  importVerifyKey({ kty: "OKP", crv: "Ed25519", x: hex(point).toString("base64url") });
const toNumber = (littleEndian: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(littleEndian).reverse().toString("hex")}`);
const showHex = (point: string) =>
  importShownKey({ kty: "OKP", crv: "Ed25519", x: hex(point).toString("base64url") });
const weak = { code: "ERR_FED_WEAK_KEY" };
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

interface WycheproofFile {
  testGroups: {
    publicKey: { pk: string };
    tests: { tcId: number; comment: string; msg: string; sig: string; result: string }[];
  }[];
}

describe("identity/ed25519", () => {
  // RFC 8032 section 7.1, tests 1 to 3.
  const rfc8032 = [
    [
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
      "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
  ] as const;
  for (const [index, [secret, pub, message, signature]] of rfc8032.entries()) {
    it(`signs and verifies RFC 8032 7.1 test ${index + 1}`, () => {
      const key = importSigningKey({
        kty: "OKP",
        crv: "Ed25519",
        x: hex(pub).toString("base64url"),
        d: hex(secret).toString("base64url"),
      });
      assert.equal(Buffer.from(key.sign(hex(message))).toString("hex"), signature);
      assert.equal(importHex(pub).verify(hex(message), hex(signature)), true);
      assert.equal(importHex(pub).verify(hex(`${message}00`), hex(signature)), false);
    });
  }

  it("gives the thumbprint of RFC 8037 A.3", () => {
    assert.equal(
      thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
      "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    );
  });

  const vectors = new URL("../../../shared/vectors/wycheproof-ed25519.json", import.meta.url);
  it("agrees with C2SP/wycheproof on every case", function () {
    if (!existsSync(vectors)) {
      leaveOut(this, "wycheproof's cases, for want of ../shared/vectors");
    }
    const file = JSON.parse(readFileSync(vectors, "utf8")) as WycheproofFile;
    let count = 0;
    for (const group of file.testGroups) {
      const key = importHex(group.publicKey.pk);
      for (const { tcId, comment, msg, sig, result } of group.tests) {
        assert.equal(key.verify(hex(msg), hex(sig)), result === "valid", `${tcId}: ${comment}`);
        count += 1;
      }
    }
    assert.ok(count >= 150);
  });

  // The eight points of small order, in every encoding a lax reader takes.
  const smallOrder = [
    ["0100000000000000000000000000000000000000000000000000000000000000", "order 1"],
    ["0100000000000000000000000000000000000000000000000000000000000080", "order 1, sign set"],
    ["ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "order 2"],
    ["ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "order 2, sign set"],
    ["0000000000000000000000000000000000000000000000000000000000000000", "order 4"],
    ["0000000000000000000000000000000000000000000000000000000000000080", "order 4, sign set"],
    ["26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "order 8, first"],
    ["26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "order 8, second"],
    ["c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "order 8, third"],
    ["c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "order 8, fourth"],
    ["eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "y = p + 1"],
    ["edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "y = p"],
  ] as const;
  for (const [point, what] of smallOrder) {
    it(`refuses a small-order key: ${what}`, () => {
      assert.throws(() => importHex(point), weak);
      // OpenSSL 3.0, which Node 22 brings, verifies by such keys what anybody can make.
      assert.throws(() => showHex(point), weak);
    });
  }

  it("takes a key that begins as one of small order does", () => {
    for (const [point] of smallOrder.slice(0, 10)) {
      assert.equal(showHex(`${point.slice(0, 62)}11`).jwk.kty, "OKP");
    }
  });

  it("refuses a signature with a small-order R, which its own key can make to satisfy the equation", () => {
    const secret = Buffer.from(seededRandom(1).bytes(32));
    const key = generateSigningKey(seededRandom(1));
    const scalar = createHash("sha512").update(secret).digest().subarray(0, 32);
    scalar.writeUInt8(scalar.readUInt8(0) & 0xf8, 0);
    scalar.writeUInt8((scalar.readUInt8(31) & 0x7f) | 0x40, 31);
    const identity = hex(`01${"00".repeat(31)}`);
    const message = Buffer.from("m");
    const point = Buffer.from(key.jwk.x, "base64url");
    const h = createHash("sha512").update(identity).update(point).update(message).digest();
    const s = (toNumber(h) * toNumber(scalar)) % ORDER;
    const forged = Buffer.concat([identity, hex(s.toString(16).padStart(64, "0")).reverse()]);
    const verifyKey = importVerifyKey(key.jwk);
    // Versions of OpenSSL differ here, which is why the check is ours.
    assert.equal(nacl.sign.detached.verify(message, forged, point), true, "the sum itself holds");
    assert.equal(verifyKey.verify(message, forged), false);
  });

  it("refuses a non-canonical key that is not of small order", () => {
    // y = p + 3 is y = 3 written a second way; p + 18 is the last there is.
    for (const first of ["f0", "ff"]) {
      for (const last of ["7f", "ff"]) {
        const point = first + "ff".repeat(30) + last;
        assert.throws(() => importHex(point), weak);
        assert.throws(() => showHex(point), weak);
      }
    }
  });

  it("refuses a point off the curve", () => {
    // RFC 8032 5.1.3: y = 2 gives no square.
    assert.throws(() => importHex(`02${"00".repeat(31)}`), weak);
  });

  it("refuses a point off the curve that has been shown before", () => {
    const point = `07${"00".repeat(31)}`;
    assert.equal(isOnCurve(showHex(point).jwk), false);
    assert.throws(() => importHex(point), weak);
    assert.throws(() => importHex(point), weak);
  });

  it("leaves points off the curve to OpenSSL, which verifies nothing by them", () => {
    const by = generateSigningKey(seededRandom("off the curve"));
    // R = S·B, which holds for every message where the key's part of the sum is nothing.
    const scalar = createHash("sha512")
      .update(seededRandom("off the curve").bytes(32))
      .digest()
      .subarray(0, 32);
    scalar.writeUInt8(scalar.readUInt8(0) & 0xf8, 0);
    scalar.writeUInt8((scalar.readUInt8(31) & 0x7f) | 0x40, 31);
    const s = hex((toNumber(scalar) % ORDER).toString(16).padStart(64, "0")).reverse();
    const forged = Buffer.concat([Buffer.from(by.jwk.x, "base64url"), s]);
    let off = 0;
    for (let y = 2; y < 200; y += 1) {
      const x = Buffer.from(y.toString(16).padStart(2, "0").padEnd(64, "0"), "hex");
      const jwk = { kty: "OKP", crv: "Ed25519", x: x.toString("base64url") };
      if (isOnCurve(jwk)) continue;
      off += 1;
      const keyObject = createPublicKey({ key: jwk, format: "jwk" });
      for (const message of ["a", "b", "c", "d"].map((each) => Buffer.from(each))) {
        assert.equal(verify(null, message, keyObject, forged), false, `y = ${y}`);
        assert.equal(importShownKey(jwk).verify(message, by.sign(message)), false, `y = ${y}`);
      }
    }
    assert.ok(off > 50);
  });

  it("refuses x with spare bits set, a wrong length, and another curve", () => {
    const { x } = generateSigningKey(seededRandom(2)).jwk;
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const twisted = x.slice(0, -1) + (alphabet[alphabet.indexOf(x.at(-1) ?? "") ^ 1] ?? "");
    for (const bad of [twisted, x.slice(1), `${x}A`, `${x}=`, ""]) {
      assert.throws(() => importVerifyKey({ kty: "OKP", crv: "Ed25519", x: bad }), weak, bad);
    }
    assert.throws(() => importVerifyKey({ kty: "OKP", crv: "X25519", x }), weak);
    assert.throws(() => importVerifyKey({ kty: "EC", crv: "Ed25519", x }), weak);
  });

  it("refuses a malleable signature: S + L", () => {
    const key = generateSigningKey(seededRandom(3));
    const message = Buffer.from("message");
    const signature = Buffer.from(key.sign(message));
    const s = toNumber(signature.subarray(32)) + ORDER;
    const malleable = Buffer.concat([
      signature.subarray(0, 32),
      hex(s.toString(16).padStart(64, "0")).reverse(),
    ]);
    const verifyKey = importVerifyKey(key.jwk);
    assert.equal(verifyKey.verify(message, signature), true);
    assert.equal(verifyKey.verify(message, malleable), false);
  });

  it("refuses signatures of another length", () => {
    const key = generateSigningKey(seededRandom(4));
    const signature = key.sign(Buffer.from("m"));
    const verifyKey = importVerifyKey(key.jwk);
    for (const bad of [signature.subarray(1), Buffer.concat([signature, Buffer.from([0])])]) {
      assert.equal(verifyKey.verify(Buffer.from("m"), bad), false);
    }
    assert.equal(verifyKey.verify(Buffer.from("m"), new Uint8Array()), false);
  });

  it("takes every honest key, keeps one that is in use, and forgets others past its cache's size", () => {
    const used = generateSigningKey(seededRandom("used"));
    const unused = generateSigningKey(seededRandom("unused"));
    const [usedKey, unusedKey] = [used, unused].map(({ jwk }) => importVerifyKey(jwk));
    for (let index = 0; index < 4_200; index += 1) {
      const shown = showHex(`11${index.toString(16).padStart(8, "0")}`.padEnd(64, "0"));
      assert.equal(shown.kid, thumbprint(shown.jwk.x));
      if (index % 500 === 0) assert.equal(importVerifyKey(used.jwk), usedKey);
    }
    assert.equal(importVerifyKey(used.jwk), usedKey);
    assert.notEqual(importVerifyKey(unused.jwk), unusedKey);
  });

  it("does not take another kind of key for one that it keeps", () => {
    const { x } = importVerifyKey(generateSigningKey(seededRandom(9)).jwk).jwk;
    assert.throws(() => importVerifyKey({ kty: "OKP", crv: "X25519", x }), weak);
    assert.throws(() => importShownKey({ kty: "EC", crv: "Ed25519", x }), weak);
  });

  it("makes keys from the random port alone", () => {
    const key = generateSigningKey(seededRandom(7));
    assert.equal(key.kid, generateSigningKey(seededRandom(7)).kid);
    assert.notEqual(key.kid, generateSigningKey(seededRandom(8)).kid);
    const seed = Buffer.from(seededRandom(7).bytes(32));
    const der = Buffer.concat([hex("302e020100300506032b657004220420"), seed]);
    const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    assert.deepEqual(
      Buffer.from(key.sign(Buffer.from("m"))),
      sign(null, Buffer.from("m"), privateKey),
    );
  });
});
