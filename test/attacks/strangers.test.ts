/** Strangers at the door: they look through us at our network, keep others out, and have third parties called. */
import assert from "node:assert/strict";
import { type Socket, connect } from "node:net";
import { FederationError } from "../../src/errors.ts";
import { HandshakeManager } from "../../src/handshake/handshake-manager.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { HealthMemory } from "../../src/health/health-memory.ts";
import { HealthMonitor } from "../../src/health/health-monitor.ts";
import { systemRandom } from "../../src/ports.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { EventBus } from "../../src/runtime/events.ts";
import { PeerHealthChecks } from "../../src/runtime/peer-health.ts";
import { eventually } from "../support/eventually.ts";
import { TestNetwork, type TestServer, plain } from "../support/federation.ts";
import { quietLogger } from "../support/loggers.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { signedPost } from "../../src/testing/signed-post.ts";
import { descriptorOf, ringOf } from "../support/parties.ts";
import { ROOMS, type ServerProcess, Servers } from "../support/processes.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { turn } from "../support/turn.ts";

const VICTIM = "https://victim.example";
const HONEST = "https://honest.example";

describe("attack: strangers at the door", () => {
  let clock: ManualClock;
  let network: TestNetwork;
  let victim: TestServer;
  beforeEach(() => {
    clock = new ManualClock();
    network = new TestNetwork(clock);
    victim = network.add(VICTIM, { policy: "approve" });
  });

  /** A challenge in the name of an origin, which the victim asks for its descriptor. */
  async function knock(origin: string, address = "192.0.2.66"): Promise<{ code?: string }> {
    const sender = network.servers.get(origin) ?? network.add(origin, { address });
    try {
      await sender.handshake.connect(VICTIM);
      return {};
    } catch (cause) {
      return { code: cause instanceof FederationError ? cause.code : "?" };
    }
  }

  for (const addresses of [1, 3, 40]) {
    it(`whose origins are slow keep no honest one out (${addresses} addresses)`, async () => {
      network.intercept = () => undefined;
      const fetchDescriptor = victim.peers.fetchDescriptor.bind(victim.peers);
      victim.peers.fetchDescriptor = (origin, signal) =>
        origin.includes("slow")
          ? new Promise((_, reject) => {
              signal?.addEventListener("abort", () => {
                reject(new FederationError("ERR_FED_TIMEOUT"));
              });
            })
          : fetchDescriptor(origin, signal);
      const slow = Array.from({ length: 40 }, (_, index) =>
        knock(`https://slow${index}.evil.example`, `192.0.2.${index % addresses}`),
      );
      await turn();
      assert.deepEqual(await knock(HONEST, "198.51.100.7"), {});
      assert.ok(victim.registry.has(HONEST));
      clock.advance(3_000);
      await Promise.all(slow);
    });
  }

  it("cannot tell what stands where they point", async () => {
    const answers = {
      closed: () => {
        throw new FederationError("ERR_FED_UNREACHABLE", "ECONNREFUSED");
      },
      filtered: () => {
        throw new FederationError("ERR_FED_TIMEOUT");
      },
      internal: () => {
        throw new FederationError("ERR_FED_FORBIDDEN_ADDRESS");
      },
      website: () => plain(200, "<html>"),
      missing: () => plain(404, {}),
      json: () => plain(200, { status: "green", jws: "a.b.c" }),
      foreign: () => plain(200, someDescriptor),
    };
    const someDescriptor = await descriptorOf("https://x.example", ringOf("x"), clock.now());
    const seen: unknown[] = [];
    for (const [what, answer] of Object.entries(answers)) {
      const origin = `https://${what}.evil.example`;
      network.add(origin);
      network.intercept = ({ url }) =>
        url === `${origin}/.well-known/aether-federation` ? answer() : undefined;
      const challenge = network.servers.get(origin)!;
      const at = clock.monotonic();
      let after: number | undefined;
      const manager = new HandshakeManager({
        origin,
        signingKey: () => challenge.ring.current,
        ownDescriptor: async () => (await challenge.descriptor()).jws,
        clock,
        random: systemRandom,
      });
      const url = `${VICTIM}/federation/handshake`;
      const asked = challenge.peers
        .exchange(VICTIM, url, await manager.createChallenge(VICTIM), () => undefined)
        .catch((cause: unknown) => cause as FederationError)
        .finally(() => (after = clock.monotonic() - at));
      await turn();
      assert.equal(after, undefined, `${what}: answered before the others`);
      clock.advance(3_000);
      const { code, message } = (await asked) as FederationError;
      seen.push([code, message, after]);
    }
    assert.equal(new Set(seen.map((each) => JSON.stringify(each))).size, 1, JSON.stringify(seen));
  });

  it("have nobody called while they wait, are quarantined or blocked", async () => {
    const asked: string[] = [];
    const health = new HealthMonitor({
      probe: (origin) => {
        asked.push(origin);
        return Promise.resolve({ status: "pass" });
      },
      clock,
      random: seededRandom(1),
    });
    const { registry } = victim;
    const logger = quietLogger();
    const store = new MemoryStore(clock);
    const memory = new HealthMemory({ health, store, clock, logger });
    const events = new EventBus(logger);
    const checks = new PeerHealthChecks({ health, registry, memory, events });
    await checks.start();
    await knock(HONEST);
    const minute = async (): Promise<string[]> => {
      asked.length = 0;
      for (let step = 0; step < 12; step += 1) {
        clock.advance(5_000);
        await turn();
      }
      return [...asked];
    };
    assert.deepEqual(await minute(), [], "pending");
    await registry.setTrust(HONEST, TrustState.Trusted, { kids: [ringOf(HONEST).current.kid] });
    assert.ok((await minute()).length > 0, "trusted");
    await registry.block(HONEST);
    assert.deepEqual(await minute(), [], "blocked");
    await registry.unblock(HONEST);
    assert.deepEqual(await minute(), [], "pending again");
    await registry.setTrust(HONEST, TrustState.Quarantined);
    assert.deepEqual(await minute(), [], "quarantined");
    await checks.stop();
  });
});

