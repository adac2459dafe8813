import assert from "node:assert/strict";
import type { HealthCause } from "../../src/health/health-cause.ts";
import { PeerRecord, type RememberedHealth } from "../../src/health/peer-record.ts";
import { conditionOf, mendOf, sinceOf, whyOf } from "../../src/operator/condition.ts";
import { rememberedPeers } from "../../src/operator/peer-states.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const A = "https://a.example";
const B = "https://b.example";
const OWN = { origin: "https://own.example", keyId: "own-key" };
const MINUTE = 60_000;

describe("operator/peer-states", () => {
  let clock: ManualClock;
  let registry: ServerRegistry;

  beforeEach(() => {
    clock = new ManualClock();
    registry = new ServerRegistry({ store: new MemoryStore(clock), clock });
  });

  /** What one probe a minute has found, the last of them at this moment. */
  function remembered(...found: readonly (HealthCause | "up")[]): RememberedHealth {
    const record = new PeerRecord(A, {
      ...{ degradedAfterMilliseconds: 1_000, failuresToUnreachable: 2, successesToHealthy: 1 },
    });
    for (const [index, what] of found.entries()) {
      const ok = what === "up" || what.code === "slow";
      record.add({
        at: clock.now() - (found.length - 1 - index) * MINUTE,
        ...{ ok, roundTripMilliseconds: ok ? 12 : undefined, reported: ok ? "pass" : undefined },
        cause: what === "up" ? undefined : what,
      });
    }
    return record.remembered()!;
  }
  const peer = async (health?: RememberedHealth, trust: TrustState = TrustState.Trusted) => {
    await registry.register({ endpoint: A }, { trust });
    return one(health);
  };
  const all = (named: readonly string[] = [], health?: RememberedHealth) =>
    rememberedPeers({
      ...{ registry, named, now: clock.now() },
      remembered: new Map(health === undefined ? [] : [[A, health]]),
    });
  const one = (health?: RememberedHealth) => {
    const [found] = all([], health);
    assert.ok(found !== undefined);
    return found;
  };

  it("is up, with what it was measured by", async () => {
    const found = await peer(remembered("up", "up", "up"));
    assert.deepEqual([conditionOf(found), whyOf(found)], ["up", undefined]);
    assert.equal(found.roundTripMilliseconds, 12);
    assert.deepEqual(found.uptime.day, { share: 1, observedMilliseconds: 2 * MINUTE });
    assert.equal(sinceOf(found), clock.now() - 2 * MINUTE);
    assert.equal(found.lastCheckedAt, clock.now());
  });

  it("is down since it was found so, and why", async () => {
    const refused = { code: "connection-refused" } as const;
    const found = await peer(remembered("up", refused, refused, refused));
    assert.deepEqual([conditionOf(found), whyOf(found)], ["down", "connection refused"]);
    assert.equal(sinceOf(found), clock.now() - MINUTE);
    assert.match(mendOf(found, OWN)?.command ?? "", /doctor https:\/\/a\.example$/u);
    assert.equal(found.roundTripMilliseconds, undefined);
    assert.equal(found.lastSeenAt, clock.now() - 3 * MINUTE);
  });

  for (const [what, condition] of [
    ["up", "up"],
    [{ code: "timed-out" }, "down"],
    [{ code: "slow" }, "degraded"],
  ] as const) {
    it(`is unknown, not ${condition}, where nobody has measured it for five minutes`, async () => {
      const health = remembered(what, what);
      await peer(health);
      clock.advance(5 * MINUTE);
      assert.equal(conditionOf(one(health)), condition);
      clock.advance(1);
      const found = one(health);
      assert.deepEqual([conditionOf(found), whyOf(found)], ["unknown", "not looked at since"]);
      assert.equal(sinceOf(found), clock.now() - 5 * MINUTE - 1);
    });
  }

  it("is unknown where it was never measured, and no uptime is made up", async () => {
    const found = await peer();
    assert.deepEqual([conditionOf(found), whyOf(found)], ["unknown", "never looked at"]);
    assert.deepEqual([sinceOf(found), found.uptime.day.share], [undefined, undefined]);
  });

  for (const [what, health] of [
    ["though it is up", () => remembered("up", "up")],
    ["though nobody has measured it", () => undefined],
  ] as const) {
    it(`refuses this server, ${what}`, async () => {
      await peer(health());
      await registry.noteRefusal(A, "ERR_FED_NOT_TRUSTED");
      const found = one(health());
      assert.equal(conditionOf(found), "refused");
      assert.equal(sinceOf(found), Math.floor(clock.now() / 1000) * 1000);
    });
  }

  it("is down rather than refusing, where both are so: nobody can mend the one before the other", async () => {
    const gone = { code: "timed-out" } as const;
    await peer(remembered(gone, gone));
    await registry.noteRefusal(A, "ERR_FED_NOT_TRUSTED");
    assert.equal(conditionOf(one(remembered(gone, gone))), "down");
  });

  it("is degraded, with the cause", async () => {
    const found = await peer(remembered("up", { code: "slow" }));
    assert.deepEqual([conditionOf(found), whyOf(found)], ["degraded", "answers slowly"]);
  });

  for (const trust of [TrustState.Pending, TrustState.Quarantined] as const) {
    it(`waits for its operator while ${trust}, whatever was measured before`, async () => {
      assert.equal(conditionOf(await peer(remembered("up"), trust)), trust);
    });
  }

  it("stands behind all others while it is blocked, and says by what", async () => {
    await registry.register({ endpoint: B }, { trust: TrustState.Trusted });
    await registry.register({ endpoint: A }, { trust: TrustState.Trusted });
    await registry.block("*.b.example");
    assert.deepEqual(
      all().map((found) => [found.origin, conditionOf(found), whyOf(found)]),
      [
        [A, "unknown", "never looked at"],
        [B, "blocked", "blocked by *.b.example"],
      ],
    );
  });

  it("says why nobody has met whom the configuration names, and when it is tried again", () => {
    const refusal = "ERR_FED_NOT_TRUSTED" as const;
    const [refused, gone] = rememberedPeers({
      ...{ registry, remembered: new Map(), named: [A, B], now: clock.now() },
      attempts: [
        { origin: A, cause: { code: "session-refused", refusal }, nextAt: 7 },
        { origin: B, cause: { code: "no-such-host" } },
      ],
    });
    assert.ok(refused !== undefined && gone !== undefined);
    assert.deepEqual([refused.origin, refused.nextCheckAt], [A, 7]);
    assert.match(whyOf(refused) ?? "", /^pending there/u);
    assert.deepEqual(mendOf(refused, OWN)?.where, "there");
    assert.equal(whyOf(gone), "no such host");
  });

  it("names whom the configuration names and nobody has met, and nobody twice", async () => {
    await peer(remembered("up"));
    assert.deepEqual(
      all([A, B], remembered("up")).map((found) => [found.origin, conditionOf(found)]),
      [
        [B, "unmet"],
        [A, "up"],
      ],
    );
  });
});
