import assert from "node:assert/strict";
import { type Server, createServer } from "node:http";
import { HealthStatus } from "../../src/health/peer-record.ts";
import { clockCause } from "../../src/health/health-cause.ts";
import {
  type HealthEvent,
  HealthMonitor,
  type HealthMonitorOptions,
} from "../../src/health/health-monitor.ts";
import { NOTHING_OBSERVED } from "../../src/health/uptime-history.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { hangUp, listen, nobodyThere } from "../support/loopback.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { turn } from "../support/turn.ts";

const PEER = "https://peer.example";

type Answer = "pass" | "warn" | "fail" | "refused" | "silent";

/** A monitor over peers that answer as they are told, on a clock the test moves. */
function setUp(options: HealthMonitorOptions = {}) {
  const clock = new ManualClock();
  const world = { answer: "pass" as Answer, delay: 0, probes: [] as number[], running: 0, most: 0 };
  const events: HealthEvent[] = [];
  const monitor = new HealthMonitor({
    clock,
    random: seededRandom("health"),
    intervalSeconds: 10,
    probe: async () => {
      world.probes.push(clock.monotonic());
      world.running += 1;
      world.most = Math.max(world.most, world.running);
      try {
        if (world.delay > 0) {
          await new Promise<void>((resolve) => clock.setTimeout(resolve, world.delay));
        }
        if (world.answer === "silent") await new Promise(() => undefined);
        if (world.answer === "refused") throw new Error("connection refused");
        return { status: world.answer as "pass" };
      } finally {
        world.running -= 1;
      }
    },
    ...options,
  });
  monitor.on((event) => events.push(event));
  return { clock, world, monitor, events };
}

