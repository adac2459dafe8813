import assert from "node:assert/strict";
import { CoolDown } from "../../src/limits/cool-down.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

describe("limits/CoolDown", () => {
  let clock: ManualClock;
  let coolDown: CoolDown;
  beforeEach(() => {
    clock = new ManualClock();
    coolDown = new CoolDown({ clock });
  });
  const fails = (times: number, key = "ada"): void => {
    for (let time = 0; time < times; time += 1) coolDown.failed(key);
  };

  it("lets three failures pass, then waits longer and longer, and no longer than 30 s", () => {
    const waits = Array.from({ length: 10 }, () => {
      fails(1);
      return coolDown.wait("ada");
    });
    assert.deepEqual(waits, [0, 0, 0, 2, 4, 8, 16, 30, 30, 30]);
  });

  it("is over when its time is", () => {
    fails(5);
    clock.advance(3_500);
    assert.equal(coolDown.wait("ada"), 1);
    clock.advance(500);
    assert.equal(coolDown.wait("ada"), 0);
    fails(1);
    assert.equal(coolDown.wait("ada"), 8);
  });

  it("begins anew after a success", () => {
    fails(9);
    coolDown.succeeded("ada");
    assert.equal(coolDown.wait("ada"), 0);
    fails(3);
    assert.equal(coolDown.wait("ada"), 0);
  });

  it("begins anew after ten minutes without a failure", () => {
    fails(9);
    clock.advance(600_000);
    fails(3);
    assert.equal(coolDown.wait("ada"), 0);
  });

  it("counts each by itself", () => {
    fails(4);
    assert.deepEqual([coolDown.wait("ada"), coolDown.wait("grace")], [2, 0]);
  });

  it("remembers a bounded number of them", () => {
    fails(5);
    for (let index = 0; index < 10_000; index += 1) coolDown.failed(`somebody ${index}`);
    assert.equal(coolDown.wait("ada"), 0);
    fails(3, "somebody 9999");
    assert.equal(coolDown.wait("somebody 9999"), 2);
  });
});
