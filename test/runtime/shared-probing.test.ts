import assert from "node:assert/strict";
import { FederationError } from "../../src/errors.ts";
import { HealthMonitor } from "../../src/health/health-monitor.ts";
import { HealthStatus } from "../../src/health/peer-record.ts";
import type { Clock, Store } from "../../src/ports.ts";
import { type ProbingRequest, SharedProbing } from "../../src/runtime/shared-probing.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { quietLogger } from "../support/loggers.ts";
import { seededRandom } from "../support/seeded-random.ts";

const PEER = "https://peer.example";
const OTHER = "https://other.example";
const INTERVAL_SECONDS = 15;
const MINUTE = 60_000;

/** A process that hears and does nothing while it is not `running`, and whose wall clock may be wrong. */
class TestProcess {
  readonly life: string;
  readonly health: HealthMonitor;
  readonly probing: SharedProbing;
  probes = 0;
  running = true;
  hears = true;
  readonly #waiting: (() => void)[] = [];

  constructor(life: string, world: World, aheadMilliseconds = 0) {
    this.life = life;
    const clock: Clock = {
      now: () => world.clock.now() + aheadMilliseconds,
      monotonic: () => world.clock.monotonic(),
      setTimeout: (callback, milliseconds) =>
        world.clock.setTimeout(() => {
          if (this.running) callback();
          else this.#waiting.push(callback);
        }, milliseconds),
      clearTimeout: (handle) => {
        world.clock.clearTimeout(handle);
      },
    };
    this.health = new HealthMonitor({
      ...{ clock, random: seededRandom(life), intervalSeconds: INTERVAL_SECONDS },
      probe: (origin) => {
        this.probes += 1;
        return world.down.has(origin)
          ? Promise.reject(new FederationError("ERR_FED_UNREACHABLE"))
          : Promise.resolve({ status: "pass" });
      },
    });
    this.probing = new SharedProbing({
      ...{ health: this.health, store: world.store, clock, logger: quietLogger() },
      processes: {
        life,
        ask: async (to, request: ProbingRequest) => {
          const there = world.processes.find((each) => each.life === to);
          if (there?.running !== true || !there.hears || !this.hears) {
            return new Promise(() => undefined);
          }
          return JSON.parse(JSON.stringify(there.probing.answer(request))) as never;
        },
      },
    });
    for (const origin of [PEER, OTHER]) this.health.watch(origin);
  }

  async start(): Promise<void> {
    await this.probing.start();
    this.health.start();
  }

  async stop(): Promise<void> {
    await this.health.stop();
    await this.probing.stop();
    this.running = false;
  }

  /** Whatever fell due meanwhile comes at once. */
  resume(): void {
    this.running = true;
    for (const callback of this.#waiting.splice(0)) callback();
  }
}

class World {
  readonly clock = new ManualClock();
  readonly down = new Set<string>();
  readonly processes: TestProcess[] = [];
  away = false;
  readonly store: Store = new Proxy(new MemoryStore(this.clock), {
    get: (store, name: keyof MemoryStore) => {
      const found: unknown = Reflect.get(store, name);
      if (typeof found !== "function") return found;
      return (...given: unknown[]): unknown =>
        this.away
          ? Promise.reject(new FederationError("ERR_FED_STORE_UNAVAILABLE"))
          : Reflect.apply(found, store, given);
    },
  });

  async start(life: string, aheadMilliseconds = 0): Promise<TestProcess> {
    const process = new TestProcess(life, this, aheadMilliseconds);
    this.processes.push(process);
    const started = process.start();
    await this.clock.advanceAsync(1_500);
    await started;
    return process;
  }

