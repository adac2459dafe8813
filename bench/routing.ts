/**
 * `resolve` beside general routers, which are given the text already taken apart: the path
 * `/host/path`, labels in the order they want them, and no rules of ours to check. That is not the same
 * job: a text that nobody has read yet has to be read first. So a second table for such texts lets `URL.parse`
 * read them, the least that whoever puts such a router behind foreign texts would have to do; none of the
 * protocol's own rules (no user, no fragment, worlds, options) are checked there either.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { table } from "../src/cli/output.ts";
import { RoutingTable } from "../src/routing/routing-table.ts";
import { type Compared, type Measured, Samples, type Section, summary } from "./measure.ts";
import { type Rival, loadRivals } from "./routing-rivals.ts";
import { KINDS, type Kind, SELF, type Sample, peerOf, routesOf } from "./routing-texts.ts";

const SIZES = [10, 1_000, 100_000];
const WARM_UP_ROUNDS = 30;
const ROUNDS = 41;
/** So short that a neighbour on the machine spoils few of them. */
const SLICE_MILLISECONDS = 0.3;
/** Calls between two looks at the clock. */
const BATCH = 32;
/** Texts asked for again and again: all of them can be remembered. */
const KNOWN = 256;
/** Texts asked for in turn, too many to be remembered. */
const UNKNOWN = 20_000;
/** `resolve` against the best of the others. */
const TARGET = 1;

export async function benchRouting(): Promise<Section[]> {
  const { rivals, missing } = await loadRivals();
  if (rivals.length === 0) throw new Error("none of the other routers is installed");
  const sections: Section[] = [];
  for (const size of SIZES) {
    const built = build(size, rivals);
    sections.push(lookUps(size, built, false, missing), lookUps(size, built, true, missing));
    sections.push(readFirst(size, built));
    sections.push(changes(size, built));
  }
  sections.push(memory(rivals));
  return sections;
}

interface Built {
  readonly ours: RoutingTable;
  readonly rivals: readonly Rival[];
}

function build(size: number, load: readonly (() => Rival)[]): Built {
  const ours = new RoutingTable({ self: SELF, peerFor: peerOf });
  const rivals = load.map((make) => make()).filter(({ most }) => size <= most);
  for (const { pattern, path } of routesOf(size)) {
    if (pattern !== undefined) ours.addRoute({ pattern, server: "https://arena.example" });
    for (const rival of rivals) rival.add(path, { server: "https://arena.example" });
  }
  const built = { ours, rivals };
  warmUp(size, built);
  return built;
}

/** All kinds by turns: code made fast for one kind alone is thrown away when the next one comes. */
function warmUp(size: number, { ours, rivals }: Built): void {
  const samples = KINDS.flatMap((kind) => samplesOf(kind, size, 1_000));
  for (let turn = 0; turn < 10; turn += 1) {
    for (const { text, path } of samples) {
      ours.resolve(text);
      for (const rival of rivals) rival.find(path);
    }
  }
}

function lookUps(size: number, built: Built, fresh: boolean, missing: readonly string[]): Section {
  const { ours, rivals } = built;
  const results: Compared[] = [];
  const rows = KINDS.map((kind) => {
    const samples = samplesOf(kind, size, fresh ? UNKNOWN : KNOWN);
    check(kind, samples, built);
    const texts = samples.map(({ text }) => text);
    const paths = samples.map(({ path }) => path);
    const times = inTurns({
      resolve: [texts, (text) => ours.resolve(text)],
      ...Object.fromEntries(
        rivals.map((rival) => [rival.name, [paths, (path: string) => rival.find(path)] as const]),
      ),
    });
    const [mine, ...others] = [...times.byName].map(([name, all]) => summary(name, all));
    if (mine === undefined) throw new Error("nothing was measured");
    const best = others.reduce((a, b) => (b.median < a.median ? b : a));
    const compared = aimed(against(times, best, `${kind.name}, ${told(size)} routes`));
    results.push(compared);
    return [
      kind.name,
      ...[mine, ...others].map(({ median }) => nanoseconds(median)),
      best.name,
      compared.ratio.toFixed(2),
      `${compared.ratioLow.toFixed(2)}–${compared.ratioHigh.toFixed(2)}`,
      `≥ ${TARGET}${compared.reached === true ? "" : " missed"}`,
    ];
  });
  const seen = fresh ? `${told(UNKNOWN)} texts in turn` : `${KNOWN} texts, known`;
  const title = `resolve by text, ${told(size)} routes, ${seen}: ns`;
  const names = rivals.map(({ name }) => name);
  const text = table(
    [title, "resolve", ...names, "best other", "of its speed", "spread", "target"],
    rows,
  );
  const absent = missing.length === 0 ? "" : `\nNot installed: ${missing.join(", ")}`;
  return { title, results, text: text + absent };
}

