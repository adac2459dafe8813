/** `crossings <player or transfer id>`: where players went, with home's receipts. */
import { CrossingHistory, type CrossingRecord } from "../custody/shared/history.ts";
import { datedKey } from "../identity/key-rotation.ts";
import { verifyReceipt } from "../identity/receipt.ts";
import { loadKeyRing } from "../storage/key-file.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table, when } from "./output.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu;

/** The crossings of one of this home's players, or the one that a transfer id names. */
export async function listCrossings(
  { store, registry, keyPath, logger }: Deployment,
  subject: string | undefined,
): Promise<CommandResult> {
  if (subject === undefined) {
    throw new CommandError("name a player (<local id>@<home>) or a transfer id", EXIT.usage);
  }
  const history = new CrossingHistory(store, logger);
  const crossings = UUID.test(subject)
    ? [await history.ofTransfer(subject)].filter((each) => each !== undefined)
    : await history.of(subject.split("@")[0] ?? "");
  const ring = await loadKeyRing(keyPath);
  const seen = await Promise.all(
    crossings.map(async (crossing: CrossingRecord) => {
      const result = await verifyReceipt(
        crossing.receipt,
        // A receipt of this server's own is by a key of its ring, whatever its origin was then.
        (issuer, kid) => registry.datedKey(issuer, kid) ?? (ring && datedKey(ring, kid)),
      );
      return result.verified
        ? { crossing, verdict: "verifies", digest: result.claims.digest }
        : { crossing, verdict: result.code, digest: undefined };
    }),
  );
  const rows = seen.map(({ crossing: { at, from, to, epoch, transferId }, verdict, digest }) => [
    ...[when(at), from, to, String(epoch), transferId],
    ...[verdict, digest ?? "–"],
  ]);
  return {
    text:
      rows.length === 0
        ? `No crossing of ${subject} is known here (they are kept for 90 days).`
        : table(["when", "from", "to", "epoch", "transfer", "receipt", "carried"], rows),
    json: {
      crossings: seen.map(({ crossing, verdict, digest }) => ({
        ...crossing,
        verdict,
        digest: digest ?? null,
      })),
    },
  };
}
