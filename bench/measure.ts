import { table } from "../src/cli/output.ts";

/** Measuring: things that are compared run in turns within one process, and medians are told. */
export interface Measured {
  readonly name: string;
  /** Microseconds for one. */
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

const ROUNDS = 15;

/** Runs every subject in every round, in turn, and tells microseconds for one operation. */
export async function measure(
  subjects: Readonly<Record<string, () => unknown>>,
  options: { readonly roundMilliseconds?: number } = {},
): Promise<Measured[]> {
  const roundMilliseconds = options.roundMilliseconds ?? 60;
  const samples = new Map<string, number[]>();
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
      if (round >= 0) samples.set(name, [...(samples.get(name) ?? []), each]);
    }
  }
  return [...samples].map(([name, values]) => summary(name, values));
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
