import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import * as second from "http-message-sig";
import { httpbis } from "http-message-signatures";
import { importVerifyKey } from "../../src/identity/ed25519.ts";
import {
  type SignedMessageParts,
  peekKeyId,
  signRequest,
  signResponse,
  verifyRequest,
  verifyResponse,
} from "../../src/identity/http-signatures.ts";
import { signatureBase } from "../../src/identity/signature-base.ts";
import {
  type SigningKey,
  generateSigningKey,
  importSigningKey,
} from "../../src/identity/server-keys.ts";
import { SIGNATURE_VECTORS, signatureVectors } from "../fixtures/signature-vectors.ts";
import { flipBit } from "../support/bits.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { seededRandom } from "../support/seeded-random.ts";

const A = "https://a.example";
const B = "https://b.example:8443";
const keyA = generateSigningKey(seededRandom("a"));
const keyB = generateSigningKey(seededRandom("b"));
const URL_B = `${B}/federation/custody/claim?x=1`;
const BODY = new TextEncoder().encode('{"transferId":"t-1"}');
const START = 1_767_225_600;
const REQUEST_COVERED = ["@method", "@target-uri", "aether-recipient", "content-digest"];

type Headers = Record<string, string>;
const digestOf = (body: Uint8Array): string =>
  `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
const pins = (origin: string, kid: string) => {
  const key = [keyA, keyB].find((candidate) => candidate.kid === kid);
  return key !== undefined && origin === (key === keyA ? A : B)
    ? importVerifyKey(key.jwk)
    : undefined;
};

interface Crafted {
  covered?: readonly string[];
  parameters?: readonly (readonly [string, string])[];
  label?: string;
  key?: SigningKey;
  method?: string;
  body?: Uint8Array | undefined;
  digest?: string;
  recipient?: string;
}

const parametersAt = (created: number, life = 60): [string, string][] => [
  ["created", String(created)],
  ["expires", String(created + life)],
  ["nonce", '"AAAAAAAAAAAAAAAAAAAAAA"'],
  ["keyid", `"${A}#${keyA.kid}"`],
  ["alg", '"ed25519"'],
  ["tag", '"aether-federation"'],
];

const anotherNonce = parametersAt(START).map(([name, value]): [string, string] =>
  name === "nonce" ? [name, '"DDDDDDDDDDDDDDDDDDDDDA"'] : [name, value],
);

/** Signs by hand, from RFC 9421 2.5, what the wrapper would never sign. */
function craft(options: Crafted = {}): Headers {
  const { key = keyA, label = "aether", method = "POST", covered = REQUEST_COVERED } = options;
  const digest = options.digest ?? digestOf(options.body ?? BODY);
  const values: Record<string, string> = {
    "@method": method,
    "@target-uri": URL_B,
    "content-digest": digest,
    "aether-recipient": options.recipient ?? B,
    "x-other": "1",
    "@authority": "b.example:8443",
    "@path": "/federation/custody/claim",
    "@query": "?x=1",
    "@scheme": "https",
  };
  const parameters = (options.parameters ?? parametersAt(START))
    .map(([name, value]) => `;${name}=${value}`)
    .join("");
  const input = `(${covered.map((name) => `"${name}"`).join(" ")})${parameters}`;
  const base = [
    ...covered.map((name) => `"${name}": ${values[name] ?? ""}`),
    `"@signature-params": ${input}`,
  ].join("\n");
  const signature = Buffer.from(key.sign(Buffer.from(base))).toString("base64");
  return {
    "content-digest": digest,
    "aether-recipient": options.recipient ?? B,
    "x-other": "1",
    "signature-input": `${label}=${input}`,
    signature: `${label}=:${signature}:`,
  };
}

describe("identity/http-signatures", () => {
  let clock: ManualClock;
  let store: MemoryStore;
  beforeEach(() => {
    clock = new ManualClock(START * 1000);
    store = new MemoryStore(clock);
  });

  const consumeIn = (in_: MemoryStore) => (nonce: string, ttlMilliseconds: number) =>
    in_.compareAndSet(`nonce/${nonce}`, undefined, "1", ttlMilliseconds);
  const verify = (
    headers: SignedMessageParts["headers"],
    changes: Partial<SignedMessageParts> = {},
    consumeNonce = consumeIn(store),
  ) =>
    verifyRequest(
      { method: "POST", targetUri: URL_B, body: BODY, headers, ...changes },
      { clock, recipient: B, keyFor: pins, consumeNonce },
    );
  const sign = async (body: Uint8Array | undefined = BODY): Promise<Headers> => {
    const { headers } = await signRequest(
      { method: "POST", targetUri: URL_B, recipient: B, ...(body === undefined ? {} : { body }) },
      { origin: A, key: keyA },
      { clock, random: seededRandom("nonce") },
    );
    return headers;
  };
  const refusal = async (
    result: ReturnType<typeof verify>,
    code: string,
    reason?: RegExp,
  ): Promise<void> => {
    const answer = await result;
    assert.equal(answer.verified, false);
    if (answer.verified) return;
    assert.equal(answer.code, code, answer.reason);
    if (reason !== undefined) assert.match(answer.reason, reason);
  };

  describe("requests", () => {
    it("verifies what it signs, and says who signed it", async () => {
      const headers = await sign();
      const result = await verify(headers);
      assert.ok(result.verified);
      assert.deepEqual([result.origin, result.kid, result.created], [A, keyA.kid, START]);
      assert.deepEqual(peekKeyId(headers), { origin: A, kid: keyA.kid });
      assert.match(
        headers["signature-input"] ?? "",
        /^aether=\("@method" "@target-uri" "aether-recipient" "content-digest"\);created=\d+;expires=\d+;nonce="[\w-]{22}";keyid="https:\/\/a\.example#[\w-]{43}";alg="ed25519";tag="aether-federation"$/u,
      );
    });

    it("verifies a request without a body", async () => {
      const { headers } = await signRequest(
        { method: "GET", targetUri: URL_B, recipient: B },
        { origin: A, key: keyA },
        { clock, random: seededRandom(1) },
      );
      assert.equal(headers["content-digest"], undefined);
      assert.ok((await verify(headers, { method: "GET", body: undefined })).verified);
    });

    it("verifies what was crafted by hand from the RFC, whatever the order", async () => {
      assert.ok((await verify(craft())).verified);
      const covered = [...REQUEST_COVERED].reverse();
      const parameters = parametersAt(START)
        .reverse()
        .map(([name, value]): [string, string] =>
          name === "nonce" ? [name, '"BBBBBBBBBBBBBBBBBBBBBA"'] : [name, value],
        );
      assert.ok((await verify(craft({ parameters, covered }))).verified);
    });

    it("ignores a second signature with another tag", async () => {
      const ours = craft();
      const theirs = craft({
        label: "sig2",
        parameters: parametersAt(START).map(([name, value]) =>
          name === "tag" ? [name, '"something-else"'] : [name, value],
        ),
      });
      assert.ok(
        (
          await verify({
            ...ours,
            signature: `${theirs["signature"]}, ${ours["signature"]}`,
            "signature-input": `${theirs["signature-input"]}, ${ours["signature-input"]}`,
          })
        ).verified,
      );
    });

    it("verifies what covers more than it must", async () => {
      const covered = [...REQUEST_COVERED, "x-other", "@authority", "@path", "@query", "@scheme"];
      assert.ok((await verify(craft({ covered }))).verified);
      await refusal(
        verify({ ...craft({ covered, parameters: anotherNonce }), "x-other": "2" }),
        "ERR_FED_SIGNATURE_INVALID",
      );
    });

    for (const name of ["x-none", "@status", "@none", "@signature-params", "constructor", ""]) {
      it(`refuses a signature that covers ${name || "nothing by name"}, which a request has not`, async () => {
        const covered = [...REQUEST_COVERED, name];
        await refusal(verify(craft({ covered })), "ERR_FED_SIGNATURE_INVALID");
      });
    }

    it("reads a number with zeros before it, and none where there is no digit", async () => {
      const headers = await sign();
      const respelt = (spelling: string): Headers => ({
        ...headers,
        "signature-input": (headers["signature-input"] ?? "").replace("created=1", spelling),
      });
      assert.ok((await verify(respelt("created=001"))).verified);
      await refusal(verify(respelt("created=;x=1")), "ERR_FED_SIGNATURE_MALFORMED");
    });

    it("takes spaces and parameters where structured fields may have them", async () => {
      const headers = await sign();
      assert.ok(
        (
          await verify({
            ...headers,
            "signature-input": `  ${headers["signature-input"]}  `
              .replace('("', '(  "')
              .replace('" "', '"   "')
              .replaceAll(";", ";  "),
            signature: `other;a, \t${headers["signature"]};a=1 `,
          })
        ).verified,
      );
    });

    for (const header of ["signature", "signature-input"]) {
      it(`refuses a request without ${header}`, async () => {
        const { [header]: _, ...headers } = await sign();
        await refusal(verify(headers), "ERR_FED_SIGNATURE_MISSING");
      });
      it(`refuses a ${header} that is no dictionary`, async () => {
        const headers = { ...(await sign()), [header]: "aether=(" };
        await refusal(verify(headers), "ERR_FED_SIGNATURE_MALFORMED");
      });
      it(`refuses a ${header} that is too long`, async () => {
        const headers = await sign();
        headers[header] += `, x="${"y".repeat(5000)}"`;
        await refusal(verify(headers), "ERR_FED_SIGNATURE_MALFORMED");
      });
    }

    it("refuses a request with no signature of our tag", async () => {
      const parameters = parametersAt(START).slice(0, -1);
      await refusal(verify(craft({ parameters })), "ERR_FED_SIGNATURE_MISSING");
    });

    it("refuses two signatures with our tag", async () => {
      const [one, two] = [craft(), craft({ label: "also" })];
      await refusal(
        verify({
          ...one,
          signature: `${one["signature"]}, ${two["signature"]}`,
          "signature-input": `${one["signature-input"]}, ${two["signature-input"]}`,
        }),
        "ERR_FED_SIGNATURE_AMBIGUOUS",
      );
    });

    it("refuses another label", async () => {
      await refusal(verify(craft({ label: "sig1" })), "ERR_FED_SIGNATURE_MALFORMED");
    });

    for (const missing of REQUEST_COVERED) {
      it(`refuses a signature that does not cover ${missing}`, async () => {
        const covered = REQUEST_COVERED.filter((name) => name !== missing);
        await refusal(verify(craft({ covered })), "ERR_FED_SIGNATURE_COMPONENTS");
      });
    }

    it("refuses a signature that covers nothing", async () => {
      await refusal(verify(craft({ covered: [] })), "ERR_FED_SIGNATURE_COMPONENTS");
    });

    it("refuses a component covered twice", async () => {
      const covered = [...REQUEST_COVERED, "@method"];
      await refusal(verify(craft({ covered })), "ERR_FED_SIGNATURE_COMPONENTS");
    });

    it("reads 16 covered components, and looks for each", async () => {
      const covered = [...REQUEST_COVERED, ...Array.from({ length: 12 }, (_, i) => `x-${i}`)];
      await refusal(verify(craft({ covered })), "ERR_FED_SIGNATURE_INVALID");
    });

    it("refuses more covered components than any policy needs", async () => {
      const covered = [...REQUEST_COVERED, ...Array.from({ length: 13 }, (_, i) => `x-${i}`)];
      await refusal(verify(craft({ covered })), "ERR_FED_SIGNATURE_MALFORMED");
    });

    for (const missing of ["created", "expires", "nonce", "keyid", "alg"]) {
      it(`refuses a signature without ${missing}`, async () => {
        const parameters = parametersAt(START).filter(([name]) => name !== missing);
        const reason = new RegExp(`^${missing} is missing`, "u");
        await refusal(verify(craft({ parameters })), "ERR_FED_SIGNATURE_PARAMETERS", reason);
      });
    }

    const wrong: [string, string, string][] = [
      ["nonce", '"short"', "a short nonce"],
      ["nonce", '"AAAAAAAAAAAAAAAAAAAAAA=="', "a padded nonce"],
      ["nonce", "7", "a nonce that is a number"],
      ["keyid", `"${keyA.kid}"`, "a keyid without origin"],
      ["keyid", `"${A}"`, "a keyid without kid"],
      ["keyid", `"${A}/x#${keyA.kid}"`, "a keyid with a path"],
      ["keyid", `"https://${"a".repeat(360)}#${keyA.kid}"`, "a keyid that is too long"],
      ["keyid", `"${A}#${keyA.kid}="`, "a keyid with a padded kid"],
      ["alg", '"rsa-pss-sha512"', "another algorithm"],
      ["alg", "ed25519", "an algorithm as a token"],
      ["created", '"now"', "created as a string"],
      ["expires", "1.5", "a fractional expires"],
      ["created", `${START}.0`, "created as a decimal"],
    ];
    for (const [name, value, what] of wrong) {
      it(`refuses ${what}`, async () => {
        const parameters = parametersAt(START).map(([key, old]): [string, string] => [
          key,
          key === name ? value : old,
        ]);
        await refusal(verify(craft({ parameters })), "ERR_FED_SIGNATURE_PARAMETERS");
      });
    }

    it("refuses an unknown kid", async () => {
      const stranger = generateSigningKey(seededRandom("stranger"));
      const parameters = parametersAt(START).map(([name, value]): [string, string] =>
        name === "keyid" ? [name, `"${A}#${stranger.kid}"`] : [name, value],
      );
      await refusal(verify(craft({ parameters, key: stranger })), "ERR_FED_UNKNOWN_KEY");
    });

    it("refuses a key swap: another key under the pinned kid", async () => {
      await refusal(verify(craft({ key: keyB })), "ERR_FED_SIGNATURE_INVALID");
    });

    it("refuses a pinned key under another origin", async () => {
      const parameters = parametersAt(START).map(([name, value]): [string, string] =>
        name === "keyid" ? [name, `"${B}#${keyA.kid}"`] : [name, value],
      );
      await refusal(verify(craft({ parameters })), "ERR_FED_UNKNOWN_KEY");
    });

    const elsewhere: [string, Partial<SignedMessageParts>][] = [
      ["another method", { method: "PUT" }],
      ["another path", { targetUri: `${B}/federation/custody/cancel?x=1` }],
      ["another query", { targetUri: `${B}/federation/custody/claim?x=2` }],
      ["another host", { targetUri: URL_B.replace("b.example", "c.example") }],
      ["another port", { targetUri: URL_B.replace("8443", "8444") }],
      ["another scheme", { targetUri: URL_B.replace("https:", "http:") }],
    ];
    for (const [what, changes] of elsewhere) {
      it(`refuses ${what}`, async () => {
        await refusal(verify(await sign(), changes), "ERR_FED_SIGNATURE_INVALID");
      });
    }

    it("refuses what is meant for another server, before it asks for its key", async () => {
      const parameters = parametersAt(START).map(([name, value]): [string, string] =>
        name === "keyid"
          ? [name, `"${A}#${generateSigningKey(seededRandom("x")).kid}"`]
          : [name, value],
      );
      for (const recipient of ["https://c.example", `${B}/`, B.toUpperCase(), ""]) {
        const crafted = craft({ recipient, parameters });
        await refusal(verify(crafted), "ERR_FED_WRONG_RECIPIENT");
      }
      assert.equal(store.size, 0, "its nonce is not used up");
    });

    it("refuses a recipient that is changed on the way, or named twice", async () => {
      const headers = await sign();
      const changed = { ...craft({ recipient: A }), "aether-recipient": B };
      await refusal(verify(changed), "ERR_FED_SIGNATURE_INVALID");
      const twice = { ...headers, "aether-recipient": [B, A] };
      await refusal(verify(twice), "ERR_FED_WRONG_RECIPIENT");
    });

    it("does not read the Host header", async () => {
      assert.ok((await verify({ ...(await sign()), host: "evil.example" })).verified);
    });

    it("refuses a method in other case", async () => {
      await refusal(verify(await sign(), { method: "pOST" }), "ERR_FED_MALFORMED");
    });

    it("refuses a changed body", async () => {
      const body = new TextEncoder().encode('{"transferId":"t-2"}');
      await refusal(verify(await sign(), { body }), "ERR_FED_DIGEST_MISMATCH");
    });

    it("refuses a changed digest", async () => {
      const body = new TextEncoder().encode('{"transferId":"t-2"}');
      const headers = { ...(await sign()), "content-digest": digestOf(body) };
      await refusal(verify(headers, { body }), "ERR_FED_SIGNATURE_INVALID");
    });

    it("refuses a signed digest of another algorithm only", async () => {
      const digest = `sha-512=:${createHash("sha512").update(BODY).digest("base64")}:`;
      await refusal(verify(craft({ digest })), "ERR_FED_DIGEST_MISMATCH");
    });

    it("finds sha-256 among other digests, padded or not", async () => {
      const sha512 = `sha-512=:${createHash("sha512").update(BODY).digest("base64")}:`;
      const unpadded = digestOf(BODY).replace("=:", ":").replace("sha-256:", "sha-256=:");
      assert.ok((await verify(craft({ digest: `${sha512}, ${unpadded};a` }))).verified);
    });

    it("refuses a removed digest", async () => {
      const { "content-digest": _, ...headers } = await sign();
      await refusal(verify(headers), "ERR_FED_SIGNATURE_INVALID");
    });

    it("refuses a body added to a request signed without one", async () => {
      const { headers } = await signRequest(
        { method: "POST", targetUri: URL_B, recipient: B },
        { origin: A, key: keyA },
        { clock, random: seededRandom(2) },
      );
      await refusal(verify(headers), "ERR_FED_SIGNATURE_COMPONENTS");
    });

    it("refuses a clock more than 30 s ahead, naming the skew", async () => {
      await refusal(
        verify(craft({ parameters: parametersAt(START + 47) })),
        "ERR_FED_CLOCK_SKEW",
        /47 s ahead/u,
      );
    });

    it("takes a clock 30 s ahead", async () => {
      assert.ok((await verify(craft({ parameters: parametersAt(START + 30) }))).verified);
    });

    it("takes what expired 30 s ago", async () => {
      const headers = await sign();
      clock.advance(60_000 + 30_000);
      assert.ok((await verify(headers)).verified);
    });

    it("refuses an expired signature, naming its age", async () => {
      const headers = await sign();
      clock.advance(60_000 + 31_000);
      await refusal(verify(headers), "ERR_FED_SIGNATURE_EXPIRED", /91 s old/u);
    });

    it("refuses expires too far away", async () => {
      await refusal(
        verify(craft({ parameters: parametersAt(START, 61) })),
        "ERR_FED_SIGNATURE_EXPIRED",
      );
    });

    it("refuses expires not after created", async () => {
      await refusal(
        verify(craft({ parameters: parametersAt(START, 0) })),
        "ERR_FED_SIGNATURE_EXPIRED",
      );
    });

    it("refuses a replayed nonce", async () => {
      const headers = await sign();
      assert.ok((await verify(headers)).verified);
      await refusal(verify(headers), "ERR_FED_REPLAYED");
    });

    it("refuses a replayed nonce after a restart", async () => {
      const disk = new Map();
      const headers = await sign();
      assert.ok((await verify(headers, {}, consumeIn(new MemoryStore(clock, disk)))).verified);
      clock.advance(20_000);
      await refusal(
        verify(headers, {}, consumeIn(new MemoryStore(clock, disk))),
        "ERR_FED_REPLAYED",
      );
    });

    it("takes one of two that reach two processes at once", async () => {
      const disk = new Map();
      const stores = [new MemoryStore(clock, disk), new MemoryStore(clock, disk)];
      const headers = await sign();
      const results = await Promise.all(stores.map((each) => verify(headers, {}, consumeIn(each))));
      assert.deepEqual(results.map(({ verified }) => verified).sort(), [false, true]);
    });

    it("remembers a nonce for as long as its message could be replayed", async () => {
      // The longest life there is: made by a clock just 30 s ahead.
      const headers = craft({ parameters: parametersAt(START + 30) });
      assert.ok((await verify(headers)).verified);
      for (let second = 0; second < 130; second += 1) {
        const result = await verify(headers);
        assert.equal(result.verified, false, `replayed after ${second} s`);
        clock.advance(500);
        assert.equal((await verify(headers)).verified, false, `replayed after ${second}.5 s`);
        clock.advance(500);
      }
    });

    it("uses up no nonce for a message that does not verify", async () => {
      const headers = await sign();
      await refusal(verify(headers, { method: "PUT" }), "ERR_FED_SIGNATURE_INVALID");
      assert.equal(store.size, 0);
      assert.ok((await verify(headers)).verified);
    });

    it("passes on that the store does not answer", async () => {
      store.failing = true;
      await assert.rejects(verify(await sign()), { code: "ERR_FED_STORE_UNAVAILABLE" });
    });

    it("fails when any one bit of what was sent is flipped", async () => {
      const headers = await sign();
      const signed = ["signature", "signature-input", "content-digest", "aether-recipient"];
      for (const name of signed) {
        const value = headers[name] ?? "";
        for (let bit = 0; bit < value.length * 8; bit += 1) {
          const changed = { ...headers, [name]: flipBit(value, bit) };
          const result = await verify(changed);
          assert.equal(result.verified, false, `${name} bit ${bit}: ${changed[name] ?? ""}`);
        }
      }
      for (let bit = 0; bit < BODY.length * 8; bit += 1) {
        const body = Buffer.from(flipBit(Buffer.from(BODY).toString("latin1"), bit), "latin1");
        assert.equal((await verify(headers, { body })).verified, false, `body bit ${bit}`);
      }
      for (let bit = 0; bit < URL_B.length * 8; bit += 1) {
        const targetUri = flipBit(URL_B, bit);
        assert.equal((await verify(headers, { targetUri })).verified, false, targetUri);
      }
      assert.ok((await verify(headers)).verified);
    }).timeout(20_000);

    it("answers every input with a coded refusal", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.string({ unit: "binary", maxLength: 300 }),
          fc.string({ unit: "binary", maxLength: 300 }),
          fc.string({ unit: "binary", maxLength: 60 }),
          async (input, signature, digest) => {
            const result = await verify({
              "signature-input": `aether=(${input});tag="aether-federation"`,
              signature,
              "content-digest": digest,
            });
            assert.equal(result.verified, false);
            const raw = await verify({ "signature-input": input, signature });
            assert.equal(raw.verified, false);
            peekKeyId({ "signature-input": input, signature });
          },
        ),
        { numRuns: 500 },
      );
    });
  });

  describe("responses", () => {
    const ANSWER = new TextEncoder().encode('{"player":"p@a.example"}');
    const exchange = async (status = 200, key = keyB, origin = B) => {
      const request = { method: "POST", targetUri: URL_B, body: BODY, headers: await sign() };
      const { headers } = await signResponse(
        { status, body: ANSWER },
        request,
        { origin, key },
        { clock, random: seededRandom("response") },
      );
      return { request, response: { status, headers, body: ANSWER } };
    };
    type Exchange = Awaited<ReturnType<typeof exchange>>;
    const check = ({ response, request }: Exchange) =>
      verifyResponse(response, request, { clock, origin: B, keyFor: pins });
    const refused = async (of: Exchange, code: string): Promise<void> => {
      const result = await check(of);
      assert.equal(result.verified ? undefined : result.code, code);
    };

    it("verifies what it signs, bound to the request", async () => {
      const of = await exchange();
      assert.deepEqual(await check(of), { verified: true, kid: keyB.kid });
      assert.match(
        of.response.headers["signature-input"] ?? "",
        /^aether=\("@status" "content-digest" "@method";req "@target-uri";req "aether-recipient";req "signature";req;key="aether"\);created=/u,
      );
    });

    it("verifies a signed refusal", async () => {
      assert.ok((await check(await exchange(409))).verified);
    });

    it("refuses an answer without a signature", async () => {
      const of = await exchange();
      await refused(
        { ...of, response: { ...of.response, headers: {} } },
        "ERR_FED_SIGNATURE_MISSING",
      );
    });

    it("refuses an answer to another request", async () => {
      const first = await exchange();
      clock.advance(1000);
      const later = await exchange();
      await refused(
        { request: later.request, response: first.response },
        "ERR_FED_SIGNATURE_INVALID",
      );
    });

    it("refuses another status", async () => {
      const of = await exchange(409);
      await refused(
        { ...of, response: { ...of.response, status: 200 } },
        "ERR_FED_SIGNATURE_INVALID",
      );
    });

    it("refuses a changed body", async () => {
      const of = await exchange();
      const body = new TextEncoder().encode("{}");
      await refused({ ...of, response: { ...of.response, body } }, "ERR_FED_DIGEST_MISMATCH");
    });

    it("does not answer a request that is not signed", async () => {
      const request = { method: "POST", targetUri: URL_B, body: BODY, headers: craft() };
      for (const missing of ["signature", "aether-recipient"]) {
        await assert.rejects(
          signResponse(
            { status: 200, body: ANSWER },
            { ...request, headers: { ...request.headers, [missing]: undefined } },
            { origin: B, key: keyB },
            { clock, random: seededRandom(5) },
          ),
          TypeError,
        );
      }
    });

    it("refuses an answer signed by somebody else", async () => {
      await refused(await exchange(200, keyA, A), "ERR_FED_UNKNOWN_KEY");
    });

    it("refuses the request's own signature, reflected", async () => {
      const { request } = await exchange();
      await refused(
        { request, response: { status: 200, headers: request.headers, body: BODY } },
        "ERR_FED_SIGNATURE_COMPONENTS",
      );
    });

    it("refuses an answer signed as a request", async () => {
      const { request } = await exchange();
      const { headers } = await signRequest(
        { method: "POST", targetUri: URL_B, recipient: B, body: ANSWER },
        { origin: B, key: keyB },
        { clock, random: seededRandom(9) },
      );
      await refused(
        { request, response: { status: 200, headers, body: ANSWER } },
        "ERR_FED_SIGNATURE_COMPONENTS",
      );
    });

    it("refuses an old answer", async () => {
      const of = await exchange();
      clock.advance(91_000);
      await refused(of, "ERR_FED_SIGNATURE_EXPIRED");
    });

    it("fails when any one bit of the answer is flipped", async () => {
      const of = await exchange();
      for (const name of ["signature", "signature-input", "content-digest"]) {
        const value = of.response.headers[name] ?? "";
        for (let bit = 0; bit < value.length * 8; bit += 1) {
          const headers = { ...of.response.headers, [name]: flipBit(value, bit) };
          const result = await check({ ...of, response: { ...of.response, headers } });
          assert.equal(result.verified, false, `${name} bit ${bit}`);
        }
      }
    }).timeout(20_000);
  });

  describe("other implementations", () => {
    it("have vectors to hold theirs against", async () => {
      const text = await readFile(SIGNATURE_VECTORS, "utf8");
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(await signatureVectors())));
    });

    it("gives the signature of RFC 9421 B.2.6", () => {
      const key = importSigningKey({
        kty: "OKP",
        crv: "Ed25519",
        x: "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs",
        d: "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU",
      });
      const fields = [
        "date",
        "@method",
        "@path",
        "@authority",
        "content-type",
        "content-length",
      ].map((name) => `"${name}"`);
      const message = {
        method: "POST",
        targetUri: "https://example.com/foo?param=Value&Pet=dog",
        headers: {
          host: "example.com",
          date: "Tue, 20 Apr 2021 02:07:55 GMT",
          "content-type": "application/json",
          "content-length": "18",
        },
      };
      const lines = httpbis.createSignatureBase({ fields }, { ...message, url: message.targetUri });
      lines.push([
        '"@signature-params"',
        [`(${fields.join(" ")});created=1618884473;keyid="test-key-ed25519"`],
      ]);
      const base = Buffer.from(httpbis.formatSignatureBase(lines));
      const input = `(${fields.join(" ")});created=1618884473;keyid="test-key-ed25519"`;
      assert.deepEqual(
        signatureBase(
          fields.map((identifier) => ({
            name: identifier.slice(1, -1),
            parameters: new Map<string, string>(),
            identifier,
          })),
          input,
          message,
        ),
        base,
      );
      const expected =
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
      assert.equal(Buffer.from(key.sign(base)).toString("base64"), expected);
      assert.ok(importVerifyKey(key.jwk).verify(base, Buffer.from(expected, "base64")));
    });

    const policy = {
      algorithms: ["ed25519"],
      requiredParameters: ["created", "expires", "nonce", "keyid", "tag"],
      now: START,
      maxAge: 60,
    };
    const verifierOf = (key: SigningKey) => ({
      algorithm: "ed25519",
      verify: (data: Uint8Array, signature: Uint8Array) =>
        importVerifyKey(key.jwk).verify(data, signature),
    });
    const fieldsOf = (headers: Headers) =>
      Object.entries(headers).map(([name, value]) => ({ name, value }));

    it("a second RFC 9421 library verifies our requests", async () => {
      const headers = await sign();
      const verified = await second.verifySignature(
        { kind: "request", method: "POST", targetUri: URL_B, fields: fieldsOf(headers) },
        {
          label: "aether",
          policy: { ...policy, requiredComponents: REQUEST_COVERED },
          resolveVerifier: () => verifierOf(keyA),
        },
      );
      assert.equal(verified.parameters.keyid, `${A}#${keyA.kid}`);
    });

    it("a second RFC 9421 library verifies our responses", async () => {
      const request = { method: "POST", targetUri: URL_B, body: BODY, headers: await sign() };
      const { headers } = await signResponse(
        { status: 200, body: BODY },
        request,
        { origin: B, key: keyB },
        { clock, random: seededRandom(3) },
      );
      const verified = await second.verifySignature(
        {
          kind: "response",
          status: 200,
          fields: fieldsOf(headers),
          request: {
            kind: "request",
            method: "POST",
            targetUri: URL_B,
            fields: fieldsOf(request.headers),
          },
        },
        {
          label: "aether",
          policy: {
            ...policy,
            requiredComponents: [
              "@status",
              "content-digest",
              second.component("@method", { req: true }),
              second.component("@target-uri", { req: true }),
              second.component("aether-recipient", { req: true }),
              second.component("signature", { req: true, key: "aether" }),
            ],
          },
          resolveVerifier: () => verifierOf(keyB),
        },
      );
      assert.equal(verified.parameters.keyid, `${B}#${keyB.kid}`);
    });

    it("we verify what a second RFC 9421 library signs", async () => {
      const digest = digestOf(BODY);
      const fields = await second.createSignature(
        {
          kind: "request",
          method: "POST",
          targetUri: URL_B,
          fields: [
            { name: "aether-recipient", value: B },
            { name: "content-digest", value: digest },
          ],
        },
        {
          label: "aether",
          components: REQUEST_COVERED,
          parameters: {
            created: START,
            expires: START + 60,
            nonce: "CCCCCCCCCCCCCCCCCCCCCA",
            keyid: `${A}#${keyA.kid}`,
            alg: "ed25519",
            tag: "aether-federation",
          },
          signer: { algorithm: "ed25519", sign: (data) => keyA.sign(data) },
        },
      );
      const result = await verify({
        "aether-recipient": B,
        "content-digest": digest,
        signature: fields.signature,
        "signature-input": fields.signatureInput,
      });
      assert.ok(result.verified);
    });
  });
});
