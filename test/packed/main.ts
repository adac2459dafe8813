/**
 * `npm run try`: the packed tarball in fresh projects, from the registry. Names choose among them,
 * `--list` (or `--help`) lists them.
 */
import { parseArgs } from "node:util";
import { browser } from "./browser.ts";
import { Elsewhere } from "./elsewhere.ts";
import { nodes, older } from "./nodes.ts";
import { SERVERS } from "./servers.ts";
import { types } from "./types.ts";
import { Workshop } from "./workshop.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
});
const trials: typeof SERVERS = { ...SERVERS, browser, types, nodes, older };
const names = positionals.length === 0 ? Object.keys(trials) : positionals;
const unknown = names.filter((name) => !Object.hasOwn(trials, name));
if (values.list || values.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`there is no ${unknown.join(", ")}; there are:`);
  console.log(Object.keys(trials).join("\n"));
  process.exit(unknown.length > 0 ? 2 : 0);
}

const workshop = await Workshop.open();
try {
  const elsewhere = await Elsewhere.make(workshop);
  for (const name of names) {
    const began = performance.now();
    try {
      await trials[name]!({ workshop, elsewhere });
      console.log(`${name.padEnd(20)}works   ${seconds(began)}`);
    } catch (cause) {
      process.exitCode = 1;
      console.log(`${name.padEnd(20)}FAILS   ${seconds(began)}`);
      console.error(cause instanceof Error ? cause.message : cause);
      await workshop.stopAll();
    }
  }
} finally {
  await workshop.close();
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(0)} s`.padStart(6);
}
