/** `status`: what is wrong, since when, why, and the command that mends it; then how all else is. */
import { existsSync } from "node:fs";
import { PEER_STATES, type PeerState, isTrouble } from "../operator/peer-states.ts";
import { systemClock } from "../ports.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import { loadKeyRing } from "../storage/key-file.ts";
import type { Deployment } from "./deployment.ts";
import { type CommandResult, EXIT, span } from "./output.ts";
import { peerJson } from "./peer-list.ts";
import { SIGN, columns, shortOrigin, wrapped } from "./terminal.ts";
import { type Findings, type Trouble, look, some, troublesOf } from "./trouble.ts";
import { packageVersion } from "./version.ts";

const INDENT = "    ";

/** Looks at all that the store and the folder of assets tell. Exit code 1 where something is to be mended. */
export async function showStatus(
  deployment: Deployment,
  assetsFolder: string,
): Promise<CommandResult> {
  const now = systemClock.now();
  const { store, registry, keyPath, storeName } = deployment;
  const origin = (await storeIdentity(store))?.origin;
  const found = await look(deployment, assetsFolder, now);
  const troubles = troublesOf(found, origin, now);
  const ring = existsSync(keyPath) ? await loadKeyRing(keyPath) : undefined;
  const server = {
    name: found.pulse?.name ?? null,
    origin: origin ?? null,
    key: ring?.current.kid ?? null,
    version: packageVersion(),
    store: storeName,
    running: found.pulse?.isRunning ?? false,
    startedAt: found.pulse?.startedAt ?? null,
    seenAt: found.pulse?.at ?? null,
  };
  const byState = Object.fromEntries(
    PEER_STATES.map((state) => [state, found.peers.filter((peer) => peer.state === state).length]),
  );
  const well = troubles.length === 0;
  return {
    text: [
      ...troubles.map((trouble) => troubleLines(trouble, columns())),
      ...(well ? [`${SIGN.well} all is well`] : []),
      "",
      ...summary(server, found, byState, registry.blocks().length, now),
    ].join("\n"),
    json: {
      well,
      server,
      peers: byState,
      trouble: troubles.map(({ what, why, mend }) => ({
        what,
        why: why ?? null,
        mend: mend ?? null,
      })),
      troubledPeers: found.peers.filter(({ state }) => isTrouble(state)).map(peerJson),
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
    ...(mend === undefined
      ? []
      : [`${INDENT}> ${mend.split("; then here: ").join(`\n${INDENT}> `)}`]),
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
  byState: Readonly<Record<string, number>>,
  blocks: number,
  now: number,
): string[] {
  const { held, frozen, returning } = found.visitors;
  const named = server.origin === null ? "?" : shortOrigin(server.origin, 40);
  const since =
    server.running && server.startedAt !== null
      ? `, running for ${span(now - server.startedAt)}`
      : "";
  const states = PEER_STATES.filter((state: PeerState) => (byState[state] ?? 0) > 0).map(
    (state) => `${byState[state] ?? 0} ${state}`,
  );
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
      [states.join(", ") || "none", ...(blocks > 0 ? [some(blocks, "block")] : [])].join(", "),
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
