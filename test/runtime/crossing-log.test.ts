import assert from "node:assert/strict";
import type { CrossingOutcome } from "../../src/custody/source/crossings.ts";
import { FederationError } from "../../src/errors.ts";
import { CrossingLog, loggedCrossings } from "../../src/runtime/crossing-log.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { recordingLogger } from "../support/loggers.ts";
import { seededRandom } from "../support/seeded-random.ts";

const TO = "aether://b.example/plaza";
const arrived = (n: number): CrossingOutcome => ({
  ...{ kind: "arrived", transferId: `t${n}`, to: TO, destination: "https://b.example" },
});
const stayed = (n: number, to = TO): CrossingOutcome => ({
  ...{ kind: "stayed", transferId: `t${n}`, to, code: "ERR_FED_WORLD_FULL", message: "Full." },
});

describe("runtime/crossing-log", () => {
  let clock: ManualClock;
  let store: MemoryStore;
  let said: string[];
  let failing: boolean;
  const random = seededRandom(7);
  const open = (): CrossingLog => {
    const log = new CrossingLog({ store, clock, random, logger: recordingLogger(said) });
    log.start();
    return log;
  };

  beforeEach(() => {
    clock = new ManualClock();
    store = new MemoryStore(clock);
    said = [];
    failing = false;
    const set = store.set.bind(store);
    store.set = (...args) =>
      failing ? Promise.reject(new FederationError("ERR_FED_STORE_UNAVAILABLE")) : set(...args);
  });

  it("writes what has ended a few seconds later, the newest first", async () => {
    const log = open();
    log.add("ada@a.example", arrived(1));
    await clock.advanceAsync(10);
    log.add("bob@a.example", stayed(2));
    assert.deepEqual(await loggedCrossings(store), [], "nobody waits for it");
    await clock.advanceAsync(5_000);
    assert.deepEqual(
      (await loggedCrossings(store)).map(({ player, outcome, code, at }) => [
        ...[player, outcome, code, clock.now() - at],
      ]),
      [
        ["bob@a.example", "stayed", "ERR_FED_WORLD_FULL", 4_990 + 10],
        ["ada@a.example", "arrived", undefined, 5_010],
      ],
    );
  });

  it("keeps what failed, however many arrive, and a bounded number of both", async () => {
    const log = open();
    for (let n = 0; n < 300; n += 1) log.add("ada@a.example", stayed(n));
    for (let n = 0; n < 1_000; n += 1) log.add("bob@a.example", arrived(n));
    await log.stop();
    const kept = await loggedCrossings(store);
    assert.equal(kept.filter(({ outcome }) => outcome === "stayed").length, 200);
    assert.equal(kept.filter(({ outcome }) => outcome === "arrived").length, 100);
    assert.ok(
      kept.some(({ transferId, outcome }) => outcome === "stayed" && transferId === "t299"),
    );
  });

  it("tells those of its own run, the newest first, what the players were told, and how many", async () => {
    const former = open();
    former.add("ada@a.example", stayed(0));
    await former.stop();
    const log = open();
    log.add("ada@a.example", stayed(1));
    await clock.advanceAsync(10);
    log.add("bob@a.example", arrived(2));
    await clock.advanceAsync(10);
    log.add("eve@a.example", stayed(3));
    assert.deepEqual(
      log.ended().map(({ transferId }) => transferId),
      ["t3", "t2", "t1"],
    );
    assert.deepEqual(
      log.failed().map(({ transferId, message }) => [transferId, message]),
      [
        ["t3", "Full."],
        ["t1", "Full."],
      ],
    );
    assert.deepEqual(log.counts(), { arrived: 1, ERR_FED_WORLD_FULL: 2 });
    await log.stop();
    assert.equal((await loggedCrossings(store))[0]?.message, "Full.");
  });

  it("keeps a long message in part", async () => {
    const log = open();
    log.add("ada@a.example", { ...stayed(1), message: "x".repeat(5_000) } as CrossingOutcome);
    await log.stop();
    assert.equal((await loggedCrossings(store))[0]?.message?.length, 300);
  });

  it("keeps a long address in part", async () => {
    const log = open();
    log.add("ada@a.example", stayed(1, `${TO}?${"x".repeat(5_000)}`));
    await log.stop();
    assert.equal((await loggedCrossings(store))[0]?.to.length, 300);
  });

  it("writes nothing where nothing has happened", async () => {
    const log = open();
    failing = true;
    await clock.advanceAsync(60_000);
    await log.stop();
    assert.deepEqual(said, []);
  });

  it("adds what every run has logged, and forgets it after a week", async () => {
    for (const n of [1, 2]) {
      const log = open();
      log.add("ada@a.example", stayed(n));
      await log.stop();
      await clock.advanceAsync(1_000);
    }
    assert.equal((await loggedCrossings(store)).length, 2);
    await clock.advanceAsync(7 * 24 * 3_600_000);
    assert.deepEqual(await loggedCrossings(store), []);
  });

  it("tries again what the store does not take, and says so once", async () => {
    const log = open();
    log.add("ada@a.example", stayed(1));
    failing = true;
    await clock.advanceAsync(10_000);
    await clock.advanceAsync(10_000);
    assert.equal(said.length, 1);
    failing = false;
    await clock.advanceAsync(10_000);
    assert.equal((await loggedCrossings(store)).length, 1);
  });

  it("leaves out what cannot be read", async () => {
    await store.set("crossing-log/x", '[{"at":"never"}]');
    assert.deepEqual(await loggedCrossings(store), []);
    assert.equal(await store.get("crossing-log/x"), '[{"at":"never"}]', "and changes nothing");
  });
});
