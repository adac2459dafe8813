import assert from "node:assert/strict";
import { SessionKeeper } from "../../src/handshake/session-keeper.ts";
import { quietLogger } from "../support/loggers.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const A = "https://a.example";

describe("handshake/session-keeper", () => {
  let clock: ManualClock;
  let keeper: SessionKeeper;
  let wanted: string[];
  let news: boolean;
  let chance: number;
  let sessions: Map<string, number>;
  let calls: number[];
  let answer: (origin: string) => Promise<unknown>;
  const seconds = (): number => Math.floor(clock.now() / 1000);
  /** A handshake that succeeds with a session of this length. */
  const succeed =
    (lifeSeconds: number) =>
    (origin: string): Promise<unknown> => {
      sessions.set(origin, seconds() + lifeSeconds);
      return Promise.resolve();
    };
  const fail = (): Promise<never> => Promise.reject(new Error("away"));

  beforeEach(() => {
    clock = new ManualClock();
    wanted = [A];
    news = false;
    chance = 1;
    sessions = new Map();
    calls = [];
    answer = succeed(24 * 3600);
    keeper = new SessionKeeper({
      wanted: () => wanted,
      isWanted: (origin) => wanted.includes(origin),
      expiresAt: (origin) => {
        const expiresAt = sessions.get(origin);
        return expiresAt !== undefined && expiresAt > seconds() ? expiresAt : undefined;
      },
      hasNews: () => news,
      connect: (origin) => {
        calls.push(clock.monotonic());
        return answer(origin);
      },
      clock,
      random: { bytes: () => new Uint8Array(), uuid: () => "", fraction: () => chance },
      logger: quietLogger(),
    });
  });
  afterEach(() => {
    keeper.stop();
  });

  it("shakes hands at once, then leaves a fresh session alone", async () => {
    keeper.start();
    await clock.advanceAsync(60_000);
    assert.deepEqual(calls, [0]);
  });

  it("renews before a session lapses", async () => {
    keeper.start();
    await clock.advanceAsync(1_000);
    clock.jumpWall(21 * 3600_000);
    await clock.advanceAsync(61_000);
    assert.equal(calls.length, 1, "three hours are left");
    clock.jumpWall(3600_000);
    await clock.advanceAsync(1_000);
    assert.equal(calls.length, 2);
  });

  it("renews a short session no more than once a minute, but before it lapses", async () => {
    answer = succeed(600);
    keeper.start();
    await clock.advanceAsync(599_000);
    assert.ok(calls.length <= 10, `${calls.length} handshakes in ten minutes`);
    assert.ok(calls.length >= 2);
  });

  it("shakes hands again at once when the session is gone", async () => {
    keeper.start();
    await clock.advanceAsync(5_000);
    sessions.clear();
    await clock.advanceAsync(600);
    assert.equal(calls.length, 2);
  });

  it("tells news at once, though the session is fresh, and again in no hurry", async () => {
    keeper.start();
    await clock.advanceAsync(1_000);
    news = true;
    await clock.advanceAsync(50_000);
    assert.equal(calls.length, 2);
    await clock.advanceAsync(20_000);
    assert.equal(calls.length, 3, "the peer has not taken note of it");
    news = false;
    await clock.advanceAsync(100_000);
    assert.equal(calls.length, 3);
  });

  it("waits longer after each failure, up to a minute", async () => {
    answer = fail;
    keeper.start();
    await clock.advanceAsync(400_000);
    const waits = calls.slice(1).map((at, index) => at - (calls[index] ?? 0));
    assert.deepEqual(waits.slice(0, 7), [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
    assert.ok(waits.slice(7).every((wait) => wait === 60_000));
  });

  it("waits half as long where chance has it, so that not all come again at once", async () => {
    answer = fail;
    chance = 0;
    keeper.start();
    await clock.advanceAsync(20_000);
    const waits = calls.slice(1).map((at, index) => at - (calls[index] ?? 0));
    assert.deepEqual(waits.slice(0, 5), [500, 1_000, 2_000, 4_000, 8_000]);
  });

  it("tries at once when the peer was heard of", async () => {
    answer = fail;
    keeper.start();
    await clock.advanceAsync(130_000);
    const before = calls.length;
    answer = succeed(24 * 3600);
    keeper.wake(A);
    await clock.advanceAsync(500);
    assert.equal(calls.length, before + 1);
    assert.ok(sessions.has(A));
  });

  it("begins no second handshake while one is under way", async () => {
    answer = () => new Promise(() => undefined);
    keeper.start();
    await clock.advanceAsync(10_000);
    assert.equal(calls.length, 1);
  });

  describe("asked to meet everybody anew", () => {
    let ends: (() => void)[];
    let met: string[];
    beforeEach(async () => {
      wanted = Array.from({ length: 100 }, (_, n) => `https://p${n}.example`);
      [ends, met] = [[], []];
      keeper.start();
      await clock.advanceAsync(2_000);
      assert.equal(sessions.size, 100);
      answer = (origin) => {
        met.push(origin);
        return new Promise<void>((resolve) => ends.push(resolve));
      };
      for (const origin of wanted) keeper.renew(origin);
    });
    const endAll = async (): Promise<void> => {
      for (const end of ends.splice(0)) end();
      await clock.advanceAsync(600);
    };

    it("does so once each, with so many at once", async () => {
      while (ends.length > 0) {
        assert.ok(ends.length <= 32, `${ends.length} handshakes at once`);
        await endAll();
      }
      await clock.advanceAsync(120_000);
      assert.deepEqual([...met].sort(), [...wanted].sort());
    });

    it("has those go first whose session is gone", async () => {
      sessions.delete("https://p99.example");
      await clock.advanceAsync(600);
      await endAll();
      assert.equal(met[32], "https://p99.example");
      sessions.set("https://p99.example", seconds() + 24 * 3600);
      while (ends.length > 0) await endAll();
      assert.equal(met.filter((origin) => origin === "https://p99.example").length, 1);
    });

    it("meets nobody who is not wanted any more", async () => {
      wanted = wanted.slice(0, 50);
      while (ends.length > 0) await endAll();
      assert.equal(met.length, 50);
    });

    it("stops", async () => {
      keeper.stop();
      await endAll();
      assert.equal(met.length, 32);
      keeper.start();
      sessions.delete("https://p99.example");
      await clock.advanceAsync(600);
      assert.deepEqual(met.slice(32), ["https://p99.example"]);
    });
  });

  it("forgets whom nobody wants any more, and stops when told to", async () => {
    answer = fail;
    keeper.start();
    await clock.advanceAsync(100);
    wanted = [];
    await clock.advanceAsync(60_000);
    assert.equal(calls.length, 1);
    keeper.stop();
    assert.equal(clock.pendingTimers, 0);
  });
});