describe("attack: whoever is refused sends on", function () {
  this.timeout(60_000);
  const servers = new Servers();
  let victim: ServerProcess;
  before(async () => {
    [victim] = (await servers.start([{ name: "victim", script: ROOMS }])) as [ServerProcess];
  });
  after(() => servers.stop());

  /** Sends `head` and then as much as the other side takes; how much that was, and what it said. */
  function flood(head: string): Promise<{ sent: number; said: string; seconds: number }> {
    const startedAt = performance.now();
    return new Promise((resolve) => {
      const socket: Socket = connect(victim.spec.port, "localhost");
      const chunk = Buffer.alloc(64 * 1024, 0x20);
      let said = "";
      const pump = (): void => {
        while (socket.writable && socket.bytesWritten < 400 * 1024 * 1024) {
          if (!socket.write(chunk)) return;
        }
      };
      socket.on("connect", () => {
        socket.write(head);
        pump();
      });
      socket.on("drain", pump);
      socket.setEncoding("utf8").on("data", (text) => (said += String(text)));
      socket.on("error", () => undefined);
      socket.on("close", () => {
        resolve({
          sent: socket.bytesWritten,
          said,
          seconds: (performance.now() - startedAt) / 1000,
        });
      });
    });
  }
  const head = (method: string, path: string, length: string): string =>
    `${method} ${path} HTTP/1.1\r\nHost: ${victim.authority}\r\n${length}\r\n\r\n`;
  const LONG = "Content-Length: 400000000";
  const CHUNKED = "Transfer-Encoding: chunked";

  for (const [what, method, path, length, status] of [
    ["a body that is announced as too long", "POST", "/federation/custody/claim", LONG, 413],
    [
      "a body that turns out too long",
      "POST",
      "/federation/custody/claim",
      `${CHUNKED}\r\n\r\nfffffff`,
      413,
    ],
    ["a body where there is nothing", "POST", "/federation/nothing", LONG, 404],
    ["a body with a wrong method", "PUT", "/federation/custody/claim", LONG, 405],
    ["a body with a question", "GET", "/federation/health", LONG, 200],
  ] as const) {
    it(`is answered ${status}, and no more is read: ${what}`, async () => {
      const { sent, said, seconds } = await flood(head(method, path, length));
      assert.match(said, new RegExp(`^HTTP/1.1 ${status} `, "u"));
      assert.ok(seconds < 5, `${seconds} s`);
      assert.ok(sent < 16 * 1024 * 1024, `${sent} bytes went in, buffers on the way included`);
    });
  }

  for (const [what, path, status] of [
    ["what is refused by its head", "/federation/custody/claim", 401],
    ["what has to be read first", "/federation/travel", 400],
  ] as const) {
    it(`has its connection closed when it drips: ${what}`, async () => {
      const socket = connect(victim.spec.port, "localhost");
      let said = "";
      let closed = false;
      socket.setEncoding("utf8").on("data", (text) => (said += String(text)));
      socket.on("error", () => undefined);
      socket.on("close", () => (closed = true));
      socket.write(head("POST", path, "Content-Length: 1000"));
      const drip = setInterval(() => socket.write(" "), 200);
      try {
        await eventually(
          () => {
            assert.ok(said.startsWith(`HTTP/1.1 ${status} `), said);
            assert.ok(closed, "the connection is open");
          },
          { timeoutMilliseconds: 15_000 },
        );
      } finally {
        clearInterval(drip);
        socket.destroy();
      }
    });
  }

  it("does not have a connection closed whose short body only came late", async () => {
    const socket = connect(victim.spec.port, "localhost");
    let said = "";
    socket.setEncoding("utf8").on("data", (text) => (said += String(text)));
    socket.write(head("POST", "/federation/nothing", "Content-Length: 2"));
    await eventually(() => assert.match(said, /^HTTP\/1.1 404 /u));
    socket.write("{}");
    // Longer than who was not read whole may linger.
    await new Promise((resolve) => setTimeout(resolve, 800));
    socket.write(head("GET", "/federation/health", "Accept: */*"));
    await eventually(() => assert.match(said, /HTTP\/1.1 200 /u));
    socket.destroy();
  });

  it("answers what is not read whole, too, to an honest client", async () => {
    const body = "x".repeat(65 * 1024);
    const url = `${victim.origin}/federation/custody/claim`;
    for (let round = 0; round < 5; round += 1) {
      assert.equal((await fetch(url, { method: "POST", body })).status, 413);
    }
    const key = ringOf("nobody").current;
    const answer = await signedPost({ origin: "http://localhost:9", key }, url, {});
    assert.equal(answer.status, 401);
  });
});
