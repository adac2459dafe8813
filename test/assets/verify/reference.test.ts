import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  completed,
  HashMismatchAction,
  mismatchAction,
  parseAssetReference,
  resolveIntegrityPolicy,
} from "../../../src/assets/verify/reference.ts";
import { hexOf, sriOf } from "../../support/assets.ts";

const reference = {
  originServer: "https://near.example",
  assetHash: sriOf("hat"),
  size: 1234,
  mediaType: "image/png",
};

describe("assets/reference", () => {
  const limits = resolveIntegrityPolicy({ maxAssetBytes: 5000 });
  const refused = (changes: Record<string, unknown>, code: string): void => {
    const result = parseAssetReference({ ...reference, ...changes }, limits);
    assert.ok(!result.verified);
    assert.equal(result.code, code);
    assert.ok(result.reason.length <= 200);
  };

  it("takes a reference as it is", () => {
    assert.deepEqual(parseAssetReference(reference, limits), { verified: true, reference });
    for (const policy of Object.values(HashMismatchAction)) {
      const wish = { ...reference, policy };
      assert.deepEqual(parseAssetReference(wish, limits), { verified: true, reference: wish });
    }
  });

  it("takes a wish in an object, and gives it back in one word", () => {
    const policy = { onMismatch: HashMismatchAction.Quarantine };
    assert.deepEqual(parseAssetReference({ ...reference, policy }, limits), {
      verified: true,
      reference: { ...reference, policy: "quarantine" },
    });
    refused({ policy: { onMismatch: "ignore" } }, "ERR_FED_MALFORMED");
    refused({ policy: { ...policy, more: 1 } }, "ERR_FED_MALFORMED");
  });

  it("takes none without size or type from others, and completes none", () => {
    refused({ size: undefined }, "ERR_FED_MALFORMED");
    refused({ mediaType: undefined }, "ERR_FED_MALFORMED");
    const { size: _size, ...sizeless } = reference;
    assert.equal(completed(sizeless), undefined);
    const policy = { onMismatch: HashMismatchAction.Report };
    assert.deepEqual(completed({ ...reference, policy }), { ...reference, policy: "report" });
  });

  it("gives a hash in hex back as SRI", () => {
    const inHex = { ...reference, assetHash: hexOf("hat") };
    assert.deepEqual(parseAssetReference(inHex, limits), { verified: true, reference });
  });

  it("refuses what is not of the form", () => {
    for (const value of [undefined, null, 1, "x", [], [reference], {}]) {
      const result = parseAssetReference(value, limits);
      assert.ok(!result.verified);
      assert.equal(result.code, "ERR_FED_MALFORMED");
    }
    refused({ extra: 1 }, "ERR_FED_MALFORMED");
    refused({ ["x".repeat(10_000)]: 1 }, "ERR_FED_MALFORMED");
    refused({ policy: "ignore" }, "ERR_FED_MALFORMED");
    refused({ size: -1 }, "ERR_FED_MALFORMED");
    refused({ size: 1.5 }, "ERR_FED_MALFORMED");
    refused({ size: "12" }, "ERR_FED_MALFORMED");
    refused({ size: 2 ** 53 }, "ERR_FED_MALFORMED");
    for (const originServer of [
      "near.example",
      "https://near.example/",
      "https://near.example/assets",
      "https://user@near.example",
      "http://near.example",
      "file:///etc/passwd",
    ]) {
      refused({ originServer }, "ERR_FED_MALFORMED");
    }
  });

  it("takes http: origins where that is allowed", () => {
    const insecure = { ...reference, originServer: "http://localhost:2567" };
    const result = parseAssetReference(insecure, { ...limits, allowInsecure: true });
    assert.ok(result.verified);
  });

  it("refuses every hash but sha256", () => {
    const sha512 = createHash("sha512").update("hat").digest();
    for (const assetHash of ["", "sha256-", "md5-x", sha512.toString("hex")]) {
      refused({ assetHash }, "ERR_FED_ASSET_HASH_INVALID");
    }
    refused({ assetHash: `sha512-${sha512.toString("base64")}` }, "ERR_FED_ASSET_HASH_INVALID");
  });

  it("refuses what is larger than is taken", () => {
    assert.ok(parseAssetReference({ ...reference, size: 5000 }, limits).verified);
    refused({ size: 5001 }, "ERR_FED_ASSET_TOO_LARGE");
  });

  it("refuses types that are not taken, and by default those that browsers run", () => {
    for (const mediaType of [
      "image/svg+xml",
      "text/html",
      "application/javascript",
      "application/pdf",
      "image/PNG",
      "image/png; charset=utf-8",
      "image/png\r\nset-cookie: a=b",
      "",
    ]) {
      refused({ mediaType }, "ERR_FED_ASSET_TYPE");
    }
  });

  it("takes the peer's action before the default, and a wish that is stricter", () => {
    const policy = resolveIntegrityPolicy({
      action: "report",
      peers: { "https://near.example": "quarantine" },
    });
    assert.equal(mismatchAction(policy, "https://near.example", "reject"), "quarantine");
    assert.equal(mismatchAction(policy, "https://far.example", "reject"), "report");
    assert.equal(mismatchAction(policy, "https://far.example", "quarantine"), "quarantine");
    assert.equal(mismatchAction(policy, "https://far.example"), "report");
    assert.equal(mismatchAction(resolveIntegrityPolicy(), "https://far.example"), "reject");
  });

  it("throws a TypeError that names the option", () => {
    const wrong: [object, RegExp][] = [
      [{ action: "drop" }, /^action /u],
      [{ peers: { "near.example": "reject" } }, /^peers/u],
      [{ peers: { "https://near.example": "drop" } }, /^peers/u],
      [{ maxAssetBytes: 0 }, /^maxAssetBytes/u],
      [{ maxAssetBytes: "1" }, /^maxAssetBytes/u],
      [{ mediaTypes: ["png"] }, /^mediaTypes/u],
      [{ mediaTypes: ["image/PNG"] }, /^mediaTypes/u],
    ];
    for (const [options, message] of wrong) {
      assert.throws(() => resolveIntegrityPolicy(options), { name: "TypeError", message });
    }
  });
});
