/** What a page keeps in memory, as Chromium counts it. */
import type { Page } from "playwright-core";

/** What a collection leaves. */
export interface PageHeap {
  readonly bytes: number;
  readonly nodes: number;
  readonly listeners: number;
}

/** How to read it. */
export async function pageHeap(page: Page): Promise<() => Promise<PageHeap>> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.enable");
  await session.send("Performance.enable");
  return async () => {
    // Twice: what the first one lets go of may have held more.
    await session.send("HeapProfiler.collectGarbage");
    await session.send("HeapProfiler.collectGarbage");
    const { metrics } = await session.send("Performance.getMetrics");
    const of = (wanted: string): number => metrics.find(({ name }) => name === wanted)?.value ?? 0;
    return { bytes: of("JSHeapUsedSize"), nodes: of("Nodes"), listeners: of("JSEventListeners") };
  };
}
