import assert from "node:assert/strict";
import { fuzz } from "./fuzz.ts";

describe("malformed traffic from everybody", function () {
  this.timeout(120_000);

  it("is refused, and leaves the server well, its memory and its disk as they were", async () => {
    const seed = String(Date.now() % 1_000_000);
    console.log(`      seed ${seed}`);
    const { wrong, sent } = await fuzz({ seed, seconds: 8, requests: Infinity });
    assert.deepEqual(wrong, []);
    for (const [who, count] of Object.entries(sent)) assert.ok(count > 50, `${who}: ${count}`);
  });
});
