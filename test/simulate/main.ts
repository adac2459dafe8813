/**
 * `npm run simulate -- --crossings N --seed S`: the shipped custody code under faults and attacks,
 * on a virtual clock, network and disk. With `--mutant NAME`, one safety rule less, until it shows;
 * `--list-mutants` tells the rules.
 */
import { parseArgs } from "node:util";
import { table } from "../../src/cli/output.ts";
import { MUTANTS, type Mutant, takeAway } from "./mutants.ts";
import type { Faults } from "./world.ts";

const { values } = parseArgs({
  options: {
    crossings: { type: "string", default: "2000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    servers: { type: "string", default: "4" },
    players: { type: "string", default: "12" },
    mutant: { type: "string" },
    "list-mutants": { type: "boolean", default: false },
    /** Seconds to look for a shorter way to a violation. */
    shorten: { type: "string", default: "15" },
  },
});

/** Runs of a mutant before it is given up as not caught. */
const MUTANT_RUNS = 30;
const SHOWN_LINES = 60;
const TRACED_LINES = 2_000;
/** Faults of rooms, clients and peers that misbehave, switched off. */
const MISBEHAVIOUR = {
  rubbish: 0,
  unruly: 0,
  fickle: 0,
  unwell: 0,
  lie: 0,
  picky: 0,
  hostage: 0,
  rot: 0,
};

if (values["list-mutants"]) {
  const rows = Object.entries(MUTANTS).map(([name, { rule }]) => [name, rule]);
  console.log(table(["mutant", "the rule it takes away"], rows));
  process.exit(0);
}
const crossings = Number(values.crossings);
const servers = Number(values.servers);
const players = Number(values.players);
if (!(crossings > 0) || !(servers >= 2) || !(players >= 1)) {
  console.error("--crossings and --players must be at least 1, --servers at least 2");
  process.exit(2);
}
const mutant = values.mutant === undefined ? undefined : MUTANTS[values.mutant];
if (values.mutant !== undefined && mutant === undefined) {
  console.error(`no mutant "${values.mutant}": --list-mutants tells them`);
  process.exit(2);
}
if (mutant !== undefined) {
  takeAway(mutant);
  console.log(`without     ${mutant.rule}`);
}
// Imported only now: a mutant changes what is loaded.
const { simulate } = await import("./simulation.ts");
const { shortest } = await import("./shortest.ts");

const startedAt = performance.now();
const base = {
  seed: values.seed,
  crossings: Math.min(crossings, mutant?.crossings ?? Infinity),
  servers,
  players,
  // Traced at once, so that the run that shows it need not be made again to be told.
  ...(mutant === undefined
    ? {}
    : {
        faults: faultsOf(mutant),
        links: mutant.links ?? false,
        failover: mutant.failover ?? false,
        wayHome: mutant.wayHome ?? false,
        parties: mutant.parties ?? false,
        trades: mutant.trades ?? false,
        traceLength: TRACED_LINES,
      }),
};
let options = base;
let result = await simulate(options);
for (let run = 1; mutant !== undefined && result.violation === undefined; run += 1) {
  if (run === MUTANT_RUNS) break;
  options = { ...base, seed: `${values.seed}.${run}` };
  result = await simulate(options);
}
const took = ((performance.now() - startedAt) / 1000).toFixed(1);
console.log(`seed        ${options.seed}`);
console.log(
  `crossings   ${result.crossings}: ${result.arrived} arrived, ${result.stayed} stayed, ${result.cutShort} cut short by a crash`,
);
console.log(
  `parties     ${result.parties}: ${result.partiesArrived} arrived, ${result.partiesStayed} stayed`,
);
console.log(
  `trades      ${Object.entries(result.trades)
    .map(([end, count]) => `${count} ${end}`)
    .join(", ")}`,
);
console.log(`logins      ${result.logins}, ${result.recalls} while away`);
console.log(
  `faults      ${Object.entries(result.faults)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ")}`,
);
console.log(`attacks     ${result.attacks}`);
console.log(`time        ${result.virtualSeconds} s simulated in ${took} s`);
console.log(`violations  ${result.violation === undefined ? 0 : 1}`);
if (result.violation !== undefined) {
  console.log(`\n${result.violation}`);
  const small = await shortest(base, Number(values.shorten) * 1000);
  if (result.trace.length === 0) {
    result = await simulate({ ...options, traceLength: TRACED_LINES });
  }
  const best = small ?? { options, result };
  const { seed, servers: few, players: fewer, crossings: count } = best.options;
  const { trace } = best.result;
  const player = /\bp\d+\b/u.exec(best.result.violation ?? "")?.[0];
  const theirs = trace.filter((line) => concerns(line, player)).slice(-SHOWN_LINES);
  console.log(
    `\nThe shortest way there that was found (--seed ${seed} --servers ${few ?? 0} --players ${fewer ?? 0} --crossings ${count}):\n${theirs.join("\n")}`,
  );
}
// A mutant has to be caught; the code as it is must not be.
if ((result.violation === undefined) === (mutant !== undefined)) process.exitCode = 1;

/**
 * What strikes a mutant. Rooms, clients and peers that misbehave leave fewer crossings to be seen: they
 * do so only where one of their faults is asked for; nor does a holder keep players, or a server move, but where
 * that is.
 */
function faultsOf({ faults = {} }: Mutant): Partial<Faults> {
  const asked = Object.keys(MISBEHAVIOUR).some((kind) => kind in faults);
  return { hostage: 0, move: 0, ...(asked ? {} : MISBEHAVIOUR), ...faults };
}

/** Whether a line of the trace is about the player, or about what happened to all. */
function concerns(line: string, player: string | undefined): boolean {
  return (
    player === undefined ||
    new RegExp(`\\b${player}\\b`, "u").test(line) ||
    /dies|started again|VIOLATION|claim|faults stop/u.test(line)
  );
}
