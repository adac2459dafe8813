/** `players late`: what holders brought back after somebody else had played the player. */
import { LateReturns } from "../custody/home/late-returns.ts";
import { systemClock } from "../ports.ts";
import type { Deployment } from "./deployment.ts";
import { type CommandResult, table, when } from "./output.ts";

/** Every late return of this home's players, or of one of them. */
export async function listLate(
  { store }: Deployment,
  player: string | undefined,
): Promise<CommandResult> {
  const late = [];
  const book = new LateReturns({ store, clock: systemClock });
  for await (const each of book.list(player?.split("@")[0])) late.push(each);
  const rows = late.map(({ at, player: who, from, epoch, state }) => [
    when(at),
    who,
    from,
    String(epoch),
    `${Buffer.byteLength(JSON.stringify(state))} B`,
  ]);
  return {
    text:
      rows.length === 0
        ? "Nothing came back too late (what does is kept for 90 days)."
        : `${table(["when", "player", "from", "epoch", "state"], rows)}\n\nNothing of it is in use: --json shows what each carried, and what home would have kept of it.`,
    json: { late },
  };
}
