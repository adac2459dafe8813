/**
 * `npm run simulate -- --crossings N --seed S`: the shipped custody code under faults, on a virtual
 * clock, network and disk.
 */
import { parseArgs } from "node:util";
import { simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    crossings: { type: "string", default: "2000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    servers: { type: "string", default: "4" },
    players: { type: "string", default: "12" },
  },
});
const crossings = Number(values.crossings);
const servers = Number(values.servers);
const players = Number(values.players);
if (!(crossings > 0) || !(servers >= 2) || !(players >= 1)) {
  console.error("--crossings and --players must be at least 1, --servers at least 2");
  process.exit(2);
}
const startedAt = performance.now();
const result = await simulate({ seed: values.seed, crossings, servers, players });
const took = ((performance.now() - startedAt) / 1000).toFixed(1);
console.log(`seed        ${values.seed}`);
console.log(
  `crossings   ${result.crossings}: ${result.arrived} arrived, ${result.stayed} stayed, ${result.cutShort} cut short by a crash`,
);
console.log(`logins      ${result.logins}, ${result.recalls} while away`);
console.log(
  `faults      ${Object.entries(result.faults)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ")}`,
);
console.log(`time        ${result.virtualSeconds} s simulated in ${took} s`);
console.log(`violations  ${result.violation === undefined ? 0 : 1}`);
if (result.violation !== undefined) {
  console.log(`\n${result.violation}\n\nWhat happened last:\n${result.trace.join("\n")}`);
  process.exitCode = 1;
}
