/** `audit verify`: whether the audit log is as it was written. */
import { join } from "node:path";
import { DATA_FILES } from "../runtime/data-folder.ts";
import { verifyAudit } from "../storage/audit-chain.ts";
import type { Deployment } from "./deployment.ts";
import { type CommandResult, EXIT } from "./output.ts";

/** Follows the chain through the log. */
export async function verifyAuditLog({ folder }: Deployment): Promise<CommandResult> {
  const { lines, unchained, last, faults } = await verifyAudit(join(folder, DATA_FILES.audit));
  const sound = faults.length === 0;
  const bare = unchained === 0 ? "" : ` The first ${unchained} carry no hash, and prove nothing.`;
  const text = sound
    ? `${lines} lines, each follows from the one before. The last one has the hash ${last ?? "–"}: note it elsewhere, and you see later whether the end was cut off.${bare}`
    : `The audit log was changed after it was written, before or at:\n${faults.map((fault) => `  ${fault}`).join("\n")}\nCompare it with a backup.`;
  return {
    text,
    json: { sound, lines, unchained, last: last ?? null, faults },
    exitCode: sound ? EXIT.ok : EXIT.failed,
  };
}
