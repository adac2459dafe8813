import assert from "node:assert/strict";
import fc from "fast-check";
import { CompactSign, type JWTPayload, SignJWT, compactVerify, decodeProtectedHeader } from "jose";
import {
  MAX_DESCRIPTOR_TRUST_SECONDS,
  signDescriptor,
  verifyDescriptor,
} from "../../src/identity/descriptor.ts";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import { peekHeader, signAllJws, signJws, verifyJws } from "../../src/identity/jws.ts";
import { type PassClaims, issuePass, verifyPass } from "../../src/identity/pass.ts";
import { type ProofUse, splitToken, tokenType, verifyProof } from "../../src/identity/proof.ts";
import { issueReceipt, issueReceipts, verifyReceipt } from "../../src/identity/receipt.ts";
import { type SigningKey, generateSigningKey } from "../../src/identity/server-keys.ts";
import { verifyTrade, verifyTradeReceipt } from "../../src/identity/trade.ts";
import { flipBit } from "../support/bits.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";

const NOW = 1_767_225_600_000;
const SECONDS = NOW / 1000;
const A = "https://a.example";
const B = "https://b.example";
const key = generateSigningKey(seededRandom("a"));
const other = generateSigningKey(seededRandom("b"));

/** A JWT as jose makes it, header and claims at will. */
const jwt = (claims: object, header: object, by: SigningKey = key): Promise<string> =>
  new SignJWT(claims as JWTPayload)
    .setProtectedHeader({ alg: "EdDSA", ...header })
    .sign(by.privateKey);
const unsignedJwt = (claims: object, header: object): string =>
  [header, claims, {}]
    .map((part, index) =>
      index === 2 ? "" : Buffer.from(JSON.stringify(part)).toString("base64url"),
    )
    .join(".");

interface Verdict {
  verified: boolean;
  code?: string;
  reason?: string;
}
async function refused(verdict: Verdict | Promise<Verdict>, code: string): Promise<void> {
  const result = await verdict;
  assert.equal(result.verified, false);
  assert.equal(result.code, code, result.reason);
}

