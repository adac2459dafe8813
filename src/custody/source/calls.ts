/** The call that a source answers (PROTOCOL 6): home says that the destination has the player. */
import type { VisitorBook } from "../holder/visitors.ts";
import { type CallTable, handler, refusal } from "../shared/calls.ts";
import { departedSchema } from "../shared/messages.ts";
import { isHomeOf } from "../shared/player-id.ts";
import { type Siblings, askTo } from "../shared/siblings.ts";
import type { Crossings } from "./crossings.ts";

/** `departed`, by name. */
export function sourceCalls({
  visitors,
  crossings,
  siblings,
}: {
  readonly visitors: VisitorBook;
  readonly crossings: Crossings;
  readonly siblings: Siblings | undefined;
}): CallTable {
  return {
    // Rule 5: it counts only while the player is frozen here for that very transfer.
    departed: handler(departedSchema, async ({ player, transferId }, { origin: caller }) => {
      const row = await visitors.get(player);
      if (!isHomeOf(caller, player) || (row !== undefined && row.home !== caller)) {
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
