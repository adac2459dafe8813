import assert from "node:assert/strict";
import {
  NOTHING_OBSERVED,
  type UptimeForm,
  UptimeHistory,
  mergeUptime,
  uptimeFormSchema,
} from "../../src/health/uptime-history.ts";

describe("health/uptime-history", () => {
  const START = Date.UTC(2026, 0, 1);
  const MINUTE = 60_000;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  const EMPTY: UptimeForm = { hour: [], day: [], ninetyDays: [] };

  /** Found the same every minute. */
  function watched(history: UptimeHistory, from: number, to: number, up = true): UptimeHistory {
    for (let at = from; at <= to; at += MINUTE) history.record(at, up, up ? 20 : undefined);
    return history;
  }

  it("knows nothing before it has observed something", () => {
    const history = new UptimeHistory();
    assert.deepEqual(history.uptime(START), NOTHING_OBSERVED);
    history.record(START, true);
    assert.deepEqual(history.uptime(START).hour, { share: undefined, observedMilliseconds: 0 });
  });

  it("gives each of two findings that differ its half of the time between", () => {
    const history = new UptimeHistory();
    history.record(START, true);
    history.record(START + MINUTE, false);
    assert.deepEqual(history.uptime(START + MINUTE).hour, {
      share: 0.5,
      observedMilliseconds: MINUTE,
    });
  });

  it("knows nothing of a gap, however the peer was before", () => {
    const history = watched(new UptimeHistory(), START, START + 10 * MINUTE);
    assert.equal(history.uptime(START + 11 * MINUTE).day.observedMilliseconds, 11 * MINUTE);
    assert.equal(history.uptime(START + 5 * HOUR).day.observedMilliseconds, 10 * MINUTE);
    history.record(START + 5 * HOUR, false);
    assert.deepEqual(history.uptime(START + 5 * HOUR).day, {
      share: 1,
      observedMilliseconds: 10 * MINUTE,
    });
  });

  it("ends what it knows with a pause", () => {
    const history = watched(new UptimeHistory(), START, START + 10 * MINUTE);
    history.pause(START + 10.5 * MINUTE);
    history.record(START + 11 * MINUTE, true);
    assert.equal(history.uptime(START + 11 * MINUTE).hour.observedMilliseconds, 10.5 * MINUTE);
  });

  it("shows every slice of a window, gaps among them, with its round trips", () => {
    const history = new UptimeHistory();
    history.record(START, true, 10);
    history.record(START + 30_000, true, 30);
    history.record(START + MINUTE, false);
    const slices = history.slices("hour", START + 5 * MINUTE);
    assert.equal(slices.length, 60);
    assert.deepEqual(slices.at(-6), {
      at: START,
      lengthMilliseconds: MINUTE,
      observedMilliseconds: MINUTE,
      upMilliseconds: 45_000,
      roundTrips: 2,
      meanRoundTripMilliseconds: 20,
      maxRoundTripMilliseconds: 30,
    });
    assert.deepEqual(slices.at(-1), {
      at: START + 5 * MINUTE,
      lengthMilliseconds: MINUTE,
      observedMilliseconds: 0,
      upMilliseconds: 0,
      roundTrips: 0,
      meanRoundTripMilliseconds: undefined,
      maxRoundTripMilliseconds: undefined,
    });
    assert.equal(history.slices("day", START).length, 24);
    assert.equal(history.slices("ninetyDays", START).length, 90);
  });

  it("stays bounded over 120 days, stored and in memory", () => {
    const history = new UptimeHistory({ longestGapMilliseconds: HOUR });
    for (let at = START; at < START + 120 * DAY; at += 7 * MINUTE) history.record(at, true, 1.25);
    const form = history.toForm();
    assert.deepEqual(
      [form.hour, form.day, form.ninetyDays].map(({ length }) => length <= 90),
      [true, true, true],
    );
    assert.ok(JSON.stringify(form).length < 8_192);
    assert.ok(uptimeFormSchema.safeParse(JSON.parse(JSON.stringify(form))).success);
    assert.equal(history.uptime(START + 120 * DAY).ninetyDays.share, 1);
  });

  it("goes on from what was stored", () => {
    const before = watched(new UptimeHistory(), START, START + 30 * MINUTE);
    watched(before, START + 31 * MINUTE, START + 40 * MINUTE, false);
    const form = uptimeFormSchema.parse(JSON.parse(JSON.stringify(before.toForm())));
    const after = new UptimeHistory();
    after.restore(form, START + 50 * MINUTE);
    assert.deepEqual(after.uptime(START + 40 * MINUTE), before.uptime(START + 40 * MINUTE));
    watched(after, START + 50 * MINUTE, START + 60 * MINUTE);
    assert.deepEqual(after.uptime(START + 60 * MINUTE).day, {
      share: 40.5 / 50,
      observedMilliseconds: 50 * MINUTE,
    });
  });

  it("drops stored slices of the future", () => {
    const history = new UptimeHistory();
    const day = START / DAY;
    history.restore(
      {
        ...EMPTY,
        ninetyDays: [
          [day, HOUR, HOUR, 0, 0, 0],
          [day + 1, DAY, DAY, 0, 0, 0],
        ],
      },
      START + HOUR,
    );
    assert.deepEqual(history.toForm().ninetyDays, [[day, HOUR, HOUR, 0, 0, 0]]);
  });

  it("counts nothing twice when the clock is set back", () => {
    const history = watched(new UptimeHistory(), START, START + 59 * MINUTE);
    watched(history, START + 10 * MINUTE, START + 30 * MINUTE);
    const { observedMilliseconds } = history.uptime(START + 30 * MINUTE).hour;
    assert.equal(observedMilliseconds, 30 * MINUTE);
    for (const [, known] of history.toForm().hour) assert.ok(known <= MINUTE);
  });

  it("keeps to its bounds when the clock is far ahead, pauses, and comes back", () => {
    const history = watched(new UptimeHistory(), START + 90 * DAY, START + 90 * DAY + HOUR);
    history.pause(START + 90 * DAY + HOUR);
    watched(history, START, START + 2 * HOUR);
    assert.ok(uptimeFormSchema.safeParse(history.toForm()).success);
    assert.equal(history.uptime(START + 2 * HOUR).hour.share, 1);
  });

  it("merges what two have observed by the larger share of each slice", () => {
    const one: UptimeForm = {
      ...EMPTY,
      hour: [
        [1, 60_000, 60_000, 4, 40, 10],
        [2, 10_000, 0, 0, 0, 0],
      ],
    };
    const other: UptimeForm = {
      ...EMPTY,
      hour: [
        [2, 50_000, 50_000, 3, 30, 10],
        [3, 5_000, 0, 0, 0, 0],
      ],
    };
    const merged = [one.hour[0], other.hour[0], other.hour[1]];
    assert.deepEqual(mergeUptime(one, other).hour, merged);
    assert.deepEqual(mergeUptime(other, one).hour, merged);
  });

  describe("reads no stored history with", () => {
    const slice = [1, 60_000, 60_000, 4, 40, 10];
    const WRONG: Record<string, unknown> = {
      "more up than observed": [[1, 10, 11, 0, 0, 0]],
      "more observed than there is time": [[1, 60_001, 0, 0, 0, 0]],
      "too many slices": Array.from({ length: 62 }, (_, at) => [at, 0, 0, 0, 0, 0]),
      "a negative time": [[1, 10, -1, 0, 0, 0]],
      "a number that is none": [[1, 10, "5", 0, 0, 0]],
      "a slice beyond all time": [[Number.MAX_SAFE_INTEGER, 10, 5, 0, 0, 0]],
      "a slice of another form": [slice.slice(1)],
    };
    for (const [what, hour] of Object.entries(WRONG)) {
      it(what, () => {
        assert.ok(uptimeFormSchema.safeParse({ ...EMPTY, hour: [slice] }).success);
        assert.equal(uptimeFormSchema.safeParse({ ...EMPTY, hour }).success, false);
      });
    }
  });
});