describe("identity/descriptor", () => {
  const ring = { ...ringOf("a"), current: key };
  const verify = (input: unknown, options: object = {}) =>
    verifyDescriptor(input, { now: NOW, ...options });
  const invalid = "ERR_FED_DESCRIPTOR_INVALID";

  it("verifies as the document and as its JWS, and says who signed", async () => {
    const document = await descriptorOf(A, ring, NOW);
    for (const input of [document, document.jws, JSON.parse(JSON.stringify(document))]) {
      const result = await verify(input, { origin: A });
      assert.ok(result.verified);
      assert.equal(result.signedBy, key.kid);
      assert.equal(result.descriptor.endpoint, `${A}/federation`);
    }
  });

  it("is verified by jose, unaided", async () => {
    const { jws, keys } = await descriptorOf(A, ring, NOW);
    const verified = await compactVerify(jws, importVerifyKey(keys[0]!).keyObject);
    assert.equal(verified.protectedHeader.typ, "aether-descriptor+jwt");
  });

  it("publishes the next key beside the current one", async () => {
    const document = await descriptorOf(A, { ...ring, next: other }, NOW);
    assert.deepEqual(
      document.keys.map(({ kid }) => kid),
      [key.kid, other.kid],
    );
    assert.ok((await verify(document)).verified);
  });

  it("trusts the payload alone", async () => {
    const document = await descriptorOf(A, ring, NOW);
    const result = await verify({ ...document, endpoint: "https://evil.example" });
    assert.ok(result.verified);
    assert.equal(result.descriptor.endpoint, `${A}/federation`);
  });

  it("trusts no descriptor for more than 7 days", async () => {
    const validUntil = SECONDS + 365 * 86_400;
    const result = await verify(await descriptorOf(A, ring, NOW, { validUntil }));
    assert.ok(result.verified);
    assert.equal(result.descriptor.validUntil, SECONDS + MAX_DESCRIPTOR_TRUST_SECONDS);
  });

  it("refuses an expired one", async () => {
    const document = await descriptorOf(A, ring, NOW, { validUntil: SECONDS });
    await refused(verify(document), "ERR_FED_DESCRIPTOR_EXPIRED");
  });

  it("refuses one of another origin", async () => {
    await refused(verify(await descriptorOf(A, ring, NOW), { origin: B }), invalid);
  });

  it("refuses one signed by a key it does not list", async () => {
    const { jws: _, ...payload } = await descriptorOf(A, ring, NOW);
    await refused(verify(await signJws(payload, "aether-descriptor+jwt", other)), invalid);
  });

  it("refuses one that names a listed key but is signed by another", async () => {
    const { jws: _, ...payload } = await descriptorOf(A, ring, NOW);
    const header = { typ: "aether-descriptor+jwt", kid: key.kid };
    await refused(verify(await jwt(payload, header, other)), invalid);
  });

  it("refuses a kid that is not its key's thumbprint", async () => {
    const { jws: _, ...payload } = await descriptorOf(A, ring, NOW);
    const keys = payload.keys.map((jwk) => ({ ...jwk, kid: other.kid }));
    const header = { typ: "aether-descriptor+jwt", kid: other.kid };
    await refused(verify(await jwt({ ...payload, keys }, header)), invalid);
  });

  it("refuses a small-order key among its keys", async () => {
    const { jws: _, ...payload } = await descriptorOf(A, ring, NOW);
    const x = Buffer.from(`01${"00".repeat(31)}`, "hex").toString("base64url");
    const weak = { kty: "OKP", crv: "Ed25519", x, kid: other.kid, use: "sig" };
    const token = await signJws(
      { ...payload, keys: [...payload.keys, weak] },
      "aether-descriptor+jwt",
      key,
    );
    await refused(verify(token), "ERR_FED_WEAK_KEY");
  });

  it("reads over members that it does not know, and keeps none of them", async () => {
    const { jws: _, ...payload } = await descriptorOf(A, ring, NOW);
    const listing = { worlds: [{ name: "plaza", mood: 1 }], mood: 2 };
    const game = { worlds: [{ name: "plaza", mood: 1 }], mood: 2 };
    const token = await signJws(
      { ...payload, listing, game, more: { deep: 1 } },
      "aether-descriptor+jwt",
      key,
    );
    const result = await verify(token);
    assert.ok(result.verified, JSON.stringify(result));
    assert.ok(!JSON.stringify(result.descriptor).includes("mood"));
    assert.ok(!("more" in result.descriptor));
  });

  const spoiled: [string, object][] = [
    ["no keys", { keys: [] }],
    ["too many keys", { keys: Array.from({ length: 5 }, () => key.jwk) }],
    ["a private key among its keys", { keys: [{ ...key.jwk, d: "x" }] }],
    ["http without allowInsecure", { origin: "http://a.example" }],
    ["an origin with a path", { origin: `${A}/x` }],
    ["an origin not in its normal form", { origin: "https://A.example" }],
    ["an origin whose host ends with a dot", { origin: "https://a.example." }],
    ["an endpoint over http", { endpoint: "http://a.example/federation" }],
    ["an endpoint with a user", { endpoint: "https://u@a.example/federation" }],
    ["an endpoint with a query", { endpoint: "https://a.example/federation?x" }],
    ["an endpoint of another scheme", { endpoint: "javascript:alert(1)" }],
    ["a name with a line break", { name: "A\nserver" }],
    ["a name that turns text around", { name: "A\u202eserver" }],
    ["a name too long", { name: "x".repeat(65) }],
    ["a world with a slash", { worlds: ["a/b"] }],
    ["no protocol", { protocols: [] }],
    ["validUntil as a string", { validUntil: "tomorrow" }],
  ];
  for (const [what, change] of spoiled) {
    it(`refuses ${what}`, async () => {
      const { jws: _, ...payload } = await descriptorOf(A, ring, NOW);
      const token = await signJws({ ...payload, ...change }, "aether-descriptor+jwt", key);
      await refused(verify(token), invalid);
    });
  }

  it("refuses another typ", async () => {
    const { jws: _, ...payload } = await descriptorOf(A, ring, NOW);
    await refused(verify(await signJws(payload, "aether-pass+jwt", key)), invalid);
  });

  it("refuses what is no descriptor at all", async () => {
    for (const input of [undefined, null, 7, "", "a.b", "a.b.c", {}, { jws: 7 }, []]) {
      await refused(verify(input), invalid);
    }
    await refused(verify(`${"x".repeat(20_000)}.x.x`), invalid);
  });

  it("fails when any one bit is flipped", async () => {
    const { jws } = await descriptorOf(A, ring, NOW);
    for (let bit = 0; bit < jws.length * 8; bit += 1) {
      assert.equal((await verify(flipBit(jws, bit))).verified, false, `bit ${bit}`);
    }
  }).timeout(20_000);

  it("allows http only where that is allowed", async () => {
    const origin = "http://localhost:2567";
    const document = await signDescriptor(
      { ...(await descriptorOf(A, ring, NOW)), origin, endpoint: `${origin}/federation` },
      ring,
    );
    await refused(verify(document), invalid);
    assert.ok((await verify(document, { allowInsecure: true })).verified);
  });
});

