/** The call that a holder answers (PROTOCOL 6): home calls its player back. */
import { type CallTable, handler, refusal } from "../shared/calls.ts";
import type { CallAnswer } from "../../errors.ts";
import { revokeSchema } from "../shared/messages.ts";
import { isHomeOf } from "../shared/player-id.ts";
import type { PlayerSessions } from "../shared/player-session.ts";
import { type Siblings, askTo } from "../shared/siblings.ts";
import type { CrossingsUnderWay } from "../shared/under-way.ts";
import type { Settlement } from "./settlement.ts";
import { type VisitorBook, inPhase } from "./visitors.ts";

/** `revoke`, by name. */
export function holderCalls({
  visitors,
  sessions,
  settlement,
  crossings,
  siblings,
}: {
  readonly visitors: VisitorBook;
  readonly sessions: PlayerSessions;
  readonly settlement: Settlement;
  readonly crossings: CrossingsUnderWay;
  readonly siblings: Siblings | undefined;
}): CallTable {
  return {
    // Rule 10: the epoch has to match; the session ends durably, then the player goes home.
    revoke: handler(revokeSchema, async ({ player, epoch }, { origin: caller }) => {
      if (!isHomeOf(caller, player)) {
        return refusal("ERR_FED_NOT_HOME", "you are not this player's home");
      }
      const row = await visitors.get(player);
      if (row?.held === undefined || row.held.epoch !== epoch || row.home !== caller) {
        return refusal("ERR_FED_STALE_CUSTODY", "not held with that epoch");
      }
      const request = { kind: "revoke", player, epoch, caller } as const;
      const word = await askTo(siblings, row.held.life, request);
      if (word?.silent === true) {
        return {
          ...refusal("ERR_FED_UNAVAILABLE", "the player's process is busy"),
          retryAfterSeconds: 2,
        };
      }
      if (word !== undefined) return word.answer as unknown as CallAnswer;
      const session = sessions.get(player);
      const state = session?.frozen === false ? session.body.carry() : undefined;
      if (session !== undefined) sessions.remove(session);
      const matched = await visitors.changeHeld(
        player,
        (held) => held.epoch === epoch,
        (held) =>
          held.phase === "held"
            ? inPhase(held, "returning", state === undefined ? {} : { state })
            : held,
      );
      session?.body.end("ERR_FED_SUPERSEDED", "Your home server called you back.");
      if (!matched) return refusal("ERR_FED_STALE_CUSTODY", "not held with that epoch");
      const transferId = crossings.transferOf(player);
      if (transferId !== undefined) crossings.abandon(player, transferId);
      settlement.settleInBackground(player);
      return { ok: true, body: {} };
    }),
  };
}