/** Beside the others, which are given the path of a text only when `URL` has read it. */
function readFirst(size: number, { ours, rivals }: Built): Section {
  const results: Compared[] = [];
  const rows = KINDS.map((kind) => {
    const samples = samplesOf(kind, size, UNKNOWN);
    const texts = samples.map(({ text }) => text);
    const paths = samples.map(({ path }) => path);
    const times = inTurns({
      resolve: [texts, (text) => ours.resolve(text)],
      ...Object.fromEntries(
        rivals.map(
          (rival) =>
            [
              rival.name,
              [
                texts,
                (text: string, at: number) =>
                  URL.parse(text) !== null && rival.find(paths[at] ?? ""),
              ],
            ] as const,
        ),
      ),
      "URL.parse": [texts, (text) => URL.parse(text)],
    });
    const measured = [...times.byName].map(([name, all]) => summary(name, all));
    const best = measured.slice(1, -1).reduce((a, b) => (b.median < a.median ? b : a));
    const compared = against(times, best, `${kind.name}, ${told(size)} routes, after URL.parse`);
    results.push(compared);
    return [
      kind.name,
      ...measured.map(({ median }) => nanoseconds(median)),
      best.name,
      compared.ratio.toFixed(2),
      `${compared.ratioLow.toFixed(2)}–${compared.ratioHigh.toFixed(2)}`,
    ];
  });
  const title = `the same ${told(UNKNOWN)} texts, ${told(size)} routes, the others after URL.parse: ns`;
  const names = rivals.map(({ name }) => name);
  const headers = [title, "resolve", ...names, "URL.parse alone", "best other", "of its speed"];
  return { title, results, text: table([...headers, "spread"], rows) };
}

/** Both find what they should: nothing is faster than a router that finds nothing. */
function check(kind: Kind, samples: readonly Sample[], { ours, rivals }: Built): void {
  for (const { text, path } of samples.slice(0, KNOWN)) {
    if ((ours.resolve(text) !== undefined) !== kind.found) throw new Error(`resolve: ${text}`);
    if (!kind.comparable) continue;
    for (const rival of rivals) {
      if (rival.find(path) !== kind.found) throw new Error(`${rival.name}: ${path}`);
    }
  }
}

function samplesOf(kind: Kind, size: number, count: number): Sample[] {
  return Array.from({ length: count }, (_, index) => {
    const { text, path } = kind.sample(index, size, count > KNOWN);
    return { text: flat(text), path: flat(path) };
  });
}

/** Texts come off the wire in one piece, not put together of several. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}

type Subject = readonly [inputs: readonly string[], run: (input: string, at: number) => unknown];

/** Microseconds for one call, each subject in each round, in turn. */
function inTurns(subjects: Readonly<Record<string, Subject>>, batch = BATCH): Samples {
  const samples = new Samples();
  const next = new Map<string, number>();
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const [name, [inputs, run]] of Object.entries(subjects)) {
      let at = next.get(name) ?? 0;
      let count = 0;
      const from = performance.now();
      let now = from;
      while (now - from < SLICE_MILLISECONDS) {
        for (let each = 0; each < batch; each += 1) {
          run(inputs[at] ?? "", at);
          at = at + 1 === inputs.length ? 0 : at + 1;
        }
        count += batch;
        now = performance.now();
      }
      next.set(name, at);
      if (round >= 0) samples.add(name, ((now - from) * 1000) / count);
    }
  }
  return samples;
}