describe("identity/pass", () => {
  const claims: PassClaims = {
    iss: A,
    sub: "local-1",
    aud: B,
    iat: SECONDS,
    exp: SECONDS + 120,
    jti: "0123456789abcdef",
    xfer: "11111111-2222-4333-8444-555555555555",
    src: A,
    world: "plaza",
    name: "Ada",
    cnf: { jkt: other.kid },
  };
  const verify = (token: unknown, now = NOW) =>
    verifyPass(token, {
      now,
      audience: B,
      keyFor: (iss, kid) => (iss === A && kid === key.kid ? importVerifyKey(key.jwk) : undefined),
    });
  const header = { typ: "aether-pass+jwt", kid: key.kid };

  it("verifies what it issues, and what jose issues", async () => {
    for (const token of [await issuePass(claims, key), await jwt(claims, header)]) {
      const result = await verify(token);
      assert.ok(result.verified);
      assert.deepEqual(result.claims, claims);
    }
  });

  const { cnf: _cnf, aud: _aud, ...withoutAudience } = claims;
  const attacks: [string, () => Promise<string> | string, string][] = [
    ["alg none", () => unsignedJwt(claims, { ...header, alg: "none" }), "ERR_FED_PASS_INVALID"],
    [
      "alg HS256 keyed with the public key",
      () =>
        new SignJWT(claims as unknown as JWTPayload)
          .setProtectedHeader({ ...header, alg: "HS256" })
          .sign(Buffer.from(key.jwk.x, "base64url")),
      "ERR_FED_PASS_INVALID",
    ],
    ["another typ", () => jwt(claims, { ...header, typ: "JWT" }), "ERR_FED_PASS_INVALID"],
    ["no typ", () => jwt(claims, { kid: key.kid }), "ERR_FED_PASS_INVALID"],
    ["a receipt's typ", () => signJws(claims, "aether-receipt+jwt", key), "ERR_FED_PASS_INVALID"],
    ["another key under the kid", () => jwt(claims, header, other), "ERR_FED_PASS_INVALID"],
    ["an unpinned key", () => issuePass(claims, other), "ERR_FED_PASS_ISSUER"],
    ["no kid", () => jwt(claims, { typ: header.typ }), "ERR_FED_PASS_ISSUER"],
    ["an unknown issuer", () => issuePass({ ...claims, iss: B }, key), "ERR_FED_PASS_ISSUER"],
    ["no issuer", () => jwt({ ...claims, iss: undefined }, header), "ERR_FED_PASS_ISSUER"],
    ["another audience", () => issuePass({ ...claims, aud: A }, key), "ERR_FED_PASS_AUDIENCE"],
    ["an array of audiences", () => jwt({ ...claims, aud: [B] }, header), "ERR_FED_PASS_AUDIENCE"],
    ["no audience", () => jwt(withoutAudience, header), "ERR_FED_PASS_AUDIENCE"],
    [
      "one that has expired",
      () => issuePass({ ...claims, iat: SECONDS - 60, exp: SECONDS }, key),
      "ERR_FED_PASS_EXPIRED",
    ],
    [
      "a life too long",
      () => issuePass({ ...claims, exp: SECONDS + 121 }, key),
      "ERR_FED_PASS_EXPIRED",
    ],
    [
      "one issued more than 30 s ahead",
      () => issuePass({ ...claims, iat: SECONDS + 31, exp: SECONDS + 100 }, key),
      "ERR_FED_PASS_INVALID",
    ],
    ["no exp", () => jwt({ ...claims, exp: undefined }, header), "ERR_FED_PASS_INVALID"],
    ["an unknown claim", () => jwt({ ...claims, admin: true }, header), "ERR_FED_PASS_INVALID"],
    ["a sub with @", () => issuePass({ ...claims, sub: "x@y" }, key), "ERR_FED_PASS_INVALID"],
    ["an empty sub", () => issuePass({ ...claims, sub: "" }, key), "ERR_FED_PASS_INVALID"],
    ["crit in the header", () => crit(), "ERR_FED_PASS_INVALID"],
  ];
  const crit = async (): Promise<string> => {
    const head = { alg: "EdDSA", ...header, crit: ["exp"], exp: 1 };
    const [protectedPart, payload] = [head, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString("base64url"),
    );
    const signed = `${protectedPart}.${payload}`;
    return `${signed}.${Buffer.from(key.sign(Buffer.from(signed))).toString("base64url")}`;
  };
  for (const [what, token, code] of attacks) {
    it(`refuses ${what}`, async () => {
      await refused(verify(await token()), code);
    });
  }

  it("needs no signature from its issuer itself, and everything else", async () => {
    const from = (caller: string, token: string) =>
      verifyPass(token, {
        now: NOW,
        audience: B,
        keyFor: (iss, kid) => (iss === A && kid === key.kid ? importVerifyKey(key.jwk) : undefined),
        caller,
      });
    const byAnother = await jwt(claims, header, other);
    assert.equal((await from(A, byAnother)).verified, true);
    await refused(from(B, byAnother), "ERR_FED_PASS_INVALID");
    await refused(from(A, await issuePass(claims, other)), "ERR_FED_PASS_ISSUER");
    await refused(from(A, `${byAnother}==`), "ERR_FED_PASS_INVALID");
    await refused(from(A, await jwt({ ...claims, aud: A }, header)), "ERR_FED_PASS_AUDIENCE");
  });

  it("refuses a padded and a re-spelled signature", async () => {
    const token = await issuePass(claims, key);
    await refused(verify(`${token}==`), "ERR_FED_PASS_INVALID");
    await refused(verify(`${token}.`), "ERR_FED_PASS_INVALID");
    await refused(verify(` ${token}`), "ERR_FED_PASS_INVALID");
  });

  it("answers every input with a coded refusal", () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.anything(), fc.string({ unit: "binary" }), fc.json()),
        fc.json(),
        async (anything, json) => {
          const encoded = Buffer.from(json).toString("base64url");
          for (const token of [anything, `${encoded}.${encoded}.${encoded}`]) {
            assert.equal((await verify(token)).verified, false);
            assert.equal(
              (await verifyProof(token, { now: NOW, audience: B, use: "login" })).verified,
              false,
            );
            assert.equal((await verifyDescriptor(token, { now: NOW })).verified, false);
            assert.equal((await verifyReceipt(token, () => undefined)).verified, false);
            tokenType(token);
          }
        },
      ),
    ));
});

