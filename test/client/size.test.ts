import assert from "node:assert/strict";
import { MAX_ADDED_BYTES, MAX_HAND_OVER_BYTES, addedByTraveler } from "../../bench/size.ts";

describe("client/size", function () {
  this.timeout(30_000);

  it("adds little to what a page loads for the SDK", async () => {
    const { added } = await addedByTraveler();
    assert.ok(added > 1000 && added <= MAX_ADDED_BYTES, `+${added} bytes`);
  });

  it("loads little more when a player is handed over to another page", async () => {
    const { handOver } = await addedByTraveler();
    assert.ok(handOver > 1000 && handOver <= MAX_HAND_OVER_BYTES, `+${handOver} bytes`);
  });
});
