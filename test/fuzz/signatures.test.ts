import assert from "node:assert/strict";
import { complaints, fuzzSignatures } from "./signatures.ts";

describe("signed messages as nobody sends them", function () {
  this.timeout(120_000);

  it("get the verdict of a judge that is built on two libraries", async () => {
    const seed = String(Date.now() % 1_000_000);
    console.log(`      seed ${seed}`);
    assert.deepEqual(complaints(await fuzzSignatures(seed, 4_000)), []);
  });
});
