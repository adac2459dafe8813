/** `crossings <player or transfer id>`: where players went, with home's receipts. */
import { CrossingHistory, type CrossingRecord } from "../custody/shared/history.ts";
import type { DatedKey } from "../identity/dated-key.ts";
import { datedKey } from "../identity/key-rotation.ts";
import { type Countersigned, countersignedBy, verifyReceipt } from "../identity/receipt.ts";
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
    ? await history.ofTransfer(subject)
    : await history.of(subject.split("@")[0] ?? "");
  const ring = await loadKeyRing(keyPath);
  const seen = await Promise.all(
    crossings.map(async (crossing: CrossingRecord) => {
      // A receipt of this server's own is by a key of its ring, whatever its origin was then.
      const keyFor = (issuer: string, kid: string): DatedKey | undefined =>
        registry.datedKey(issuer, kid) ?? (ring && datedKey(ring, kid));
      const result = await verifyReceipt(crossing.receipt, keyFor);
      if (!result.verified) return { crossing, verdict: result.code, digest: undefined, by: [] };
      const { claims } = result;
      const by = await countersignedBy(crossing.countersignatures, claims, keyFor);
      return { crossing, verdict: "verifies", digest: claims.digest, by };
    }),
  );
  const rows = seen.map(
    ({ crossing: { at, from, to, epoch, transferId }, verdict, digest, by }) => [
      ...[when(at), from, to, String(epoch), transferId],
      ...[verdict, digest ?? "–", by.map(saidBy).join(", ") || "–"],
    ],
  );
  return {
    text:
      rows.length === 0
        ? `No crossing of ${subject} is known here (they are kept for 90 days).`
        : table(
            ["when", "from", "to", "epoch", "transfer", "receipt", "carried", "countersigned by"],
            rows,
          ),
    json: {
      crossings: seen.map(({ crossing, verdict, digest, by }) => ({
        ...crossing,
        verdict,
        digest: digest ?? null,
        countersigned: by.map((each) => ({ ...each, agrees: each.agrees ?? null })),
      })),
    },
  };
}

function saidBy({ as, agrees }: Countersigned): string {
  return agrees === false ? `${as} (it says another digest)` : as;
}
