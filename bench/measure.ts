import { readFile, readdir } from "node:fs/promises";
import { table } from "../src/cli/output.ts";

/** Measuring: things that are compared run in turns within one process, and medians are told. */
export interface Measured {
  readonly name: string;
  /** Microseconds for one. */
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** One part of the report. */
export interface Section {
  readonly title: string;
  readonly results: readonly Measured[];
  readonly text: string;
}

/** A measurement beside its anchor's, and what it is meant to reach. */
export interface Compared extends Measured {
  /** Median over the rounds of this round's figure against the anchor's of the same round. */
  readonly ratio: number;
  readonly ratioLow: number;
  readonly ratioHigh: number;
  readonly target?: string;
  readonly reached?: boolean;
}

/** How a ratio is told, and what it should be. */
export interface Comparison {
  readonly title: string;
  /** `cost`: this against the anchor, less is better. `speed`: the inverse, more is better. */
  readonly ratio: "cost" | "speed";
  /** By name: the most (`cost`) or the least (`speed`) the ratio should be. */
  readonly targets?: Readonly<Record<string, number>>;
}

const ROUNDS = 15;

/** Runs every subject in every round, in turn, and tells microseconds for one operation. */
export async function measure(
  subjects: Readonly<Record<string, () => unknown>>,
  options: { readonly roundMilliseconds?: number } = {},
): Promise<Measured[]> {
  const { byName } = await sample(subjects, options);
  return [...byName].map(([name, values]) => summary(name, values));
}

/** As {@link measure}, round by round. */
export async function sample(
  subjects: Readonly<Record<string, () => unknown>>,
  options: { readonly roundMilliseconds?: number } = {},
): Promise<Samples> {
  const roundMilliseconds = options.roundMilliseconds ?? 60;
  const samples = new Samples();
  for (let round = -2; round < ROUNDS; round += 1) {
    for (const [name, subject] of Object.entries(subjects)) {
      const until = performance.now() + roundMilliseconds;
      let count = 0;
      const from = performance.now();
      while (performance.now() < until) {
        for (let each = 0; each < 8; each += 1) await subject();
        count += 8;
      }
      const each = ((performance.now() - from) * 1000) / count;
      if (round >= 0) samples.add(name, each);
    }
  }
  return samples;
}

/** Median and spread of some samples. */
export function summary(name: string, values: readonly number[]): Measured {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    name,
    median: sorted[Math.floor(sorted.length / 2)] ?? 0,
    low: sorted[0] ?? 0,
    high: sorted.at(-1) ?? 0,
  };
}

/** A table of results, each against the first (the anchor). */
export function report(title: string, results: readonly Measured[]): string {
  const [anchor] = results;
  const rows = results.map(({ name, median, low, high }) => [
    name,
    median.toFixed(1),
    `${low.toFixed(1)}–${high.toFixed(1)}`,
    ((anchor?.median ?? 0) / median).toFixed(2),
  ]);
  return table([title, "µs", "spread", "of the anchor's speed"], rows);
}

/** Microseconds of CPU a process's threads have used: as utime and stime, without their 10 ms steps. */
export async function cpuOf(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const used = await Promise.all(
    threads.map(async (thread) => {
      const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8");
      return Number(text.split(" ")[0]) / 1000;
    }),
  );
  return used.reduce((sum, each) => sum + each, 0);
}

/** Samples by name, in the order the names first came. */
export class Samples {
  readonly byName = new Map<string, number[]>();

  add(name: string, value: number): void {
    const values = this.byName.get(name);
    if (values === undefined) this.byName.set(name, [value]);
    else values.push(value);
  }
}

/**
 * Compares samples in microseconds with those of the first name, round by round: what slows a whole
 * round down, such as a neighbour on the machine, slows both.
 */
export function compare(samples: Samples, comparison: Comparison): Section {
  const { title, ratio: kind, targets = {} } = comparison;
  const anchor = [...samples.byName.values()][0] ?? [];
  const results = [...samples.byName].map(([name, values]): Compared => {
    const ratios = summary(
      name,
      values.map((value, round) => {
        const other = anchor[round] ?? value;
        return kind === "cost" ? value / other : other / value;
      }),
    );
    const target = targets[name];
    return {
      ...summary(name, values),
      ratio: ratios.median,
      ratioLow: ratios.low,
      ratioHigh: ratios.high,
      ...(target === undefined
        ? {}
        : {
            target: `${kind === "cost" ? "≤" : "≥"} ${target}`,
            reached: kind === "cost" ? ratios.median <= target : ratios.median >= target,
          }),
    };
  });
  const rows = results.map((each) => [
    each.name,
    each.median.toFixed(1),
    `${each.low.toFixed(1)}–${each.high.toFixed(1)}`,
    each.ratio.toFixed(2),
    `${each.ratioLow.toFixed(2)}–${each.ratioHigh.toFixed(2)}`,
    each.target === undefined ? "" : `${each.target}${each.reached === true ? "" : " missed"}`,
  ]);
  const against = kind === "cost" ? "× anchor" : "of the anchor's speed";
  return {
    title,
    results,
    text: table([title, "µs", "spread", against, "spread", "target"], rows),
  };
}
