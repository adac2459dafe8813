import assert from "node:assert/strict";
import { createEphemeralKey, agreeOnKeys, type LinkKeys } from "../../src/link/keys.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { A, B, keysOf } from "./pair.ts";

const bytesOf = ({ byOpener, byAccepter }: LinkKeys): string[] =>
  [byOpener, byAccepter].map((key) => key.export().toString("hex"));

describe("link/keys", () => {
  const own = createEphemeralKey(seededRandom("own"));
  const theirs = createEphemeralKey(seededRandom("theirs")).publicKey;
  const transcript = {
    ...{ opener: A, accepter: B },
    ...{ requestSignature: Buffer.alloc(64, 1), answerSignature: Buffer.alloc(64, 2) },
  };
  const agreed = (changes: Partial<typeof transcript> = {}): string[] => {
    const keys = agreeOnKeys(own, theirs, { ...transcript, ...changes });
    assert.ok(keys !== undefined);
    return bytesOf(keys);
  };

  it("are the same at both sides, and others in each direction", () => {
    const { ofA, ofB } = keysOf();
    assert.deepEqual(bytesOf(ofA), bytesOf(ofB));
    assert.notEqual(bytesOf(ofA)[0], bytesOf(ofA)[1]);
  });

  for (const [what, changes] of [
    ["request", { requestSignature: Buffer.alloc(64, 3) }],
    ["answer", { answerSignature: Buffer.alloc(64, 3) }],
    ["opener", { opener: "https://c.example" }],
    ["accepter", { accepter: "https://c.example" }],
  ] as const) {
    it(`are bound to the ${what}`, () => {
      const [first, second] = agreed(changes);
      assert.ok(!agreed().includes(first ?? "") && !agreed().includes(second ?? ""));
    });
  }

  for (const [what, key] of [
    ["a key of small order", Buffer.alloc(32).toString("base64url")],
    [
      "another one",
      Buffer.from(
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "hex",
      ).toString("base64url"),
    ],
    ["31 bytes", Buffer.alloc(31, 9).toString("base64url")],
    ["a key with padding", `${theirs}=`],
    ["a spelling that is not canonical", `${theirs.slice(0, -1)}_`],
    ["nothing", ""],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.equal(agreeOnKeys(own, key, transcript), undefined);
    });
  }
});
