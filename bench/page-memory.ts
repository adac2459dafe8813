/**
 * `node --disable-warning=ExperimentalWarning bench/page-memory.ts [--minutes 5]`: a page of the example crosses back
 * and forth, and its heap is read after a collection; fails where it grows. After `npm run build`.
 */
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { CHROMIUM_FLAGS } from "../test/support/browser.ts";
import { Servers } from "../test/support/processes.ts";
import { pageHeap } from "../test/support/page-heap.ts";
import { goThrough, stepIn } from "../test/support/world-page.ts";

/** Growth from the second half's beginning to its end, beyond which something is kept that should not be. */
const MOST_GROWTH_BYTES = 400_000;

const { values } = parseArgs({ options: { minutes: { type: "string", default: "5" } } });
const until = performance.now() + Number(values.minutes) * 60_000;
const servers = new Servers();
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: CHROMIUM_FLAGS,
});
try {
  const [plaza] = await servers.worlds("plaza", "arena");
  if (plaza === undefined) throw new Error("no plaza");
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const heap = await pageHeap(page);
  await stepIn(page, plaza.origin, "Ada");
  const seen: number[] = [];
  let crossings = 0;
  while (performance.now() < until) {
    await goThrough(page, "arena");
    await goThrough(page, "plaza");
    crossings += 2;
    if (crossings % 10 !== 0) continue;
    const { bytes, nodes, listeners } = await heap();
    seen.push(bytes);
    console.log(
      `${String(crossings).padStart(4)} crossings  ${(bytes / 1e6).toFixed(2)} MB heap  ${nodes} nodes  ${listeners} listeners`,
    );
  }
  const half = seen.slice(Math.floor(seen.length / 2));
  const third = Math.max(1, Math.floor(half.length / 3));
  const growth = median(half.slice(-third)) - median(half.slice(0, third));
  console.log(`growth over the second half: ${(growth / 1e3).toFixed(0)} kB`);
  if (growth > MOST_GROWTH_BYTES) process.exitCode = 1;
} finally {
  await browser.close();
  await servers.stop();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
