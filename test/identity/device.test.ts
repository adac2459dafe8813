import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { verifyDevice } from "../../src/identity/device.ts";
import { generateSigningKey } from "../../src/identity/server-keys.ts";
import { seededRandom } from "../support/seeded-random.ts";

const NOW = 1_767_225_600_000;
const SECONDS = NOW / 1000;
const HOME = "https://home.example";
const key = generateSigningKey(seededRandom("device"));
const { kty, crv, x } = key.jwk;
const jwk = { kty, crv, x };

function request(claims: object, header: object = {}, by = key): Promise<string> {
  const all = { aud: HOME, name: "Phone", iat: SECONDS, exp: SECONDS + 600, ...claims };
  return new SignJWT(all)
    .setProtectedHeader({ alg: "EdDSA", typ: "aether-device+jwt", jwk, ...header })
    .sign(by.privateKey);
}

describe("identity/device", () => {
  const verify = (token: unknown, now = NOW) => verifyDevice(token, { audience: HOME, now });

  it("says whose key it is, and what its player calls it", async () => {
    const { jkt, name } = { jkt: undefined, name: undefined, ...verify(await request({})) };
    assert.deepEqual([jkt, name], [key.kid, "Phone"]);
  });

  it("is for ten minutes", async () => {
    const token = await request({});
    assert.ok(verify(token, NOW + 600_000).verified);
    assert.ok(!verify(token, NOW + 631_000).verified);
  });

  it("shows a name as it can be shown", async () => {
    const said = verify(await request({ name: "Pho\u202ene" }));
    assert.equal("name" in said ? said.name : undefined, "Phone");
  });

  const other = generateSigningKey(seededRandom("other"));
  for (const [what, token] of [
    ["no text", () => Promise.resolve(7)],
    ["for another server", () => request({ aud: "https://other.example" })],
    ["that lives longer", () => request({ exp: SECONDS + 601 })],
    ["from the future", () => request({ iat: SECONDS + 40, exp: SECONDS + 100 })],
    ["with claims of its own", () => request({ admin: true })],
    ["with a name without end", () => request({ name: "x".repeat(65) })],
    ["of another type", () => request({}, { typ: "aether-pop+jwt" })],
    ["that another key signed", () => request({}, {}, other)],
    ["without a key", () => request({}, { jwk: undefined })],
  ] as const) {
    it(`refuses one ${what}`, async () => {
      const said = verify(await token());
      assert.equal(said.verified ? "" : said.code, "ERR_FED_PROOF_INVALID");
    });
  }
});