describe("health/health-monitor", () => {
  it("probes at once, and knows nothing before", async () => {
    const { clock, monitor } = setUp();
    monitor.watch(PEER);
    assert.equal(monitor.status(PEER), HealthStatus.Unknown);
    monitor.start();
    await clock.advanceAsync(1);
    assert.equal(monitor.status(PEER), HealthStatus.Healthy);
    assert.equal(monitor.status("https://other.example"), HealthStatus.Unknown);
    assert.equal(monitor.record("https://other.example"), undefined);
  });

  it("leaves up who answers calls but is late with its health", async () => {
    const { clock, world, monitor, events } = setUp();
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1);
    world.answer = "silent";
    for (let second = 0; second < 120; second += 1) {
      await clock.advanceAsync(1_000);
      monitor.wake(PEER);
    }
    assert.equal(monitor.status(PEER), HealthStatus.Healthy);
    assert.equal(events.length, 1);
  });

  it("does not take an earlier call for an answer", async () => {
    const { clock, world, monitor } = setUp();
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1);
    monitor.wake(PEER);
    world.answer = "silent";
    await clock.advanceAsync(30_000);
    assert.equal(monitor.status(PEER), HealthStatus.Unreachable);
  });

  it("probes a few at once at its start, and all within the interval", async () => {
    const { clock, world, monitor } = setUp();
    for (let peer = 0; peer < 1_000; peer += 1) monitor.watch(`https://p${peer}.example`);
    monitor.start();
    await clock.advanceAsync(1);
    assert.equal(world.probes.length, 32);
    await clock.advanceAsync(5_000);
    assert.equal(world.probes.length, 1_000);
  });

  it("finds a peer unreachable within two intervals, and back at its next answer", async () => {
    const { clock, world, monitor, events } = setUp();
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1_000);
    world.answer = "refused";
    await clock.advanceAsync(20_000);
    assert.equal(monitor.status(PEER), HealthStatus.Unreachable);
    world.answer = "pass";
    await clock.advanceAsync(11_500);
    assert.equal(monitor.status(PEER), HealthStatus.Healthy);
    assert.deepEqual(
      events.map(({ from, to }) => [from, to]),
      [
        ["unknown", "healthy"],
        ["healthy", "unreachable"],
        ["unreachable", "healthy"],
      ],
    );
  });

  it("forgives one lost probe", async () => {
    const { clock, world, monitor, events } = setUp();
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1_000);
    world.answer = "refused";
    await monitor.check(PEER);
    world.answer = "pass";
    await clock.advanceAsync(30_000);
    assert.deepEqual(
      events.map(({ to }) => to),
      ["healthy"],
    );
  });

  it("calls a peer degraded that is slow or says so", async () => {
    const { clock, world, monitor } = setUp({ degradedAfterMilliseconds: 500 });
    monitor.watch(PEER);
    world.delay = 2_000;
    monitor.start();
    await clock.advanceAsync(3_000);
    assert.equal(monitor.status(PEER), HealthStatus.Degraded);
    assert.equal(monitor.record(PEER)?.roundTripMilliseconds, 2_000);
    const told = setUp();
    told.world.answer = "warn";
    told.monitor.watch(PEER);
    told.monitor.start();
    await told.clock.advanceAsync(1_000);
    assert.equal(told.monitor.status(PEER), HealthStatus.Degraded);
  });

  it("counts a peer that reports fail as down", async () => {
    const { clock, world, monitor } = setUp();
    world.answer = "fail";
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1_000);
    assert.equal(monitor.status(PEER), HealthStatus.Unreachable);
  });

  it("gives up on a probe without answer", async () => {
    const { clock, world, monitor } = setUp({ timeoutSeconds: 3 });
    world.answer = "silent";
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(2_900);
    assert.equal(monitor.status(PEER), HealthStatus.Unknown);
    await clock.advanceAsync(200);
    assert.equal(monitor.status(PEER), HealthStatus.Unreachable);
  });

  it("spreads its probes by jitter and never runs two of one peer at once", async () => {
    const { clock, world, monitor } = setUp();
    world.delay = 4_000;
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(200_000);
    assert.equal(world.most, 1);
    const gaps = world.probes.slice(1).map((at, index) => at - (world.probes[index] ?? 0));
    assert.ok(
      gaps.every((gap) => gap >= 13_000 - 1 && gap <= 15_000 + 1),
      gaps.join(),
    );
    assert.ok(new Set(gaps.map(Math.round)).size > 5, "jitter");
  });

  it("bounds the probes under way", async () => {
    const { clock, world, monitor } = setUp({ maxConcurrentProbes: 3 });
    world.delay = 1_000;
    for (let peer = 0; peer < 10; peer += 1) monitor.watch(`https://peer-${peer}.example`);
    monitor.start();
    await clock.advanceAsync(500);
    assert.equal(world.most, 3);
    await clock.advanceAsync(4_000);
    assert.equal(world.probes.length, 10);
    assert.equal(world.most, 3);
  });

  it("bounds them whoever is asked about between the end of one and the begin of the next", async () => {
    const ends: (() => void)[] = [];
    let [running, most] = [0, 0];
    const { monitor } = setUp({
      maxConcurrentProbes: 1,
      probe: async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise<void>((resolve) => ends.push(resolve));
        running -= 1;
        return { status: "pass" };
      },
    });
    const probes = [monitor.check("https://a.example"), monitor.check("https://b.example")];
    await turn();
    ends.shift()?.();
    let moment = Promise.resolve();
    for (let each = 0; each < 20; each += 1) {
      moment = moment.then(() => void probes.push(monitor.check(`https://c${each}.example`)));
    }
    await moment;
    while (probes.length > 0 && ends.length > 0) {
      ends.shift()?.();
      await turn();
    }
    await Promise.all(probes);
    assert.equal(probes.length, 22);
    assert.equal(most, 1);
  });

  it("begins none of the probes that wait when it stops", async () => {
    const { clock, world, monitor } = setUp({ maxConcurrentProbes: 3 });
    world.delay = 1_000;
    for (let peer = 0; peer < 10; peer += 1) monitor.watch(`https://peer-${peer}.example`);
    monitor.start();
    await clock.advanceAsync(500);
    const stopped = monitor.stop();
    await clock.advanceAsync(5_000);
    await stopped;
    assert.equal(world.probes.length, 3);
    assert.equal(monitor.status("https://peer-9.example"), HealthStatus.Unknown);
  });

  it("asks less often of a peer that stays down, and at once when it is heard of", async () => {
    const { clock, world, monitor } = setUp();
    world.answer = "refused";
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(400_000);
    world.probes.length = 0;
    await clock.advanceAsync(200_000);
    assert.ok(world.probes.length <= 6, `${world.probes.length} probes in 20 intervals`);
    world.answer = "pass";
    monitor.wake(PEER);
    await clock.advanceAsync(1);
    assert.equal(monitor.status(PEER), HealthStatus.Healthy);
  });

  it("finds down within one probe whom a call found dead", async () => {
    const { clock, world, monitor, events } = setUp();
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1_500);
    world.answer = "refused";
    monitor.suspect(PEER);
    await clock.advanceAsync(1);
    assert.equal(monitor.status(PEER), HealthStatus.Unreachable);
    assert.equal(events.at(-1)?.to, HealthStatus.Unreachable);
    assert.equal(world.probes.length, 2);
  });

  it("leaves up who answers its probe all the same, however many calls fail", async () => {
    const { clock, world, monitor, events } = setUp();
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1_500);
    for (let call = 0; call < 100; call += 1) {
      monitor.suspect(PEER);
      await clock.advanceAsync(5);
    }
    assert.equal(monitor.status(PEER), HealthStatus.Healthy);
    assert.equal(events.length, 1);
    assert.equal(world.probes.length, 2);
    monitor.suspect("https://other.example");
  });

  it("says since when a peer is as it is, why, and when it is probed next", async () => {
    const { clock, monitor, world } = setUp();
    const before = monitor.record(PEER);
    assert.equal(before, undefined);
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(5_000);
    const well = monitor.record(PEER)!;
    assert.equal(well.since, clock.now() - 5_000);
    assert.equal(well.cause, undefined);
    assert.ok((well.nextCheckAt ?? 0) > clock.now());
    world.answer = "fail";
    await clock.advanceAsync(30_000);
    const failing = monitor.record(PEER)!;
    assert.equal(failing.cause?.code, "says-fail");
    assert.equal(failing.since, failing.transitions.at(-1)?.at);
    await monitor.stop();
    assert.equal(monitor.record(PEER)?.nextCheckAt, undefined);
  });

  it("calls degraded who answers with a clock that is wrong, and says by how much", async () => {
    const cause = clockCause(120);
    const { clock, monitor } = setUp({ probe: async () => ({ status: "pass", cause }) });
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1);
    assert.equal(monitor.status(PEER), HealthStatus.Degraded);
    assert.deepEqual(monitor.record(PEER)?.cause, cause);
  });

  it("remembers the last 32 changes", async () => {
    const { clock, monitor, world } = setUp();
    monitor.watch(PEER);
    monitor.start();
    for (let change = 0; change < 40; change += 1) {
      world.answer = change % 2 === 0 ? "warn" : "pass";
      await clock.advanceAsync(15_000);
    }
    const { transitions } = monitor.record(PEER)!;
    assert.equal(transitions.length, 32);
    assert.equal(transitions.at(-1)?.to, HealthStatus.Healthy);
    assert.equal(transitions.at(-2)?.cause?.code, "says-warn");
  });

  it("leaves a healthy peer alone when it is heard of", async () => {
    const { clock, world, monitor } = setUp();
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1);
    for (let call = 0; call < 100; call += 1) monitor.wake(PEER);
    await clock.advanceAsync(1);
    assert.equal(world.probes.length, 1);
  });

  it("keeps a bounded history, oldest first", async () => {
    const { clock, monitor } = setUp({ intervalSeconds: 1 });
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(400_000);
    const history = monitor.history(PEER);
    assert.equal(history.length, 240);
    assert.ok((history[0]?.at ?? 0) < (history.at(-1)?.at ?? 0));
    assert.deepEqual(monitor.history("https://other.example"), []);
  });

  it("stops", async () => {
    const { clock, world, monitor } = setUp();
    monitor.watch(PEER);
    monitor.start();
    await clock.advanceAsync(1);
    await monitor.stop();
    await clock.advanceAsync(100_000);
    assert.equal(world.probes.length, 1);
  });

  it("weighs uptime by time, over an hour, a day and 90 days", async () => {
    const { clock, world, monitor } = setUp({ intervalSeconds: 60 });
    monitor.watch(PEER);
    assert.deepEqual(monitor.record(PEER)?.uptime, NOTHING_OBSERVED);
    monitor.start();
    await clock.advanceAsync(45 * 60_000);
    world.answer = "refused";
    await clock.advanceAsync(15 * 60_000);
    const { hour, day, ninetyDays } = monitor.record(PEER)!.uptime;
    for (const { share, observedMilliseconds } of [hour, day, ninetyDays]) {
      assert.ok(Math.abs((share ?? 0) - 0.75) < 0.015, `share ${share}`);
      assert.ok(observedMilliseconds >= 59 * 60_000, `observed ${observedMilliseconds}`);
    }
    world.answer = "pass";
    monitor.wake(PEER);
    await clock.advanceAsync(3 * 3_600_000);
    const later = monitor.record(PEER)!.uptime;
    assert.equal(later.hour.share, 1);
    assert.ok(Math.abs((later.day.share ?? 0) - 3.75 / 4) < 0.01, `day ${later.day.share}`);
  });

  it("knows nothing of the time in which it did not run", async () => {
    const { clock, monitor } = setUp({ intervalSeconds: 60 });
    monitor.watch(PEER);
    await clock.advanceAsync(30_000);
    monitor.start();
    await clock.advanceAsync(30 * 60_000);
    await monitor.stop();
    await clock.advanceAsync(30 * 60_000);
    const { observedMilliseconds } = monitor.record(PEER)!.uptime.day;
    assert.equal(Math.round(observedMilliseconds), 30 * 60_000);
    const slices = monitor.slices(PEER, "hour");
    assert.deepEqual(
      slices.map(({ observedMilliseconds }) => observedMilliseconds > 0),
      Array.from({ length: 60 }, (_, index) => index < 30),
    );
    assert.deepEqual(monitor.slices("https://other.example", "hour"), []);
  });

  it("names the option that is wrong", () => {
    assert.throws(() => setUp({ intervalSeconds: 0 }), /intervalSeconds/u);
  });

  it("watches whom it is asked to check", async () => {
    const { monitor, world } = setUp();
    assert.equal((await monitor.check(PEER)).status, HealthStatus.Healthy);
    assert.equal(monitor.status(PEER), HealthStatus.Healthy);
    world.answer = "refused";
    await monitor.check(PEER);
    await monitor.check(PEER);
    assert.equal(monitor.status(PEER), HealthStatus.Unreachable);
    assert.deepEqual(
      monitor.list().map(({ origin }) => origin),
      [PEER],
    );
  });

  describe("alone, over HTTP", () => {
    let server: Server;
    let origin: string;
    let answer: { status: number; body: string };
    const asked: (string | undefined)[] = [];

    before(async () => {
      server = createServer((request, response) => {
        asked.push(request.url);
        response.writeHead(answer.status).end(answer.body);
      });
      ({ origin } = await listen(server));
    });
    after(() => hangUp(server));

    it("reads a peer's health", async () => {
      answer = { status: 200, body: '{"status":"warn","version":"1"}' };
      const monitor = new HealthMonitor();
      assert.equal((await monitor.check(origin)).status, HealthStatus.Degraded);
      assert.equal(asked.at(-1), "/federation/health");
    });

    it("reads a 503 that says fail as that", async () => {
      answer = { status: 503, body: '{"status":"fail"}' };
      const { status, cause } = await new HealthMonitor().check(origin);
      assert.deepEqual([status, cause], [HealthStatus.Unreachable, { code: "says-fail" }]);
    });

    for (const [name, wrong] of Object.entries({
      "another status": { status: 404, body: '{"status":"pass"}' },
      "what is no health": { status: 200, body: '{"status":"fine"}' },
      "what is no JSON": { status: 200, body: "hello" },
      "far too much": { status: 200, body: " ".repeat(100_000) + '{"status":"pass"}' },
    })) {
      it(`counts a peer as down that answers ${name}`, async () => {
        answer = wrong;
        const monitor = new HealthMonitor();
        assert.equal((await monitor.check(origin)).status, HealthStatus.Unreachable);
      });
    }

    it("counts a peer as down where nobody listens", async () => {
      const monitor = new HealthMonitor();
      const { origin: nowhere } = await nobodyThere();
      const { status, cause } = await monitor.check(nowhere);
      assert.deepEqual([status, cause], [HealthStatus.Unreachable, { code: "connection-refused" }]);
    });
  });
});
