import assert from "node:assert/strict";
import type { Clock, Store } from "../../src/ports.ts";

/** What any store must do. `open` twice over the same place is a restart, or a second process. */
export function describeStore(
  name: string,
  open: (clock: Clock) => Promise<Store>,
  makeClock: () => Clock & { advance(milliseconds: number): void | Promise<void> },
): void {
  describe(`${name} is a store`, () => {
    let store: Store;
    let clock: ReturnType<typeof makeClock>;
    beforeEach(async () => {
      clock = makeClock();
      store = await open(clock);
    });
    afterEach(() => store.close());

    it("gives back what was set, and nothing for what was not", async () => {
      await store.set("a", "1");
      assert.equal(await store.get("a"), "1");
      assert.equal(await store.get("b"), undefined);
      await store.set("a", "2");
      assert.equal(await store.get("a"), "2");
      await store.delete("a");
      await store.delete("a");
      assert.equal(await store.get("a"), undefined);
    });

    it("sets an absent key once", async () => {
      assert.equal(await store.compareAndSet("a", undefined, "1"), true);
      assert.equal(await store.compareAndSet("a", undefined, "2"), false);
      assert.equal(await store.get("a"), "1");
    });

    it("replaces the expected value only", async () => {
      await store.set("a", "1");
      assert.equal(await store.compareAndSet("a", "0", "2"), false);
      assert.equal(await store.compareAndSet("a", "1", "2"), true);
      assert.equal(await store.get("a"), "2");
      assert.equal(await store.compareAndSet("b", "1", "2"), false);
      assert.equal(await store.get("b"), undefined);
    });

    it("deletes the expected value only", async () => {
      await store.set("a", "1");
      assert.equal(await store.compareAndSet("a", "0", undefined), false);
      assert.equal(await store.compareAndSet("a", "1", undefined), true);
      assert.equal(await store.get("a"), undefined);
    });

    it("lets exactly one of many win", async () => {
      const all = await Promise.all(
        Array.from({ length: 50 }, (_, index) => store.compareAndSet("a", undefined, `${index}`)),
      );
      assert.equal(all.filter(Boolean).length, 1);
      const from = await store.get("a");
      const next = await Promise.all(
        Array.from({ length: 50 }, (_, index) => store.compareAndSet("a", from, `next ${index}`)),
      );
      assert.equal(next.filter(Boolean).length, 1);
    });

    it("counts to a hundred with fifty hands", async () => {
      await store.set("n", "0");
      const increment = async (): Promise<void> => {
        for (;;) {
          const value = await store.get("n");
          if (await store.compareAndSet("n", value, String(Number(value) + 1))) return;
        }
      };
      await Promise.all(Array.from({ length: 50 }, () => increment().then(increment)));
      assert.equal(await store.get("n"), "100");
    });

    it("lets values expire", async () => {
      await store.set("a", "1", 60_000);
      await store.compareAndSet("b", undefined, "1", 60_000);
      await clock.advance(50_000);
      assert.equal(await store.get("a"), "1");
      assert.equal(await store.compareAndSet("b", undefined, "2"), false);
      await clock.advance(10_001);
      assert.equal(await store.get("a"), undefined);
      assert.equal(await store.compareAndSet("a", "1", "2"), false);
      assert.equal(await store.compareAndSet("b", undefined, "2"), true);
      await clock.advance(100_000);
      assert.equal(await store.get("b"), "2");
    });

    it("lists a prefix in order, without what has expired", async () => {
      for (const key of ["p/b", "p/a", "q/a", "p", "p/c"]) await store.set(key, key);
      await store.set("p/d", "gone", 10_000);
      await clock.advance(10_001);
      const keys: string[] = [];
      for await (const [key, value] of store.entries("p/")) {
        assert.equal(value, key);
        keys.push(key);
      }
      assert.deepEqual(keys, ["p/a", "p/b", "p/c"]);
    });

    it("lists more than one page", async () => {
      await Promise.all(Array.from({ length: 1_234 }, (_, index) => store.set(`k/${index}`, "v")));
      let count = 0;
      for await (const _ of store.entries("k/")) count += 1;
      assert.equal(count, 1_234);
    });

    it("keeps any text", async () => {
      const text = "\u0000 ' \" \\ 🪙 \ud83d\ude80 \n".repeat(100);
      await store.set("wéird key/🪙", text);
      assert.equal(await store.get("wéird key/🪙"), text);
      assert.equal(await store.compareAndSet("wéird key/🪙", text, "x"), true);
    });

    it("has everything after a restart, seen by both", async () => {
      await store.set("a", "1");
      const second = await open(clock);
      assert.equal(await second.get("a"), "1");
      assert.equal(await second.compareAndSet("a", "1", "2"), true);
      assert.equal(await store.get("a"), "2");
      await second.close();
    });
  });
}
