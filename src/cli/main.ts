#!/usr/bin/env node
/** `npx aether-federation`: says first whether this Node.js will do. */
import { nodeProblem } from "../node-version.ts";

const problem = nodeProblem(process.versions.node);
if (problem === undefined) {
  const { commandLine } = await import("./command-line.ts");
  process.exitCode = await commandLine(process.argv.slice(2));
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}