describe("identity/proof", () => {
  const times = { jti: "0123456789", iat: SECONDS, exp: SECONDS + 60 };
  const claims = { aud: B, use: "seat", sid: "seat-1", ...times };
  const jwk = { kty: "OKP", crv: "Ed25519", x: key.jwk.x };
  const header = { typ: "aether-pop+jwt", jwk };
  const verify = (token: unknown, use: ProofUse = { seat: "seat-1" }) =>
    verifyProof(token, { now: NOW, audience: B, use });
  const invalid = "ERR_FED_PROOF_INVALID";

  it("verifies, and names the key that was proven", async () => {
    const result = await verify(await jwt(claims, header));
    assert.ok(result.verified);
    assert.equal(result.proof.jkt, key.kid);
    assert.equal(tokenType(await jwt(claims, header)), "aether-pop+jwt");
  });

  const login = { aud: B, use: "login", ...times };

  for (const use of ["login", "travel"] as const) {
    it(`verifies one for ${use}, without seat`, async () => {
      assert.ok((await verify(await jwt({ ...login, use }, header), use)).verified);
    });

    it(`refuses for ${use} what is signed for something else`, async () => {
      const others = ["login", "travel", "seat", "", "Login", ["login"], 1, undefined];
      for (const other of others.filter((each) => each !== use)) {
        await refused(verify(await jwt({ ...login, use: other }, header), use), invalid);
      }
      await refused(verify(await jwt({ ...login, use, sid: "seat-1" }, header), use), invalid);
    });
  }

  const attacks: [string, () => Promise<string> | string, string][] = [
    ["another seat's", () => jwt({ ...claims, sid: "seat-2" }, header), invalid],
    ["a login's", () => jwt(login, header), invalid],
    ["one without seat", () => jwt({ ...login, use: "seat" }, header), invalid],
    ["a login's with the seat", () => jwt({ ...claims, use: "login" }, header), invalid],
    ["one that does not say what for", () => jwt({ ...claims, use: undefined }, header), invalid],
    ["another server's", () => jwt({ ...claims, aud: A }, header), invalid],
    ["an array of audiences", () => jwt({ ...claims, aud: [B] }, header), invalid],
    ["another key's signature", () => jwt(claims, header, other), invalid],
    ["one without key", () => jwt(claims, { typ: header.typ }), invalid],
    ["a private key in it", () => jwt(claims, { ...header, jwk: { ...jwk, d: "x" } }), invalid],
    [
      "an expired one",
      () => jwt({ ...claims, iat: SECONDS - 95, exp: SECONDS - 35 }, header),
      invalid,
    ],
    ["a life too long", () => jwt({ ...claims, exp: SECONDS + 61 }, header), invalid],
    ["one from the future", () => jwt({ ...claims, iat: SECONDS + 31 }, header), invalid],
    ["one without jti", () => jwt({ ...claims, jti: undefined }, header), invalid],
    ["an unknown claim", () => jwt({ ...claims, more: 1 }, header), invalid],
    ["a pass's typ", () => jwt(claims, { ...header, typ: "aether-pass+jwt" }), invalid],
    ["alg none", () => unsignedJwt(claims, { ...header, alg: "none" }), invalid],
    [
      "a small-order key",
      () => {
        const x = Buffer.alloc(32).toString("base64url");
        return jwt(claims, { ...header, jwk: { ...jwk, x } });
      },
      "ERR_FED_WEAK_KEY",
    ],
    [
      "a key off the curve",
      () => {
        const x = Buffer.from(`02${"00".repeat(31)}`, "hex").toString("base64url");
        return jwt(claims, { ...header, jwk: { ...jwk, x } });
      },
      "ERR_FED_WEAK_KEY",
    ],
  ];
  for (const [what, token, code] of attacks) {
    it(`refuses ${what}`, async () => {
      await refused(verify(await token()), code);
    });
  }

  it("refuses a seat's proof as a login", async () => {
    await refused(verify(await jwt(claims, header), "login"), invalid);
  });

  it("fails when any one bit is flipped", async () => {
    const token = await jwt(claims, header);
    for (let bit = 0; bit < token.length * 8; bit += 1) {
      assert.equal((await verify(flipBit(token, bit))).verified, false, `bit ${bit}`);
    }
  }).timeout(20_000);
});

