import assert from "node:assert/strict";
import { ManualClock } from "./manual-clock.ts";
import { MemoryStore, type MemoryDisk } from "./memory-store.ts";

describe("MemoryStore", () => {
  it("compare-and-set writes only over the expected value", async () => {
    const store = new MemoryStore(new ManualClock());
    assert.equal(await store.compareAndSet("a", undefined, "1"), true);
    assert.equal(await store.compareAndSet("a", undefined, "2"), false);
    assert.equal(await store.compareAndSet("a", "0", "2"), false);
    assert.equal(await store.get("a"), "1");
    assert.equal(await store.compareAndSet("a", "1", undefined), true);
    assert.equal(await store.get("a"), undefined);
  });

  it("expires on the clock it is given", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    await store.set("a", "1", 1000);
    clock.advance(999);
    assert.equal(await store.get("a"), "1");
    clock.advance(1);
    assert.equal(await store.get("a"), undefined);
    assert.equal(await store.compareAndSet("a", undefined, "2"), true);
  });

  it("lists a prefix in order of keys", async () => {
    const store = new MemoryStore(new ManualClock());
    for (const key of ["p/b", "q/a", "p/a"]) await store.set(key, key);
    const seen: string[] = [];
    for await (const [key] of store.entries("p/")) seen.push(key);
    assert.deepEqual(seen, ["p/a", "p/b"]);
  });

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

describe("ManualClock", () => {
  it("fires timers at their due time, in order", () => {
    const clock = new ManualClock(0);
    const seen: [string, number][] = [];
    clock.setTimeout(() => seen.push(["b", clock.now()]), 20);
    clock.setTimeout(() => {
      seen.push(["a", clock.now()]);
      clock.setTimeout(() => seen.push(["c", clock.now()]), 5);
    }, 10);
    clock.clearTimeout(clock.setTimeout(() => seen.push(["never", 0]), 12));
    clock.advance(30);
    assert.deepEqual(seen, [["a", 10], ["c", 15], ["b", 20]]); // prettier-ignore
    assert.equal(clock.monotonic(), 30);
    assert.equal(clock.pendingTimers, 0);
  });

  it("moves the wall alone", () => {
    const clock = new ManualClock(1000);
    clock.jumpWall(-500);
    assert.equal(clock.now(), 500);
    assert.equal(clock.monotonic(), 0);
  });
});
