import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { verifyDelegation } from "../../src/identity/delegation.ts";
import { verifyDescriptor } from "../../src/identity/descriptor.ts";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import { verifyPass } from "../../src/identity/pass.ts";
import { verifyProof } from "../../src/identity/proof.ts";
import {
  digestOfState,
  verifyCountersignature,
  verifyReceipt,
} from "../../src/identity/receipt.ts";
import { TOKEN_VECTORS, type TokenVectors, tokenVectors } from "../fixtures/token-vectors.ts";

describe("identity/token vectors", () => {
  const vectors = JSON.parse(readFileSync(TOKEN_VECTORS, "utf8")) as TokenVectors;
  const now = vectors.at * 1000;
  const keyFor = (origin: string, kid: string): ReturnType<typeof importVerifyKey> | undefined => {
    const who = [vectors.home, vectors.destination].find((each) => each.origin === origin);
    return who?.key.kid === kid ? importVerifyKey(who.key as never) : undefined;
  };
  const codeOf = (verdict: { verified: boolean; code?: string }): string | undefined =>
    verdict.verified ? undefined : verdict.code;

  it("are what the source makes", async () => {
    assert.deepEqual(vectors, JSON.parse(JSON.stringify(await tokenVectors())));
  });

  for (const { what, token, use, audience, code } of vectors.proofs) {
    it(`proof: ${what} ${code === undefined ? "verifies" : "is refused"}`, async () => {
      const proof = await verifyProof(token, { now, audience: audience!, use: use! });
      assert.equal(codeOf(proof), code);
      if (proof.verified) assert.equal(proof.proof.jkt, vectors.player.key.kid);
    });
  }

  for (const { what, token, audience, seat, transferId, page, code } of vectors.delegations) {
    it(`delegation: ${what} ${code === undefined ? "verifies" : "is refused"}`, () => {
      const said = verifyDelegation(token, { now, audience: audience!, seat, transferId });
      assert.equal(codeOf(said), code);
      if (!said.verified) return;
      assert.deepEqual(
        [said.delegation.jkt, said.delegation.cnf.jkt],
        [vectors.player.key.kid, page],
      );
    });
  }

  for (const { what, token, audience, code } of vectors.passes) {
    it(`pass: ${what} ${code === undefined ? "verifies" : "is refused"}`, async () => {
      assert.equal(codeOf(await verifyPass(token, { now, audience: audience!, keyFor })), code);
    });
  }

  for (const { what, token, code } of vectors.receipts) {
    it(`receipts under one signature: ${what} ${code === undefined ? "verifies" : "is refused"}`, async () => {
      assert.equal(codeOf(await verifyReceipt(token, keyFor)), code);
    });
  }

  it("countersignatures under one signature verify, each of its own crossing alone", async () => {
    const [first, second] = vectors.countersignatures;
    const receipt = await verifyReceipt(vectors.receipts[0]?.token, keyFor);
    assert.ok(receipt.verified);
    const verdict = async (token?: string): Promise<string | undefined> =>
      codeOf(await verifyCountersignature(token, receipt.claims, keyFor));
    assert.equal(await verdict(first?.token), undefined);
    assert.equal(await verdict(second?.token), "ERR_FED_SIGNATURE_INVALID");
  });

  it("descriptor, receipt and countersignature verify", async () => {
    const { origin } = vectors.home;
    assert.equal(
      codeOf(await verifyDescriptor(vectors.descriptor.token, { now, origin })),
      undefined,
    );
    const receipt = await verifyReceipt(vectors.receipt.token, keyFor);
    assert.ok(receipt.verified);
    assert.equal(receipt.claims.digest, digestOfState(vectors.state));
    const word = await verifyCountersignature(
      vectors.countersignature.token,
      receipt.claims,
      keyFor,
    );
    assert.deepEqual([codeOf(word)], [undefined]);
  });
});
