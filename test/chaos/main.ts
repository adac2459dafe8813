/**
 * `npm run chaos -- --crossings N --seed S`: three real servers and real clients, with servers
 * killed and started again and connections cut throughout.
 */
import { parseArgs } from "node:util";
import "../support/quiet.mjs";
import { findProgram } from "../support/requirements.ts";
import { chaos } from "./chaos.ts";

const { values } = parseArgs({
  options: {
    crossings: { type: "string", default: "300" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    players: { type: "string", default: "8" },
  },
});
const crossings = Number(values.crossings);
const players = Number(values.players);
if (!(crossings >= 1) || !(players >= 1)) {
  console.error("--crossings and --players must be at least 1");
  process.exit(2);
}
console.log(`seed        ${values.seed}`);
const result = await chaos({
  crossings,
  players,
  seed: values.seed,
  redisProgram: findProgram("redis-server"),
  onProgress: (line) => {
    console.log(`            ${line}`);
  },
});
const { lost, duplicated, stuck } = result;
console.log(
  `crossings   ${result.crossings}: ${result.arrived} arrived, ${result.stayed} stayed, ${result.cutShort} cut short`,
);
console.log(
  `trouble     ${result.kills} kills, ${result.cuts} cuts, ${result.stops} stops, ${result.hangs} hangs, ${result.outages} outages of a store`,
);
console.log(`lost        ${lost.length}`);
console.log(`duplicated  ${duplicated.length}`);
console.log(`stuck       ${stuck.length}`);
console.log(`time        ${result.seconds.toFixed(1)} s`);
for (const line of [...lost, ...duplicated, ...stuck]) console.log(`  ${line}`);
process.exit(lost.length + duplicated.length + stuck.length > 0 ? 1 : 0);
