import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { signDescriptor } from "../../src/identity/descriptor.ts";
import { issuePass } from "../../src/identity/pass.ts";
import { generateSigningKey } from "../../src/identity/server-keys.ts";
import { PYTHON, requirePython } from "../support/python.ts";
import { seededRandom } from "../support/seeded-random.ts";

const VERIFY = `
import json, sys, jwt
request = json.load(sys.stdin)
key = jwt.algorithms.OKPAlgorithm.from_jwk(json.dumps(request["jwk"]))
options = {"require": request.get("require", [])}
header = jwt.get_unverified_header(request["token"])
try:
    claims = jwt.decode(request["token"], key, algorithms=["EdDSA"],
                        audience=request.get("audience"), options=options)
    print(json.dumps({"header": header, "claims": claims}))
except jwt.PyJWTError as error:
    print(json.dumps({"header": header, "error": type(error).__name__}))
`;

interface Answer {
  readonly header: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly error?: string;
}

describe("tokens, verified by Python's jwt", () => {
  const key = generateSigningKey(seededRandom("python"));
  const seconds = (): number => Math.floor(Date.now() / 1000);

  before(function () {
    requirePython(this);
  });

  it("a descriptor", async () => {
    const { jws, ...members } = await signDescriptor(
      {
        origin: "https://worlds.example.com",
        name: "Example Wörlds",
        endpoint: "https://worlds.example.com/federation",
        protocols: ["aether/1"],
        worlds: ["plaza"],
        validUntil: seconds() + 3600,
      },
      { current: key, next: undefined, retired: [] },
    );
    const { header, claims } = verify({ token: jws, jwk: key.jwk });
    assert.deepEqual(header, { alg: "EdDSA", typ: "aether-descriptor+jwt", kid: key.kid });
    assert.deepEqual(claims, members);
  });

  it("a pass, and refuses it for another audience or by another key", async () => {
    const now = seconds();
    const pass = {
      iss: "https://home.example",
      sub: "ada",
      aud: "https://worlds.example.com",
      iat: now,
      exp: now + 60,
      jti: "0123456789abcdef",
      xfer: "11111111-1111-4111-8111-111111111111",
      src: "https://home.example",
      world: "plaza",
      name: "Ada",
      cnf: { jkt: key.kid },
    };
    const token = await issuePass(pass, key);
    const require = ["iss", "sub", "aud", "iat", "exp", "jti"];
    const { header, claims } = verify({ token, jwk: key.jwk, audience: pass.aud, require });
    assert.deepEqual(header, { alg: "EdDSA", typ: "aether-pass+jwt", kid: key.kid });
    assert.deepEqual(claims, pass);
    assert.equal(
      verify({ token, jwk: key.jwk, audience: "https://other.example" }).error,
      "InvalidAudienceError",
    );
    const other = generateSigningKey(seededRandom("other"));
    assert.equal(
      verify({ token, jwk: other.jwk, audience: pass.aud }).error,
      "InvalidSignatureError",
    );
  });
});

function verify(request: Record<string, unknown>): Answer {
  const run = spawnSync(PYTHON, ["-c", VERIFY], { input: JSON.stringify(request) });
  assert.equal(run.status, 0, run.stderr.toString());
  return JSON.parse(run.stdout.toString()) as Answer;
}
