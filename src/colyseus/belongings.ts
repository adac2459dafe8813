import { referencesIn } from "../assets/verify/references-in.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import type { RoomPlayer } from "./room-sessions.ts";

/** Has what a player wears fetched, and spared by eviction while it is here. */
export function bringAssets(
  runtime: Pick<FederationRuntime, "assets">,
  entry: RoomPlayer,
  sources: readonly string[],
): void {
  const references = referencesIn(entry.player.carried);
  if (references.length === 0) return;
  entry.releaseAssets?.();
  entry.releaseAssets = runtime.assets.hold(references, sources);
}
