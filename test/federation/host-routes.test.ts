import assert from "node:assert/strict";
import { PlayerKey, type ProofUse } from "aether-federation/client";
import { verifyPass, verifyProof } from "../../src/federation/host-routes.ts";
import { resolveOptions } from "../../src/federation/options.ts";
import { type PassClaims, issuePass } from "../../src/identity/pass.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { folderOfTest } from "../support/folders.ts";

const ORIGIN = "https://here.example";

describe("federation/host-routes", () => {
  const folder = folderOfTest();
  const key = PlayerKey.generate();
  let runtime: FederationRuntime;

  beforeEach(async () => {
    const options = { origin: ORIGIN, worlds: {}, dataDirectory: folder.path };
    runtime = new FederationRuntime(resolveOptions(options));
    await runtime.start();
  });
  afterEach(() => runtime.stop());

  describe("verifyProof", () => {
    const shop = (token: unknown): ReturnType<typeof verifyProof> =>
      verifyProof({ runtime }, token, { purpose: "shop" });

    it("says whose key it is", async () => {
      const jkt = await key.thumbprint();
      assert.deepEqual(await shop(await key.prove(ORIGIN, { purpose: "shop" })), {
        verified: true,
        jkt,
        player: `key-${jkt}@here.example`,
      });
    });

    it("refuses one that was used", async () => {
      const token = await key.prove(ORIGIN, { purpose: "shop" });
      await shop(token);
      assert.equal(codeOf(await shop(token)), "ERR_FED_PROOF_REPLAYED");
    });

    const uses: readonly ProofUse[] = ["login", "travel", { seat: "shop" }, { purpose: "bank" }];
    for (const use of uses) {
      it(`refuses one for ${JSON.stringify(use)}`, async () => {
        assert.equal(codeOf(await shop(await key.prove(ORIGIN, use))), "ERR_FED_PROOF_INVALID");
      });
    }

    it("refuses one for another server", async () => {
      const token = await key.prove("https://there.example", { purpose: "shop" });
      assert.equal(codeOf(await shop(token)), "ERR_FED_PROOF_INVALID");
    });

    it("refuses one that is over, and what is none", async () => {
      const old = await key.prove(ORIGIN, { purpose: "shop" }, Date.now() - 300_000);
      for (const token of [old, undefined, null, 7, "", "Bearer x", {}]) {
        assert.equal(codeOf(await shop(token)), "ERR_FED_PROOF_INVALID");
      }
    });

    it("says so when the purpose is none", async () => {
      for (const purpose of ["", "a b", "x".repeat(65), undefined as never]) {
        await assert.rejects(verifyProof({ runtime }, "", { purpose }), /purpose must be/u);
      }
    });
  });

  describe("verifyPass", () => {
    const shop = (pass: unknown, proof?: unknown): ReturnType<typeof verifyPass> =>
      verifyPass({ runtime }, pass, { purpose: "shop", proof });

    it("says who the player is", async () => {
      assert.deepEqual(await shop(await passOf({})), {
        verified: true,
        player: "ada@here.example",
        name: "Ada",
        home: ORIGIN,
      });
    });

    it("refuses one that was used for this, and takes it for something else", async () => {
      const pass = await passOf({});
      await shop(pass);
      assert.equal(codeOf(await shop(pass)), "ERR_FED_PASS_REUSED");
      const elsewhere = await verifyPass({ runtime }, pass, { purpose: "bank" });
      assert.equal(elsewhere.verified, true);
    });

    it("refuses one for another server", async () => {
      const pass = await passOf({ aud: "https://there.example" });
      assert.equal(codeOf(await shop(pass)), "ERR_FED_PASS_AUDIENCE");
    });

    it("refuses one that is over", async () => {
      const iat = Math.floor(Date.now() / 1000) - 300;
      const pass = await passOf({ iat, exp: iat + 60 });
      assert.equal(codeOf(await shop(pass)), "ERR_FED_PASS_EXPIRED");
    });

    it("refuses one of a server that is not trusted", async () => {
      const pass = await passOf({ iss: "https://stranger.example" });
      assert.equal(codeOf(await shop(pass)), "ERR_FED_PASS_ISSUER");
    });

    it("wants a proof of the key that it names, and of no other", async () => {
      const pass = await passOf({ cnf: { jkt: await key.thumbprint() } });
      assert.equal(codeOf(await shop(pass)), "ERR_FED_PROOF_REQUIRED");
      const thief = await PlayerKey.generate().prove(ORIGIN, { purpose: "shop" });
      assert.equal(codeOf(await shop(pass, thief)), "ERR_FED_PROOF_INVALID");
      assert.equal((await shop(pass, await key.prove(ORIGIN, { purpose: "shop" }))).verified, true);
    });
  });

  function passOf(claims: Partial<PassClaims>): Promise<string> {
    const iat = Math.floor(Date.now() / 1000);
    return issuePass(
      {
        ...{ iss: ORIGIN, sub: "ada", aud: ORIGIN, iat, exp: iat + 60 },
        ...{ jti: "1", xfer: "2", src: "https://there.example", world: "plaza", name: "Ada" },
        ...claims,
      },
      runtime.signingKey(),
    );
  }
});

function codeOf(result: { readonly verified: boolean; readonly code?: string }): string {
  return result.verified ? "verified" : (result.code ?? "");
}
