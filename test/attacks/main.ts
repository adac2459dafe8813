/**
 * `npm run attack -- --seconds 60`: a hostile peer, strangers and hostile players against a federation
 * under its normal load; prints what honest players felt, in peace and besieged. Exits 1 when one of
 * them was frozen, refused or thrown out.
 */
import { parseArgs } from "node:util";
import "../support/quiet.mjs";
import { besiege } from "./siege/siege.ts";
import type { Feelings } from "./siege/townsfolk.ts";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" } } });
const seconds = Number(values.seconds);
if (!(seconds >= 1 && seconds <= 3600)) {
  console.error("--seconds must be from 1 to 3600");
  process.exit(2);
}
const { peace, siege, strikes } = await besiege({
  seconds,
  onProgress: (line) => {
    console.log(line);
  },
});
for (const [what, count] of Object.entries(strikes)) {
  console.log(`${String(count).padStart(8)}  ${what}`);
}
console.log("");
console.log("honest players    in peace  besieged");
const row = (what: string, value: (felt: Feelings) => string): void => {
  console.log(`${what.padEnd(18)}${value(peace).padStart(8)}  ${value(siege).padStart(8)}`);
};
row("crossings", (felt) => String(felt.crossingMilliseconds.length));
row("median", (felt) => `${percentile(felt.crossingMilliseconds, 0.5).toFixed(0)} ms`);
row("95 %", (felt) => `${percentile(felt.crossingMilliseconds, 0.95).toFixed(0)} ms`);
row("slowest", (felt) => `${percentile(felt.crossingMilliseconds, 1).toFixed(0)} ms`);
row("refused", (felt) => String(felt.refused.length));
row("frozen", (felt) => String(felt.frozen.length));
row("thrown out", (felt) => String(felt.thrownOut.length));
const wrong = [...siege.refused, ...siege.frozen, ...siege.thrownOut];
for (const line of new Set(wrong)) console.error(`WRONG: ${line}`);
process.exitCode = wrong.length === 0 && siege.crossingMilliseconds.length > 0 ? 0 : 1;

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