describe("identity/receipt", () => {
  const claims = {
    iss: A,
    xfer: "11111111-2222-4333-8444-555555555555",
    player: "p@a.example",
    epoch: 3,
    from: A,
    to: B,
    iat: SECONDS,
  };
  const keyFor = (iss: string, kid: string) =>
    iss === A && kid === key.kid ? importVerifyKey(key.jwk) : undefined;

  it("verifies what it issues", async () => {
    const result = await verifyReceipt(await issueReceipt(claims, key), keyFor);
    assert.ok(result.verified);
    assert.deepEqual(result.claims, claims);
  });
  it("refuses an unknown issuer's", async () => {
    await refused(verifyReceipt(await issueReceipt(claims, other), keyFor), "ERR_FED_UNKNOWN_KEY");
  });
  it("refuses no one that is many under one signature, and any other token that is", async () => {
    const second = { ...claims, epoch: 4 };
    const [one, other] = await issueReceipts([claims, second], key);
    for (const token of [one, other]) assert.ok((await verifyReceipt(token, keyFor)).verified);
    const alone = await issueReceipts([claims], key);
    assert.deepEqual(alone, [await issueReceipt(claims, key)]);
    assert.deepEqual(await issueReceipts([], key), []);
    for (const [typ, verify] of [
      ["aether-pass+jwt", (token: unknown) => verifyPass(token, { now: NOW, audience: B, keyFor })],
      ["aether-trade+jwt", (token: unknown) => verifyTrade(token, keyFor)],
      ["aether-trade-receipt+jwt", (token: unknown) => verifyTradeReceipt(token, keyFor)],
    ] as const) {
      const [token] = await signAllJws([claims, second], typ, key);
      const result = await verify(token);
      assert.ok(!result.verified);
      assert.match(result.reason, /alg must be EdDSA/u, typ);
    }
  });
  it("refuses a pass in its place", async () => {
    await refused(
      verifyReceipt(await signJws(claims, "aether-pass+jwt", key), keyFor),
      "ERR_FED_SIGNATURE_INVALID",
    );
  });
});

