/** The tests of mutants, in parts: each is a process of its own, and files run side by side. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "./mutants.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const SEED = "7";
const PARTS = 3;
/** CI takes a tenth of the rules away each day, since all of them are minutes; `npm test` takes away all. */
const DAYS = 10;
const today = Math.floor(Date.now() / 86_400_000) % DAYS;

function isTodays(index: number): boolean {
  return process.env["CI"] === undefined || Math.floor(index / PARTS) % DAYS === today;
}

interface Ended {
  readonly code: number | string;
  readonly output: string;
}

/** Runs the simulation's command. */
export function run(...flags: string[]): Promise<Ended> {
  const args = ["--disable-warning=ExperimentalWarning", main, ...flags];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr });
    });
  });
}

/** One part of all mutants, from 0: every third. */
export function eachTakenAway(part: number): void {
  describe(`safety rules, each taken away (${part + 1} of ${PARTS})`, function () {
    this.timeout(240_000);
    const names = Object.keys(MUTANTS).filter(
      (_, index) => index % PARTS === part && isTodays(index),
    );
    for (const name of names) {
      it(`${name}: ${MUTANTS[name]?.rule ?? ""}`, async () => {
        const seed = MUTANTS[name]?.seed ?? SEED;
        const flags = ["--crossings", "3000", "--seed", seed, "--shorten", "0"];
        const { code, output } = await run("--mutant", name, ...flags);
        assert.equal(code, 0, output);
        assert.match(output, /^violations {2}1$/mu);
        assert.match(output, /^The shortest way there/mu);
      });
    }
  });
}
