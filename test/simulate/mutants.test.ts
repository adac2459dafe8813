import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { MUTANTS } from "./mutants.ts";
import { eachTakenAway, run } from "./taken-away.ts";

eachTakenAway(0);

describe("safety rules", function () {
  this.timeout(60_000);
  const names = Object.keys(MUTANTS);

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
