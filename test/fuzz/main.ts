/**
 * `npm run fuzz -- --seconds 60 [--requests N] [--seed S]`: malformed traffic to every door of a live
 * server, from everybody who may knock. Prints what was sent and answered, memory and disk; exits 1 on
 * a 5xx other than 503, on a dead process, and when memory or disk have grown.
 *
 * `npm run fuzz -- --signatures 100000 [--seed S]`: so many signed messages, put to our verifier and to
 * its judge; exits 1 when they differ.
 */
import { inspect, parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";
import { complaints, fuzzSignatures } from "./signatures.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string" },
    requests: { type: "string" },
    signatures: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const requests = Number(values.requests ?? Infinity);
const seconds = Number(values.seconds ?? (values.requests === undefined ? 60 : 7200));
const signatures = Number(values.signatures ?? 1);
if (!(seconds > 0 && seconds <= 7200) || !(requests > 0) || !(signatures > 0)) {
  console.error(
    "--seconds must be more than 0 and at most 7200, --requests and --signatures more than 0",
  );
  process.exit(2);
}

console.log(`seed ${values.seed}`);
if (values.signatures !== undefined) {
  const compared = await fuzzSignatures(values.seed, signatures);
  const wrong = complaints(compared);
  console.log(compared.verdicts, `${compared.leftOut} left out`);
  for (const each of wrong) console.error(`WRONG: ${inspect(each, { depth: 6 })}`);
  process.exit(wrong.length === 0 ? 0 : 1);
}
const result = await fuzz({
  ...{ seed: values.seed, seconds, requests },
  onProgress: (line) => {
    console.log(line);
  },
});
const { sent, statuses, broken, memoryBytes, diskBytes } = result;
const total = Object.values(sent).reduce((sum, count) => sum + count, 0);
console.log(
  `sent      ${total}: ${Object.entries(sent)
    .map(([who, count]) => `${count} ${who}`)
    .join(", ")}`,
);
console.log(
  `answers   ${Object.entries(statuses)
    .map(([status, count]) => `${status} × ${count}`)
    .join(", ")}; ${broken} broken off`,
);
console.log(
  `memory    ${mebibytes(memoryBytes.before)} kept before, ${mebibytes(memoryBytes.after)} after`,
);
console.log(`disk      ${mebibytes(diskBytes.before)} before, ${mebibytes(diskBytes.after)} after`);
for (const line of result.wrong) console.error(`WRONG: ${line}`);
process.exitCode = result.wrong.length === 0 ? 0 : 1;

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
