import assert from "node:assert/strict";
import { ProcessRegister } from "../../../src/custody/shared/process-register.ts";
import { quietLogger } from "../../support/loggers.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { type MemoryDisk, MemoryStore } from "../../../src/storage/memory-store.ts";
import { seededRandom } from "../../support/seeded-random.ts";

describe("custody/shared/process-register", () => {
  let clock: ManualClock;
  let disk: MemoryDisk;
  beforeEach(() => {
    clock = new ManualClock();
    disk = new Map();
  });

  async function process(seed: number) {
    const heard: string[] = [];
    const store = new MemoryStore(clock, disk);
    const register = new ProcessRegister({
      store,
      clock,
      random: seededRandom(seed),
      logger: quietLogger(),
    });
    register.watchedBy({
      onLapse: () => heard.push("lapse"),
      onReborn: () => heard.push("reborn"),
      onDeaths: () => heard.push("deaths"),
    });
    await register.start();
    return { store, register, heard };
  }

  /** Lets time pass in steps, with what waits for the store in between. */
  async function pass(seconds: number): Promise<void> {
    for (let each = 0; each < seconds; each += 1) {
      clock.advance(1_000);
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    }
  }

  it("is alive to others while it is in touch, and not after it has stopped", async () => {
    const [one, two] = [await process(1), await process(2)];
    await pass(60);
    assert.equal(await one.register.isAlive(two.register.life), true);
    await two.register.stop();
    assert.equal(await one.register.isAlive(two.register.life), false);
    await pass(5);
    assert.deepEqual(one.heard, ["deaths"]);
  });

  it("is dead to others some time after it was last heard of, and they are told", async () => {
    const [one, two] = [await process(1), await process(2)];
    await pass(5);
    two.store.failing = true;
    await pass(20);
    assert.equal(await one.register.isAlive(two.register.life), false);
    assert.deepEqual(one.heard, ["deaths"]);
  });

  it("stops simulating before others can think it dead", async () => {
    const [one, two] = [await process(1), await process(2)];
    const { life } = two.register;
    two.store.failing = true;
    while (!two.heard.includes("lapse")) {
      assert.equal(await one.register.isAlive(life), true);
      await pass(1);
    }
    assert.equal(await one.register.isAlive(life), true, "others must not have been first");
  });

  it("begins another life when it is in touch again", async () => {
    const [one, two] = [await process(1), await process(2)];
    const { life } = two.register;
    two.store.failing = true;
    await pass(20);
    two.store.failing = false;
    await pass(5);
    assert.deepEqual(two.heard.slice(0, 2), ["lapse", "reborn"]);
    assert.notEqual(two.register.life, life);
    assert.equal(await one.register.isAlive(life), false);
    assert.equal(await one.register.isAlive(two.register.life), true);
  });

  it("does not lapse for one answer that is lost", async () => {
    const two = await process(2);
    two.store.failing = true;
    await pass(4);
    two.store.failing = false;
    await pass(30);
    assert.deepEqual(two.heard, []);
  });
});
