/** What the worlds' page keeps; over minutes: bench/page-memory.ts. */
import assert from "node:assert/strict";
import { pageHeap } from "../support/page-heap.ts";
import { worlds } from "../support/running.ts";
import { browsing, goThrough, stepIn } from "../support/world-page.ts";
import { inTurn } from "../support/turns.ts";

inTurn(4)("the memory of the worlds' page", function () {
  this.timeout(90_000);
  const at = worlds("plaza", "arena");
  const browser = browsing();

  it("keeps nothing of the worlds that it has left", async () => {
    const { page } = await browser.open();
    await stepIn(page, at.plaza.origin, "Ken");
    const heap = await pageHeap(page);
    const there = async (): Promise<void> => {
      await goThrough(page, "arena");
      await goThrough(page, "plaza");
    };
    await there();
    const before = await heap();
    for (let count = 0; count < 4; count += 1) await there();
    const after = await heap();
    assert.ok(after.bytes - before.bytes < 1_500_000, `${after.bytes - before.bytes} bytes more`);
    assert.ok(after.nodes - before.nodes < 200, `${after.nodes - before.nodes} nodes more`);
  });
});
