/** `npm run size`: how much a page loads for `Traveler`; fails past the bound. */
import { gzipBytes, measureBundles } from "./bundle.ts";

/** What `Traveler` may add to the Colyseus SDK, compressed: 16 KiB. */
export const MAX_ADDED_BYTES = 16 * 1024;

/** What a hand-over to another page may load when there is one, compressed: 8 KiB. */
export const MAX_HAND_OVER_BYTES = 8 * 1024;

/** Compressed bytes of the SDK, of both, and between them; and of what is loaded later. */
export async function addedByTraveler(): Promise<{
  sdk: number;
  both: number;
  added: number;
  handOver: number;
}> {
  const bundles = await measureBundles();
  const sdk = gzipBytes(bundles["Colyseus SDK alone"]);
  const both = gzipBytes(bundles["with Traveler"]);
  const handOver = gzipBytes(bundles["hand-over, when it is needed"]);
  return { sdk, both, added: both - sdk, handOver };
}

if (import.meta.main) {
  const { sdk, both, added, handOver } = await addedByTraveler();
  const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;
  console.log(
    `gzip: Colyseus SDK ${kibibytes(sdk)}, with Traveler ${kibibytes(both)}: +${kibibytes(added)} of ${kibibytes(MAX_ADDED_BYTES)}`,
  );
  console.log(
    `gzip: hand-over to other pages, loaded when it is needed: ${kibibytes(handOver)} of ${kibibytes(MAX_HAND_OVER_BYTES)}`,
  );
  if (added > MAX_ADDED_BYTES || handOver > MAX_HAND_OVER_BYTES) process.exitCode = 1;
}
