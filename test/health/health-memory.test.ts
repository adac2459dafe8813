import assert from "node:assert/strict";
import { FederationError } from "../../src/errors.ts";
import { HealthMemory } from "../../src/health/health-memory.ts";
import { HealthMonitor } from "../../src/health/health-monitor.ts";
import { HealthStatus, type RememberedHealth } from "../../src/health/peer-record.ts";
import type { Store } from "../../src/ports.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { seededRandom } from "../support/seeded-random.ts";

const PEER = "https://peer.example";
const KEY = `health/${PEER}`;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** One process of a server on a clock, with what it logs; its peer is up while `world.up`. */
async function startProcess(
  { clock, store, seed = "memory" }: { clock: ManualClock; store: Store; seed?: string },
  world = { up: true },
) {
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  const logger = { debug: log, info: log, warn: log, error: log };
  const health = new HealthMonitor({
    ...{ clock, intervalSeconds: 15, random: seededRandom(seed) },
    probe: () => {
      if (world.up) return Promise.resolve({ status: "pass" });
      const cause = Object.assign(new Error(), { code: "ECONNREFUSED" });
      return Promise.reject(new FederationError("ERR_FED_UNREACHABLE", "", { cause }));
    },
  });
  const memory = new HealthMemory({ health, store, clock, logger });
  const past = await memory.read((origin) => origin === PEER);
  health.watch(PEER, past.get(PEER));
  health.start();
  memory.start();
  const stop = async (): Promise<void> => {
    await health.stop();
    await memory.stop();
  };
  return { health, memory, stop, logged, past, record: () => health.record(PEER)! };
}

/** A store that counts its writes, and fails or hangs as it is told. */
class OddStore extends MemoryStore {
  writes = 0;
  mood: "well" | "fails" | "hangs" = "well";

  override async compareAndSet(...given: Parameters<MemoryStore["compareAndSet"]>) {
    this.writes += 1;
    await this.#suffer();
    return super.compareAndSet(...given);
  }

  override async get(key: string) {
    await this.#suffer();
    return super.get(key);
  }

  override async *entries(prefix: string) {
    await this.#suffer();
    yield* super.entries(prefix);
  }

  async #suffer(): Promise<void> {
    if (this.mood === "fails") throw new FederationError("ERR_FED_STORE_UNAVAILABLE");
    if (this.mood === "hangs") await new Promise(() => undefined);
  }
}

