/**
 * `npm run load -- --players 1000 --seconds 60 [--rate N] [--at-once N] [--naive] [--json]`: steady
 * crossings between two live servers. Without `--rate`, as many as are kept up with `--at-once` under
 * way. Exits with 1 when one failed, or the rate was not kept up.
 */
import { parseArgs } from "node:util";
import { table } from "../../src/cli/output.ts";
import { type LoadResult, runLoad } from "./load.ts";

const { values } = parseArgs({
  options: {
    players: { type: "string", default: "1000" },
    seconds: { type: "string", default: "60" },
    rate: { type: "string" },
    "at-once": { type: "string", default: "32" },
    naive: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  console.error(`--${name} must be a whole number from 1`);
  process.exit(2);
}

const stopping = new AbortController();
process.once("SIGINT", () => {
  stopping.abort();
});
const options = {
  players: count("players", values.players),
  seconds: count("seconds", values.seconds),
  rate: values.rate === undefined ? Infinity : count("rate", values.rate),
  atOnce: count("at-once", values["at-once"]),
  naive: values.naive,
  signal: stopping.signal,
};
try {
  const result = await runLoad({
    ...options,
    onProgress: (line) => {
      if (!values.json) console.log(`            ${line}`);
    },
  });
  console.log(values.json ? JSON.stringify(result, null, 2) : told(result));
  if (Object.keys(result.failures).length > 0 || result.backlog > 0) process.exitCode = 1;
} catch (cause) {
  if (!stopping.signal.aborted) throw cause;
  process.exitCode = 130;
}

function told(result: LoadResult): string {
  const { latency, failures, backlog, servers } = result;
  const failed = Object.entries(failures).map(([code, many]) => `${many} ${code}`);
  const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);
  const rows = servers.map(({ name, keptBytes, delay, cpuMillisecondsPerCrossing }) => [
    name,
    keptBytes.map(mebibytes).join(" → "),
    `${delay.p50.toFixed(0)} / ${delay.p99.toFixed(0)} / ${delay.max.toFixed(0)}`,
    cpuMillisecondsPerCrossing.toFixed(2),
  ]);
  return [
    `players     ${result.players}`,
    `crossings   ${result.crossings} in ${result.seconds.toFixed(0)} s: ${result.perSecond.toFixed(1)} a second`,
    `latency     p50 ${latency.p50.toFixed(0)}, p95 ${latency.p95.toFixed(0)}, p99 ${latency.p99.toFixed(0)} ms`,
    `failed      ${failed.length === 0 ? "0" : failed.join(", ")}`,
    `backlog     ${backlog}`,
    "",
    table(["server", "MiB kept", "loop late p50/p99/max ms", "CPU ms a crossing"], rows),
  ].join("\n");
}