describe("identity/jws", () => {
  it("signs byte by byte what jose signs", async () => {
    const payload = { text: 'é "\u2028', list: [1, 0.5, null], nothing: undefined };
    const judged = await new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: "EdDSA", typ: "aether-pass+jwt", kid: key.kid })
      .sign(key.privateKey);
    assert.equal(await signJws(payload, "aether-pass+jwt", key), judged);
  });

  const headers: readonly [string, string, boolean][] = [
    ["of a token in three parts", "eyJ0eXAiOiJ4In0.e30.c2ln", true],
    ["of an encrypted token", "eyJ0eXAiOiJ4In0.a.b.c.d", true],
    ["of a token in four parts", "eyJ0eXAiOiJ4In0.a.b.c", false],
    ["of a token in six parts", "eyJ0eXAiOiJ4In0.a.b.c.d.e", false],
    ["that is no base64url", "eyJ0eXAiOiJ4In0+.e30.c2ln", false],
    ["that is empty", ".e30.c2ln", false],
    ["that is a list", "W10.e30.c2ln", false],
    ["that is no JSON", "e30e.e30.c2ln", false],
    [
      "that is no UTF-8",
      `${Buffer.from('{"typ":"\u00ff"}', "latin1").toString("base64url")}.e30.c2ln`,
      false,
    ],
  ];
  for (const [what, token, readable] of headers) {
    it(`${readable ? "reads" : "does not read"} a header ${what}, as jose`, () => {
      assert.equal(peekHeader(token) !== undefined, readable);
      if (readable) assert.deepEqual(peekHeader(token), decodeProtectedHeader(token));
      else assert.throws(() => decodeProtectedHeader(token));
    });
  }

  // RFC 8037 appendix A.4, with the key of A.1 and A.2.
  it("agrees with the signature of RFC 8037 A.4, and refuses the token for want of a typ", () => {
    const token =
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    const rfcKey = importVerifyKey({
      kty: "OKP",
      crv: "Ed25519",
      x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    const [header, payload, signature] = token.split(".");
    const signed = Buffer.from(`${header}.${payload}`);
    assert.ok(rfcKey.verify(signed, Buffer.from(signature ?? "", "base64url")));
    const result = verifyJws(token, {
      typ: "x",
      invalid: "ERR_FED_PASS_INVALID",
      keyFor: () => rfcKey,
    });
    assert.equal(result.verified, false);
  });
});

describe("identity/proof splitToken", () => {
  const proof = `${Buffer.from('{"typ":"aether-pop+jwt"}').toString("base64url")}.e30.c2ln`;
  const cases: readonly [string, string | undefined, object][] = [
    ["nothing", undefined, { proof: undefined, hostToken: undefined }],
    ["a proof alone", proof, { proof, hostToken: undefined }],
    ["a token alone", "token", { proof: undefined, hostToken: "token" }],
    ["both", `${proof}~token`, { proof, hostToken: "token" }],
    ["a token with tildes", `${proof}~a~b`, { proof, hostToken: "a~b" }],
    ["a tilde in a token alone", "a~b", { proof: undefined, hostToken: "a~b" }],
    ["a proof second", `a~${proof}`, { proof: undefined, hostToken: `a~${proof}` }],
  ];
  for (const [what, token, parts] of cases) {
    it(`takes apart ${what}`, () => {
      assert.deepEqual(splitToken(token), { delegation: undefined, ...parts });
    });
  }
});
