/** `crossings`: where one player went, with home's receipts, and the latest that left this server. */
import { CrossingHistory, type CrossingRecord } from "../custody/shared/history.ts";
import { ERROR_CODES } from "../errors.ts";
import type { DatedKey } from "../identity/dated-key.ts";
import { datedKey } from "../identity/key-rotation.ts";
import { type Countersigned, countersignedBy, verifyReceipt } from "../identity/receipt.ts";
import { type LoggedCrossing, loggedCrossings } from "../runtime/crossing-log.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import { loadKeyRing } from "../storage/key-file.ts";
import type { Deployment } from "./deployment.ts";
import { CommandError, type CommandResult, EXIT, table, when } from "./output.ts";
import { columns, padded, shortened, width, wrapped } from "./terminal.ts";

const MOST_SHOWN = 100;
const GAP = "  ";
const ARROW = " → ";
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu;

/** The crossings of one player, the one that a transfer id names, or the latest. */
export async function listCrossings(
  deployment: Deployment,
  asked: {
    readonly subject: string | undefined;
    readonly recent: boolean;
    /** Those that did not arrive. */
    readonly failed: boolean;
  },
): Promise<CommandResult> {
  const { subject, failed } = asked;
  const isRecent = asked.recent || failed;
  if (subject === undefined && !isRecent) {
    throw new CommandError(
      "name a player (<local id>@<home>) or a transfer id, or ask for the latest: crossings --recent",
      EXIT.usage,
    );
  }
  if (subject !== undefined && isRecent) {
    throw new CommandError("--recent and --failed are about every player: name none", EXIT.usage);
  }
  return subject === undefined ? listRecent(deployment, failed) : listReceipts(deployment, subject);
}

/** The latest crossings that left this server, the newest first. */
async function listRecent({ store }: Deployment, failed: boolean): Promise<CommandResult> {
  const all = await loggedCrossings(store);
  const crossings = all
    .filter(({ outcome }) => !failed || outcome !== "arrived")
    .slice(0, MOST_SHOWN);
  const from = (await storeIdentity(store))?.origin ?? null;
  const what = failed ? "failed crossing" : "crossing";
  return {
    text:
      crossings.length === 0
        ? `No ${what} is known of the last week (what began here is written down a few seconds after it ended).`
        : [
            `Crossings that began here${from === null ? "" : ` (${from})`}, the newest first:`,
            "",
            ...crossingLines(crossings, from === null ? "" : new URL(from).host, columns()),
            ...legend(crossings, columns()),
          ].join("\n"),
    json: { from, crossings: crossings.map((each) => ({ ...each, code: each.code ?? null })) },
  };
}

function crossingLines(crossings: readonly LoggedCrossing[], home: string, most: number): string[] {
  const ends = crossings.map(({ outcome, code }) => code?.replace(/^ERR_FED_/u, "") ?? outcome);
  const wide = ends.reduce((widest, end) => Math.max(widest, end.length), 0);
  return crossings.map(({ at, player, to }, index) => {
    const begin = `${when(Math.floor(at / 1000))}${GAP}${padded(ends[index] ?? "", wide)}${GAP}`;
    const who = player.endsWith(`@${home}`) ? player.slice(0, -home.length - 1) : player;
    const where = to.replace(/^aether:\/\//u, "");
    const room = most - begin.length - ARROW.length;
    // Who is short leaves the rest to the other.
    const half = Math.floor(room / 2);
    const left = Math.min(width(who), Math.max(half, room - width(where)));
    return `${begin}${shortened(who, left)}${ARROW}${shortened(where, room - left)}`;
  });
}

/** What each code means that occurs. */
function legend(crossings: readonly LoggedCrossing[], most: number): string[] {
  const codes = new Set(crossings.flatMap(({ code }) => (code === undefined ? [] : [code])));
  if (codes.size === 0) return [];
  return [
    "",
    ...[...codes].map((code) => wrapped(`${code}: ${ERROR_CODES[code][1]}.`, most, "  ")),
  ];
}

async function listReceipts(
  { store, registry, keyPath, logger }: Deployment,
  subject: string,
): Promise<CommandResult> {
  const history = new CrossingHistory(store, logger);
  const crossings = UUID.test(subject)
    ? await history.ofTransfer(subject)
    : await history.of(subject.split("@")[0] ?? "");
  const ring = await loadKeyRing(keyPath);
  const seen = await Promise.all(
    crossings.map(async (crossing: CrossingRecord) => {
      // A receipt of this server's own is by a key of its ring, whatever its origin was then.
      const keyFor = (issuer: string, kid: string): DatedKey | undefined =>
        registry.datedKey(registry.currentOrigin(issuer), kid) ?? (ring && datedKey(ring, kid));
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
