import assert from "node:assert/strict";
import { recordSession } from "../../src/handshake/session-record.ts";
import { signDescriptor } from "../../src/identity/descriptor.ts";
import { CustodyServers, bodyThatCarries } from "../support/custody-servers.ts";
import { B, problemOf, twoServers } from "../support/federation.ts";
import { turn } from "../support/turn.ts";
import { Walk } from "../support/walk.ts";

const HOME = "https://home.example";
const MALLORY = "https://mallory.example";
const ACCOMPLICE = "https://accomplice.example";
const ADA = "ada@home.example";
const DAY_SECONDS = 86_400;

describe("a hostile peer that names numbers of its own", () => {
  const walk = new Walk();

  it("a destination whose seat lasts 20 days: the player is thawed within a minute or so", async () => {
    const servers = new CustodyServers();
    const [home, mallory] = [servers.add(HOME), servers.add(MALLORY)];
    const body = bodyThatCarries({ gold: 1 });
    const session = await walk.login(home, "ada", body);
    servers.tamper = (path, answer) =>
      path === "/reservations"
        ? {
            ...(answer as object),
            expiresAt: Math.floor(servers.clock.now() / 1000) + 20 * DAY_SECONDS,
          }
        : answer;
    const { outcome } = await walk.leave(home, mallory, ADA, body);
    await servers.clock.advanceAsync(65_000);
    assert.equal(session.frozen, false);
    assert.equal((await outcome).kind, "stayed");
    const told = body.transits[0] as unknown as { expiresAt: number };
    assert.ok(told.expiresAt * 1000 <= servers.clock.now());
  });

  it("a destination that claims long after the deadline of the transfer gets nothing", async () => {
    const servers = new CustodyServers();
    const [home, mallory] = [servers.add(HOME), servers.add(MALLORY)];
    servers.add(ACCOMPLICE);
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, mallory, ADA, body);
    mallory.custody.stop();
    const transferId = crypto.randomUUID();
    const request = { transferId, player: ADA, epoch: 1, to: ACCOMPLICE, world: "w" };
    assert.ok((await home.custody.answer(MALLORY, "depart", request, 0)).ok);
    await servers.clock.advanceAsync(300_000);
    const claim = await home.custody.answer(ACCOMPLICE, "claim", { transferId }, 0);
    assert.ok(!claim.ok && claim.code === "ERR_FED_TRANSFER_UNKNOWN", JSON.stringify(claim));
    const late = { transferId, player: ADA, epoch: 1 };
    assert.ok((await home.custody.answer(MALLORY, "cancel", late, 0)).ok);
  });

  it("a home whose lease is a nanosecond is asked for it once a second at most", async () => {
    const servers = new CustodyServers();
    const [home, arena] = [servers.add(HOME), servers.add(MALLORY)];
    servers.tamper = (_path, answer) =>
      "leaseSeconds" in (answer as object) ? { ...(answer as object), leaseSeconds: 1e-9 } : answer;
    const body = bodyThatCarries({ gold: 1 });
    await walk.login(home, "ada", body);
    await walk.cross(home, arena, ADA, body);
    for (let tenths = 0; tenths < 100; tenths += 1) {
      await servers.clock.advanceAsync(100);
      await turn(3);
    }
    const renewals = servers.calls.filter(({ path }) => path === "/custody/renew").length;
    assert.ok(renewals > 0 && renewals <= 11, `${renewals} renewals in 10 s`);
  });

  it("a descriptor that is valid for two seconds is no reason to shake hands all the time", async () => {
    const { clock, network, a, b } = twoServers();
    b.descriptor = () => {
      const now = Math.floor(clock.now() / 1000);
      const said = { origin: B, name: "B", endpoint: `${B}/federation`, protocols: ["aether/1"] };
      return signDescriptor({ ...said, worlds: [], validUntil: now + 2 }, b.ring);
    };
    await a.handshake.connect(B);
    const before = network.sent.length;
    for (let seconds = 0; seconds < 30; seconds += 1) {
      await clock.advanceAsync(1_000);
      await a.peers.call(B, "/custody/renew", {});
    }
    assert.equal(network.sent.length - before, 30, "nothing but the calls");
  });

  it("a session that is over in a second, or never, is one of a minute, or a day at most", async () => {
    const { clock, a } = twoServers();
    await a.handshake.connect(B);
    const now = Math.floor(clock.now() / 1000);
    const parts = {
      registry: a.registry,
      clock,
      manager: { handshakeTimeoutSeconds: 10 } as never,
    };
    for (const [said, bound] of [
      [now + 1, now + 60],
      [0, now + 60],
      // As long as the descriptor.
      [Number.MAX_SAFE_INTEGER, now + 3600],
    ] as const) {
      const session = { sessionId: "0", peer: a.origin, protocol: "aether/1", expiresAt: said };
      await recordSession(parts, B, { ...session, trust: "trusted" });
      assert.equal(a.registry.liveSession(B)?.expiresAt, bound);
    }
  });

  it("a Retry-After of years, or before now, is an hour, or nothing", async () => {
    const { a, b } = twoServers();
    await a.handshake.connect(B);
    for (const [retryAfter, seconds] of [
      [1e15, 3600],
      [-5, 0],
      [7, 7],
    ] as const) {
      b.onCall = () => ({
        status: 429,
        body: { ...problemOf("ERR_FED_RATE_LIMITED"), retryAfter },
      });
      const answer = await a.peers.call(B, "/custody/renew", {});
      assert.ok(!answer.ok);
      assert.equal(answer.retryAfterSeconds, seconds);
    }
  });
});
