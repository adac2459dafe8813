/** What health probes cost by the number of peers. */
import { HealthMonitor } from "../src/health/health-monitor.ts";
import { systemRandom } from "../src/ports.ts";
import { type Curve, Curves, watched } from "./curves.ts";
import { QueueClock } from "../test/support/queue-clock.ts";

const COUNTS = [10, 1_000, 10_000];
const RUNS = 5;
const INTERVAL_SECONDS = 15;
/** How long a peer takes to answer, of the clock that goes from timer to timer. */
const ANSWER_MILLISECONDS = 40;
/** Until all have been probed for the first time, so many at once. */
const FIRST_ROUND_MILLISECONDS = 20_000;

/** Rounds in which every peer is probed once, and answers. */
export async function probeGrowth(): Promise<Curve[]> {
  const curves = new Curves();
  for (const count of COUNTS) {
    const clock = new QueueClock();
    let [probes, underWay, most] = [0, 0, 0];
    const monitor = new HealthMonitor({
      ...{ clock, random: systemRandom, intervalSeconds: INTERVAL_SECONDS },
      probe: async () => {
        probes += 1;
        most = Math.max(most, (underWay += 1));
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, ANSWER_MILLISECONDS));
        underWay -= 1;
        return { status: "pass" };
      },
    });
    for (let n = 0; n < count; n += 1) monitor.watch(`https://peer-${n}.example`);
    const first = await watched(async () => {
      monitor.start();
      await clock.pass(FIRST_ROUND_MILLISECONDS);
    });
    const [rounds, stretches, atOnce]: [number[], number[], number[]] = [[], [], []];
    for (let run = 0; run < RUNS; run += 1) {
      [probes, most] = [0, 0];
      const round = await watched(() => clock.pass(INTERVAL_SECONDS * 1000));
      // By chance somewhat more or fewer than all of them were due.
      rounds.push((round.took * count) / probes);
      stretches.push(round.stretch);
      atOnce.push(most);
    }
    await curves.add("a round", "ms", count, rounds);
    await curves.add("longest stretch of it", "ms", count, stretches);
    await curves.add("probes at once", "probes", count, atOnce);
    await curves.add("longest stretch of the start", "ms", count, [first.stretch]);
    const stopped = await watched(async () => {
      const stops = monitor.stop();
      await clock.pass(FIRST_ROUND_MILLISECONDS);
      await stops;
    });
    await curves.add("longest stretch of the stop", "ms", count, [stopped.stretch]);
  }
  return curves.all();
}
