/**
 * `npm run performance [-- --from results.json]`: runs the benches, or takes what `npm run bench -- --json`
 * has printed, and writes `docs/performance.md` and the graphs beside it. With `--keep FILE` the results
 * are kept; `--note TEXT` says on the page what else its reader should know of the run. Where the time goes
 * is written by hand, in `performance-causes.md`.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { format } from "prettier";
import { graphOf } from "./graph.ts";
import { type Result, pageOf, slugOf } from "./performance-page.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const BENCHES = [
  ...["join", "crossing", "ledger", "signatures", "refusals"],
  ...["link", "routing", "growth", "load"],
];

const { values } = parseArgs({
  options: { from: { type: "string" }, keep: { type: "string" }, note: { type: "string" } },
});

/** What the benches print; of those that there are. */
async function bench(): Promise<Result[]> {
  const results: Result[] = [];
  for (const name of BENCHES) {
    console.error(`bench ${name}`);
    const printed = await new Promise<string | undefined>((resolve, reject) => {
      const flags = [
        "--disable-warning=ExperimentalWarning",
        `${ROOT}bench/main.ts`,
        name,
        "--json",
      ];
      execFile(process.execPath, flags, { maxBuffer: 64 * 1024 ** 2 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if (error.code === 2) resolve(undefined);
        else reject(new Error(`bench ${name}: ${stderr}`));
      });
    });
    if (printed === undefined) console.error(`there is no bench ${name}`);
    else results.push(...(JSON.parse(printed) as Result[]));
    keep(results);
  }
  return results;
}

/** What it was measured on, and when. */
interface Run {
  readonly machine: string;
  readonly results: readonly Result[];
}

const [cpu] = cpus();
const machine = `${cpus().length} × ${cpu?.model.trim() ?? "unknown"}, Node.js ${process.version}`;

/** Also of a run that does not come to its end. */
function keep(results: readonly Result[]): void {
  if (values.keep === undefined) return;
  writeFileSync(values.keep, `${JSON.stringify({ machine, results }, null, 2)}\n`);
}

const run: Run =
  values.from === undefined
    ? { machine, results: await bench() }
    : (JSON.parse(readFileSync(values.from, "utf8")) as Run);

const folder = `${ROOT}docs/performance`;
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) if (name.endsWith(".svg")) rmSync(`${folder}/${name}`);
for (const { title, curves = [] } of run.results) {
  for (const curve of curves) {
    writeFileSync(`${folder}/${slugOf(title, curve.name)}.svg`, graphOf(curve, title));
  }
}
const causes = readFileSync(`${ROOT}bench/performance-causes.md`, "utf8");
const page = await format(pageOf(run.machine, run.results, { note: values.note, causes }), {
  ...{ parser: "markdown", printWidth: 100 },
});
writeFileSync(`${ROOT}docs/performance.md`, page);
console.log("docs/performance.md");
