import assert from "node:assert/strict";
import { requireProgram } from "../support/requirements.ts";
import { type SoFar, chaos } from "./chaos.ts";

const SECONDS = 10;

describe("two operators with two processes each, killed at random, over stores that restart", function () {
  this.timeout(180_000);

  it("loses nobody, doubles nothing, leaves nobody stuck", async function () {
    const cluster = {
      redis: requireProgram(this, "redis-server"),
      postgres: requireProgram(this, "postgres"),
    };
    const seed = process.env["SEED"] ?? String(Date.now() % 1_000_000);
    console.log(`      SEED=${seed}`);
    const enough = ({ arrived, kills, outages }: SoFar): boolean =>
      arrived > 10 && kills > 0 && outages > 0;
    const result = await chaos({ crossings: Infinity, seconds: SECONDS, enough, seed, cluster });
    const told = JSON.stringify(result, null, 2);
    const { lost, duplicated, stuck, astray } = result;
    assert.deepEqual([lost, duplicated, stuck, astray], [[], [], [], []], told);
    assert.equal(result.arrived + result.stayed + result.cutShort, result.crossings, told);
    assert.ok(enough(result), told);
  });
});
