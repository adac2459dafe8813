import assert from "node:assert/strict";
import { type HealthSample, HealthStatus, PeerRecord } from "../../src/health/peer-record.ts";

describe("health/peer-record", () => {
  const RULES = { degradedAfterMilliseconds: 100, failuresToUnreachable: 2, successesToHealthy: 2 };
  const record = (): PeerRecord => new PeerRecord("https://peer.example", RULES);
  const pass = (at: number, roundTripMilliseconds = 10): HealthSample => {
    return { at, ok: true, roundTripMilliseconds, reported: "pass" };
  };
  const lost = (at: number): HealthSample => {
    return { at, ok: false, roundTripMilliseconds: undefined, reported: undefined };
  };

  it("tells of changes only, each once", () => {
    const peer = record();
    const changes = [pass(0), pass(1), lost(2), lost(3), lost(4), pass(5), pass(6)].map((sample) =>
      peer.add(sample),
    );
    const { Healthy, Unreachable } = HealthStatus;
    assert.deepEqual(changes, [
      { from: HealthStatus.Unknown, to: Healthy },
      ...[undefined, undefined],
      { from: Healthy, to: Unreachable },
      ...[undefined, undefined],
      { from: Unreachable, to: Healthy },
    ]);
  });

  it("takes the first probe's word, whatever it is", () => {
    assert.deepEqual(record().add(lost(0)), {
      from: HealthStatus.Unknown,
      to: HealthStatus.Unreachable,
    });
  });

  it("smooths round trips, so that one slow answer degrades nobody", () => {
    const peer = record();
    peer.add(pass(0, 10));
    assert.equal(peer.add(pass(1, 200)), undefined);
    assert.equal(peer.describe(1).roundTripMilliseconds, 67);
    assert.equal(peer.add(pass(2, 200))?.to, HealthStatus.Degraded);
  });
});
