/** Waiting for what others do, never without a limit. */
import { setTimeout as pause } from "node:timers/promises";

/** How long to wait. */
export interface Patience {
  /** Default 5000. */
  readonly timeoutMilliseconds?: number;
}

const POLL_MILLISECONDS = 10;

/**
 * Asks again and again until `look` finds something.
 *
 * @throws Error saying what was waited for, when the time is over.
 */
export async function until<Found>(
  what: string,
  look: () => Found | undefined | Promise<Found | undefined>,
  { timeoutMilliseconds = 5_000 }: Patience = {},
): Promise<Found> {
  const end = performance.now() + timeoutMilliseconds;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() >= end) {
      throw new Error(`waited ${timeoutMilliseconds} ms in vain: ${what}`);
    }
    await pause(POLL_MILLISECONDS);
  }
}
