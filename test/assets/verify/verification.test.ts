import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import {
  AssetVerification,
  type ExpectedAsset,
  type VerificationResult,
} from "../../../src/assets/verify/verification.ts";
import { hexOf, sriOf } from "../../support/assets.ts";
import { coded } from "../../support/coded.ts";
import { folderOfSuite } from "../../support/folders.ts";

const MEBIBYTE = 1024 * 1024;

function nameOf(bytes: Uint8Array, algorithm: string): string {
  return `${algorithm}-${createHash(algorithm).update(bytes).digest("base64")}`;
}

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

describe("assets/verification", () => {
  const verification = new AssetVerification();
  // Not a whole number of reads, and longer than two of them.
  const bytes = randomBytes(2 * MEBIBYTE + 12_345);
  const hash = sriOf(bytes);
  const folder = folderOfSuite();
  let path: string;
  before(() => {
    path = join(folder.path, "asset");
  });

  describe("of bytes in memory, at once", () => {
    it("says yes to the right ones, by hash, by hash and size, by reference", () => {
      const reference = { originServer: "https://a.example", assetHash: hash };
      for (const expected of [hash, { hash, size: bytes.length }, reference]) {
        assert.equal(AssetVerification.verify(bytes, expected).isValid(), true);
      }
    });

    it("says no to others, and what a reference wishes then", () => {
      const wrong = bytes.subarray(1);
      const verified = AssetVerification.verify(wrong, hash);
      assert.deepEqual([verified.isValid(), verified.onMismatch], [false, "reject"]);
      assert.ok(!verified.result.valid);
      assert.deepEqual(verified.result.mismatches, ["hash"]);
      const reference = { originServer: "https://a.example", assetHash: hash };
      for (const policy of ["quarantine", { onMismatch: "quarantine" }] as const) {
        const held = AssetVerification.verify(wrong, { ...reference, policy });
        assert.equal(held.onMismatch, "quarantine");
      }
    });

    it("counts the size that a reference names", () => {
      const reference = { originServer: "https://a.example", assetHash: hash, size: 1 };
      assert.equal(AssetVerification.verify(bytes, reference).isValid(), false);
    });

    it("refuses a hash that is none, and bytes that are none", () => {
      assert.throws(() => AssetVerification.verify(bytes, "md5-x"), {
        code: "ERR_FED_ASSET_HASH_INVALID",
      });
      assert.throws(() => AssetVerification.verify("text" as never, hash), TypeError);
    });
  });

  /** Each way of handing bytes over; the answer must not depend on it. */
  const ways: Record<
    string,
    (given: Uint8Array, expected: ExpectedAsset) => Promise<VerificationResult>
  > = {
    bytes: (given, expected) => verification.verify(given, expected),
    "an async iterable": (given, expected) => verification.verify(pieces(given, 1000), expected),
    "a web stream": (given, expected) =>
      verification.verify(new Blob([new Uint8Array(given)]).stream(), expected),
    "a Node stream": async (given, expected) => {
      await writeFile(path, given);
      return verification.verify(createReadStream(path), expected);
    },
    "a file": async (given, expected) => {
      await writeFile(path, given);
      return verification.verifyFile(path, expected);
    },
    pieces: async (given, expected) => {
      const verifier = verification.begin(expected);
      for (let at = 0; at < given.length; at += 777) {
        if (!verifier.update(given.subarray(at, at + 777))) break;
      }
      assert.deepEqual(verifier.result(), verifier.result());
      return verifier.result();
    },
  };
  for (const [way, verify] of Object.entries(ways)) {
    describe(`given ${way}`, () => {
      it("takes the bytes of the hash, with and without their size", async () => {
        const valid = { valid: true, hash, size: bytes.length };
        assert.deepEqual(await verify(bytes, { hash, size: bytes.length }), valid);
        assert.deepEqual(await verify(bytes, { hash }), valid);
        const hex = hexOf(bytes);
        assert.deepEqual(await verify(bytes, { hash: hex }), valid);
      });

      it("takes no bytes at all, if those are meant", async () => {
        const empty = new Uint8Array();
        assert.deepEqual(await verify(empty, { hash: sriOf(empty), size: 0 }), {
          valid: true,
          hash: sriOf(empty),
          size: 0,
        });
      });

      it("tells a flipped byte, wherever it is", async () => {
        for (const at of [0, 1, MEBIBYTE - 1, MEBIBYTE, bytes.length - 1]) {
          const flipped = Buffer.from(bytes);
          flipped[at]! ^= 1;
          assert.deepEqual(await verify(flipped, { hash, size: bytes.length }), {
            valid: false,
            mismatches: ["hash"],
            expected: { hash, size: bytes.length },
            actual: { hash: sriOf(flipped), size: bytes.length },
          });
        }
      });

      it("tells a truncation", async () => {
        for (const length of [0, 1, MEBIBYTE, bytes.length - 1]) {
          const cut = bytes.subarray(0, length);
          assert.deepEqual(await verify(cut, { hash, size: bytes.length }), {
            valid: false,
            mismatches: ["hash", "size"],
            expected: { hash, size: bytes.length },
            actual: { hash: sriOf(cut), size: length },
          });
        }
      });

      it("tells an extension, and does not hash what is too much", async () => {
        const longer = Buffer.concat([bytes, Buffer.of(0)]);
        const result = await verify(longer, { hash, size: bytes.length });
        assert.ok(!result.valid);
        assert.deepEqual(result.mismatches, ["size"]);
        assert.equal(result.actual.hash, undefined);
        assert.ok(result.actual.size > bytes.length);
        assert.deepEqual(await verify(longer, { hash }), {
          valid: false,
          mismatches: ["hash"],
          expected: { hash, size: undefined },
          actual: { hash: sriOf(longer), size: longer.length },
        });
      });

      it("tells a size that is wrong for bytes that are right", async () => {
        assert.deepEqual(await verify(bytes, { hash, size: bytes.length + 1 }), {
          valid: false,
          mismatches: ["size"],
          expected: { hash, size: bytes.length + 1 },
          actual: { hash, size: bytes.length },
        });
      });

      it("takes sha384 and sha512, and tells their mismatches", async () => {
        for (const algorithm of ["sha384", "sha512"]) {
          const name = nameOf(bytes, algorithm);
          assert.deepEqual(await verify(bytes, { hash: name }), {
            valid: true,
            hash: name,
            size: bytes.length,
          });
          const wrong = await verify(bytes.subarray(1), { hash: name });
          assert.ok(!wrong.valid);
          assert.equal(wrong.actual.hash, nameOf(bytes.subarray(1), algorithm));
        }
      });

      it("does not take a digest for one of another algorithm", async () => {
        const sha512 = createHash("sha512").update(bytes).digest();
        const sha3 = createHash("sha3-256").update(bytes).digest("hex");
        const cut = `sha256-${sha512.subarray(0, 32).toString("base64")}`;
        for (const other of [cut, sha3]) {
          const result = await verify(bytes, { hash: other });
          assert.ok(!result.valid);
          assert.deepEqual(result.mismatches, ["hash"]);
        }
      });

      it("rejects by code what is no hash, before it reads", async () => {
        for (const wrong of ["", "sha256-", "md5-rL0Y20zC+Fzt72VPzMSk2A==", `${hash} ${hash}`]) {
          await assert.rejects(
            (async () => verify(bytes, { hash: wrong }))(),
            coded("ERR_FED_ASSET_HASH_INVALID"),
          );
        }
      });

      it("throws a TypeError at what is no size", async () => {
        for (const size of [-1, 1.5, Number.NaN, Infinity, "12" as unknown as number]) {
          await assert.rejects((async () => verify(bytes, { hash, size }))(), TypeError);
        }
      });
    });
  }

  it("gives the same answer however bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }),
        async (chunks) => {
          const whole = Buffer.concat(chunks);
          const verifier = verification.begin({ hash: sriOf(whole), size: whole.length });
          for (const chunk of chunks) assert.ok(verifier.update(chunk));
          assert.ok(verifier.result().valid);
        },
      ),
    );
  });

  it("stops at an endless stream, and cancels it", async () => {
    let sent = 0;
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
      cancel() {
        cancelled = true;
      },
    });
    const result = await verification.verify(endless, { hash, size: MEBIBYTE });
    assert.ok(!result.valid);
    assert.deepEqual(result.mismatches, ["size"]);
    assert.ok(cancelled);
    assert.ok(sent <= MEBIBYTE + 3 * 65_536, `${sent} bytes were taken`);
  });

  it("tells a file that is too long by its size alone", async () => {
    await writeFile(path, "");
    // A hole: hashing that much would take minutes.
    await truncate(path, 64 * 1024 ** 3);
    const from = performance.now();
    assert.deepEqual(await verification.verifyFile(path, { hash, size: 12 }), {
      valid: false,
      mismatches: ["size"],
      expected: { hash, size: 12 },
      actual: { hash: undefined, size: 64 * 1024 ** 3 },
    });
    assert.ok(performance.now() - from < 5_000);
    await truncate(path, 0);
  });

  it("rejects by code what is no file", async () => {
    const pipe = join(folder.path, "pipe");
    execFileSync("mkfifo", [pipe]);
    for (const not of [join(folder.path, "nowhere"), folder.path, "/dev/zero", pipe]) {
      await assert.rejects(
        verification.verifyFile(not, { hash }),
        coded("ERR_FED_ASSET_UNAVAILABLE"),
      );
    }
  });

  it("passes a stream's own failure on", async () => {
    const broken = (async function* () {
      yield bytes;
      throw new Error("the peer is gone");
    })();
    await assert.rejects(verification.verify(broken, { hash }), /the peer is gone/u);
  });

  it("throws a TypeError at chunks that are no bytes", async () => {
    const text = (async function* () {
      yield "text" as unknown as Uint8Array;
    })();
    await assert.rejects(verification.verify(text, { hash }), TypeError);
  });

  it("throws a TypeError when bytes come after the result", () => {
    const verifier = verification.begin({ hash });
    verifier.result();
    assert.throws(() => verifier.update(bytes), TypeError);
  });
});
