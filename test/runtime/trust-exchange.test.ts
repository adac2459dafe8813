import assert from "node:assert/strict";
import { TRUST_CAPABILITY } from "../../src/handshake/trust-words.ts";
import type { PeerAnswer } from "../../src/ports.ts";
import { TrustState, activeKids } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { TrustExchange } from "../../src/runtime/trust-exchange.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { quietLogger } from "../support/loggers.ts";
import { ringOf, verifiedDescriptorOf } from "../support/parties.ts";

const A = "https://a.example";
const HOUR = 3_600_000;

describe("runtime/trust-exchange", () => {
  let clock: ManualClock;
  let registry: ServerRegistry;
  let calls: { origin: string; path: string; body: unknown }[];
  let answer: (origin: string) => Promise<PeerAnswer>;
  let exchange: TrustExchange;
  let most: number;

  const word = (inbound: boolean, outbound: boolean, keys: string[] = []): PeerAnswer => ({
    ok: true,
    status: 200,
    body: { inbound, outbound, keys },
  });
  const meet = async (origin: string, protocols = ["aether/1", TRUST_CAPABILITY]) => {
    const { descriptor } = await verifiedDescriptorOf(origin, ringOf(origin), clock.now());
    await registry.register({ ...descriptor, protocols }, { trust: TrustState.Trusted });
  };
  const begin = (origin: string, sessionId: string) =>
    registry.recordSession(origin, {
      ...{ sessionId, protocol: "aether/1" },
      expiresAt: clock.now() / 1000 + 86_400,
    });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  /** The other side knows of a session that has just begun. */
  const known = async () => {
    clock.advance(5_000);
    await settled();
  };

  beforeEach(() => {
    clock = new ManualClock();
    calls = [];
    most = 0;
    let underWay = 0;
    answer = () => Promise.resolve(word(true, true));
    registry = new ServerRegistry({ store: new MemoryStore(clock), clock, maxPeers: 1_000 });
    exchange = new TrustExchange({
      ...{ registry, clock, logger: quietLogger() },
      peers: {
        call: async (origin, path, body) => {
          calls.push({ origin, path, body });
          underWay += 1;
          most = Math.max(most, underWay);
          await settled();
          underWay -= 1;
          return answer(origin);
        },
      },
    });
  });
  afterEach(() => {
    exchange.stop();
  });

  it("tells a peer with each session what it is trusted for, and keeps what it answers", async () => {
    exchange.start();
    await meet(A);
    answer = () => Promise.resolve(word(true, false, ["ours"]));
    await begin(A, "one");
    await known();
    await settled();
    const keys = activeKids(registry.get(A)!);
    assert.deepEqual(calls, [
      { origin: A, path: "/trust", body: { inbound: true, outbound: true, keys } },
    ]);
    const { theirTrust, seenKeys } = registry.get(A) ?? {};
    assert.deepEqual([theirTrust?.inbound, theirTrust?.outbound], [true, false]);
    assert.deepEqual(seenKeys, ["ours"]);
    await begin(A, "two");
    await known();
    assert.equal(calls.length, 2);
  });

  it("tells it again when the operator decides otherwise", async () => {
    exchange.start();
    await meet(A);
    await begin(A, "one");
    await known();
    await registry.setTrust(A, TrustState.Trusted, { roles: { inbound: false, outbound: true } });
    await settled();
    assert.deepEqual(
      calls.map(({ body }) => (body as { inbound: boolean }).inbound),
      [true, false],
    );
  });

  it("waits until the other side knows of a session, too", async () => {
    exchange.start();
    await meet(A);
    await begin(A, "one");
    clock.advance(4_999);
    await settled();
    assert.deepEqual(calls, []);
    await registry.setTrust(A, TrustState.Trusted, { roles: { inbound: false, outbound: true } });
    await settled();
    assert.deepEqual(calls, [], "nor is a decision told sooner");
    clock.advance(1);
    await settled();
    assert.equal(calls.length, 1);
  });

  it("tells nobody who is not trusted", async () => {
    exchange.start();
    await meet(A);
    await registry.setTrust(A, TrustState.Pending);
    await begin(A, "one");
    await known();
    assert.deepEqual(calls, []);
  });

  it("tells nobody who does not say that it hears it", async () => {
    exchange.start();
    await meet(A, ["aether/1"]);
    await begin(A, "one");
    await known();
    assert.deepEqual(calls, []);
  });

  it("asks everybody again in an hour, some each minute", async () => {
    for (let index = 0; index < 120; index += 1) {
      const origin = `https://s${index}.example`;
      await meet(origin);
      await begin(origin, "one");
    }
    exchange.start();
    await known();
    for (let turn = 0; turn < 400; turn += 1) await settled();
    assert.equal(calls.length, 120);
    assert.equal(most, 8, "at once");
    // The descriptors of these tests, and sessions with them, end with the hour.
    for (let minute = 1; minute < 60; minute += 1) {
      clock.advance(HOUR / 60);
      for (let turn = 0; turn < 10; turn += 1) await settled();
      assert.equal(calls.length, 120 + 2 * minute);
    }
  });

  it("goes on when a peer does not answer, and takes no answer that is none", async () => {
    exchange.start();
    await meet(A);
    answer = () => Promise.reject(new Error("nobody is there"));
    await begin(A, "one");
    await known();
    answer = () => Promise.resolve({ ok: true, status: 200, body: { inbound: "yes" } });
    await begin(A, "two");
    await known();
    await settled();
    assert.equal(calls.length, 2);
    assert.equal(registry.get(A)?.theirTrust, undefined);
  });

  it("tells in a minute whoever has refused to hear it, or was not there", async () => {
    exchange.start();
    await meet(A);
    answer = () =>
      Promise.resolve({ ok: false, status: 429, code: "ERR_FED_RATE_LIMITED", reason: "later" });
    await begin(A, "one");
    await known();
    await settled();
    answer = () => Promise.resolve(word(true, true));
    clock.advance(60_000);
    await settled();
    await settled();
    assert.ok(calls.length >= 2);
    assert.equal(registry.get(A)?.theirTrust?.inbound, true);
  });

  it("keeps six words a minute of who says something else each time", async () => {
    await meet(A);
    const waits: number[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      const inbound = turn % 2 === 0;
      waits.push(await registry.noteTheirTrust(A, { inbound, outbound: true }));
    }
    assert.deepEqual(waits, [0, 0, 0, 0, 0, 0, 10, 0], "what it has said last costs nothing");
    clock.advance(10_000);
    assert.equal(await registry.noteTheirTrust(A, { inbound: true, outbound: true }), 0);
  });

  it("calls nobody once it has stopped", async () => {
    exchange.start();
    await meet(A);
    exchange.stop();
    await begin(A, "one");
    clock.advance(HOUR);
    await settled();
    assert.deepEqual(calls, []);
  });
});
