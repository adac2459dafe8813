/** Growth curves: one figure at several counts. */
import { table } from "../src/cli/output.ts";
import { type Measured, type Section, summary } from "./measure.ts";

/** One figure as it grows. */
export interface Curve {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly { readonly count: number; readonly value: number }[];
}

/** A section of the report whose results are curves, too. */
export interface CurveSection extends Section {
  readonly curves: readonly Curve[];
}

/** Curves in the making, by their names. */
export class Curves {
  readonly #curves = new Map<
    string,
    { name: string; unit: string; points: { count: number; value: number }[] }
  >();

  /** A point at `count`: the middle of what several runs have measured. */
  async add(name: string, unit: string, count: number, values: readonly number[]): Promise<void> {
    const curve = this.#curves.get(name) ?? { name, unit, points: [] };
    this.#curves.set(name, curve);
    const left = [...values];
    curve.points.push({ count, value: await median(left.length, () => left.pop() ?? 0) });
  }

  all(): Curve[] {
    return [...this.#curves.values()];
  }
}

/** Curves over the same counts, as a table: a column for each count. */
export function curveSection(title: string, curves: readonly Curve[]): CurveSection {
  const counts = [...new Set(curves.flatMap(({ points }) => points.map(({ count }) => count)))];
  counts.sort((a, b) => a - b);
  const rows = curves.map(({ name, unit, points }) => [
    `${name}, ${unit}`,
    ...counts.map((count) => shown(points.find((point) => point.count === count)?.value)),
  ]);
  const results = curves.flatMap(({ name, unit, points }) =>
    points.map(({ count, value }): Measured => ({
      ...summary(`${name}, ${count.toLocaleString("en")}: ${unit}`, [value]),
    })),
  );
  const headers = [title, ...counts.map((count) => count.toLocaleString("en"))];
  return { title, results, curves, text: table(headers, rows) };
}

function shown(value: number | undefined): string {
  if (value === undefined) return "–";
  return value < 10 ? value.toFixed(2) : value.toFixed(0);
}

/** The middle of several runs, each of which says its value. */
export async function median(runs: number, run: () => number | Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let count = 0; count < runs; count += 1) values.push(await run());
  return summary("", values).median;
}

/** How long `work` takes, in milliseconds, and the longest that the event loop stood still meanwhile. */
export async function watched(
  work: () => Promise<unknown>,
): Promise<{ readonly took: number; readonly stretch: number }> {
  let last = performance.now();
  let stretch = 0;
  let done = false;
  const look = (): void => {
    const now = performance.now();
    stretch = Math.max(stretch, now - last);
    last = now;
    if (!done) setImmediate(look);
  };
  setImmediate(look);
  await new Promise<void>((resolve) => setImmediate(resolve));
  const from = performance.now();
  await work();
  const took = performance.now() - from;
  done = true;
  await new Promise<void>((resolve) => setImmediate(resolve));
  return { took, stretch };
}
