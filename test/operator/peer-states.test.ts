import assert from "node:assert/strict";
import type { HealthCause } from "../../src/health/health-cause.ts";
import { PeerRecord, type RememberedHealth } from "../../src/health/peer-record.ts";
import { isTrouble, peerConditions } from "../../src/operator/peer-states.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const A = "https://a.example";
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
  const condition = async (health?: RememberedHealth, trust: TrustState = TrustState.Trusted) => {
    await registry.register({ endpoint: A }, { trust });
    return one(health);
  };
  const one = (health?: RememberedHealth) => {
    const known = new Map(health === undefined ? [] : [[A, health]]);
    const [found] = peerConditions(registry, known, clock.now());
    assert.ok(found !== undefined);
    return found;
  };

  it("is up, with what it was measured by", async () => {
    const { state, why, mend, roundTripMilliseconds, uptime, since } = await condition(
      remembered("up", "up", "up"),
    );
    assert.deepEqual([state, why, mend], ["up", undefined, undefined]);
    assert.equal(roundTripMilliseconds, 12);
    assert.deepEqual(uptime.day, { share: 1, observedMilliseconds: 2 * MINUTE });
    assert.equal(since, clock.now() - 2 * MINUTE);
  });

  it("is down since it was found so, and why", async () => {
    const refused = { code: "connection-refused" } as const;
    const found = await condition(remembered("up", refused, refused, refused));
    assert.deepEqual([found.state, found.why], ["down", "connection refused"]);
    assert.equal(found.since, clock.now() - MINUTE);
    assert.match(found.mend ?? "", /doctor https:\/\/a\.example$/u);
    assert.equal(found.roundTripMilliseconds, undefined);
  });

  it("is unknown, not up, where nobody has measured it for five minutes", async () => {
    const health = remembered("up", "up");
    await condition(health);
    clock.advance(5 * MINUTE);
    assert.equal(one(health).state, "up");
    clock.advance(1);
    const { state, why, since } = one(health);
    assert.deepEqual([state, why], ["unknown", "not measured since"]);
    assert.equal(since, clock.now() - 5 * MINUTE - 1);
  });

  it("is unknown where it was never measured, and no uptime is made up", async () => {
    const { state, uptime, since } = await condition();
    assert.deepEqual([state, since, uptime.day.share], ["unknown", undefined, undefined]);
  });

  it("refuses us, though it is up", async () => {
    await condition(remembered("up", "up"));
    await registry.noteRefusal(A, "ERR_FED_NOT_TRUSTED");
    const { state, why, mend } = one(remembered("up", "up"));
    assert.deepEqual([state, why], ["refuses us", "refuses us: ERR_FED_NOT_TRUSTED"]);
    assert.match(mend ?? "", /peers retry/u);
  });

  it("is down rather than refusing, where both are so: nobody can mend the one before the other", async () => {
    const gone = { code: "timed-out" } as const;
    await condition(remembered(gone, gone));
    await registry.noteRefusal(A, "ERR_FED_NOT_TRUSTED");
    assert.equal(one(remembered(gone, gone)).state, "down");
  });

  it("is degraded, with the cause", async () => {
    const { state, why } = await condition(remembered("up", { code: "slow" }));
    assert.deepEqual([state, why], ["degraded", "answers slowly"]);
  });

  for (const [trust, state] of [
    [TrustState.Pending, "pending"],
    [TrustState.Quarantined, "quarantined"],
  ] as const) {
    it(`waits for its operator while ${trust}, whatever was measured before`, async () => {
      const found = await condition(remembered("up"), trust);
      assert.equal(found.state, state);
      assert.match(found.mend ?? "", /peers approve https:\/\/a\.example$/u);
    });
  }

  it("stands behind all others while it is blocked, and says by what", async () => {
    await registry.register({ endpoint: "https://b.example" }, { trust: TrustState.Trusted });
    await registry.register({ endpoint: A }, { trust: TrustState.Trusted });
    await registry.block("*.b.example");
    const states = peerConditions(registry, new Map(), clock.now());
    assert.deepEqual(
      states.map(({ server, state, why }) => [server.origin, state, why]),
      [
        [A, "unknown", "never measured"],
        ["https://b.example", "blocked", "blocked by *.b.example"],
      ],
    );
  });

  it("counts as trouble what an operator has to mend, and no stranger", () => {
    const troubles = ["down", "refuses us", "quarantined", "degraded"] as const;
    for (const state of troubles) assert.equal(isTrouble(state), true, state);
    for (const state of ["unknown", "pending", "up", "blocked"] as const) {
      assert.equal(isTrouble(state), false, state);
    }
  });
});
