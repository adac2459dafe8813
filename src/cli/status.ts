/** `status`: what is wrong, since when, why, and the command that mends it; then how all else is. */
import { CONDITIONS, TROUBLES, conditionOf, countConditions } from "../operator/condition.ts";
import { systemClock } from "../ports.ts";
import { counted } from "../words.ts";
import { type Deployment, ownName } from "./deployment.ts";
import { type CommandResult, EXIT } from "./output.ts";
import { span } from "../operator/span.ts";
import { peerJson } from "./peer-list.ts";
import { SIGN, columns, shortOrigin, wrapped } from "./terminal.ts";
import { type Findings, type Trouble, look, troublesOf } from "./trouble.ts";
import { packageVersion } from "./version.ts";

const INDENT = "    ";

/** Looks at all that the store and the folder of assets tell. Exit code 1 where something is to be mended. */
export async function showStatus(
  deployment: Deployment,
  assetsFolder: string,
): Promise<CommandResult> {
  const now = systemClock.now();
  const { registry, storeName } = deployment;
  const own = await ownName(deployment);
  const found = await look(deployment, assetsFolder, now);
  const troubles = troublesOf(found, own, now);
  const server = {
    name: found.pulse?.name ?? null,
    origin: own?.origin ?? null,
    key: own?.keyId ?? null,
    version: packageVersion(),
    store: storeName,
    running: found.pulse?.isRunning ?? false,
    startedAt: found.pulse?.startedAt ?? null,
    seenAt: found.pulse?.at ?? null,
  };
  const byCondition = countConditions(found.peers);
  const well = troubles.length === 0;
  return {
    text: [
      ...troubles.map((trouble) => troubleLines(trouble, columns())),
      ...(well ? [`${SIGN.well} all is well`] : []),
      "",
      ...summary(server, found, byCondition, registry.blocks().length, now),
    ].join("\n"),
    json: {
      well,
      server,
      peers: Object.fromEntries(CONDITIONS.map((each) => [each, byCondition[each] ?? 0])),
      trouble: troubles.map(({ what, why, mend }) => ({
        what,
        why: why ?? null,
        mend: mend ?? [],
      })),
      troubledPeers: found.peers
        .filter((peer) => TROUBLES.has(conditionOf(peer)))
        .map((peer) => peerJson(deployment, peer, own)),
      failedCrossings: Object.fromEntries(found.failed),
      players: { abroad: found.abroad, visitors: found.visitors, late: found.late },
      damagedRows: found.damaged,
      rejectedAssets: found.rejectedAssets,
    },
    exitCode: well ? EXIT.ok : EXIT.failed,
  };
}

function troubleLines({ sign, what, why, mend }: Trouble, most: number): string {
  return [
    wrapped(`${sign} ${what}`, most, INDENT),
    ...(why === undefined ? [] : [INDENT + wrapped(why, most - INDENT.length, INDENT)]),
    // A command stays in one line: it is there to be copied.
    ...(mend ?? []).map((each) => `${INDENT}> ${each}`),
  ].join("\n");
}

function summary(
  server: {
    readonly name: string | null;
    readonly origin: string | null;
    readonly key: string | null;
    readonly version: string;
    readonly store: string;
    readonly running: boolean;
    readonly startedAt: number | null;
  },
  found: Findings,
  byCondition: ReturnType<typeof countConditions>,
  blocks: number,
  now: number,
): string[] {
  const { held, frozen, returning } = found.visitors;
  const named = server.origin === null ? "?" : shortOrigin(server.origin, 40);
  const since =
    server.running && server.startedAt !== null
      ? `, running for ${span(now - server.startedAt)}`
      : "";
  const counts = CONDITIONS.flatMap((condition) => {
    const count = byCondition[condition];
    return count === undefined ? [] : [`${count} ${condition}`];
  });
  const rows = [
    [
      "server",
      `${server.name ?? named}${server.name === null || server.name === named ? "" : ` at ${server.origin ?? "?"}`}${since}`,
    ],
    ["key", server.key ?? "not in this folder"],
    ["version", server.version],
    ["store", server.store],
    [
      "peers",
      [counts.join(", ") || "none", ...(blocks > 0 ? [counted(blocks, "block")] : [])].join(", "),
    ],
    [
      "players",
      `${found.abroad} abroad; visitors: ${held} here, ${frozen} leaving, ${returning} returning`,
    ],
  ];
  return rows.map(([head = "", value = ""]) =>
    wrapped(`${head.padEnd(9)}${value}`, columns(), " ".repeat(9)),
  );
}
