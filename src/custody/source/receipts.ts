/** The source's operator has a receipt too: home is asked for it once the player is gone. */
import type { Clock, Logger } from "../../ports.ts";
import type { CrossingHistory } from "../shared/history.ts";
import type { Home } from "../shared/home.ts";
import type { PlayerSession } from "../shared/player-session.ts";
import type { CrossingOutcome } from "./crossings.ts";

/** Asks for the receipt of a visitor's departure and keeps it. Rejects when home does not answer. */
export async function fetchReceipt(
  {
    origin,
    history,
    homeAt,
    clock,
    logger,
  }: {
    readonly origin: string;
    readonly history: CrossingHistory;
    readonly homeAt: (origin: string) => Home;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  outcome: CrossingOutcome,
  session: PlayerSession,
): Promise<void> {
  if (session.atHome || outcome.kind !== "arrived") return;
  const { transferId, destination } = outcome;
  const answer = await homeAt(session.home).receipt(transferId);
  if (!answer.ok) return;
  history
    .keepReceipt({
      transferId,
      from: origin,
      to: destination,
      epoch: session.epoch + 1,
      at: Math.floor(clock.now() / 1000),
      receipt: answer.body.receipt,
    })
    .catch((cause: unknown) => {
      logger.error("the receipt of a crossing could not be kept", cause);
    });
}
