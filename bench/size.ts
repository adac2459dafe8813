/** `npm run size`: how much a page loads for `Traveler`; fails past the bound. */
import { gzipBytes, measureBundles } from "./bundle.ts";

/** What `Traveler` may add to the Colyseus SDK, compressed: 16 KiB. */
export const MAX_ADDED_BYTES = 16 * 1024;

/** Compressed bytes of the SDK, of both, and between them. */
export async function addedByTraveler(): Promise<{ sdk: number; both: number; added: number }> {
  const bundles = await measureBundles();
  const sdk = gzipBytes(bundles["Colyseus SDK alone"]);
  const both = gzipBytes(bundles["with Traveler"]);
  return { sdk, both, added: both - sdk };
}

if (import.meta.main) {
  const { sdk, both, added } = await addedByTraveler();
  const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;
  console.log(
    `gzip: Colyseus SDK ${kibibytes(sdk)}, with Traveler ${kibibytes(both)}: +${kibibytes(added)} of ${kibibytes(MAX_ADDED_BYTES)}`,
  );
  if (added > MAX_ADDED_BYTES) process.exitCode = 1;
}
