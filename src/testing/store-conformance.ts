/**
 * What any store must do, as a suite for whoever writes an engine: every safety rule of custody is one
 * conditional write, so an engine that passes keeps players safe, and one that does not loses them.
 *
 * Not shown by it: that what is written outlives a power cut, and that two processes agree. Kill yours.
 */
import assert from "node:assert/strict";
import type { Clock, Store } from "../ports.ts";
import { ManualClock } from "./manual-clock.ts";
import { declareTableCases } from "./table-conformance.ts";

/** Time that a suite moves. */
export type MovableClock = Clock & {
  /** Moves on by so many milliseconds; resolves once what expires by it has expired. */
  advance(milliseconds: number): void | Promise<void>;
};

/** The two words that every test runner has: mocha's, node:test's, vitest's, jest's. */
export interface TestRunner {
  readonly describe: (name: string, suite: () => void) => unknown;
  readonly it: (name: string, test: () => Promise<void>) => unknown;
}

/** Options of {@link storeConformance}. */
export interface StoreConformanceOptions {
  /** Name of the suite. */
  readonly name: string;
  /**
   * Opens the store over the place of the present test, which is empty when the test begins. Opened
   * twice over one place, it is a restart, or a second process. Expiry goes by `clock`.
   */
  readonly open: (clock: Clock) => Store | Promise<Store>;
  /** Default: a {@link ManualClock}, for stores that ask the clock they are given. */
  readonly makeClock?: () => MovableClock;
  /** Default: the global `describe` and `it`. */
  readonly runner?: TestRunner;
}

interface Place {
  readonly store: Store;
  readonly clock: MovableClock;
  readonly open: () => Promise<Store>;
}

/** Declares the suite: call it where `describe` may be called. */
export function storeConformance({
  name,
  open,
  makeClock = () => new ManualClock(),
  runner = globalRunner(),
}: StoreConformanceOptions): void {
  if (typeof runner.describe !== "function" || typeof runner.it !== "function") {
    throw new TypeError("runner must have describe and it: this test runner has no global ones");
  }
  runner.describe(`${name} is a store`, () => {
    declareCases((title, test) =>
      runner.it(title, async () => {
        const clock = makeClock();
        const store = await open(clock);
        try {
          await test({ store, clock, open: async () => open(clock) });
        } finally {
          await store.close();
        }
      }),
    );
  });
}

/** What the test runner has put there, if it has. */
function globalRunner(): TestRunner {
  return {
    describe: Reflect.get(globalThis, "describe"),
    it: Reflect.get(globalThis, "it"),
  };
}

function declareCases(check: (title: string, test: (place: Place) => Promise<void>) => void): void {
  check("gives back what was set, and nothing for what was not", async ({ store }) => {
    await store.set("a", "1");
    assert.equal(await store.get("a"), "1");
    assert.equal(await store.get("b"), undefined);
    await store.set("a", "2");
    assert.equal(await store.get("a"), "2");
    await store.delete("a");
    await store.delete("a");
    assert.equal(await store.get("a"), undefined);
  });

  check("sets an absent key once", async ({ store }) => {
    assert.equal(await store.compareAndSet("a", undefined, "1"), true);
    assert.equal(await store.compareAndSet("a", undefined, "2"), false);
    assert.equal(await store.get("a"), "1");
  });

  check("replaces the expected value only", async ({ store }) => {
    await store.set("a", "1");
    assert.equal(await store.compareAndSet("a", "0", "2"), false);
    assert.equal(await store.compareAndSet("a", "1", "2"), true);
    assert.equal(await store.get("a"), "2");
    assert.equal(await store.compareAndSet("b", "1", "2"), false);
    assert.equal(await store.get("b"), undefined);
  });

  check("deletes the expected value only", async ({ store }) => {
    await store.set("a", "1");
    assert.equal(await store.compareAndSet("a", "0", undefined), false);
    assert.equal(await store.compareAndSet("a", "1", undefined), true);
    assert.equal(await store.get("a"), undefined);
  });

  check("lets exactly one of many win", async ({ store }) => {
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

  check("counts to a hundred with fifty hands", async ({ store }) => {
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

  check("lets values expire", async ({ store, clock }) => {
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

  check("lists a prefix in order, without what has expired", async ({ store, clock }) => {
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

  check("lists more than one page", async ({ store }) => {
    await Promise.all(Array.from({ length: 1_234 }, (_, index) => store.set(`k/${index}`, "v")));
    let count = 0;
    for await (const _ of store.entries("k/")) count += 1;
    assert.equal(count, 1_234);
  });

  check("keeps any text", async ({ store }) => {
    const text = "\u0000 ' \" \\ 🪙 \ud83d\ude80 \n".repeat(100);
    await store.set("wéird key/🪙", text);
    assert.equal(await store.get("wéird key/🪙"), text);
    assert.equal(await store.compareAndSet("wéird key/🪙", text, "x"), true);
  });

  check("has everything after a restart, seen by both", async ({ store, open }) => {
    await store.set("a", "1");
    const second = await open();
    assert.equal(await second.get("a"), "1");
    assert.equal(await second.compareAndSet("a", "1", "2"), true);
    assert.equal(await store.get("a"), "2");
    await second.close();
  });
  declareTableCases(check);
}
