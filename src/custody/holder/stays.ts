/** How a visitor's stay here ends when nobody called it back: with a leave. */
import type { JsonValue } from "../../json.ts";
import type { PlayerSession, PlayerSessions } from "../shared/player-session.ts";
import type { CrossingsUnderWay } from "../shared/under-way.ts";
import type { Settlement } from "./settlement.ts";
import { type VisitorBook, inPhase } from "./visitors.ts";

/** Ends a visitor's session; it goes home with what it carries. One that is crossing is left to its crossing. */
export async function endStay(
  {
    visitors,
    sessions,
    settlement,
    crossings,
  }: {
    readonly visitors: VisitorBook;
    readonly sessions: PlayerSessions;
    readonly settlement: Settlement;
    readonly crossings: CrossingsUnderWay;
  },
  session: PlayerSession,
  state: JsonValue | undefined = session.body.carry(),
): Promise<void> {
  if (session.ended) return;
  const crossing = crossings.transferOf(session.player) !== undefined;
  sessions.remove(session);
  if (crossing) return;
  await visitors.changeHeld(
    session.player,
    (held) => held.phase === "held" && held.epoch === session.epoch,
    (held) => inPhase(held, "returning", state === undefined ? {} : { state }),
  );
  settlement.settleInBackground(session.player);
}
