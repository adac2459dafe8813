import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { verifyDelegation } from "../../src/identity/delegation.ts";
import { splitToken } from "../../src/identity/proof.ts";
import { type SigningKey, generateSigningKey } from "../../src/identity/server-keys.ts";
import { flipBit } from "../support/bits.ts";
import { seededRandom } from "../support/seeded-random.ts";

const NOW = 1_767_225_600_000;
const SECONDS = NOW / 1000;
const player = generateSigningKey(seededRandom("player"));
const page = generateSigningKey(seededRandom("page"));
const EXPECTED = { now: NOW, audience: "https://d.example", seat: "seat-1", transferId: "t-1" };
const GOOD = {
  ...{ aud: "https://d.example", use: "delegate", sid: "seat-1", xfer: "t-1", jti: "j" },
  ...{ cnf: { jkt: page.kid }, iat: SECONDS, exp: SECONDS + 55 },
};

function signed(
  claims: object = {},
  header: object = {},
  by: SigningKey = player,
): Promise<string> {
  const { kty, crv, x } = by.jwk;
  return new SignJWT({ ...GOOD, ...claims })
    .setProtectedHeader({
      ...{ alg: "EdDSA", typ: "aether-delegation+jwt", jwk: { kty, crv, x } },
      ...header,
    })
    .sign(by.privateKey);
}

describe("identity/delegation", () => {
  it("says whose key lets which key take the seat", async () => {
    const said = verifyDelegation(await signed(), EXPECTED);
    assert.ok(said.verified, JSON.stringify(said));
    assert.deepEqual(said.delegation, { ...GOOD, jkt: player.kid });
  });

  for (const [what, claims] of Object.entries({
    "another server": { aud: "https://e.example" },
    "several servers": { aud: ["https://d.example", "https://e.example"] },
    "another use": { use: "login" },
    "another seat": { sid: "seat-2" },
    "no seat": { sid: undefined },
    "another crossing": { xfer: "t-2" },
    "no key": { cnf: undefined },
    "a key that is no thumbprint": { cnf: { jkt: "x" } },
    "the very key that signs": { cnf: { jkt: player.kid } },
    "more than it should": { also: "home" },
    "longer than a minute": { exp: SECONDS + 61 },
    "a time that is over": { iat: SECONDS - 90, exp: SECONDS - 31 },
    "a time to come": { iat: SECONDS + 31, exp: SECONDS + 60 },
  })) {
    it(`is refused for ${what}`, async () => {
      const said = verifyDelegation(await signed(claims), EXPECTED);
      assert.ok(!said.verified);
      assert.equal(said.code, "ERR_FED_DELEGATION_INVALID");
    });
  }

  for (const [what, header] of Object.entries({
    "of another type": { typ: "aether-pop+jwt" },
    "by no key": { jwk: undefined },
    "by a key that is another's": { jwk: { kty: "OKP", crv: "Ed25519", x: page.jwk.x } },
    "with the private half": {
      jwk: { kty: "OKP", crv: "Ed25519", x: player.jwk.x, d: "x".repeat(43) },
    },
  })) {
    it(`is refused ${what}`, async () => {
      const said = verifyDelegation(await signed({}, header), EXPECTED);
      assert.ok(!said.verified);
      assert.equal(said.code, "ERR_FED_DELEGATION_INVALID");
    });
  }

  it("is refused by a weak key", async () => {
    const x = Buffer.from(`01${"00".repeat(31)}`, "hex").toString("base64url");
    const token = await signed({}, { jwk: { kty: "OKP", crv: "Ed25519", x } });
    const said = verifyDelegation(token, EXPECTED);
    assert.ok(!said.verified);
    assert.equal(said.code, "ERR_FED_WEAK_KEY");
  });

  it("is refused with one bit changed", async () => {
    const token = await signed();
    const [head = "", claims = "", signature = ""] = token.split(".");
    const bytes = flipBit(Buffer.from(signature, "base64url").toString("latin1"), 100);
    const changed = `${head}.${claims}.${Buffer.from(bytes, "latin1").toString("base64url")}`;
    assert.ok(!verifyDelegation(changed, EXPECTED).verified);
  });

  it("is refused unread when it is long", async () => {
    const said = verifyDelegation(await signed({ sid: "s".repeat(2048) }), EXPECTED);
    assert.ok(!said.verified);
    assert.equal(said.code, "ERR_FED_DELEGATION_INVALID");
  });

  it("stands beside a proof in a connection's token, and is no host's token then", async () => {
    const proof = await signed({}, { typ: "aether-pop+jwt" });
    const delegation = await signed();
    assert.deepEqual(splitToken(`${proof}~${delegation}`), {
      ...{ proof, delegation, hostToken: undefined },
    });
    assert.deepEqual(splitToken(`${proof}~host`), {
      ...{ proof, delegation: undefined, hostToken: "host" },
    });
    assert.equal(splitToken(delegation).hostToken, delegation);
  });
});
