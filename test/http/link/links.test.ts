import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createConnection } from "node:net";
import { WebSocket } from "ws";
import { LINK_SUBPROTOCOL } from "../../../src/http/link/opening.ts";
import { createLinkDialer } from "../../../src/http/outbound/link-dialer.ts";
import { signRequest } from "../../../src/identity/http-signatures.ts";
import { generateSigningKey } from "../../../src/identity/server-keys.ts";
import { FrameKind, MessageDraft } from "../../../src/link/frames.ts";
import { createEphemeralKey } from "../../../src/link/keys.ts";
import type { OpenedSocket } from "../../../src/link/links.ts";
import { systemClock, systemRandom } from "../../../src/ports.ts";
import { TrustState } from "../../../src/registry/federated-server.ts";
import { coded } from "../../support/coded.ts";
import { eventually } from "../../support/eventually.ts";
import { Between, LinkedServer, type LinkedServerOptions } from "../../support/linked-server.ts";

const ports = { clock: systemClock, random: systemRandom };

describe("links between servers", function () {
  this.timeout(30_000);
  const started: { stop(): Promise<void> }[] = [];
  const between: Between[] = [];
  afterEach(async () => {
    for (const one of between.splice(0)) one.close();
    await Promise.all(started.splice(0).map((one) => one.stop()));
  });

  async function server(options: LinkedServerOptions = {}): Promise<LinkedServer> {
    const one = await LinkedServer.start(options);
    started.push(one);
    return one;
  }

  /** B's endpoint is what stands between. */
  async function apart(): Promise<{ a: LinkedServer; b: LinkedServer; way: Between }> {
    const way = await Between.open();
    between.push(way);
    const a = await server();
    const b = await server({ endpointPort: way.port });
    way.target = b.port;
    return { a, b, way };
  }

  async function linkedPair(): Promise<{ a: LinkedServer; b: LinkedServer }> {
    const [a, b] = [await server(), await server()];
    await a.link(b);
    return { a, b };
  }

  /** Opens links as a server does, without its keeping to any number of them. */
  const dialerOf = (from: LinkedServer): ((to: LinkedServer) => Promise<OpenedSocket>) => {
    const dial = createLinkDialer({
      ...{ origin: from.origin, signingKey: () => from.ring.current, ...ports },
      keyFor: (origin, kid) => from.registry.keyFor(origin, kid),
      ...{ allowInsecure: true, allowPrivateNetwork: false },
    });
    return (to) => dial(to.origin, { sessionId: "", endpoint: to.endpoint });
  };

  it("carry calls both ways, without a POST", async () => {
    const { a, b } = await linkedPair();
    await eventually(() => assert.ok(b.links?.has(a.origin)));
    const [before, after] = [a.posts, b.posts];
    b.onCall = async (from, call, body) => ({ from, call, body });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, number) => a.call(b, { number })),
    );
    assert.deepEqual(
      answers.map((answer) => (answer.ok ? answer.body : answer)),
      answers.map((_, number) => ({ from: a.origin, call: "claim", body: { number } })),
    );
    assert.ok((await b.call(a)).ok);
    assert.deepEqual(await a.peers.health(b.origin), { status: "pass" });
    assert.deepEqual([a.posts, b.posts], [before, after]);
    assert.equal(b.requests.filter((each) => each.startsWith("GET /federation/health")).length, 0);
    assert.equal(b.requests.filter((each) => each.startsWith("UPGRADE")).length, 1);
  });

  it("refuse as HTTP refuses", async () => {
    const { a, b } = await linkedPair();
    const refused = async (path: string, body: unknown) => {
      const answer = await a.peers.call(b.origin, path, body);
      return answer.ok ? "ok" : `${answer.status} ${answer.code}`;
    };
    const before = b.requests.length;
    assert.equal(await refused("/nothing", {}), "404 ERR_FED_NOT_FOUND");
    assert.equal(await refused("/link", {}), "404 ERR_FED_NOT_FOUND");
    assert.equal(await refused("/health", {}), "404 ERR_FED_NOT_FOUND");
    const deep = JSON.parse(`${"[".repeat(45)}${"]".repeat(45)}`) as unknown;
    assert.equal(await refused("/custody/claim", deep), "400 ERR_FED_MALFORMED");
    b.onCall = () => Promise.reject(new Error("the store is away"));
    assert.equal(await refused("/custody/claim", {}), "503 ERR_FED_UNAVAILABLE");
    assert.equal(b.requests.length, before);
  });

  it("leave bodies that are too long to HTTP, which refuses them", async () => {
    const { a, b } = await linkedPair();
    await assert.rejects(a.call(b, "x".repeat(70_000)), coded("ERR_FED_BODY_TOO_LARGE"));
    assert.ok(a.links?.has(b.origin));
  });

  it("settle on one, where both have dialled at once, and lose no call", async () => {
    const [a, b] = [await server(), await server()];
    await a.handshake.connect(b.origin);
    const calls: Promise<unknown>[] = [];
    for (let each = 0; each < 200; each += 1) {
      calls.push(a.call(b), b.call(a));
      if (each % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const answer of await Promise.all(calls)) assert.ok((answer as { ok: boolean }).ok);
    await eventually(() => {
      assert.ok(a.links?.has(b.origin) === true && b.links?.has(a.origin) === true);
      assert.equal(a.links.size, b.links.size);
    });
    assert.ok((a.links?.size ?? 0) <= 2);
  });

  for (const [what, options] of [
    ["has none", { links: false }],
    ["says that it has them, and has none", { links: false, saysLinks: true }],
  ] as const) {
    it(`are done without where the peer ${what}`, async () => {
      const [a, b] = [await server(), await server(options)];
      await a.handshake.connect(b.origin);
      for (let each = 0; each < 5; each += 1) assert.ok((await a.call(b)).ok);
      assert.ok((await b.call(a)).ok);
      const upgrades = b.requests.filter((each) => each.startsWith("UPGRADE"));
      assert.equal(upgrades.length, "saysLinks" in options ? 1 : 0);
      assert.equal(a.links?.has(b.origin), false);
    });
  }

  for (const answer of ["400 Bad Request", "404 Not Found", "426 Upgrade Required", "502 No"]) {
    it(`are done without where a proxy answers an upgrade by ${answer}`, async () => {
      const { a, b, way } = await apart();
      way.refusesUpgrades = answer;
      await a.handshake.connect(b.origin);
      for (let each = 0; each < 10; each += 1) assert.ok((await a.call(b)).ok);
      assert.equal(b.posts, 10);
      assert.equal(a.links?.size, 0);
    });
  }

  it("leave a call that was under way when the link is cut to its caller, and the next one to HTTP", async () => {
    const { a, b, way } = await apart();
    await a.link(b);
    let acted = 0;
    let arrived: () => void = () => undefined;
    const come = new Promise<void>((resolve) => (arrived = resolve));
    b.onCall = async () => {
      acted += 1;
      arrived();
      await new Promise(() => undefined);
    };
    const before = b.posts;
    const call = a.call(b);
    await come;
    way.cut();
    await assert.rejects(call, coded("ERR_FED_UNREACHABLE"));
    assert.deepEqual([acted, b.posts], [1, before], "it is not sent again");
    b.onCall = async () => ({});
    assert.ok((await a.call(b)).ok);
    assert.equal(b.posts, before + 1);
    await eventually(async () => {
      await a.call(b);
      assert.ok(a.links?.has(b.origin), "and there is a link again");
    });
  });

  it("are given up when nothing comes over them any more", async () => {
    const { a, b, way } = await apart();
    await a.link(b);
    way.mode = "swallow";
    await assert.rejects(a.call(b), coded("ERR_FED_TIMEOUT"));
    assert.equal(a.links?.has(b.origin), false);
    way.mode = "forward";
    assert.ok((await a.call(b)).ok, "by HTTP");
  });

  it("end when the peer is blocked, and nothing more of it is heard", async () => {
    const { a, b } = await linkedPair();
    let acted = 0;
    b.onCall = async () => {
      acted += 1;
      return {};
    };
    await b.registry.block(a.origin);
    assert.equal(b.links?.size, 0);
    // Both hear of it by a refusal, or that the link is over.
    await a.call(b).catch(() => undefined);
    await eventually(() => assert.equal(a.links?.size, 0));
    assert.equal(acted, 0);
    const again = await a.call(b).catch((cause: unknown) => cause as { code: string });
    assert.equal("code" in again ? again.code : "", "ERR_FED_BLOCKED");
  });

  it("end when the key that opened them is not the peer's any more", async () => {
    const { a, b } = await linkedPair();
    await b.registry.remove(a.origin);
    await eventually(() => assert.deepEqual([a.links?.size, b.links?.size], [0, 0]));
  });

  it("end when the peer is not trusted any more", async () => {
    const { a, b } = await linkedPair();
    await b.registry.setTrust(a.origin, TrustState.Quarantined);
    await eventually(() => assert.deepEqual([a.links?.size, b.links?.size], [0, 0]));
  });

  it("end with their session, once another takes its place, without losing a call", async () => {
    const { a, b } = await linkedPair();
    const calls = Array.from({ length: 50 }, () => a.call(b));
    const expiresAt = Math.floor(Date.now() / 1000) + 3_600;
    const session = { sessionId: "another", protocol: "aether/1", expiresAt };
    await Promise.all([
      a.registry.recordSession(b.origin, session),
      b.registry.recordSession(a.origin, session),
    ]);
    for (const answer of await Promise.all(calls)) assert.ok(answer.ok);
    await eventually(() => assert.deepEqual([a.links?.size, b.links?.size], [0, 0]));
    await a.link(b);
  });

  it("say goodbye when a server stops: the last answers go out", async () => {
    const { a, b } = await linkedPair();
    let release: () => void = () => undefined;
    b.onCall = async () => {
      await new Promise<void>((resolve) => (release = resolve));
      return { last: true };
    };
    const call = a.call(b);
    await eventually(() => {
      assert.notEqual(release.toString(), "() => undefined");
    });
    const stopped = b.links?.close();
    await new Promise((resolve) => setImmediate(resolve));
    release();
    assert.deepEqual(await call, { ok: true, status: 200, body: { last: true } });
    await stopped;
    await eventually(() => assert.deepEqual([a.links?.size, b.links?.size], [0, 0]));
  });

  describe("refuse an upgrade", () => {
    /** The status and code of what answers an upgrade. */
    async function refusal(to: LinkedServer, headers: object, subprotocol = LINK_SUBPROTOCOL) {
      const socket = new WebSocket(`${to.endpoint.replace("http", "ws")}/link`, [subprotocol], {
        headers: { ...headers },
      });
      socket.on("error", () => undefined);
      const [, response] = (await once(socket, "unexpected-response")) as [
        unknown,
        IncomingMessage,
      ];
      let text = "";
      for await (const chunk of response) text += String(chunk);
      const { code } = JSON.parse(text) as { code: string };
      const signed = response.headers["signature"] !== undefined;
      return `${response.statusCode} ${code}${signed ? ", signed" : ""}`;
    }

    async function request(
      from: LinkedServer,
      to: LinkedServer,
      changes: {
        readonly linkKey?: string | undefined;
        readonly key?: typeof from.ring.current;
      } = {},
    ) {
      const { publicKey } = createEphemeralKey(systemRandom);
      const { linkKey = publicKey } = changes;
      const targetUri = `${to.endpoint}/link`;
      const asked = { method: "GET", targetUri, recipient: to.origin, linkKey };
      const by = { origin: from.origin, key: changes.key ?? from.ring.current };
      return (await signRequest(asked, by, ports)).headers;
    }

    it("that is not signed", async () => {
      const b = await server();
      assert.equal(await refusal(b, {}), "401 ERR_FED_SIGNATURE_MISSING");
    });

    it("of another sub-protocol", async () => {
      const { a, b } = await linkedPair();
      assert.equal(await refusal(b, await request(a, b), "chat"), "400 ERR_FED_MALFORMED");
    });

    it("whose signature does not cover the key", async () => {
      const { a, b } = await linkedPair();
      const asked = { method: "GET", targetUri: `${b.endpoint}/link`, recipient: b.origin };
      const by = { origin: a.origin, key: a.ring.current };
      const { headers } = await signRequest(asked, by, ports);
      const { publicKey } = createEphemeralKey(systemRandom);
      assert.equal(
        await refusal(b, { ...headers, "aether-link-key": publicKey }),
        "401 ERR_FED_SIGNATURE_COMPONENTS",
      );
    });

    it("with another key than the signed one", async () => {
      const { a, b } = await linkedPair();
      const { publicKey } = createEphemeralKey(systemRandom);
      assert.equal(
        await refusal(b, { ...(await request(a, b)), "aether-link-key": publicKey }),
        "401 ERR_FED_SIGNATURE_INVALID",
      );
    });

    it("that is a copy of one", async () => {
      const { a, b } = await linkedPair();
      const headers = await request(a, b);
      const socket = new WebSocket(`${b.endpoint.replace("http", "ws")}/link`, [LINK_SUBPROTOCOL], {
        headers,
      });
      await once(socket, "open");
      assert.equal(await refusal(b, headers), "401 ERR_FED_REPLAYED");
      socket.terminate();
    });

    it("with a key of small order", async () => {
      const { a, b } = await linkedPair();
      const linkKey = Buffer.alloc(32).toString("base64url");
      assert.equal(
        await refusal(b, await request(a, b, { linkKey })),
        "400 ERR_FED_MALFORMED, signed",
      );
    });

    it("by a key that nobody knows", async () => {
      const { a, b } = await linkedPair();
      const key = generateSigningKey(systemRandom);
      assert.equal(await refusal(b, await request(a, b, { key })), "401 ERR_FED_UNKNOWN_KEY");
    });

    it("of a stranger", async () => {
      const [a, b] = [await server(), await server()];
      assert.equal(await refusal(b, await request(a, b)), "401 ERR_FED_HANDSHAKE_REQUIRED");
    });

    it("of a peer that is blocked", async () => {
      const { a, b } = await linkedPair();
      await b.registry.block(a.origin);
      assert.equal(await refusal(b, await request(a, b)), "403 ERR_FED_BLOCKED, signed");
    });

    it("where there are no links", async () => {
      const [a, b] = [await server(), await server({ links: false })];
      await a.handshake.connect(b.origin);
      assert.equal(await refusal(b, await request(a, b)), "404 ERR_FED_NOT_FOUND");
    });

    it("of an address that has asked for too much, before anything of it is looked at", async () => {
      const b = await server({ requestsPerMinute: 5 });
      for (let each = 0; each < 5; each += 1) {
        assert.equal(await refusal(b, {}), "401 ERR_FED_SIGNATURE_MISSING");
      }
      assert.equal(await refusal(b, {}), "429 ERR_FED_RATE_LIMITED");
    });

    it("of a peer that asks for too many", async () => {
      const { a, b } = await linkedPair();
      const dial = dialerOf(a);
      const opened: OpenedSocket[] = [];
      await assert.rejects(async () => {
        for (let each = 0; each < 100; each += 1) opened.push(await dial(b));
      }, coded("ERR_FED_RATE_LIMITED"));
      assert.ok(opened.length > 10 && opened.length <= 30, String(opened.length));
      assert.ok((b.links?.size ?? 0) <= 4, "and keeps a few");
      for (const { socket } of opened) socket.close(1000, "");
    });
  });

  it("are not for others: an upgrade elsewhere is not touched", async () => {
    const b = await server();
    const socket = createConnection(b.port, "127.0.0.1");
    socket.write(
      "GET /federation/linked HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    socket.resume();
    await once(socket, "close");
    assert.deepEqual(b.requests, ["UPGRADE /federation/linked"]);
    assert.equal(socket.bytesRead, 0, "the host has destroyed it");
  });

  it("end with a trusted peer that sends rubbish, or too much, and nothing of it is acted on", async () => {
    const { a, b } = await linkedPair();
    let acted = 0;
    b.onCall = async () => {
      acted += 1;
      return {};
    };
    const rubbish = [Buffer.alloc(0), Buffer.alloc(44), Buffer.from("{}"), Buffer.alloc(200_000)];
    for (const message of rubbish) {
      const { socket } = await dialerOf(a)(b);
      const closed = new Promise<void>((resolve) => {
        socket.listen({ message: () => undefined, closed: resolve });
      });
      socket.send(message);
      await closed;
    }
    assert.equal(acted, 0);
    await eventually(() => assert.equal(b.links?.size, 1, "the first one stays"));
  });

  it("end with a trusted peer that calls, and never reads the answers", async () => {
    const { a, b } = await linkedPair();
    const { socket, keys } = await dialerOf(a)(b);
    socket.listen({ message: () => undefined, closed: () => undefined });
    socket.read(false);
    const body = JSON.stringify("x".repeat(60_000));
    for (let id = 0; id < 250; id += 1) {
      const draft = new MessageDraft();
      assert.ok(draft.add({ kind: FrameKind.Call, id, path: "/custody/claim", body }));
      socket.send(draft.seal(keys.sending, id, Math.floor(Date.now() / 1000)));
    }
    assert.equal(b.links?.size, 2);
    await eventually(() => assert.equal(b.links?.size, 1), { timeoutMilliseconds: 25_000 });
    assert.ok((await a.call(b)).ok, "the first one stays");
    socket.close(1000, "");
  });

  it("refuse a call whose time is not ours", async () => {
    const { a, b } = await linkedPair();
    let acted = 0;
    b.onCall = async () => {
      acted += 1;
      return {};
    };
    const { socket, keys } = await dialerOf(a)(b);
    const answer = new Promise<string>((resolve) => {
      socket.listen({ message: (bytes) => resolve(bytes.toString()), closed: () => undefined });
    });
    const draft = new MessageDraft();
    draft.add({ kind: FrameKind.Call, id: 0, path: "/custody/claim", body: "{}" });
    socket.send(draft.seal(keys.sending, 0, Math.floor(Date.now() / 1000) - 40));
    assert.match(await answer, /ERR_FED_CLOCK_SKEW/u);
    assert.equal(acted, 0);
    socket.close(1000, "");
  });

  it("go only where calls may go", async () => {
    const a = await server();
    const dial = createLinkDialer({
      ...{ origin: a.origin, signingKey: () => a.ring.current, ...ports },
      ...{ keyFor: () => undefined, allowInsecure: false, allowPrivateNetwork: false },
    });
    const to = (endpoint: string) => dial("https://b.example", { sessionId: "", endpoint });
    for (const endpoint of ["http://b.example/f", "https://127.0.0.1/f", "https://localhost/f"]) {
      await assert.rejects(to(endpoint), coded("ERR_FED_FORBIDDEN_ADDRESS"), endpoint);
    }
  });

  it("wait for an answer for so long, and no longer", async () => {
    const { a, b, way } = await apart();
    await a.handshake.connect(b.origin);
    way.mode = "swallow";
    const dial = createLinkDialer({
      ...{ origin: a.origin, signingKey: () => a.ring.current, ...ports },
      keyFor: (origin, kid) => a.registry.keyFor(origin, kid),
      ...{ allowInsecure: true, allowPrivateNetwork: false, timeoutMilliseconds: 100 },
    });
    const terms = { sessionId: "", endpoint: b.endpoint };
    await assert.rejects(dial(b.origin, terms), coded("ERR_FED_NOT_FOUND"));
  });
});