  /** Probes of each process in so much time. */
  async probesIn(milliseconds: number): Promise<number[]> {
    const before = this.processes.map(({ probes }) => probes);
    await this.clock.advanceAsync(milliseconds);
    return this.processes.map(({ probes }, index) => probes - (before[index] ?? 0));
  }
}

describe("runtime/shared-probing", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  const statusAt = (...processes: TestProcess[]): string[] =>
    processes.map(({ health }) => health.status(PEER));

  it("has each peer probed by one process, and both know the same of it", async () => {
    const one = await world.start("one");
    const two = await world.start("two");
    assert.deepEqual([one.probing.leads, two.probing.leads], [true, false]);
    const [probes = 0, none] = await world.probesIn(10 * MINUTE);
    assert.equal(none, 0);
    assert.ok(probes >= 72 && probes <= 88, `${probes} probes of two peers`);
    world.down.add(PEER);
    await world.clock.advanceAsync(MINUTE);
    world.down.delete(PEER);
    await world.clock.advanceAsync(MINUTE);
    const [seen, told] = [one, two].map(({ health }) => health.record(PEER)!);
    const changes = (record = seen) => record!.transitions.map(({ to }) => to);
    assert.deepEqual(changes(), ["healthy", "unreachable", "healthy"]);
    assert.deepEqual(changes(told), changes());
    assert.equal(told!.uptime.hour.share?.toFixed(2), seen!.uptime.hour.share?.toFixed(2));
    assert.ok(Math.abs((told!.nextCheckAt ?? 0) - (seen!.nextCheckAt ?? 0)) < 2_100);
  });

  it("tells the others within seconds that a peer is down, and that it is back", async () => {
    const [one, two] = [await world.start("one"), await world.start("two")];
    world.down.add(PEER);
    one.health.suspect(PEER);
    await world.clock.advanceAsync(2_500);
    assert.deepEqual(statusAt(one, two), ["unreachable", "unreachable"]);
    world.down.delete(PEER);
    one.health.wake(PEER);
    await world.clock.advanceAsync(2_500);
    assert.deepEqual(statusAt(one, two), ["healthy", "healthy"]);
  });

  it("has the holder look at once where a call in another process finds a peer dead", async () => {
    const [one, two] = [await world.start("one"), await world.start("two")];
    const three = await world.start("three");
    world.down.add(PEER);
    two.health.suspect(PEER);
    await world.clock.advanceAsync(100);
    assert.deepEqual(statusAt(one, two), ["unreachable", "unreachable"]);
    await world.clock.advanceAsync(2_500);
    assert.deepEqual(statusAt(three), ["unreachable"]);
  });

  it("hands over at once where the holder stops", async () => {
    const [one, two] = [await world.start("one"), await world.start("two")];
    await one.stop();
    await world.clock.advanceAsync(2_500);
    assert.equal(two.probing.leads, true);
    const [, probes = 0] = await world.probesIn(MINUTE);
    assert.ok(probes >= 6, `${probes} probes`);
  });

  it("hands over within seconds where the holder is killed", async () => {
    const [one, two] = [await world.start("one"), await world.start("two")];
    one.running = false;
    await world.clock.advanceAsync(9_000);
    assert.equal(two.probing.leads, true);
    world.down.add(PEER);
    await world.clock.advanceAsync(MINUTE);
    assert.deepEqual(statusAt(two), [HealthStatus.Unreachable]);
  });

  it("has one holder again after the former stood still and went on", async () => {
    const [one, two] = [await world.start("one"), await world.start("two")];
    one.running = false;
    await world.clock.advanceAsync(MINUTE);
    one.resume();
    await world.clock.advanceAsync(5_000);
    assert.deepEqual([one.probing.leads, two.probing.leads], [false, true]);
    const [none] = await world.probesIn(5 * MINUTE);
    assert.equal(none, 0);
  });

  it("goes on as it was while the store is away", async () => {
    const [one, two] = [await world.start("one"), await world.start("two")];
    world.away = true;
    const [probes = 0, none] = await world.probesIn(5 * MINUTE);
    assert.ok(probes >= 36 && none === 0, `${probes} and ${none} probes`);
    world.down.add(PEER);
    await world.clock.advanceAsync(MINUTE);
    assert.deepEqual(statusAt(one, two), ["unreachable", "unreachable"]);
    world.away = false;
    await world.clock.advanceAsync(10_000);
    assert.deepEqual([one.probing.leads, two.probing.leads], [true, false]);
  });

  it("probes in every process that does not hear the holder, until it does", async () => {
    const [one, two] = [await world.start("one"), await world.start("two")];
    one.hears = false;
    await world.clock.advanceAsync(20_000);
    const [first = 0, second = 0] = await world.probesIn(MINUTE);
    assert.ok(first >= 6 && second >= 6, `${first} and ${second} probes`);
    one.hears = true;
    await world.clock.advanceAsync(10_000);
    assert.deepEqual([one.probing.leads, two.probing.leads], [true, false]);
  });

  it("dates what it is told by its own clock, however wrong the other's is", async () => {
    const [one, two] = [await world.start("one", 3 * 3_600_000), await world.start("two")];
    await world.clock.advanceAsync(10 * MINUTE);
    const off = two.health.record(PEER)!.lastCheckedAt! - world.clock.now();
    assert.ok(off <= 0 && off > -20_000, `${off} ms`);
    const { observedMilliseconds } = two.health.record(PEER)!.uptime.hour;
    assert.ok(observedMilliseconds > 9 * MINUTE, `${observedMilliseconds} ms`);
    assert.deepEqual([one.probing.leads, two.probing.leads], [true, false]);
  });

  it("tells a process that starts later what is known of each peer", async () => {
    world.down.add(PEER);
    await world.start("one");
    await world.clock.advanceAsync(10 * MINUTE);
    const late = await world.start("late");
    assert.deepEqual(statusAt(late), ["unreachable"]);
    assert.equal(late.probes, 0);
  });

  it("takes a row that is damaged", async () => {
    await world.store.set("lease/leader", "mine");
    const one = await world.start("one");
    assert.equal(one.probing.leads, true);
    assert.match((await world.store.get("lease/leader")) ?? "", /"life":"one"/u);
  });
});
