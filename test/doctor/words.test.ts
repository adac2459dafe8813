import assert from "node:assert/strict";
import { noAnswer, refusalWords } from "../../src/doctor/words.ts";
import { ERROR_CODES, type FederationErrorCode } from "../../src/errors.ts";

const asked = { origin: "https://there.example", own: "https://here.example", kid: "our-key" };

describe("doctor/words", () => {
  for (const [code, said, words, command] of [
    [
      "ERR_FED_WRONG_RECIPIENT",
      "the request is not meant for https://there.example: is this the endpoint of the server that you mean?",
      /aether-recipient does not arrive/u,
      undefined,
    ],
    [
      "ERR_FED_WRONG_RECIPIENT",
      "the request is not meant for https://third.example: is this the endpoint of the server that you mean?",
      /another server answers there .*third\.example/u,
      undefined,
    ],
    [
      "ERR_FED_CLOCK_SKEW",
      "120 s",
      /clocks .* too far apart .*120 s\): run NTP on both/u,
      undefined,
    ],
    [
      "ERR_FED_UNKNOWN_KEY",
      undefined,
      /does not know the key that this server signs with/u,
      "npx aether-federation peers approve https://here.example --key our-key",
    ],
    [
      "ERR_FED_UNREACHABLE",
      undefined,
      /cannot reach this server's own origin/u,
      "npx aether-federation doctor https://here.example",
    ],
    ["ERR_FED_DIGEST_MISMATCH", undefined, /the body arrives changed/u, undefined],
    ["ERR_FED_RATE_LIMITED", undefined, /wait a minute/u, undefined],
  ] as const) {
    it(`says what ${code} means${said === undefined ? "" : ` with "${said}"`}`, () => {
      const told = refusalWords(code, { ...asked, said });
      assert.match(told.words, words);
      assert.equal(told.mend?.command, command);
    });
  }

  it("has words for every code there is", () => {
    for (const code of Object.keys(ERROR_CODES) as FederationErrorCode[]) {
      assert.ok(refusalWords(code, asked).words.length > 10, code);
    }
  });

  it("tells what is wrong with TLS from what is not reached at all", () => {
    const expired = Object.assign(new Error(), { code: "CERT_HAS_EXPIRED" });
    assert.equal(noAnswer(new Error("", { cause: expired })).isTls, true);
    const cipher = Object.assign(new Error(), { code: "ERR_SSL_NO_CIPHER_MATCH" });
    assert.match(noAnswer(cipher).words, /no version of TLS, or no cipher, in common/u);
    const gone = Object.assign(new Error(), { code: "EHOSTUNREACH" });
    assert.deepEqual([noAnswer(gone).isTls], [false]);
  });
});
