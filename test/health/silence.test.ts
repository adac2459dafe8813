import assert from "node:assert/strict";
import { HealthStatus } from "../../src/health/peer-record.ts";
import { type Silence, silenceOf } from "../../src/health/silence.ts";
import { silentFor } from "../support/silent-peer.ts";

const DAY = 24 * 3600 * 1000;
const NOW = Date.UTC(2026, 10, 29, 17, 30);
const whyNot = (silence: Silence): string => {
  assert.equal(silence.isSilent, false);
  return silence.isSilent ? "" : silence.why;
};

describe("health/silence", () => {
  it("knows who has not answered for so long, and since when", () => {
    const silence = silenceOf(silentFor(31, { now: NOW }), NOW, 30);
    assert.deepEqual(silence, { isSilent: true, since: NOW - 31 * DAY });
  });

  it("says nothing of whom nobody has probed", () => {
    assert.match(whyNot(silenceOf(undefined, NOW, 30)), /never probed/u);
  });

  it("does not call silent who has answered within that time", () => {
    assert.match(whyNot(silenceOf(silentFor(29, { now: NOW }), NOW, 30)), /within 30 days/u);
  });

  it("does not call silent who has answered in between, whatever the last probe says", () => {
    const health = silentFor(60, { now: NOW });
    const slice = health.uptime.ninetyDays.find(([day]) => day * DAY > NOW - 9 * DAY);
    assert.ok(slice !== undefined);
    slice[2] = 1;
    assert.match(whyNot(silenceOf(health, NOW, 30)), /within 30 days/u);
  });

  it("does not call silent who answers", () => {
    const health = { ...silentFor(31, { now: NOW }), status: HealthStatus.Degraded };
    assert.match(whyNot(silenceOf(health, NOW, 30)), /it answers/u);
  });

  it("takes no word of a former time for the present", () => {
    const health = { ...silentFor(31, { now: NOW }), lastCheckedAt: NOW - 2 * DAY };
    assert.match(whyNot(silenceOf(health, NOW, 30)), /last day/u);
  });

  it("takes no probe of the future: the clock was set back", () => {
    const health = { ...silentFor(31, { now: NOW }), lastCheckedAt: NOW + 1 };
    assert.match(whyNot(silenceOf(health, NOW, 30)), /last day/u);
  });

  it("counts no time that nobody has looked: a server that slept knows of no silence", () => {
    const health = silentFor(31, { now: NOW, observed: 0.4 });
    assert.match(whyNot(silenceOf(health, NOW, 30)), /looked at for 1[0-9.]+ of 30 days/u);
    assert.equal(silenceOf(silentFor(31, { now: NOW, observed: 0.6 }), NOW, 30).isSilent, true);
  });

  it("counts from the first look at one that never answered", () => {
    const { lastOkAt: _never, ...health } = silentFor(31, { now: NOW });
    health.uptime.ninetyDays[0]![2] = 0;
    assert.equal(silenceOf(health, NOW, 30).isSilent, true);
    assert.equal(silenceOf(health, NOW, 40).isSilent, false);
  });
});
