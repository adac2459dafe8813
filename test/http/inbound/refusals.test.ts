/**
 * What is refused by its head alone: the same words as where the body was read first, and a connection that
 * is still good for the next request.
 */
import assert from "node:assert/strict";
import { signRequest } from "../../../src/identity/http-signatures.ts";
import { type SigningKey, generateSigningKey } from "../../../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../../../src/ports.ts";
import { TrustState } from "../../../src/registry/federated-server.ts";
import { LinkedServer } from "../../support/linked-server.ts";
import { type HeardAnswer, RawConnection } from "../../support/raw-connection.ts";

const CLAIM = "/federation/custody/claim";
const BODY = '{"transferId":"x"}';
const HEALTH = "GET /federation/health HTTP/1.1\r\nHost: a\r\n\r\n";

type Headers = Record<string, string>;

describe("http/refusals by the head alone", function () {
  this.timeout(30_000);
  let a: LinkedServer;
  let b: LinkedServer;
  const open: RawConnection[] = [];

  before(async () => {
    [a, b] = [
      await LinkedServer.start({ links: false }),
      await LinkedServer.start({ links: false }),
    ];
    await b.handshake.connect(a.origin);
  });
  after(() => Promise.all([a.stop(), b.stop()]));
  afterEach(() => {
    for (const each of open.splice(0)) each.close();
  });

  async function connection(): Promise<RawConnection> {
    const one = await RawConnection.open(a.port);
    open.push(one);
    return one;
  }

  interface Signing {
    readonly origin?: string;
    readonly key?: SigningKey;
    readonly path?: string;
    readonly body?: string;
    readonly ageSeconds?: number;
  }

  async function signed({
    origin = b.origin,
    key = b.ring.current,
    path = CLAIM,
    body = BODY,
    ageSeconds = 0,
  }: Signing = {}): Promise<Headers> {
    const now = (): number => systemClock.now() - ageSeconds * 1000;
    const { headers } = await signRequest(
      {
        ...{ method: "POST", targetUri: `${a.origin}${path}`, recipient: a.origin },
        body: Buffer.from(body),
      },
      { origin, key },
      { clock: { ...systemClock, now }, random: systemRandom },
    );
    return headers;
  }

  function head(headers: Headers, path = CLAIM, version = "1.1"): string {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return `POST ${path} HTTP/${version}\r\nHost: a\r\n${lines.join("")}\r\n`;
  }
  const told = (headers: Headers, body = BODY): Headers => ({
    ...headers,
    "content-length": String(body.length),
  });

  /** Status, code and reason; numbers in it are seconds, which pass. */
  function said({ status, body, headers }: HeardAnswer): unknown {
    const { code, detail } = JSON.parse(body) as { code?: string; detail?: string };
    return {
      ...{ status, code, detail: detail?.replaceAll(/\d+ s /gu, "N s ") },
      signed: headers["signature"] !== undefined,
      type: headers["content-type"],
    };
  }

  /** By the head, before any byte of the body is sent. */
  async function saidByHead(headers: Headers, path = CLAIM): Promise<unknown> {
    const one = await connection();
    one.write(head(told(headers), path));
    return said(await one.answer());
  }

  async function saidToWhole(headers: Headers, path = CLAIM): Promise<unknown> {
    const one = await connection();
    one.write(head(told(headers), path) + BODY);
    return said(await one.answer());
  }

  /** Where nobody is told the length, the body is read first. */
  async function saidToChunked(headers: Headers, path = CLAIM): Promise<unknown> {
    const one = await connection();
    const chunk = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
    one.write(head({ ...headers, "transfer-encoding": "chunked" }, path) + chunk);
    return said(await one.answer());
  }

  const changed = async (
    name: string,
    from: RegExp,
    to: string,
    how?: Signing,
  ): Promise<Headers> => {
    const headers = await signed(how);
    const value = headers[name] ?? "";
    assert.match(value, from);
    return { ...headers, [name]: value.replace(from, to) };
  };
  /** Its signature is another one. */
  const spoilt = async (how?: Signing): Promise<Headers> => {
    const headers = await signed(how);
    const first = /^aether=:(.)/u.exec(headers["signature"] ?? "")?.[1];
    const signature = headers["signature"]?.replace(/:./u, first === "A" ? ":B" : ":A") ?? "";
    return { ...headers, signature };
  };
  const stranger = generateSigningKey(systemRandom);
  const without = async (name: string): Promise<Headers> => {
    const { [name]: _left, ...headers } = await signed();
    return headers;
  };

  const REFUSED: Record<string, { code: string; headers: () => Promise<Headers> }> = {
    "no signature": { code: "ERR_FED_SIGNATURE_MISSING", headers: async () => ({}) },
    "a signature without its input": {
      code: "ERR_FED_SIGNATURE_MISSING",
      headers: () => without("signature-input"),
    },
    "a signature for somebody else": {
      code: "ERR_FED_SIGNATURE_MISSING",
      headers: () => changed("signature-input", /tag="aether-federation"/u, 'tag="x"'),
    },
    "headers that are no dictionaries": {
      code: "ERR_FED_SIGNATURE_MALFORMED",
      headers: async () => ({ signature: "((", "signature-input": "=;;" }),
    },
    "headers that are too long": {
      code: "ERR_FED_SIGNATURE_MALFORMED",
      headers: async () => ({ ...(await signed()), signature: "a".repeat(5_000) }),
    },
    "two signatures with our tag": {
      code: "ERR_FED_SIGNATURE_AMBIGUOUS",
      headers: () => changed("signature-input", /^aether=(.*)$/u, "aether=$1, other=$1"),
    },
    "a component that is not covered": {
      code: "ERR_FED_SIGNATURE_COMPONENTS",
      headers: () => changed("signature-input", / "content-digest"/u, ""),
    },
    "a parameter that is missing": {
      code: "ERR_FED_SIGNATURE_PARAMETERS",
      headers: () => changed("signature-input", /;nonce="[^"]*"/u, ""),
    },
    "a keyid that names nobody": {
      code: "ERR_FED_SIGNATURE_PARAMETERS",
      headers: () => changed("signature-input", /keyid="[^"]*"/u, 'keyid="me"'),
    },
    "another recipient": {
      code: "ERR_FED_WRONG_RECIPIENT",
      headers: async () => ({ ...(await signed()), "aether-recipient": "https://c.example" }),
    },
    "an origin that nobody knows": {
      code: "ERR_FED_HANDSHAKE_REQUIRED",
      headers: () => signed({ origin: "https://nobody.example", key: stranger }),
    },
    "an origin that nobody knows, and too few components": {
      code: "ERR_FED_HANDSHAKE_REQUIRED",
      headers: () =>
        changed("signature-input", / "content-digest"/u, "", { origin: "https://nobody.example" }),
    },
    "a key that its origin does not have": {
      code: "ERR_FED_UNKNOWN_KEY",
      headers: () => signed({ key: stranger }),
    },
  };

  for (const [what, { code, headers }] of Object.entries(REFUSED)) {
    it(`says of ${what} what it says where the body was read first`, async () => {
      const sent = await headers();
      const word = await saidByHead(sent);
      assert.equal((word as { code: string }).code, code);
      assert.deepEqual(word, await saidToChunked(sent));
      assert.deepEqual(word, await saidToWhole(sent));
    });
  }

  const HEARD: Record<string, { code: string | undefined; headers: () => Promise<Headers> }> = {
    "a wrong signature": {
      code: "ERR_FED_SIGNATURE_INVALID",
      headers: () => spoilt(),
    },
    "a body that does not match its digest": {
      code: "ERR_FED_DIGEST_MISMATCH",
      headers: () => signed({ body: '{"transferId":"y"}' }),
    },
    "a signature of yesterday": {
      code: "ERR_FED_SIGNATURE_EXPIRED",
      headers: () => signed({ ageSeconds: 86_400 }),
    },
    "a signature of tomorrow": {
      code: "ERR_FED_CLOCK_SKEW",
      headers: () => signed({ ageSeconds: -86_400 }),
    },
    "a wrong signature of yesterday": {
      code: "ERR_FED_SIGNATURE_INVALID",
      headers: () => spoilt({ ageSeconds: 86_400 }),
    },
  };
  for (const [what, { code, headers }] of Object.entries(HEARD)) {
    it(`reads the body of ${what}, however long it says that it is`, async () => {
      const sent = await headers();
      const word = await saidToWhole(sent);
      assert.equal((word as { code: string }).code, code);
      assert.deepEqual(word, await saidToChunked(sent));
    });
  }

  it("hears a call that is signed as it should be, its body in a later packet", async () => {
    const one = await connection();
    one.write(head(told(await signed())));
    await another();
    assert.equal(one.waiting, 0);
    one.write(BODY);
    const { status, body } = await one.answer();
    assert.deepEqual([status, body], [200, BODY]);
  });

  it("refuses a peer that is blocked, or no longer trusted, signed, as where the body was read first", async () => {
    for (const cut of ["pending", "blocked"] as const) {
      if (cut === "blocked") await a.registry.block(b.origin);
      else await a.registry.setTrust(b.origin, TrustState.Pending);
      try {
        const word = await saidToWhole(await signed());
        assert.deepEqual(word, await saidToChunked(await signed()));
        assert.equal((word as { signed: boolean }).signed, true);
      } finally {
        if (cut === "blocked") await a.registry.unblock(b.origin);
        await a.registry.setTrust(b.origin, TrustState.Trusted);
        await b.handshake.connect(a.origin);
      }
    }
  });

  for (const path of ["/federation/handshake", "/federation/handshake/complete"]) {
    it(`says so of what names no key, at ${path}`, async () => {
      for (const headers of [{}, { signature: "((", "signature-input": "=" }]) {
        const word = await saidByHead(headers, path);
        assert.equal((word as { code: string }).code, "ERR_FED_SIGNATURE_MISSING");
        assert.deepEqual(word, await saidToChunked(headers, path));
      }
    });
  }

  it("says 413 of a body that is too long before anything of its signature", async () => {
    const announced = await connection();
    announced.write(head({ "content-length": "65537" }));
    assert.equal((await announced.answer()).status, 413);
    const chunked = await connection();
    chunked.write(head({ "transfer-encoding": "chunked" }));
    for (let each = 0; each < 17; each += 1) chunked.write(`1000\r\n${"x".repeat(4096)}\r\n`);
    assert.equal((await chunked.answer()).status, 413);
  });

  it("answers the next request on the connection, whether or not the body came with its head", async () => {
    const one = await connection();
    for (let each = 0; each < 20; each += 1) {
      one.write(head(told({})) + BODY);
      assert.equal((await one.answer()).status, 401);
      one.write(head(told({})));
      assert.equal((await one.answer()).status, 401);
      one.write(BODY);
    }
    one.write(HEALTH);
    assert.equal((await one.answer()).status, 200);
  });

  it("answers requests that come in one piece, in their order", async () => {
    const one = await connection();
    one.write(head(told({})) + BODY + HEALTH + head(told(await signed())) + BODY + HEALTH);
    const statuses: number[] = [];
    for (let each = 0; each < 4; each += 1) statuses.push((await one.answer()).status);
    assert.deepEqual(statuses, [401, 200, 200, 200]);
  });

  it("reads no request out of a body that it has not read", async () => {
    for (const apart of [false, true]) {
      const one = await connection();
      const before = a.requests.length;
      const first = head(told({}, HEALTH));
      one.write(apart ? first : first + HEALTH);
      assert.equal((await one.answer()).status, 401);
      if (apart) one.write(HEALTH);
      one.write("GET /federation/nothing HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.equal((await one.answer()).status, 404);
      assert.deepEqual(a.requests.slice(before), [`POST ${CLAIM}`, "GET /federation/nothing"]);
    }
  });

  it("does not wait for a body that drips: it answers, and hangs up", async () => {
    const one = await connection();
    one.write(head({ "content-length": "100" }) + "x");
    assert.equal((await one.answer()).status, 401);
    await one.closed;
  });

  it("reads the body first where the connection ends with the answer", async () => {
    for (const [version, headers] of [
      ["1.1", { connection: "close" }],
      ["1.0", {}],
    ] as const) {
      const one = await connection();
      one.write(head(told(headers), CLAIM, version));
      await another();
      assert.equal(one.waiting, 0, "an answer that the body's own sending takes back");
      one.write(BODY);
      assert.equal((await one.answer()).status, 401);
      await one.closed;
    }
  });

  it("refuses a body of length 0, or of none told, and goes on", async () => {
    const one = await connection();
    for (const headers of [{ "content-length": "0" }, {}]) {
      one.write(head(headers));
      assert.match((await one.answer()).body, /ERR_FED_SIGNATURE_MISSING/u);
    }
  });

  it("refuses who asks whether to send its body, and goes on whether or not it does", async () => {
    const one = await connection();
    one.write(head(told({ expect: "100-continue" })));
    const statuses = [(await one.answer()).status, (await one.answer()).status];
    assert.deepEqual(statuses, [100, 401]);
    one.write(BODY + HEALTH);
    assert.equal((await one.answer()).status, 200);
  });

  /** By the time that another request has been answered, what came before it has been looked at. */
  async function another(): Promise<void> {
    const other = await connection();
    for (let each = 0; each < 3; each += 1) {
      other.write(HEALTH);
      assert.equal((await other.answer()).status, 200);
    }
  }
});
