/**
 * What health checks cost by the number of peers beside their probes (`growth`): rows, a look at all; and how well
 * they measure outages.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HealthMemory } from "../src/health/health-memory.ts";
import { HealthMonitor } from "../src/health/health-monitor.ts";
import { systemRandom } from "../src/ports.ts";
import { KeyvStore } from "../src/storage/keyv-store.ts";
import { MemoryStore } from "../src/storage/memory-store.ts";
import { SqliteEngine } from "../src/storage/sqlite-engine.ts";
import { measureOutages } from "../test/health/outages.ts";
import { quietLogger } from "../test/support/loggers.ts";
import { QueueClock } from "../test/support/queue-clock.ts";
import { type Curve, Curves, curveSection, watched } from "./curves.ts";
import type { Section } from "./measure.ts";

const COUNTS = [10, 1_000, 10_000];
const INTERVAL_SECONDS = 15;
const RUNS = 3;
/** Until rows are about as long as they get in a day. */
const PAST_MILLISECONDS = 2 * 3_600_000;

export async function benchHealth(): Promise<Section[]> {
  return [
    curveSection("peers remembered", await rowGrowth()),
    curveSection("peers with scripted outages", await outages()),
  ];
}

/** The rows of all peers, written once a minute and read at a start, in SQLite. */
async function rowGrowth(): Promise<Curve[]> {
  const curves = new Curves();
  for (const count of COUNTS) {
    const folder = await mkdtemp(join(tmpdir(), "aether-health-"));
    const store = new KeyvStore(new SqliteEngine({ path: join(folder, "store.sqlite") }));
    const clock = new QueueClock();
    const monitor = new HealthMonitor({
      ...{ clock, random: systemRandom, intervalSeconds: INTERVAL_SECONDS },
      probe: () => Promise.resolve({ status: "pass" }),
    });
    for (let n = 0; n < count; n += 1) monitor.watch(`https://peer-${n}.example`);
    monitor.start();
    await clock.pass(Math.min(PAST_MILLISECONDS, (PAST_MILLISECONDS * 1_000) / count));
    const memory = new HealthMemory({ health: monitor, store, clock, logger: quietLogger() });
    const [writes, stretches, looks]: [number[], number[], number[]] = [[], [], []];
    for (let run = 0; run < RUNS; run += 1) {
      await clock.pass(2 * INTERVAL_SECONDS * 1000);
      const written = await watched(() => memory.write());
      writes.push(written.took);
      stretches.push(written.stretch);
      const looked = await watched(() => Promise.resolve(monitor.list()));
      looks.push(looked.took);
    }
    const reader = new HealthMemory({ health: monitor, store, clock, logger: quietLogger() });
    const read = await watched(() => reader.read(() => true));
    const row = JSON.stringify(monitor.remembered("https://peer-0.example") ?? {});
    await curves.add("a row", "bytes", count, [Buffer.byteLength(row)]);
    await curves.add("a minute's rows are written", "ms", count, writes);
    await curves.add("longest stretch of that", "ms", count, stretches);
    await curves.add("all are read at a start", "ms", count, [read.took]);
    await curves.add("longest stretch of reading", "ms", count, [read.stretch]);
    await curves.add("a look at all of them", "ms", count, looks);
    const stops = monitor.stop();
    await clock.pass(1_000);
    await stops;
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
  return curves.all();
}

/** 8 hours of outages by a script, with a restart between. */
async function outages(): Promise<Curve[]> {
  const curves = new Curves();
  for (const peers of COUNTS) {
    const storeOf = (clock: QueueClock): MemoryStore => new MemoryStore(clock);
    const { worst, withOutages } = await measureOutages({ peers, seed: "bench", storeOf });
    await curves.add("measured uptime is off by at most", "% of the time", peers, [
      worst.error * 100,
    ]);
    await curves.add("of whom were down for 5 % and more", "peers", peers, [withOutages]);
  }
  return curves.all();
}
