/** The call that a holder answers (PROTOCOL 6): home calls its player back. */
import { type CallTable, handler, refusal } from "../shared/calls.ts";
import type { CallAnswer } from "../../errors.ts";
import { revokeSchema } from "../shared/messages.ts";
import { type Moves, currentPlayer } from "../shared/moves.ts";
import { isHomeOf } from "../shared/player-id.ts";
import type { PlayerSessions } from "../shared/player-session.ts";
import { type Siblings, askTo } from "../shared/siblings.ts";
import type { CrossingsUnderWay } from "../shared/under-way.ts";
import type { Stays } from "./stays.ts";
import type { VisitorBook } from "./visitors.ts";

/** `revoke`, by name. */
export function holderCalls({
  visitors,
  sessions,
  stays,
  crossings,
  siblings,
  moves,
  nameHere,
}: {
  readonly visitors: VisitorBook;
  readonly sessions: PlayerSessions;
  readonly stays: Stays;
  readonly crossings: CrossingsUnderWay;
  readonly siblings: Siblings | undefined;
  readonly moves: Moves;
  /** The id that a player is known by here, of all that it has. */
  readonly nameHere: (player: string, home: string) => Promise<string>;
}): CallTable {
  return {
    // Rule 10: the epoch has to match; the session ends durably, then the player goes home.
    revoke: handler(revokeSchema, async ({ player: named, epoch }, { origin: caller }) => {
      if (!isHomeOf(caller, currentPlayer(moves, named))) {
        return refusal("ERR_FED_NOT_HOME", "you are not this player's home");
      }
      const player = await nameHere(named, caller);
      const row = await visitors.get(player);
      if (
        row === undefined ||
        row.held.epoch !== epoch ||
        moves.currentOrigin(row.home) !== caller
      ) {
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
      const session = sessions.get(player) ?? crossings.sessionOf(player);
      // As it was frozen, where it is: nothing that was given to it since counts.
      const state = session?.carry();
      if (session !== undefined) sessions.remove(session);
      const transferId = crossings.transferOf(player);
      if (transferId !== undefined) crossings.abandon(player, transferId);
      let matched: boolean;
      try {
        matched = await stays.giveBack(player, epoch, state);
      } finally {
        session?.body.end("ERR_FED_SUPERSEDED", "Your home server called you back.");
      }
      if (!matched) return refusal("ERR_FED_STALE_CUSTODY", "not held with that epoch");
      return { ok: true, body: {} };
    }),
  };
}
