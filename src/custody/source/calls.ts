/** The call that a source answers (PROTOCOL 6): home says that the destination has the player. */
import type { VisitorBook } from "../holder/visitors.ts";
import { type CallTable, handler, refusal } from "../shared/calls.ts";
import { departedSchema } from "../shared/messages.ts";
import { type Moves, currentPlayer } from "../shared/moves.ts";
import { isHomeOf } from "../shared/player-id.ts";
import { type Siblings, askTo } from "../shared/siblings.ts";
import type { Crossings } from "./crossings.ts";

/** `departed`, by name. */
export function sourceCalls({
  visitors,
  crossings,
  siblings,
  moves,
  nameHere,
}: {
  readonly visitors: VisitorBook;
  readonly crossings: Crossings;
  readonly siblings: Siblings | undefined;
  readonly moves: Moves;
  /** The id that a player is known by here, of all that it has. */
  readonly nameHere: (player: string, home: string) => Promise<string>;
}): CallTable {
  return {
    // Rule 5: it counts only while the player is frozen here for that very transfer.
    departed: handler(departedSchema, async ({ player: named, transferId }, { origin: caller }) => {
      const isTheirs = isHomeOf(caller, currentPlayer(moves, named));
      const player = isTheirs ? await nameHere(named, caller) : named;
      const row = await visitors.get(player);
      if (!isTheirs || (row !== undefined && moves.currentOrigin(row.home) !== caller)) {
        return refusal("ERR_FED_NOT_HOME", "you are not this player's home");
      }
      if (row?.held.phase === "frozen" && row.held.transferId === transferId) {
        const request = { kind: "departed", player, transferId } as const;
        const word = await askTo(siblings, row.held.life, request);
        // A process that does not answer learns it when it asks for the player back.
        if (word?.silent !== false) await crossings.departed(player, transferId);
      }
      return { ok: true, body: {} };
    }),
  };
}
