import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import { generateSigningKey } from "../../src/identity/server-keys.ts";
import { MAX_TREE_SIZE, signTree, verifyTree } from "../../src/identity/tree-signature.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Leaves and roots that the implementations of Certificate Transparency are tested with. */
const LEAVES = [
  ...["", "00", "10", "2021", "3031", "40414243", "5051525354555657"],
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => Buffer.from(hex, "hex"));
const ROOTS = {
  1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};
const SIGNATURE_BYTES = 64;
const FIXED_BYTES = 68;

describe("identity/tree-signature", () => {
  const key = generateSigningKey(seededRandom("tree"));
  const verifyKey = importVerifyKey(key.jwk);
  const textsOf = (size: number): Buffer[] =>
    Array.from({ length: size }, (_, index) => Buffer.from(`text ${index} of ${size}`));

  for (const [size, root] of Object.entries(ROOTS)) {
    it(`signs the root that RFC 9162 has for ${size} leaves`, () => {
      let signed = Buffer.alloc(0);
      const sign = (data: Uint8Array): Uint8Array => {
        signed = Buffer.from(data);
        return Buffer.alloc(SIGNATURE_BYTES);
      };
      signTree(LEAVES.slice(0, Number(size)), { ...key, sign });
      assert.equal(signed.subarray(0, 14).toString("latin1"), "aether-tree/1\0");
      assert.equal(signed.readUInt16BE(14), Number(size));
      assert.equal(signed.subarray(16).toString("hex"), root);
    });
  }

  it("has a signature for each text of trees of every size, and by none of them another verifies", () => {
    for (const size of [1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 65, 255, MAX_TREE_SIZE]) {
      const texts = textsOf(size);
      const signatures = signTree(texts, key);
      for (const [index, text] of texts.entries()) {
        const signature = signatures[index] ?? Buffer.alloc(0);
        assert.ok(signature.length <= FIXED_BYTES + 8 * 32);
        assert.ok(verifyTree(text, signature, verifyKey), `${index} of ${size}`);
        const other = signatures[(index + 1) % size] ?? Buffer.alloc(0);
        if (size > 1) assert.ok(!verifyTree(text, other, verifyKey), `${index} of ${size}`);
      }
    }
  });

  const texts = textsOf(5);
  const [signature = Buffer.alloc(0), , third = Buffer.alloc(0)] = signTree(texts, key);
  const [text = Buffer.alloc(0)] = texts;
  const altered = (at: number, by = 1): Buffer => {
    const bytes = Buffer.from(signature);
    bytes.writeUInt8((bytes.readUInt8(at) + by) % 256, at);
    return bytes;
  };
  const withPlace = (size: number, index: number): Buffer => {
    const bytes = Buffer.from(signature);
    bytes.writeUInt16BE(size, SIGNATURE_BYTES);
    bytes.writeUInt16BE(index, SIGNATURE_BYTES + 2);
    return bytes;
  };
  const REFUSED: Record<string, Buffer> = {
    "no bytes": Buffer.alloc(0),
    "an Ed25519 signature alone": signature.subarray(0, SIGNATURE_BYTES),
    "one without its path": signature.subarray(0, FIXED_BYTES),
    "one whose path is short by one": signature.subarray(0, -32),
    "one whose path is short by a byte": signature.subarray(0, -1),
    "one whose path goes on": Buffer.concat([signature, Buffer.alloc(32)]),
    "a path of nine": Buffer.concat([signature.subarray(0, FIXED_BYTES), Buffer.alloc(9 * 32)]),
    "another Ed25519 signature": altered(0),
    "an S that is not below the order": Buffer.concat([
      signature.subarray(0, 63),
      Buffer.of(0xff),
      signature.subarray(64),
    ]),
    "another path": altered(FIXED_BYTES),
    "another place": withPlace(5, 1),
    "a place beyond the tree": withPlace(5, 5),
    "another size": withPlace(6, 0),
    "a tree of none": withPlace(0, 0),
    "a tree that is too large": withPlace(MAX_TREE_SIZE + 1, 0),
    "that of another text": third,
  };
  for (const [what, bytes] of Object.entries(REFUSED)) {
    it(`refuses ${what}`, () => {
      assert.ok(verifyTree(text, signature, verifyKey));
      assert.ok(!verifyTree(text, bytes, verifyKey));
    });
  }

  it("refuses another text, and what the tree has in place of one", () => {
    assert.ok(!verifyTree(Buffer.from("text 1"), signature, verifyKey));
    // What is hashed for the node above the first two, given as a text one step higher.
    const [one, two] = signTree(texts.slice(0, 2), key);
    assert.ok(one !== undefined && two !== undefined);
    const node = Buffer.concat([
      Buffer.of(1),
      two.subarray(FIXED_BYTES),
      one.subarray(FIXED_BYTES),
    ]);
    const above = Buffer.concat([one.subarray(0, SIGNATURE_BYTES), Buffer.of(0, 1, 0, 0)]);
    assert.ok(!verifyTree(node, above, verifyKey));
    assert.ok(!verifyTree(node.subarray(1), above, verifyKey));
  });

  for (const [what, size, index, isRight] of [
    ["a path that is too short for its tree", 5, 0, false],
    ["a path that is too long for its tree", 1, 0, true],
    ["a place beyond its tree", 2, 3, true],
    ["a tree that is too large", MAX_TREE_SIZE + 1, MAX_TREE_SIZE, true],
  ] as const) {
    it(`refuses ${what}, though the key's owner has signed it`, () => {
      const sha256 = (data: Uint8Array): Buffer => hash("sha256", data, "buffer");
      const [leaf, beside] = [sha256(Buffer.concat([Buffer.of(0), text])), Buffer.alloc(32, 7)];
      const root = sha256(
        Buffer.concat([Buffer.of(1), ...(isRight ? [beside, leaf] : [leaf, beside])]),
      );
      const [place, count] = [Buffer.alloc(4), Buffer.alloc(2)];
      place.writeUInt16BE(size);
      place.writeUInt16BE(index, 2);
      count.writeUInt16BE(size);
      const signed = Buffer.concat([Buffer.from("aether-tree/1\0"), count, root]);
      assert.ok(!verifyTree(text, Buffer.concat([key.sign(signed), place, beside]), verifyKey));
    });
  }

  it("refuses what another key has signed, though a root of this one is known", () => {
    const other = generateSigningKey(seededRandom("another tree"));
    const [forged = Buffer.alloc(0)] = signTree(texts, other);
    assert.ok(verifyTree(text, forged, importVerifyKey(other.jwk)));
    assert.ok(!verifyTree(text, forged, verifyKey));
    assert.ok(!verifyTree(text, signature, importVerifyKey(other.jwk)));
  });

  it("asks for one Ed25519 operation for all texts of a tree", () => {
    let asked = 0;
    const counting = {
      ...verifyKey,
      kid: `${verifyKey.kid} counted`,
      verify: (data: Uint8Array, bytes: Uint8Array) => {
        asked += 1;
        return verifyKey.verify(data, bytes);
      },
    };
    const many = textsOf(40);
    for (const [index, each] of signTree(many, key).entries()) {
      assert.ok(verifyTree(many[index] ?? text, each, counting));
    }
    assert.equal(asked, 1);
  });

  it("remembers the last 256 roots alone", () => {
    let asked = 0;
    const counting = {
      ...verifyKey,
      kid: `${verifyKey.kid} remembered`,
      verify: () => {
        asked += 1;
        return true;
      },
    };
    const sign = (): Uint8Array => Buffer.alloc(SIGNATURE_BYTES);
    const verify = (index: number): void => {
      const each = Buffer.from(`root ${index}`);
      const [bytes = Buffer.alloc(0)] = signTree([each], { ...key, sign });
      assert.ok(verifyTree(each, bytes, counting));
    };
    for (let index = 0; index <= 256; index += 1) verify(index);
    assert.equal(asked, 257);
    verify(256);
    assert.equal(asked, 257);
    verify(0);
    assert.equal(asked, 258);
  });

  for (const count of [0, MAX_TREE_SIZE + 1]) {
    it(`does not sign ${count} texts`, () => {
      assert.throws(() => signTree(textsOf(count), key), { name: "TypeError", message: /texts/u });
    });
  }
});
