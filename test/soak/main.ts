/**
 * `npm run soak -- --minutes N --seed S`: three real servers and real clients under kills, cuts, stops,
 * hangs and outages, for as long as is said; memory and file descriptors have to stay flat.
 */
import { parseArgs } from "node:util";
import "../support/quiet.mjs";
import { findProgram } from "../support/requirements.ts";
import { type Growth, soak } from "./soak.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error("--minutes must be more than 0");
  process.exit(2);
}
console.log(`seed        ${values.seed}`);
const result = await soak({
  seconds: minutes * 60,
  seed: values.seed,
  redisProgram: findProgram("redis-server"),
  onProgress: (line) => {
    console.log(`            ${line}`);
  },
});
const { lost, duplicated, stuck, watched } = result;
console.log(
  `crossings   ${result.crossings}: ${result.arrived} arrived, ${result.stayed} stayed, ${result.cutShort} cut short`,
);
console.log(
  `trouble     ${result.kills} kills, ${result.cuts} cuts, ${result.stops} stops, ${result.hangs} hangs, ${result.outages} outages of a store`,
);
console.log(`lost        ${lost.length}`);
console.log(`duplicated  ${duplicated.length}`);
console.log(`stuck       ${stuck.length}`);
const tell = ({ first, last, perMinute, grown, isFlat }: Growth, unit: string): string =>
  `${first.toFixed(0)} to ${last.toFixed(0)} ${unit}, ${perMinute.toFixed(2)} a minute (${grown === undefined ? "too short to tell" : isFlat ? "flat" : "NOT FLAT"})`;
for (const { name, memory, files } of watched) {
  console.log(`server ${name}    ${tell(memory, "MiB")}; ${tell(files, "files")}`);
}
if (watched.length === 0)
  console.log("memory and files could not be watched: there is no /proc here");
console.log(`time        ${result.seconds.toFixed(1)} s`);
for (const line of [...lost, ...duplicated, ...stuck]) console.log(`  ${line}`);
const failed = lost.length + duplicated.length + stuck.length > 0 || !result.isFlat;
process.exit(failed ? 1 : 0);
