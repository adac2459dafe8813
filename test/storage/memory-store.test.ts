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
});