function against(times: Samples, best: Measured, name: string): Compared {
  const mine = times.byName.get("resolve") ?? [];
  const theirs = times.byName.get(best.name) ?? [];
  const ratios = summary(
    name,
    mine.map((each, round) => (theirs[round] ?? each) / each),
  );
  return {
    ...summary(name, mine),
    ratio: ratios.median,
    ratioLow: ratios.low,
    ratioHigh: ratios.high,
  };
}

function aimed(compared: Compared): Compared {
  return { ...compared, target: `≥ ${TARGET}`, reached: compared.ratio >= TARGET };
}

/** One route taken out and put back. */
function changes(size: number, { ours, rivals }: Built): Section {
  const patterns: string[] = [];
  const paths: string[] = [];
  for (const { pattern, path } of routesOf(size)) {
    if (pattern === undefined) continue;
    patterns.push(pattern);
    paths.push(path);
  }
  const subjects: Record<string, Subject> = {
    resolve: [
      patterns,
      (pattern) => {
        ours.removeRoute(pattern);
        ours.addRoute({ pattern, server: "https://arena.example" });
      },
    ],
  };
  for (const rival of rivals) {
    const { remove } = rival;
    if (remove === undefined) continue;
    const run = (path: string): void => {
      remove(path);
      rival.add(path, { server: "https://arena.example" });
    };
    subjects[rival.name] = [paths, run];
  }
  const results = [...inTurns(subjects, 1).byName].map(([name, all]) => summary(name, all));
  const title = `a route removed and added, ${told(size)} routes`;
  const rows = results.map(({ name, median, low, high }) => [
    name === "resolve" ? "RoutingTable" : name,
    median.toFixed(1),
    `${low.toFixed(1)}–${high.toFixed(1)}`,
  ]);
  return { title, results, text: table([title, "µs", "spread"], rows) };
}

const MEMORY_ROUTES = 100_000;

/** Bytes of heap for one route, its strings included, which nobody else holds. */
function memory(load: readonly (() => Rival)[]): Section {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const title = `memory, ${told(MEMORY_ROUTES)} routes`;
  const bytes = (fill: () => unknown): number => {
    collect();
    const before = process.memoryUsage().heapUsed;
    const kept = fill();
    collect();
    const used = process.memoryUsage().heapUsed - before;
    return kept === undefined ? NaN : used / MEMORY_ROUTES;
  };
  const rows: string[][] = [];
  const results: Measured[] = [];
  const tell = (name: string, value: number): void => {
    rows.push([name, value.toFixed(0)]);
    results.push({ name: `${name}, bytes a route`, median: value, low: value, high: value });
  };
  const server = (index: number): string => `https://arena-${index}.example`;
  tell(
    "RoutingTable",
    bytes(() => {
      const ours = new RoutingTable();
      let index = 0;
      for (const { pattern } of routesOf(MEMORY_ROUTES)) {
        if (pattern !== undefined) ours.addRoute({ pattern, server: server((index += 1)) });
      }
      return ours;
    }),
  );
  tell(
    "one Map of its URIs",
    bytes(() => {
      const plain = new Map<string, { server: string }>();
      for (const { path } of routesOf(MEMORY_ROUTES)) {
        plain.set(path, { server: server(plain.size) });
      }
      return plain;
    }),
  );
  for (const make of load) {
    const rival = make();
    if (MEMORY_ROUTES > rival.most) continue;
    const fill = (): Rival => {
      let index = 0;
      for (const { path } of routesOf(MEMORY_ROUTES)) {
        rival.add(path, { server: server((index += 1)) });
      }
      return rival;
    };
    tell(rival.name, bytes(fill));
  }
  return { title, results, text: table([title, "bytes a route"], rows) };
}

function nanoseconds(microseconds: number): string {
  return (microseconds * 1000).toFixed(0);
}

function told(count: number): string {
  return count.toLocaleString("en");
}
