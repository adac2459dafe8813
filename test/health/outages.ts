/** Many peers that go down and come back by a script, and how well health checks measure it, across a restart. */
import { HealthMemory } from "../../src/health/health-memory.ts";
import { HealthMonitor } from "../../src/health/health-monitor.ts";
import type { Store } from "../../src/ports.ts";
import { quietLogger } from "../support/loggers.ts";
import { QueueClock } from "../support/queue-clock.ts";
import { seededRandom } from "../support/seeded-random.ts";

/**
 * Whoever is down is probed four intervals apart: the end of an outage is seen by 2 minutes late, its begin by half
 * of one, and half of either counts. Two outages in 8 hours are off by 2.5 minutes at worst, of 4.8 that are 1 %.
 */
const INTERVAL_SECONDS = 30;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const FIRST_RUN = 4 * HOUR;
const BETWEEN = 20 * MINUTE;
const SECOND_RUN = 4 * HOUR;
const STOP_MILLISECONDS = 5_000;

interface Outage {
  readonly from: number;
  readonly to: number;
}

/** What came of it. */
export interface MeasuredOutages {
  /** Between the measured share of up time and the script's, of the peer that it is largest for. */
  readonly worst: { readonly origin: string; readonly error: number };
  /** Peers that the script has down for a twentieth of the time and more. */
  readonly withOutages: number;
  /** Between the observed time and that of both runs, of the peer that it is largest for. */
  readonly worstUnobservedMilliseconds: number;
}

/**
 * Runs it: a monitor for 4 hours, a pause in which nobody looks, and another monitor that goes on from what the store
 * remembers. `store`: one whose expiry goes by `clock`, or by none.
 */
export async function measureOutages({
  peers,
  seed,
  storeOf,
}: {
  readonly peers: number;
  readonly seed: string;
  readonly storeOf: (clock: QueueClock) => Store;
}): Promise<MeasuredOutages> {
  const clock = new QueueClock();
  const store = storeOf(clock);
  const begin = clock.now();
  const length = FIRST_RUN + BETWEEN + SECOND_RUN;
  const scripts = new Map(
    Array.from({ length: peers }, (_, index) => [
      `https://p${index}.example`,
      script(seededRandom(`${seed}/${index}`), length),
    ]),
  );
  const run = async (milliseconds: number): Promise<HealthMonitor> => {
    const monitor = new HealthMonitor({
      ...{ clock, random: seededRandom(seed), intervalSeconds: INTERVAL_SECONDS },
      probe: (origin) => {
        const at = clock.now() - begin;
        const isDown = scripts.get(origin)?.some(({ from, to }) => at >= from && at < to) === true;
        return isDown
          ? Promise.reject(new Error("nobody there"))
          : Promise.resolve({ status: "pass" });
      },
    });
    const memory = new HealthMemory({ health: monitor, store, clock, logger: quietLogger() });
    const past = await memory.read(() => true);
    for (const origin of scripts.keys()) monitor.watch(origin, past.get(origin));
    monitor.start();
    await clock.pass(milliseconds);
    await monitor.stop();
    // It waits for the store, which is no matter of the clock; its limit is.
    const written = memory.stop();
    let isWritten = false;
    void written.finally(() => {
      isWritten = true;
    });
    await clock.pass(0, () => isWritten);
    while (!isWritten) await new Promise((resolve) => setImmediate(resolve));
    return monitor;
  };
  await run(FIRST_RUN - STOP_MILLISECONDS);
  await clock.pass(begin + FIRST_RUN + BETWEEN - clock.now());
  const second = await run(SECOND_RUN);
  const end = clock.now() - begin;
  const restart = FIRST_RUN + BETWEEN;
  let worst = { origin: "", error: -1 };
  let [withOutages, worstUnobservedMilliseconds] = [0, 0];
  for (const [origin, outages] of scripts) {
    const { share = -1, observedMilliseconds } = second.record(origin)?.uptime.day ?? {
      observedMilliseconds: 0,
    };
    const watched = FIRST_RUN - STOP_MILLISECONDS + (end - restart);
    const up =
      upWithin(outages, 0, FIRST_RUN - STOP_MILLISECONDS) + upWithin(outages, restart, end);
    const scripted = up / watched;
    if (scripted < 0.95) withOutages += 1;
    const error = Math.abs(share - scripted);
    if (error > worst.error) worst = { origin, error };
    worstUnobservedMilliseconds = Math.max(
      worstUnobservedMilliseconds,
      Math.abs(observedMilliseconds - watched),
    );
  }
  return { worst, withOutages, worstUnobservedMilliseconds };
}

/** Outages of a peer within so many milliseconds, as chance has them: none, or a few of 3 to 90 minutes. */
function script(random: ReturnType<typeof seededRandom>, length: number): Outage[] {
  const outages: Outage[] = [];
  let at = 0;
  for (let each = Math.floor(random.fraction() * 3); each > 0; each -= 1) {
    const from = at + random.fraction() * 2 * HOUR;
    const to = Math.min(length, from + 3 * MINUTE + random.fraction() * 87 * MINUTE);
    if (from >= length) break;
    outages.push({ from, to });
    at = to;
  }
  return outages;
}

/** How long a script has a peer up between two times. */
function upWithin(outages: readonly Outage[], from: number, to: number): number {
  const down = outages.map((each) =>
    Math.max(0, Math.min(to, each.to) - Math.max(from, each.from)),
  );
  return to - from - down.reduce((sum, each) => sum + each, 0);
}
