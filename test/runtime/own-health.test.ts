import assert from "node:assert/strict";
import { OwnHealth } from "../../src/runtime/own-health.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

describe("runtime/own-health", () => {
  function setUp() {
    const clock = new ManualClock();
    const world = { mood: "well" as "well" | "fails" | "hangs", delay: 0, reads: 0 };
    const state = { draining: false };
    const health = new OwnHealth({
      clock,
      store: {
        get: async () => {
          world.reads += 1;
          if (world.mood === "hangs") await new Promise(() => undefined);
          if (world.delay > 0) {
            await new Promise<void>((resolve) => clock.setTimeout(resolve, world.delay));
          }
          if (world.mood === "fails") throw new Error("secret of the store");
          return undefined;
        },
      },
      isDraining: () => state.draining,
    });
    health.start();
    return { clock, world, state, health };
  }

  it("passes while the store answers, and says how quickly", async () => {
    const { clock, health } = setUp();
    await clock.advanceAsync(10);
    const { status, checks } = health.report();
    assert.equal(status, "pass");
    assert.deepEqual(checks["store:responseTime"], [
      {
        componentType: "datastore",
        status: "pass",
        time: "2026-01-01T00:00:00.000Z",
        observedValue: 0,
        observedUnit: "ms",
      },
    ]);
  });

  it("fails when the store fails, gives nothing away, and passes when it is back", async () => {
    const { clock, world, health } = setUp();
    world.mood = "fails";
    await clock.advanceAsync(5_010);
    assert.equal(health.report().status, "fail");
    assert.doesNotMatch(JSON.stringify(health.report()), /secret/u);
    world.mood = "well";
    await clock.advanceAsync(5_010);
    assert.equal(health.report().status, "pass");
  });

  it("fails when the store hangs, and asks no more of it meanwhile", async () => {
    const { clock, world, health } = setUp();
    await clock.advanceAsync(10);
    world.mood = "hangs";
    await clock.advanceAsync(8_010);
    assert.equal(health.report().status, "fail");
    await clock.advanceAsync(60_000);
    assert.equal(world.reads, 2);
  });

  it("warns of a store that is slow", async () => {
    const { clock, world, health } = setUp();
    world.delay = 1_500;
    await clock.advanceAsync(7_000);
    const { status, checks } = health.report();
    assert.deepEqual([status, checks["store:responseTime"]?.[0]?.observedValue], ["warn", 1_500]);
  });

  it("warns while it closes", async () => {
    const { clock, state, health } = setUp();
    await clock.advanceAsync(10);
    state.draining = true;
    assert.equal(health.report().status, "warn");
    assert.equal(health.report().checks["players:admission"]?.[0]?.status, "warn");
    state.draining = false;
    assert.equal(health.report().status, "pass");
  });

  it("reads nothing for who asks, fits into a pong, and ends with its stop", async () => {
    const { clock, world, state, health } = setUp();
    await clock.advanceAsync(10);
    Object.assign(state, { draining: true });
    world.mood = "fails";
    await clock.advanceAsync(5_000);
    const { reads } = world;
    for (let each = 0; each < 100; each += 1) health.report();
    assert.equal(world.reads, reads);
    const said = JSON.stringify({ ...health.report(), version: "10.10.10-alpha.10" });
    assert.ok(said.length < 1_024, `${said.length} bytes`);
    health.stop();
    await clock.advanceAsync(60_000);
    assert.equal(world.reads, reads);
  });
});
