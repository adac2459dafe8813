/** `crossings <player or transfer id>`: where players went, with home's receipts. */
import { CrossingHistory, type CrossingRecord } from "../custody/shared/history.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table, when } from "./output.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu;

/** The crossings of one of this home's players, or the one that a transfer id names. */
export async function listCrossings(
  { store }: Deployment,
  subject: string | undefined,
): Promise<CommandResult> {
  if (subject === undefined) {
    throw new CommandError("name a player (<local id>@<home>) or a transfer id", EXIT.usage);
  }
  const history = new CrossingHistory(store);
  const crossings = UUID.test(subject)
    ? [await history.ofTransfer(subject)].filter((each) => each !== undefined)
    : await history.of(subject.split("@")[0] ?? "");
  const rows = crossings.map(({ at, from, to, epoch, transferId }: CrossingRecord) => [
    when(at),
    from,
    to,
    String(epoch),
    transferId,
  ]);
  return {
    text:
      rows.length === 0
        ? `No crossing of ${subject} is known here (they are kept for 90 days).`
        : table(["when", "from", "to", "epoch", "transfer"], rows),
    json: { crossings },
  };
}
