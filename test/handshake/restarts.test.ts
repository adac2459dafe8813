/** What a signed call is worth after a restart, beside another process, and when a clock is set. */
import assert from "node:assert/strict";
import { SessionKeeper } from "../../src/handshake/session-keeper.ts";
import type { FetchRequest } from "../../src/ports.ts";
import type { MemoryDisk } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import {
  A,
  B,
  TestNetwork,
  type TestServer,
  type TestServerOptions,
} from "../support/federation.ts";
import { quietLogger } from "../support/loggers.ts";
import { seededRandom } from "../support/seeded-random.ts";

const MINUTE = 60_000;
const CALL = "/custody/renew";

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe("handshake: restarts, processes and clocks", () => {
  let clock: ManualClock;
  let network: TestNetwork;
  let a: TestServer;
  let b: TestServer;
  let disk: MemoryDisk;
  /** Calls that B has acted on. */
  let heard: number;

  const serve = (server: TestServer): TestServer => {
    server.onCall = () => {
      heard += 1;
      return { status: 200, body: {} };
    };
    return server;
  };
  /** B once more, on what it had stored. */
  const start = async (options: TestServerOptions = {}): Promise<TestServer> => {
    const server = serve(network.add(B, { disk, ...options }));
    await server.registry.load();
    return server;
  };
  const calls = (): FetchRequest[] => network.sent.filter(({ url }) => url.endsWith(CALL));
  const challenges = (): number =>
    network.sent.filter(({ url }) => url.endsWith("/federation/handshake")).length;
  /** The code that a server refuses a request with; undefined when it acts on it. */
  const codeOf = async (server: TestServer, request: FetchRequest): Promise<unknown> => {
    const before = heard;
    const { status, body } = await server.answer(request);
    assert.equal(heard - before, status === 200 ? 1 : 0);
    return (JSON.parse(Buffer.from(body).toString()) as { code?: unknown }).code;
  };

  beforeEach(async () => {
    clock = new ManualClock();
    network = new TestNetwork(clock);
    disk = new Map();
    heard = 0;
    a = network.add(A);
    b = await start();
  });

  describe("a process that was started again", () => {
    let captured: FetchRequest;
    beforeEach(async () => {
      await a.handshake.connect(B);
      await a.peers.call(B, CALL, {});
      captured = calls()[0]!;
      b = await start();
    });

    it("refuses a call that the former one has heard: its session has ended", async () => {
      assert.equal(await codeOf(b, captured), "ERR_FED_HANDSHAKE_REQUIRED");
    });

    it("refuses it once the peer has begun another session, too", async () => {
      await a.peers.call(B, CALL, {});
      assert.equal(heard, 2);
      assert.equal(await codeOf(b, captured), "ERR_FED_HANDSHAKE_REQUIRED");
    });

    for (const when of ["before it is called", "while it refuses the call"] as const) {
      it(`hears a call, though it has shaken hands by itself ${when} and has not heard the end`, async () => {
        for (let round = 0; round < 8; round += 1) {
          clock.advance(20_000);
          b = await start();
          const [finished, heardOf] = [deferred(), deferred()];
          let met: Promise<unknown> | undefined;
          const meet = (): Promise<void> => {
            met = b.handshake.connect(A);
            return finished.promise;
          };
          network.tamper = async ({ url }, response) => {
            if (url === `${A}/federation/handshake/complete`) {
              finished.resolve();
              await heardOf.promise;
            }
            if (url.endsWith(CALL) && met === undefined) await meet();
            return response;
          };
          if (when === "before it is called") await meet();
          const before = calls().length;
          assert.ok((await a.peers.call(B, CALL, {})).ok, `round ${round}`);
          assert.ok(calls().length - before <= 3, `${calls().length - before} calls`);
          heardOf.resolve();
          await met;
          assert.ok((await a.peers.call(B, CALL, {})).ok, `round ${round}, afterwards`);
          assert.ok((await b.peers.call(A, CALL, {})).ok, `round ${round}, the other way`);
        }
      });
    }

    it("is met anew by one handshake, however many calls wait for it, and hears each once", async () => {
      const before = challenges();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => a.peers.call(B, CALL, {})),
      );
      assert.ok(answers.every(({ ok }) => ok));
      assert.equal(challenges() - before, 1);
      assert.equal(heard, 21);
    });
  });

  describe("a clock", () => {
    let captured: FetchRequest;
    beforeEach(async () => {
      await a.handshake.connect(B);
      await a.peers.call(B, CALL, {});
      captured = calls()[0]!;
    });

    it("that is set back makes no call count again", async () => {
      assert.equal(await codeOf(b, captured), "ERR_FED_REPLAYED");
      clock.advance(5 * MINUTE);
      await a.peers.call(B, CALL, {});
      clock.jumpWall(-5 * MINUTE);
      assert.equal(await codeOf(b, captured), "ERR_FED_HANDSHAKE_REQUIRED");
    });

    it("that is set forward and back again makes none count again", async () => {
      clock.jumpWall(5 * MINUTE);
      clock.advance(2 * MINUTE);
      await a.peers.call(B, CALL, {});
      clock.jumpWall(-7 * MINUTE);
      assert.equal(await codeOf(b, captured), "ERR_FED_HANDSHAKE_REQUIRED");
    });

    for (const [way, by] of [
      ["back", -60 * MINUTE],
      ["forward", 10 * MINUTE],
    ] as const) {
      it(`that is set ${way} on both sides keeps no honest call from its answer`, async () => {
        clock.jumpWall(by);
        const before = challenges();
        assert.ok((await a.peers.call(B, CALL, {})).ok);
        assert.ok((await a.peers.call(B, CALL, {})).ok);
        assert.equal(heard, 3);
        assert.ok(challenges() - before <= 1);
      });
    }
  });

  describe("two processes of one server", () => {
    let other: TestServer;
    /** Which of them hears the next call. */
    const reach = (server: TestServer): void => void network.servers.set(B, server);
    beforeEach(async () => {
      disk = new Map();
      b = await start({ shared: true });
      other = await start({ shared: true });
      reach(b);
      await a.handshake.connect(B);
    });

    it("hear, the one, what was signed in a session that the other has begun, without a handshake", async () => {
      reach(other);
      const before = challenges();
      assert.ok((await a.peers.call(B, CALL, {})).ok);
      assert.equal(challenges() - before, 0);
      assert.equal(heard, 1);
    });

    it("refuse, both, a call that one of them has heard", async () => {
      await a.peers.call(B, CALL, {});
      const captured = calls()[0]!;
      assert.equal(await codeOf(other, captured), "ERR_FED_REPLAYED");
      assert.equal(await codeOf(b, captured), "ERR_FED_REPLAYED");
    });

    it("act, together, once on a call that comes to both at the same moment", async () => {
      network.intercept = ({ url }) => {
        if (url.endsWith(CALL)) throw new Error("lost on the way");
        return undefined;
      };
      await assert.rejects(a.peers.call(B, CALL, {}));
      const captured = calls()[0]!;
      const answers = await Promise.all([b.answer(captured), other.answer(captured)]);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401]);
      assert.equal(heard, 1);
    });

    it("refuse what they heard also when one was started again meanwhile", async () => {
      await a.peers.call(B, CALL, {});
      const captured = calls()[0]!;
      const again = await start({ shared: true });
      assert.equal(await codeOf(again, captured), "ERR_FED_REPLAYED");
    });

    it("end in one session with a peer that shakes hands with each at once", async () => {
      for (let round = 0; round < 8; round += 1) {
        reach(b);
        clock.advance(20_000);
        // Each side has finished the other's handshake before it hears the end of its own.
        let [waiting, release] = [0, (): void => undefined];
        const both = new Promise<void>((resolve) => (release = resolve));
        network.tamper = async ({ url }, response) => {
          if (url.endsWith("/complete") && (waiting += 1) === 2) release();
          if (url.endsWith("/complete")) await both;
          return response;
        };
        await Promise.all([a.handshake.connect(B), other.handshake.connect(A)]);
        await Promise.all([b.registry.refresh(), other.registry.refresh()]);
        const mine = a.registry.liveSession(B)?.sessionId;
        assert.deepEqual(
          [b.registry.liveSession(A)?.sessionId, other.registry.liveSession(A)?.sessionId],
          [mine, mine],
          `round ${round}`,
        );
      }
    });
  });

  describe("a server that all its peers call at once after a restart", () => {
    const PEERS = 40;
    let peers: TestServer[];
    beforeEach(async () => {
      peers = Array.from({ length: PEERS }, (_, n) => network.add(`https://p${n}.example`));
      for (const peer of peers) await peer.handshake.connect(B);
      assert.equal(b.registry.size, PEERS);
    });

    it("hears each of them, after one handshake with each", async () => {
      b = await start();
      const before = challenges();
      const answers = await Promise.all(peers.map((peer) => peer.peers.call(B, CALL, {})));
      assert.ok(answers.every(({ ok }) => ok));
      assert.equal(challenges() - before, PEERS);
      assert.equal(heard, PEERS);
    });

    it("hears all in the end, though it has room for few handshakes at once", async () => {
      b = await start({ maxOpenHandshakes: 8 });
      network.tamper = async (_request, response) => {
        await new Promise<void>((resolve) => clock.setTimeout(resolve, 200));
        return response;
      };
      // Whoever gets no session tries again by its keeper, in a time of its own.
      const keepers = peers.map(
        (peer) =>
          new SessionKeeper({
            wanted: () => [B],
            isWanted: () => true,
            expiresAt: () => sessions.get(peer),
            connect: async () => {
              tries.push(clock.monotonic());
              await peer.peers.call(B, CALL, {});
              sessions.set(peer, clock.now() / 1000 + 20 * 3600);
            },
            ...{ clock, random: seededRandom(peer.origin), logger: quietLogger() },
          }),
      );
      const sessions = new Map<TestServer, number>();
      const tries: number[] = [];
      // No two servers look after their sessions in step.
      for (const keeper of keepers) {
        keeper.start();
        await clock.advanceAsync(12);
      }
      for (let second = 0; second < 120 && sessions.size < PEERS; second += 1) {
        await clock.advanceAsync(1_000);
      }
      for (const keeper of keepers) keeper.stop();
      assert.equal(sessions.size, PEERS);
      assert.equal(heard, PEERS);
      assert.ok(tries.length > PEERS, "some had no room at first");
      assert.ok(tries.length <= 8 * PEERS, `${tries.length} tries`);
    });

    it("is asked twice at most by a call, though it says each time that it knows no session", async () => {
      network.tamper = ({ url, ...request }, response) =>
        url.endsWith(CALL)
          ? b.sign(
              401,
              { code: "ERR_FED_HANDSHAKE_REQUIRED" },
              { body: undefined, ...request, targetUri: url },
            )
          : response;
      const before = [calls().length, challenges()];
      const answer = await peers[0]!.peers.call(B, CALL, {});
      assert.equal(answer.ok, false);
      assert.deepEqual([calls().length, challenges()], [before[0]! + 2, before[1]! + 1]);
    });
  });
});
