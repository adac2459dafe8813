/** `status`: what is wrong, since when, why, and the command that mends it; then how all else is. */
import { existsSync } from "node:fs";
import { ContentStore } from "../assets/store/content-store.ts";
import { LateReturns } from "../custody/home/late-returns.ts";
import { type FederationErrorCode, ERROR_CODES } from "../errors.ts";
import { rememberedHealth } from "../health/health-memory.ts";
import {
  PEER_STATES,
  type PeerCondition,
  type PeerState,
  isTrouble,
  peerConditions,
} from "../operator/peer-states.ts";
import { systemClock } from "../ports.ts";
import { damagedRows } from "../rows/rows.ts";
import { loggedCrossings } from "../runtime/crossing-log.ts";
import { type PulseReading, readPulse } from "../runtime/pulse.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import { loadKeyRing } from "../storage/key-file.ts";
import { shownText } from "../words.ts";
import type { Deployment } from "./deployment.ts";
import { type CommandResult, EXIT, span, when } from "./output.ts";
import { peerJson, stateText } from "./peer-list.ts";
import { SIGN, columns, shortOrigin, wrapped } from "./terminal.ts";
import { packageVersion } from "./version.ts";
import { whereabouts } from "./whereabouts.ts";

/** Failures that are no more than a day old count. */
const LATELY_MILLISECONDS = 24 * 3_600_000;
const COMMAND = "npx aether-federation";
const INDENT = "    ";
/** Peers in trouble that are told of one by one; the rest is counted. */
const MOST_TOLD = 40;
const MAX_NAME_LENGTH = 64;

const silent = (): void => undefined;
const quiet = { debug: silent, info: silent, warn: silent, error: silent };

/** Something that an operator has to look at. */
interface Trouble {
  readonly sign: string;
  readonly what: string;
  readonly why?: string | undefined;
  /** What to do: a command, or a sentence. */
  readonly mend?: string | undefined;
}

/** What has been found. */
interface Findings {
  readonly peers: readonly PeerCondition[];
  readonly pulse: PulseReading | undefined;
  readonly failed: ReadonlyMap<FederationErrorCode, number>;
  readonly abroad: number;
  /** By phase. */
  readonly visitors: Readonly<Record<"held" | "frozen" | "returning", number>>;
  readonly late: number;
  readonly damaged: number;
  readonly rejectedAssets: number;
}

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

async function look(deployment: Deployment, assetsFolder: string, now: number): Promise<Findings> {
  const { store, registry, logger } = deployment;
  const { abroad, visitors } = await whereabouts(deployment);
  const inPhase = { held: 0, frozen: 0, returning: 0 };
  for (const { held } of visitors) inPhase[held.phase] += 1;
  const failed = new Map<FederationErrorCode, number>();
  for (const { at, code } of await loggedCrossings(store)) {
    if (code !== undefined && now - at <= LATELY_MILLISECONDS) {
      failed.set(code, (failed.get(code) ?? 0) + 1);
    }
  }
  return {
    peers: peerConditions(registry, await rememberedHealth(store), now),
    pulse: await readPulse(store, now),
    failed,
    abroad: abroad.length,
    visitors: inPhase,
    late: await countOf(new LateReturns({ store, clock: systemClock, logger }).list()),
    damaged: await countOf(damagedRows(store)),
    rejectedAssets: await rejectedIn(assetsFolder),
  };
}

async function countOf(rows: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of rows) count += 1;
  return count;
}

async function rejectedIn(directory: string): Promise<number> {
  if (!existsSync(directory)) return 0;
  const maxBytes = Number.MAX_SAFE_INTEGER;
  const files = await ContentStore.open({ directory, maxBytes, clock: systemClock, logger: quiet });
  try {
    return (await files.quarantine.list()).length;
  } finally {
    await files.close();
  }
}

function troublesOf(found: Findings, origin: string | undefined, now: number): Trouble[] {
  const { peers, pulse, failed, visitors, late, damaged, rejectedAssets } = found;
  const troubles: Trouble[] = [];
  if (pulse?.isRunning !== true) {
    troubles.push({
      sign: SIGN.bad,
      what: "this server does not run",
      why:
        pulse === undefined ? "it has never run on this store" : `seen last ${ago(pulse.at, now)}`,
      mend: "start it, and look at its log",
    });
  }
  const broken = peers.filter(({ state }) => isTrouble(state));
  for (const each of broken.slice(0, MOST_TOLD)) troubles.push(peerTrouble(each, origin, now));
  if (broken.length > MOST_TOLD) {
    const more = `${broken.length - MOST_TOLD} more peers are in trouble`;
    troubles.push({ sign: SIGN.bad, what: more, mend: `${COMMAND} peers list` });
  }
  const count = [...failed.values()].reduce((sum, each) => sum + each, 0);
  if (count > 0) {
    troubles.push({
      sign: SIGN.unwell,
      what: `${some(count, "crossing")} failed in the last day`,
      why: [...failed]
        .sort(([, one], [, other]) => other - one)
        .map(([code, times]) => `${times} × ${code} (${ERROR_CODES[code][1]})`)
        .join("; "),
      mend: `${COMMAND} crossings --failed`,
    });
  }
  if (visitors.returning > 0) {
    troubles.push({
      sign: SIGN.unwell,
      what: `${some(visitors.returning, "visitor")} cannot be given back yet`,
      why: "the home of each has not taken it back; it is tried again until it does",
      mend: `${COMMAND} players visitors`,
    });
  }
  if (late > 0) {
    troubles.push({
      sign: SIGN.unwell,
      what: `${some(late, "state")} came back too late, and waits for you`,
      why: "the player had been played since",
      mend: `${COMMAND} players late`,
    });
  }
  if (damaged > 0) {
    troubles.push({
      sign: SIGN.bad,
      what: `${some(damaged, "row")} of the store cannot be read`,
      mend: `${COMMAND} players damaged`,
    });
  }
  if (rejectedAssets > 0) {
    troubles.push({
      sign: SIGN.unwell,
      what: `${some(rejectedAssets, "asset")} in quarantine`,
      why: "their bytes are others than their hash names",
      mend: `${COMMAND} assets quarantine`,
    });
  }
  return troubles;
}

function peerTrouble(
  { server, state, since, why, mend }: PeerCondition,
  origin: string | undefined,
  now: number,
): Trouble {
  const name = shownText(server.name, MAX_NAME_LENGTH) ?? "";
  const here = `${server.origin}${name === "" || name === new URL(server.origin).host ? "" : ` (${name})`}`;
  const isTheirs = state === "refuses us";
  return {
    sign: stateText(state),
    what: here,
    why: [
      ...(why === undefined ? [] : [why.replace(/^refuses us: /u, "")]),
      ...(since === undefined
        ? []
        : [`since ${when(Math.floor(since / 1000))} (${span(now - since)})`]),
    ].join(", "),
    mend: isTheirs
      ? `its operator runs: ${COMMAND} peers approve ${origin ?? "<this server>"}; then here: ${mend ?? ""}`
      : mend,
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

function some(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function ago(at: number, now: number): string {
  return `${when(Math.floor(at / 1000))} (${span(now - at)} ago)`;
}
