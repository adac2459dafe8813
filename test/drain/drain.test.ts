import assert from "node:assert/strict";
import { drain } from "./drain.ts";

describe("a server that is told to stop", function () {
  this.timeout(120_000);

  it("sends its visitors home with what they were just handed; nobody is refused there", async () => {
    const { lost, refusals } = await drain({ players: 60, atOnce: 8 });
    assert.deepEqual(lost, []);
    assert.deepEqual(refusals, {});
  });
});
