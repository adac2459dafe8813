import assert from "node:assert/strict";
import { FederationError } from "../../src/errors.ts";
import { announceNextKey, switchToNextKey } from "../../src/identity/key-rotation.ts";
import { signRequest } from "../../src/identity/http-signatures.ts";
import type { FetchRequest } from "../../src/ports.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { coded } from "../support/coded.ts";
import { A, B, TestNetwork, type TestServer, plain, twoServers } from "../support/federation.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { eventually } from "../support/eventually.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { turn } from "../support/turn.ts";

describe("handshake/handshake-service", () => {
  let clock: ManualClock;
  let network: TestNetwork;
  let a: TestServer;
  let b: TestServer;
  beforeEach(() => {
    ({ clock, network, a, b } = twoServers());
  });

  const sentTo = (path: string): FetchRequest[] =>
    network.sent.filter(({ url }) => new URL(url).pathname === path);
  const codeOf = async (request: FetchRequest): Promise<unknown> => {
    const { status, body } = await network.fetch(request);
    assert.notEqual(status, 200);
    return (JSON.parse(Buffer.from(body).toString()) as { code?: unknown }).code;
  };
  const rejected = (work: Promise<unknown>, code: string): Promise<void> =>
    assert.rejects(work, coded(code));
  /** A challenge to B signed by `signer` in the name of `origin`. */
  const forge = async (
    origin: string,
    signer: TestServer,
    descriptor: string,
    path = "/federation/handshake",
    body: object = {},
  ): Promise<FetchRequest> => {
    const challenge = {
      protocols: ["aether/1"],
      responder: B,
      descriptor,
      nonce: Buffer.alloc(32, 1).toString("base64url"),
      issuedAt: Math.floor(clock.now() / 1000),
    };
    const bytes = Buffer.from(JSON.stringify({ ...challenge, ...body }));
    const url = `${B}${path}`;
    const { headers } = await signRequest(
      { method: "POST", targetUri: url, recipient: B, body: bytes },
      { origin, key: signer.ring.current },
      { clock, random: seededRandom(network.sent.length) },
    );
    return { method: "POST", url, headers, body: bytes };
  };

  it("leaves both sides with the same session and each other's key", async () => {
    const server = await a.handshake.connect(B);
    assert.equal(server.trust, TrustState.Trusted);
    const [mine, theirs] = [a.registry.liveSession(B), b.registry.liveSession(A)];
    assert.ok(mine !== undefined);
    assert.deepEqual(mine, theirs);
    assert.ok(a.registry.keyFor(B, b.ring.current.kid));
    assert.ok(b.registry.keyFor(A, a.ring.current.kid));
  });

  it("performs one handshake when asked twice at once", async () => {
    const [one, two] = await Promise.all([a.handshake.connect(B), a.handshake.connect(B)]);
    assert.equal(one, two);
    assert.equal(sentTo("/federation/handshake").length, 1);
  });

  for (let seed = 1; seed <= 12; seed += 1) {
    it(`agrees on a session though one side calls before the other has heard of it (seed ${seed})`, async () => {
      const slow = new TestNetwork(new ManualClock());
      slow.runs = 10 * seed;
      const [one, other] = [slow.add(A), slow.add(B)];
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      // The last answer of the first handshake is late: B has the session, A not yet.
      let count = 0;
      slow.tamper = async (request, response) => {
        if (request.url === `${B}/federation/handshake/complete` && (count += 1) === 1) await held;
        return response;
      };
      const meeting = one.handshake.connect(B);
      await eventually(() => assert.ok(other.registry.liveSession(A) !== undefined));
      await other.peers.call(A, "/custody/renew", {}).catch(() => undefined);
      release();
      await meeting;
      for (const call of [
        () => one.peers.call(B, "/custody/renew", {}),
        () => other.peers.call(A, "/custody/renew", {}),
      ]) {
        assert.equal((await call()).ok, true);
      }
      assert.equal(
        one.registry.liveSession(B)?.sessionId,
        other.registry.liveSession(A)?.sessionId,
      );
    });
  }

  it("ends in one session when both sides begin at once", async () => {
    for (let round = 0; round < 8; round += 1) {
      // The worst order: each has finished the other's handshake before it hears the end of its own.
      let waiting = 0;
      let release: () => void = () => undefined;
      const both = new Promise<void>((resolve) => {
        release = resolve;
      });
      network.tamper = async ({ url }, response) => {
        if (url.endsWith("/complete")) {
          waiting += 1;
          if (waiting === 2) release();
          await both;
        }
        return response;
      };
      await Promise.all([a.handshake.connect(B), b.handshake.connect(A)]);
      assert.deepEqual(a.registry.liveSession(B), b.registry.liveSession(A));
      clock.advance(20_000);
    }
  });

  it("renews a session", async () => {
    await a.handshake.connect(B);
    const first = a.registry.liveSession(B);
    clock.advance(600_000);
    await a.handshake.connect(B);
    assert.notEqual(a.registry.liveSession(B)?.sessionId, first?.sessionId);
    assert.deepEqual(a.registry.liveSession(B), b.registry.liveSession(A));
  });

  describe("as responder", () => {
    it("takes a stranger's keys from its own origin only", async () => {
      // C signs as A, with a descriptor of A that lists C's key.
      const c = network.add("https://c.example");
      const { jws } = await descriptorOf(A, c.ring, clock.now());
      assert.equal(await codeOf(await forge(A, c, jws)), "ERR_FED_UNKNOWN_KEY");
      assert.equal(b.registry.size, 0);
    });

    it("refuses one whose origin does not answer", async () => {
      const ghost = "https://ghost.example";
      const { jws } = await descriptorOf(ghost, a.ring, clock.now());
      const refused = codeOf(await forge(ghost, a, jws));
      await turn();
      clock.advance(3_000);
      assert.equal(await refused, "ERR_FED_UNREACHABLE");
    });

    it("refuses an http origin", async () => {
      const origin = "http://a.example";
      const { jws } = await descriptorOf(origin, a.ring, clock.now());
      assert.equal(await codeOf(await forge(origin, a, jws)), "ERR_FED_SIGNATURE_PARAMETERS");
      assert.equal(network.descriptorFetches(origin), 0);
    });

    it("refuses itself", async () => {
      const { jws } = await b.descriptor();
      assert.equal(await codeOf(await forge(B, b, jws)), "ERR_FED_HANDSHAKE_MISMATCH");
    });

    it("refuses an unsigned challenge", async () => {
      const { headers: _, ...request } = await forge(A, a, (await a.descriptor()).jws);
      assert.equal(await codeOf({ ...request, headers: {} }), "ERR_FED_SIGNATURE_MISSING");
    });

    it("refuses a replayed challenge", async () => {
      await a.handshake.connect(B);
      const [challenge] = sentTo("/federation/handshake");
      assert.equal(await codeOf(challenge!), "ERR_FED_REPLAYED");
    });

    it("refuses a replayed completion", async () => {
      await a.handshake.connect(B);
      const [completion] = sentTo("/federation/handshake/complete");
      assert.equal(await codeOf(completion!), "ERR_FED_REPLAYED");
    });

    it("refuses a completion without a challenge", async () => {
      const body = { handshakeId: "12345678", proof: "A".repeat(86) };
      const request = await forge(A, a, "", "/federation/handshake/complete", body);
      assert.equal(await codeOf(request), "ERR_FED_HANDSHAKE_UNKNOWN");
    });

    it("stores nobody who has not completed", async () => {
      network.intercept = ({ url }) => (url.endsWith("/complete") ? plain(503, {}) : undefined);
      await assert.rejects(a.handshake.connect(B));
      assert.equal(b.registry.size, 0);
      assert.equal(a.registry.size, 0);
    });

    it("asks a stranger's origin once a second, however often it is made to", async () => {
      const c = network.add("https://c.example");
      const { jws } = await c.descriptor();
      for (let index = 0; index < 10; index += 1) await codeOf(await forge(A, c, jws));
      assert.equal(network.descriptorFetches(A), 1);
      clock.advance(1_000);
      await codeOf(await forge(A, c, jws));
      assert.equal(network.descriptorFetches(A), 2);
    });

    it("asks a bounded number of strangers at once", async () => {
      const { jws } = await a.descriptor();
      const requests = await Promise.all(
        Array.from({ length: 20 }, (_, index) => forge(`https://s${index}.example`, a, jws)),
      );
      let open = 0;
      let most = 0;
      b.peers.fetchDescriptor = (_origin, signal) =>
        new Promise((_, reject) => {
          most = Math.max(most, (open += 1));
          signal?.addEventListener("abort", () => {
            open -= 1;
            reject(new FederationError("ERR_FED_TIMEOUT"));
          });
        });
      const refused = Promise.all(requests.map((request) => codeOf(request)));
      await turn();
      assert.equal(most, 16);
      clock.advance(3_000);
      assert.ok((await refused).every((code) => code === "ERR_FED_UNREACHABLE"));
      assert.equal(open, 0);
    });

    it("passes on that the store does not answer", async () => {
      b.store.failing = true;
      const request = await forge(A, a, (await a.descriptor()).jws);
      await assert.rejects(network.fetch(request), { code: "ERR_FED_STORE_UNAVAILABLE" });
    });

    it("changes nothing about a known peer for whoever cannot sign as it", async () => {
      await a.handshake.connect(B);
      const before = b.registry.get(A);
      const c = network.add("https://c.example");
      const { jws } = await descriptorOf(A, c.ring, clock.now());
      assert.equal(await codeOf(await forge(A, c, jws)), "ERR_FED_UNKNOWN_KEY");
      assert.deepEqual(b.registry.get(A), before);
    });
  });

  describe("as initiator", () => {
    it("refuses an answer signed by nobody", async () => {
      network.tamper = ({ url }, response) =>
        url.endsWith("/handshake") ? { ...response, headers: {} } : response;
      await rejected(a.handshake.connect(B), "ERR_FED_BAD_RESPONSE");
    });

    it("refuses a changed answer", async () => {
      network.tamper = ({ url }, response) =>
        url.endsWith("/handshake")
          ? {
              ...response,
              body: Buffer.from(
                Buffer.from(response.body).toString().replace("aether/1", "aether/0"),
              ),
            }
          : response;
      await rejected(a.handshake.connect(B), "ERR_FED_BAD_RESPONSE");
    });

    it("refuses another origin's descriptor", async () => {
      const c = network.add("https://c.example");
      const document = await c.descriptor();
      network.intercept = ({ url }) =>
        url === `${B}/.well-known/aether-federation` ? plain(200, document) : undefined;
      await rejected(a.handshake.connect(B), "ERR_FED_DESCRIPTOR_INVALID");
    });

    it("follows delegation to another host", async () => {
      const endpoint = "https://elsewhere.example/federation/";
      const document = await descriptorOf(B, b.ring, clock.now(), { endpoint });
      network.servers.set("https://elsewhere.example", b);
      network.intercept = ({ url }) =>
        url === `${B}/.well-known/aether-federation` ? plain(200, document) : undefined;
      await a.handshake.connect(B);
      assert.equal(
        network.sent.some(({ url }) => url === "https://elsewhere.example/federation/handshake"),
        true,
      );
    });

    it("rejects with the reason when the other side is away", async () => {
      network.servers.delete(B);
      await rejected(a.handshake.connect(B), "ERR_FED_UNREACHABLE");
    });
  });

  describe("trust", () => {
    it("approve lets a stranger wait", async () => {
      b = network.add(B, { policy: "approve" });
      await a.handshake.connect(B);
      assert.equal(b.registry.get(A)?.trust, TrustState.Pending);
    });

    it("approve trusts whom the operator named", async () => {
      b = network.add(B, { policy: "approve", named: [A] });
      await a.handshake.connect(B);
      assert.equal(b.registry.get(A)?.trust, TrustState.Trusted);
    });

    it("allowlist refuses a stranger, signed, and stores nothing", async () => {
      b = network.add(B, { policy: "allowlist" });
      await rejected(a.handshake.connect(B), "ERR_FED_NOT_TRUSTED");
      assert.equal(b.registry.size, 0);
      assert.equal(a.registry.size, 0);
    });

    it("refuses one more than maxPeers, and says so", async () => {
      b = network.add(B, { maxPeers: 1 });
      const c = network.add("https://c.example");
      await c.handshake.connect(B);
      await b.registry.setTrust(c.origin, TrustState.Trusted, { kids: [c.ring.current.kid] });
      await rejected(a.handshake.connect(B), "ERR_FED_TOO_MANY_PEERS");
      assert.equal(b.registry.size, 1);
    });

    it("refuses a blocked origin", async () => {
      await b.registry.block(A);
      await rejected(a.handshake.connect(B), "ERR_FED_BLOCKED");
    });

    it("does not call a blocked origin", async () => {
      await a.registry.block(B);
      await rejected(a.handshake.connect(B), "ERR_FED_BLOCKED");
      assert.equal(network.sent.length, 0);
    });

    it("refuses a blocked key under an alias, from both sides", async () => {
      await a.handshake.connect(B);
      await a.registry.block(B);
      const alias = network.add("https://alias.example");
      alias.ring = b.ring;
      await rejected(a.handshake.connect(alias.origin), "ERR_FED_BLOCKED");
      await rejected(alias.handshake.connect(A), "ERR_FED_BLOCKED");
      assert.equal(a.registry.has(alias.origin), false);
    });
  });

  describe("keys", () => {
    it("rotate without a break: whoever renewed since the announcement follows the switch", async () => {
      await a.handshake.connect(B);
      a.ring = announceNextKey(a.ring, seededRandom("next"));
      clock.advance(60_000);
      await a.handshake.connect(B);
      a.ring = switchToNextKey(a.ring, 1);
      clock.advance(60_000);
      const answer = await a.peers.call(B, "/custody/claim", {});
      assert.ok(answer.ok, "the very next call, by the new key");
      await a.handshake.connect(B);
      assert.equal(b.registry.get(A)?.trust, TrustState.Trusted);
      clock.advance(150_000);
      assert.equal(b.registry.keyFor(A, ringOf(A).current.kid), undefined);
    });

    it("quarantine a peer whose key changed with nothing to vouch for it", async () => {
      await a.handshake.connect(B);
      b.ring = ringOf("reinstalled");
      await rejected(a.handshake.connect(B), "ERR_FED_KEY_CHANGED");
      assert.equal(a.registry.get(B)?.trust, TrustState.Quarantined);
    });

    it("quarantine it too when it is the one who calls, and let it in once approved", async () => {
      await a.handshake.connect(B);
      a.ring = ringOf("reinstalled");
      await assert.rejects(a.handshake.connect(B));
      assert.equal(b.registry.get(A)?.trust, TrustState.Quarantined);
      await rejected(a.handshake.connect(B), "ERR_FED_UNKNOWN_KEY");
      await b.registry.setTrust(A, TrustState.Trusted);
      await a.handshake.connect(B);
      assert.equal(b.registry.get(A)?.trust, TrustState.Trusted);
    });

    it("leave a quarantined peer outside though it calls with the old key again", async () => {
      await a.handshake.connect(B);
      const old = a.ring;
      a.ring = ringOf("reinstalled");
      await assert.rejects(a.handshake.connect(B));
      a.ring = old;
      await rejected(a.handshake.connect(B), "ERR_FED_NOT_TRUSTED");
      assert.equal(b.registry.liveSession(A), undefined);
    });

    it("are not taken from a known peer when they are blocked here", async () => {
      await a.handshake.connect(B);
      const c = network.add("https://c.example");
      await a.handshake.connect(c.origin);
      await a.registry.block(c.origin);
      b.ring = { ...b.ring, next: c.ring.current };
      await rejected(a.handshake.connect(B), "ERR_FED_BLOCKED");
      assert.equal(a.registry.keyFor(B, c.ring.current.kid), undefined);
    });

    it("are fetched once for an unknown kid, then not for a minute", async () => {
      await a.handshake.connect(B);
      const before = network.descriptorFetches(A);
      const c = network.add("https://c.example");
      const { jws } = await c.descriptor();
      const requests = await Promise.all(
        Array.from({ length: 5 }, (_, index) =>
          forge(A, c, jws, undefined, { nonce: Buffer.alloc(32, index).toString("base64url") }),
        ),
      );
      await Promise.all(requests.map((request) => codeOf(request)));
      assert.equal(network.descriptorFetches(A), before + 1);
      clock.advance(60_000);
      await codeOf(await forge(A, c, jws));
      assert.equal(network.descriptorFetches(A), before + 2);
    });

    it("make everybody wait who asks for the same refetch", async () => {
      await a.handshake.connect(B);
      a.ring = announceNextKey(a.ring, seededRandom("next"));
      const next = a.ring.next;
      assert.ok(next);
      const seen = await Promise.all(
        [1, 2, 3].map(async () => {
          await b.handshake.refreshDescriptor(A);
          return b.registry.keyFor(A, next.kid)?.kid;
        }),
      );
      assert.deepEqual(seen, [next.kid, next.kid, next.kid]);
    });
  });
});
