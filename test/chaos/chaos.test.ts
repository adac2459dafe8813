import assert from "node:assert/strict";
import { findProgram } from "../support/requirements.ts";
import { chaos } from "./chaos.ts";

describe("real servers, killed and cut off at random", function () {
  this.timeout(180_000);

  it("loses nobody, doubles nothing, leaves nobody stuck", async () => {
    const seed = String(Date.now() % 1_000_000);
    console.log(`      seed ${seed}`);
    const redisProgram = findProgram("redis-server");
    const result = await chaos({ crossings: 60, seed, redisProgram });
    const told = JSON.stringify(result, null, 2);
    assert.deepEqual([result.lost, result.duplicated, result.stuck], [[], [], []], told);
    assert.equal(result.crossings, 60, told);
    assert.equal(result.arrived + result.stayed + result.cutShort, 60, told);
    assert.ok(result.arrived > 10 && result.kills > 0 && result.cuts > 0, told);
  });

  it("has all of a party of four from three homes at its destination, or nobody", async () => {
    const seed = String(Date.now() % 1_000_000);
    console.log(`      seed ${seed}`);
    const result = await chaos({ crossings: 0, parties: 200, seconds: 5, seed });
    const told = JSON.stringify(result, null, 2);
    const { lost, duplicated, stuck, parties } = result;
    assert.deepEqual([lost, duplicated, stuck, parties?.parted], [[], [], [], []], told);
    assert.ok(parties !== undefined && parties.together > 0 && result.kills > 0, told);
  });
});
