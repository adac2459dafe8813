/**
 * `npm run chaos -- --crossings N --minutes N --seed S [--cluster]`: real servers and real clients, with servers
 * killed and started again, connections cut and stores taken away throughout. Three servers; with `--cluster`
 * two operators with two processes each, over Redis and PostgreSQL.
 */
import { parseArgs } from "node:util";
import "../support/quiet.mjs";
import { findProgram } from "../support/requirements.ts";
import { type ChaosOptions, chaos } from "./chaos.ts";

const { values } = parseArgs({
  options: {
    crossings: { type: "string" },
    minutes: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    players: { type: "string", default: "8" },
    cluster: { type: "boolean", default: false },
    /** Parties of four from three homes go so many times. */
    parties: { type: "string" },
  },
});
const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
const crossings = Number(values.crossings ?? (minutes === undefined ? 300 : Infinity));
const players = Number(values.players);
if (!(crossings >= 1) || !(players >= 1) || (minutes !== undefined && !(minutes > 0))) {
  console.error("--crossings and --players must be at least 1, --minutes more than 0");
  process.exit(2);
}
const [redis, postgres] = [findProgram("redis-server"), findProgram("postgres")];
let stores: Pick<ChaosOptions, "cluster" | "redisProgram"> = { redisProgram: redis };
if (values.cluster) {
  if (redis === undefined || postgres === undefined) {
    console.error(
      "--cluster needs redis-server and PostgreSQL: apt-get install redis-server postgresql",
    );
    process.exit(2);
  }
  stores = { cluster: { redis, postgres } };
}
console.log(`seed        ${values.seed}`);
const result = await chaos({
  ...{ crossings, players, seed: values.seed, ...stores },
  ...(values.parties === undefined ? {} : { parties: Number(values.parties) }),
  ...(minutes === undefined ? {} : { seconds: minutes * 60 }),
  onProgress: (line) => {
    console.log(`            ${line}`);
  },
});
const { lost, duplicated, stuck, astray } = result;
console.log(
  `crossings   ${result.crossings}: ${result.arrived} arrived, ${result.stayed} stayed, ${result.cutShort} cut short`,
);
console.log(
  `trouble     ${result.kills} kills, ${result.cuts} cuts, ${result.stops} stops, ${result.hangs} hangs, ${result.outages} outages of a store`,
);
const { parties } = result;
if (parties !== undefined) {
  console.log(
    `parties     ${parties.attempts}: ${parties.together} all together, ${parties.nobody} nobody, ${parties.cut} cut by a death, ${parties.parted.length} parted`,
  );
}
console.log(`lost        ${lost.length}`);
console.log(`duplicated  ${duplicated.length}`);
console.log(`stuck       ${stuck.length}`);
if (values.cluster) console.log(`astray      ${astray.length}`);
console.log(`time        ${result.seconds.toFixed(1)} s`);
const wrong = [...lost, ...duplicated, ...stuck, ...astray, ...(parties?.parted ?? [])];
for (const line of wrong) console.log(`  ${line}`);
process.exit(wrong.length > 0 ? 1 : 0);
