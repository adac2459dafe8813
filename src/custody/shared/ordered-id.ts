/** Ids of transfers and trades, in the order in which they are made. */
import type { Clock, Random } from "../../ports.ts";

/** Milliseconds that a UUID has room for. */
const LATEST_MILLISECONDS = 2 ** 48 - 1;

/**
 * A UUID version 7 (RFC 9562 §5.7) of this moment; 74 bits of it are chance. Servers keep what they know of
 * a transfer or a trade under its id: rows of one moment lie side by side then, so that a store writes
 * few pages for many of them.
 */
export function orderedId(random: Pick<Random, "uuid">, clock: Pick<Clock, "now">): string {
  const milliseconds = Math.min(Math.max(Math.floor(clock.now()), 0), LATEST_MILLISECONDS);
  const time = milliseconds.toString(16).padStart(12, "0");
  // Version 4 has its variant and its other chance where version 7 has them.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.uuid().slice(15)}`;
}
