import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "./mutants.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const SEED = "7";

interface Ended {
  readonly code: number | string;
  readonly output: string;
}

function run(...flags: string[]): Promise<Ended> {
  const args = ["--disable-warning=ExperimentalWarning", main, ...flags];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr });
    });
  });
}

describe("safety rules, each taken away", function () {
  this.timeout(240_000);
  const names = Object.keys(MUTANTS);
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

  it("are not taken away by a name that does not exist", async () => {
    const { code, output } = await run("--mutant", "nothing");
    assert.equal(code, 2, output);
  });

  it("are each explained in the design", () => {
    const design = readFileSync(new URL("../../docs/DESIGN.md", import.meta.url), "utf8");
    for (const name of names) assert.ok(design.includes(`\`${name}\``), name);
  });

  it("lists them", async () => {
    const { output } = await run("--list-mutants");
    for (const name of names) assert.ok(output.includes(name), name);
  });
});
