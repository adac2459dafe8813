/**
 * `npm run drain -- --players N`: a server with N visitors is told to stop; prints who lost what, how
 * long everybody took to come home, and who was refused on the way.
 */
import { parseArgs } from "node:util";
import "../support/quiet.mjs";
import { drain } from "./drain.ts";

const { values } = parseArgs({ options: { players: { type: "string", default: "500" } } });
const players = Number(values.players);
if (!(Number.isInteger(players) && players >= 1)) {
  console.error("--players must be a whole number from 1");
  process.exit(2);
}
const result = await drain({
  players,
  onProgress: (line) => {
    console.log(`            ${line}`);
  },
});
const { lost, refusals, homeSeconds, stopSeconds } = result;
const refused = Object.entries(refusals).map(([code, count]) => `${count} ${code}`);
console.log(`players     ${result.players}`);
console.log(`lost        ${lost.length}`);
console.log(`refused     ${refused.length === 0 ? "0" : refused.join(", ")}`);
console.log(
  `home again  median ${homeSeconds.median.toFixed(1)} s, last ${homeSeconds.last.toFixed(1)} s after the signal`,
);
console.log(`stopped     ${stopSeconds.toFixed(1)} s after the signal`);
for (const line of lost.slice(0, 20)) console.log(`  ${line}`);
process.exit(lost.length > 0 || refusals["ERR_FED_AWAY"] !== undefined ? 1 : 0);
