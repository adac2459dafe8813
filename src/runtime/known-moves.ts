/** Who has moved, as far as this server knows: itself, by its store, and its peers, by the registry. */
import type { Moves } from "../custody/shared/moves.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";

/** What is known of moves; of this server's own, for as long as it runs. */
export function knownMoves(
  origin: string,
  former: readonly string[],
  registry: Pick<ServerRegistry, "currentOrigin" | "formerOrigins" | "movesVersion">,
): Moves {
  return {
    get version() {
      return registry.movesVersion + former.length;
    },
    currentOrigin: (of) => (former.includes(of) ? origin : registry.currentOrigin(of)),
    formerOrigins: (of) => (of === origin ? former : registry.formerOrigins(of)),
  };
}
