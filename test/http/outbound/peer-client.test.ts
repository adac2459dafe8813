import assert from "node:assert/strict";
import type { FetchRequest } from "../../../src/ports.ts";
import { coded } from "../../support/coded.ts";
import {
  A,
  B,
  type TestNetwork,
  type TestServer,
  plain,
  problemOf,
  twoServers,
} from "../../support/federation.ts";
import { signDatedKey } from "../../../src/identity/dated-key.ts";
import type { ManualClock } from "../../../src/testing/manual-clock.ts";
import { ringOf } from "../../support/parties.ts";

describe("http/peer-client", () => {
  let clock: ManualClock;
  let network: TestNetwork;
  let a: TestServer;
  let b: TestServer;
  beforeEach(async () => {
    ({ clock, network, a, b } = twoServers());
    await a.handshake.connect(B);
    network.sent.length = 0;
  });

  const call = () => a.peers.call(B, "/custody/claim", { transferId: "t" });
  const isCall = ({ url }: FetchRequest): boolean => url === `${B}/federation/custody/claim`;
  const rejected = (work: Promise<unknown>, code: string): Promise<void> =>
    assert.rejects(work, coded(code));

  it("resolves with a verified answer", async () => {
    b.onCall = (path, body) => ({ status: 200, body: { path, body } });
    assert.deepEqual(await call(), {
      ok: true,
      status: 200,
      body: { path: "/federation/custody/claim", body: { transferId: "t" } },
    });
  });

  it("resolves with a signed refusal", async () => {
    b.onCall = () => ({
      status: 409,
      body: { code: "ERR_FED_STALE_CUSTODY", detail: "late", retryAfter: 3 },
    });
    assert.deepEqual(await call(), {
      ok: false,
      status: 409,
      code: "ERR_FED_STALE_CUSTODY",
      detail: "late",
      retryAfterSeconds: 3,
    });
  });

  it("makes nothing of a code it does not know", async () => {
    b.onCall = () => ({ status: 409, body: { code: "ERR_FED_SURPRISE" } });
    const answer = await call();
    assert.equal(answer.ok ? "" : answer.code, "ERR_FED_BAD_RESPONSE");
  });

  it("rejects an unsigned success", async () => {
    network.intercept = (request) => (isCall(request) ? plain(200, { ok: 1 }) : undefined);
    await rejected(call(), "ERR_FED_BAD_RESPONSE");
  });

  for (const code of [
    "ERR_FED_STALE_CUSTODY",
    "ERR_FED_TRANSFER_CANCELLED",
    "ERR_FED_TRANSFER_UNKNOWN",
    "ERR_FED_NOT_DESTINATION",
    "ERR_FED_WORLD_FULL",
  ]) {
    it(`does not take an unsigned word for ${code}`, async () => {
      network.intercept = (request) => (isCall(request) ? plain(409, problemOf(code)) : undefined);
      await rejected(call(), "ERR_FED_BAD_RESPONSE");
    });
  }

  it("tells of an unsigned reason why the call got nowhere", async () => {
    network.intercept = (request) =>
      isCall(request) ? plain(429, problemOf("ERR_FED_RATE_LIMITED")) : undefined;
    await rejected(call(), "ERR_FED_RATE_LIMITED");
  });

  it("rejects an answer that somebody changed", async () => {
    network.tamper = (_request, response) => ({ ...response, body: Buffer.from("{}x") });
    await rejected(call(), "ERR_FED_BAD_RESPONSE");
  });

  it("rejects the answer to an earlier call", async () => {
    const answers: Awaited<ReturnType<typeof network.fetch>>[] = [];
    network.tamper = (_request, response) => {
      answers.push(response);
      return answers[0] ?? response;
    };
    assert.ok((await call()).ok);
    await rejected(call(), "ERR_FED_BAD_RESPONSE");
  });

  it("rejects another peer's answer", async () => {
    const c = network.add("https://c.example");
    await a.handshake.connect(c.origin);
    network.servers.set(B, c);
    await rejected(call(), "ERR_FED_WRONG_RECIPIENT");
    // One that answers what was not meant for it.
    network.tamper = async (request) => {
      const { method, url, headers, body } = request;
      return c.sign(200, {}, { method, targetUri: url, headers, body });
    };
    await rejected(call(), "ERR_FED_BAD_RESPONSE");
  });

  it("shakes hands again, once, when the peer has lost the session", async () => {
    await b.registry.recordSession(A, {
      sessionId: "over-and-done",
      protocol: "aether/1",
      expiresAt: 0,
    });
    assert.ok((await call()).ok);
    assert.equal(network.sent.filter(isCall).length, 2);
  });

  it("asks a third time, and no more, when another handshake replaced the session meanwhile", async () => {
    network.tamper = async (request, response) => {
      if (!isCall(request)) return response;
      const sessionId = `replaced-${String(network.sent.length)}`;
      const expiresAt = clock.now() / 1000 + 60;
      await a.registry.recordSession(B, { sessionId, protocol: "aether/1", expiresAt });
      return plain(401, problemOf("ERR_FED_HANDSHAKE_REQUIRED"));
    };
    await rejected(call(), "ERR_FED_HANDSHAKE_REQUIRED");
    assert.equal(network.sent.filter(isCall).length, 3);
  });

  it("does not shake hands for ever with a peer that keeps asking for it", async () => {
    network.intercept = (request) =>
      isCall(request) ? plain(401, problemOf("ERR_FED_HANDSHAKE_REQUIRED")) : undefined;
    await rejected(call(), "ERR_FED_HANDSHAKE_REQUIRED");
    assert.equal(network.sent.filter(isCall).length, 2);
  });

  it("shakes hands before the first call when it has no session itself", async () => {
    clock.advance(25 * 3600_000);
    assert.ok((await call()).ok);
    assert.equal(network.sent.filter(isCall).length, 1);
  });

  it("rejects when the peer is away", async () => {
    network.servers.delete(B);
    await rejected(call(), "ERR_FED_UNREACHABLE");
  });

  it("asks for no more than a body may hold", async () => {
    await call();
    assert.equal(network.sent.find(isCall)?.maxBodyBytes, 64 * 1024);
  });

  it("reads health as the peer reports it, and takes nothing else for health", async () => {
    for (const status of ["pass", "warn", "fail"]) {
      network.intercept = () => plain(200, { status, version: "1" });
      assert.deepEqual(await a.peers.health(B), { status });
    }
    for (const body of [{}, { status: "fine" }, null, [], "pass"]) {
      network.intercept = () => plain(200, body);
      await rejected(a.peers.health(B), "ERR_FED_BAD_RESPONSE");
    }
  });

  it("takes a missing descriptor for none", async () => {
    network.intercept = () => plain(404, {});
    await rejected(a.peers.fetchDescriptor(B), "ERR_FED_BAD_RESPONSE");
  });

  it("asks a peer for a key that it has retired, and takes its word by a pinned key only", async () => {
    const { current } = b.ring;
    const retired = ringOf("long gone").current;
    const word = (by = current, iss = B) =>
      signDatedKey({ jwk: retired.jwk, retiredAt: 5 }, { iss, iat: 9 }, by);
    let answer = plain(200, { jws: await word() });
    network.intercept = ({ url }) =>
      url === `${B}/federation/keys/${retired.kid}` ? answer : undefined;
    assert.equal((await a.peers.datedKey(B, retired.kid))?.retiredAt, 5);
    for (const refused of [
      plain(404, problemOf("ERR_FED_NOT_FOUND")),
      plain(200, { jws: await word(retired) }),
      plain(200, { jws: await word(current, A) }),
      plain(200, "what"),
      plain(200, null),
    ]) {
      answer = refused;
      assert.equal(await a.peers.datedKey(B, retired.kid), undefined);
    }
  });
});
