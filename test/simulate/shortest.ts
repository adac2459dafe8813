/** Finds the shortest way to a violation: few players, few servers, many seeds. */
import { type SimulationOptions, type SimulationResult, simulate } from "./simulation.ts";

/** A violation, with how to see it again. */
export interface Found {
  readonly options: SimulationOptions;
  readonly result: SimulationResult;
}

const SMALL_CROSSINGS = 60;
const SMALL_TRACE = 4_000;

/** Tries small worlds until the time is up and keeps the run with the fewest lines to its violation. */
export async function shortest(
  base: SimulationOptions,
  milliseconds: number,
): Promise<Found | undefined> {
  const until = performance.now() + milliseconds;
  let best: Found | undefined;
  for (let each = 0; performance.now() < until; each += 1) {
    const options = {
      ...base,
      seed: `${base.seed}.${each}`,
      crossings: SMALL_CROSSINGS,
      servers: 2 + (each % 2),
      players: 1,
      traceLength: SMALL_TRACE,
    };
    const result = await simulate(options);
    if (result.violation === undefined) continue;
    const shorter = best === undefined || result.trace.length < best.result.trace.length;
    if (shorter) best = { options, result };
  }
  return best;
}
