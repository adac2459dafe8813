import assert from "node:assert/strict";
import { Quota } from "../../src/limits/quota.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

describe("limits/Quota", () => {
  it("grants so many at once, and as many again in a minute", () => {
    const clock = new ManualClock();
    const quota = new Quota({ clock, perMinute: 3 });
    assert.deepEqual(
      [1, 2, 3, 4].map(() => quota.take("ada")),
      [0, 0, 0, 20],
    );
    clock.advance(10_000);
    assert.equal(quota.take("ada"), 10);
    clock.advance(10_000);
    assert.deepEqual([quota.take("ada"), quota.take("ada")], [0, 20]);
    clock.advance(600_000);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => quota.take("ada")),
      [0, 0, 0, 20],
    );
  });

  it("counts each by itself", () => {
    const quota = new Quota({ clock: new ManualClock(), perMinute: 1 });
    assert.deepEqual([quota.take("ada"), quota.take("ada"), quota.take("grace")], [0, 60, 0]);
  });

  it("remembers a bounded number of them", () => {
    const quota = new Quota({ clock: new ManualClock(), perMinute: 1 });
    quota.take("ada");
    for (let index = 0; index < 10_000; index += 1) quota.take(`somebody ${index}`);
    assert.equal(quota.take("ada"), 0);
    assert.equal(quota.take("somebody 9999"), 60);
  });

  it("is no limit where there is none", () => {
    const quota = new Quota({ clock: new ManualClock(), perMinute: Infinity });
    for (let index = 0; index < 100; index += 1) assert.equal(quota.take("ada"), 0);
  });
});
