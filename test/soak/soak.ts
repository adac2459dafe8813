/**
 * Everything at once for a long time: what chaos does, while the memory and the file descriptors of
 * every server are watched. Two of the three servers live all the time, one on its disk and one on a
 * Redis; the third is killed and stopped.
 */
import { readFile, readdir } from "node:fs/promises";
import { type ChaosResult, type RunningServer, chaos } from "../chaos/chaos.ts";

/** How long, and from which seed. */
export interface SoakOptions {
  readonly seconds: number;
  readonly seed: string;
  readonly redisProgram?: string | undefined;
  readonly onProgress?: (line: string) => void;
}

/** What a process takes of the machine at one moment. */
interface Sample {
  readonly seconds: number;
  readonly mebibytes: number;
  readonly files: number;
}

/** How something grew after the warm-up, by a line through its lowest points. */
export interface Growth {
  readonly first: number;
  readonly last: number;
  readonly perMinute: number;
  /** What it grew by in the time that was looked at; undefined when that was too short to tell. */
  readonly grown: number | undefined;
  readonly isFlat: boolean;
}

/** One server that lived all the time. */
export interface Watched {
  readonly name: string;
  readonly memory: Growth;
  readonly files: Growth;
}

/** What came of it. */
export interface SoakResult extends ChaosResult {
  readonly watched: readonly Watched[];
  readonly isFlat: boolean;
}

const SAMPLE_MILLISECONDS = 2_000;
const SPARED = ["a", "c"];
/** Caches fill and code is compiled: a third of the time, and no more than this. */
const WARM_UP_SECONDS = 180;
/** Lowest points, one for each such part of the time, so that a garbage collector's saw is none. */
const PARTS = 10;
/** What grows by less is flat: so much, and a tenth of what was there. */
const FLAT_MEBIBYTES = 16;
const FLAT_FILES = 16;
const FLAT_SHARE = 0.1;
/** Shorter than this nothing can be said. */
const LEAST_SECONDS = 120;

/** Runs it. */
export async function soak({ seconds, onProgress, ...options }: SoakOptions): Promise<SoakResult> {
  const samples = new Map<string, Sample[]>();
  const startedAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const sample = async ({ name, pid }: RunningServer): Promise<void> => {
    const taken = await sampleOf(pid, (performance.now() - startedAt) / 1000);
    if (taken === undefined) return;
    const lives = samples.get(`${name} ${pid}`) ?? [];
    samples.set(`${name} ${pid}`, lives);
    lives.push(taken);
  };
  let running: () => readonly RunningServer[] = () => [];
  try {
    const result = await chaos({
      ...{ ...options, seconds, crossings: Number.MAX_SAFE_INTEGER, spared: SPARED },
      progressSeconds: Math.min(60, Math.max(5, seconds / 4)),
      onRunning: (now) => {
        running = now;
        timer = setInterval(() => void Promise.all(now().map(sample)), SAMPLE_MILLISECONDS);
      },
      onProgress: (line) => {
        onProgress?.(`${Math.round((performance.now() - startedAt) / 1000)} s: ${line}`);
        for (const { name, pid } of running()) {
          const last = samples.get(`${name} ${pid}`)?.at(-1);
          if (last === undefined) continue;
          onProgress?.(`  ${name}: ${last.mebibytes.toFixed(0)} MiB, ${last.files} files open`);
        }
      },
    });
    // The players go before the last of it: what comes after is not what was to be watched.
    const watched = [...samples].flatMap(([key, all]): Watched[] => {
      const [name = ""] = key.split(" ");
      const during = all.filter((each) => each.seconds <= seconds);
      if (!SPARED.includes(name) || during.length < 2) return [];
      return [
        {
          name,
          memory: growthOf(during, ({ mebibytes }) => mebibytes, FLAT_MEBIBYTES),
          files: growthOf(during, ({ files }) => files, FLAT_FILES),
        },
      ];
    });
    const isFlat = watched.every(({ memory, files }) => memory.isFlat && files.isFlat);
    return { ...result, watched, isFlat };
  } finally {
    clearInterval(timer);
  }
}

async function sampleOf(pid: number, seconds: number): Promise<Sample | undefined> {
  try {
    const [status, files] = await Promise.all([
      readFile(`/proc/${pid}/status`, "utf8"),
      readdir(`/proc/${pid}/fd`),
    ]);
    const kibibytes = Number(/^VmRSS:\s+(\d+)/mu.exec(status)?.[1]);
    return Number.isFinite(kibibytes)
      ? { seconds, mebibytes: kibibytes / 1024, files: files.length }
      : undefined;
  } catch {
    // It has ended, or this machine has no /proc.
    return undefined;
  }
}

/** How a row of samples grew after its warm-up. */
export function growthOf(
  samples: readonly Sample[],
  of: (sample: Sample) => number,
  flat: number,
): Growth {
  const end = samples.at(-1)?.seconds ?? 0;
  const from = Math.min(WARM_UP_SECONDS, end / 3);
  const warm = samples.filter(({ seconds }) => seconds >= from);
  const span = end - from;
  const lowest = Array.from({ length: PARTS }, (_, part) => {
    const [low, high] = [from + (span * part) / PARTS, from + (span * (part + 1)) / PARTS];
    const values = warm.filter(({ seconds }) => seconds >= low && seconds <= high).map(of);
    return { at: (low + high) / 2, value: Math.min(...values) };
  }).filter(({ value }) => value < Infinity);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const [middle, level] = [
    mean(lowest.map(({ at }) => at)),
    mean(lowest.map(({ value }) => value)),
  ];
  const spread = lowest.reduce((sum, { at }) => sum + (at - middle) ** 2, 0);
  const slope =
    spread === 0
      ? 0
      : lowest.reduce((sum, { at, value }) => sum + (at - middle) * (value - level), 0) / spread;
  const first = lowest[0]?.value ?? 0;
  const grown = span < LEAST_SECONDS ? undefined : slope * span;
  return {
    ...{ first, last: lowest.at(-1)?.value ?? 0, perMinute: slope * 60, grown },
    isFlat: grown === undefined || grown <= flat + FLAT_SHARE * first,
  };
}