describe("health/health-memory", () => {
  const setUp = () => {
    const clock = new ManualClock();
    return { clock, store: new OddStore(clock) };
  };

  it("remembers uptime, status and changes beyond a restart, and nothing of the time between", async () => {
    const parts = setUp();
    const { clock } = parts;
    const world = { up: true };
    const first = await startProcess(parts, world);
    await clock.advanceAsync(2 * HOUR);
    world.up = false;
    await clock.advanceAsync(HOUR);
    const before = first.record();
    await first.stop();
    await clock.advanceAsync(10 * MINUTE);
    const second = await startProcess(parts, world);
    assert.equal(second.record().status, HealthStatus.Unknown);
    await clock.advanceAsync(10 * MINUTE);
    const after = second.record();
    assert.equal(after.status, HealthStatus.Unreachable);
    assert.equal(Math.round(after.since ?? 0), Math.round(before.since ?? 1));
    assert.deepEqual(
      after.transitions.map(({ from, to, cause }) => [from, to, cause?.code]),
      [
        ["unknown", "healthy", undefined],
        ["healthy", "unreachable", "connection-refused"],
      ],
    );
    const { share, observedMilliseconds } = after.uptime.day;
    assert.ok(Math.abs(observedMilliseconds - (3 * HOUR + 10 * MINUTE)) < 2 * MINUTE);
    assert.ok(Math.abs((share ?? 0) - 120 / 190) < 0.01, `share ${share}`);
    await second.stop();
  });

  it("writes once per peer and minute, and nothing where nobody was probed", async () => {
    const { clock, store } = setUp();
    const { health, stop } = await startProcess({ clock, store });
    await clock.advanceAsync(30 * MINUTE + 1_000);
    assert.equal(store.writes, 31, "and once for its first status");
    await health.stop();
    await clock.advanceAsync(HOUR);
    await stop();
    assert.ok(store.writes <= 32, `${store.writes} writes`);
  });

  it("writes at its stop what was not written yet", async () => {
    const { clock, store } = setUp();
    const { stop, record } = await startProcess({ clock, store });
    await clock.advanceAsync(40_000);
    const stored = async (): Promise<unknown> =>
      (JSON.parse((await store.get(KEY)) ?? "{}") as Partial<RememberedHealth>).lastCheckedAt;
    const lastCheckedAt = Math.round(record().lastCheckedAt ?? 0);
    assert.notEqual(await stored(), lastCheckedAt);
    await stop();
    assert.equal(await stored(), lastCheckedAt);
  });

  it("goes on where the store fails, says so once, and writes when it is back", async () => {
    const { clock, store } = setUp();
    store.mood = "fails";
    const { logged, record, stop } = await startProcess({ clock, store });
    await clock.advanceAsync(10 * MINUTE);
    assert.equal(record().status, HealthStatus.Healthy);
    assert.equal(logged.length, 1);
    store.mood = "well";
    await clock.advanceAsync(2 * MINUTE);
    assert.notEqual(await store.get(KEY), undefined);
    await stop();
  });

  it("waits for no store that hangs, neither at its start nor at its stop", async () => {
    const { clock, store } = setUp();
    store.mood = "hangs";
    const starting = startProcess({ clock, store });
    await clock.advanceAsync(3_000);
    const { stop, record } = await starting;
    await clock.advanceAsync(5 * MINUTE);
    assert.equal(record().status, HealthStatus.Healthy);
    const stopping = stop();
    await clock.advanceAsync(2_000);
    await stopping;
  });

  it("sets a damaged row aside and begins anew", async () => {
    const { clock, store } = setUp();
    await store.set(KEY, '{"status":"healthy","uptime":{"hour":"mine"}}');
    const { logged, past, stop } = await startProcess({ clock, store });
    assert.equal(past.size, 0);
    assert.equal(logged.length, 1);
    assert.match((await store.get(`damaged/${KEY}`)) ?? "", /mine/u);
    await clock.advanceAsync(1_000);
    await stop();
    assert.notEqual(await store.get(KEY), undefined);
  });

  it("removes the rows of whom nobody knows any more", async () => {
    const { clock, store } = setUp();
    await store.set("health/https://gone.example", "{}");
    const { memory, stop } = await startProcess({ clock, store });
    assert.equal(await store.get("health/https://gone.example"), undefined);
    await clock.advanceAsync(2 * MINUTE);
    await memory.forget(PEER);
    assert.equal(await store.get(KEY), undefined);
    await stop();
  });

  it("undoes nothing of what another process has seen", async () => {
    const { clock, store } = setUp();
    const world = { up: true };
    const long = await startProcess({ clock, store, seed: "long" }, world);
    await clock.advanceAsync(HOUR);
    const late = await startProcess({ clock, store, seed: "late" }, world);
    await clock.advanceAsync(HOUR);
    // Ten minutes in which the first sees nothing: its slices there are smaller than the other's.
    await long.health.stop();
    await clock.advanceAsync(10 * MINUTE);
    await late.memory.write();
    long.health.start();
    await clock.advanceAsync(1_000);
    await long.memory.write();
    const stored = JSON.parse((await store.get(KEY)) ?? "{}") as RememberedHealth;
    const known = stored.uptime.ninetyDays.reduce((sum, [, observed]) => sum + observed, 0);
    assert.ok(
      Math.abs(known - (2 * HOUR + 10 * MINUTE)) < MINUTE,
      `observed ${known / MINUTE} min`,
    );
    assert.equal(stored.transitions.length, 1);
    await long.stop();
    await late.stop();
    const last = JSON.parse((await store.get(KEY)) ?? "{}") as RememberedHealth;
    const kept = last.uptime.ninetyDays.reduce((sum, [, observed]) => sum + observed, 0);
    assert.ok(kept >= known, `observed ${kept / MINUTE} min, had been ${known / MINUTE}`);
  });

  it("asks the store to write many peers at once, and not all", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const health = new HealthMonitor({ clock, probe: () => Promise.resolve({ status: "pass" }) });
    for (let n = 0; n < 150; n += 1) await health.check(`https://p${n}.example`);
    let [asked, most, all] = [0, 0, 0];
    const compareAndSet = store.compareAndSet.bind(store);
    store.compareAndSet = async (...given) => {
      most = Math.max(most, (asked += 1));
      all += 1;
      const written = await compareAndSet(...given);
      asked -= 1;
      return written;
    };
    const logger = { debug: noop, info: noop, warn: noop, error: noop };
    await new HealthMemory({ health, store, clock, logger }).write();
    assert.deepEqual([all, most], [150, 64]);
  });

  it("writes again whom it could not write, as others kept writing", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const health = new HealthMonitor({ clock, probe: () => Promise.resolve({ status: "pass" }) });
    await health.check(PEER);
    const compareAndSet = store.compareAndSet.bind(store);
    store.compareAndSet = () => Promise.resolve(false);
    const logger = { debug: noop, info: noop, warn: noop, error: noop };
    const memory = new HealthMemory({ health, store, clock, logger });
    await memory.write();
    store.compareAndSet = compareAndSet;
    await memory.write();
    assert.notEqual(await store.get(KEY), undefined);
  });

  it("has a change of status in the store within 2 s, and writes nobody else for it", async () => {
    const clock = new ManualClock();
    const store = new OddStore(clock);
    const world = { up: true };
    const process = await startProcess({ clock, store }, world);
    const stored = async (): Promise<unknown> =>
      (JSON.parse((await store.get(KEY)) ?? "{}") as Partial<RememberedHealth>).status;
    await clock.advanceAsync(2_500);
    assert.equal(await stored(), HealthStatus.Healthy, "the first probe of all");
    await clock.advanceAsync(5 * MINUTE);
    world.up = false;
    await clock.advanceAsync(MINUTE);
    assert.equal(process.record().status, HealthStatus.Unreachable);
    const { at = 0 } = process.record().transitions.at(-1) ?? {};
    await clock.advanceAsync(Math.max(0, at + 2_001 - clock.now()));
    assert.equal(await stored(), HealthStatus.Unreachable);
    const { writes } = store;
    process.health.watch("https://other.example");
    await clock.advanceAsync(2_500);
    assert.equal(store.writes, writes + 1);
    await process.stop();
  });
});

function noop(): void {
  // Nobody reads it.
}
