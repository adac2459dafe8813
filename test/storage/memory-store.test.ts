import assert from "node:assert/strict";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { storeConformance } from "../../src/testing/store-conformance.ts";
import { MemoryStore, type MemoryDisk } from "../../src/storage/memory-store.ts";

describe("storage/memory-store", () => {
  let disk: MemoryDisk;
  beforeEach(() => {
    disk = new Map();
  });
  storeConformance({ name: "the store in memory", open: (clock) => new MemoryStore(clock, disk) });

  it("shares a disk, refuses when failing or closed", async () => {
    const disk: MemoryDisk = new Map();
    const clock = new ManualClock();
    const [one, two] = [new MemoryStore(clock, disk), new MemoryStore(clock, disk)];
    await one.set("a", "1");
    assert.equal(await two.get("a"), "1");
    two.failing = true;
    await assert.rejects(two.get("a"), { code: "ERR_FED_STORE_UNAVAILABLE" });
    await one.close();
    await assert.rejects(one.get("a"), { code: "ERR_FED_STORE_UNAVAILABLE" });
  });

  it("keeps half as much again as what lives in it, at most", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock, disk);
    let most = 0;
    for (let second = 0; second < 60; second += 1) {
      for (let each = 0; each < 1_000; each += 1) await store.set(`${second}/${each}`, "", 10_000);
      if (second >= 10) most = Math.max(most, disk.size);
      clock.advance(1_000);
    }
    assert.ok(most >= 10_000 && most <= 15_001, `${most} entries of 10,000 that live`);
  });
});
