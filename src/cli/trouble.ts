/** What an operator has to look at: found in the store and in the folder of assets. */
import { existsSync } from "node:fs";
import { ContentStore } from "../assets/store/content-store.ts";
import { LateReturns } from "../custody/home/late-returns.ts";
import { type FederationErrorCode, ERROR_CODES } from "../errors.ts";
import {
  type OwnName,
  TROUBLES,
  conditionOf,
  mendOf,
  sinceOf,
  whyOf,
} from "../operator/condition.ts";
import type { PeerSummary } from "../operator/peers.ts";
import { systemClock } from "../ports.ts";
import { damagedRows } from "../rows/rows.ts";
import { loggedCrossings } from "../runtime/crossing-log.ts";
import { type PulseReading, readPulse } from "../runtime/pulse.ts";
import { counted, shownText } from "../words.ts";
import type { Deployment } from "./deployment.ts";
import { when } from "./output.ts";
import { span } from "../operator/span.ts";
import { conditionText, peersOf } from "./peer-list.ts";
import { SIGN } from "./terminal.ts";
import { whereabouts } from "./whereabouts.ts";

/** Failures that are no more than a day old count. */
const LATELY_MILLISECONDS = 24 * 3_600_000;
const COMMAND = "npx aether-federation";
/** Peers in trouble that are told of one by one; the rest is counted. */
const MOST_TOLD = 40;
const MAX_NAME_LENGTH = 64;

const silent = (): void => undefined;
const quiet = { debug: silent, info: silent, warn: silent, error: silent };

/** Something that an operator has to look at. */
export interface Trouble {
  readonly sign: string;
  readonly what: string;
  readonly why?: string | undefined;
  /** What to do, one after the other: commands, or a sentence. */
  readonly mend?: readonly string[];
}

/** What has been found. */
export interface Findings {
  readonly peers: readonly PeerSummary[];
  readonly pulse: PulseReading | undefined;
  readonly failed: ReadonlyMap<FederationErrorCode, number>;
  readonly abroad: number;
  /** By phase. */
  readonly visitors: Readonly<Record<"held" | "frozen" | "returning", number>>;
  readonly late: number;
  readonly damaged: number;
  readonly rejectedAssets: number;
}

/** Reads what there is to read, at `now`, Unix milliseconds. Nothing is changed. */
export async function look(
  deployment: Deployment,
  assetsFolder: string,
  now: number,
): Promise<Findings> {
  const { store, logger } = deployment;
  const { abroad, visitors } = await whereabouts(deployment);
  const inPhase = { held: 0, frozen: 0, returning: 0 };
  for (const { held } of visitors) inPhase[held.phase] += 1;
  const failed = new Map<FederationErrorCode, number>();
  for (const { at, code } of await loggedCrossings(store)) {
    if (code !== undefined && now - at <= LATELY_MILLISECONDS) {
      failed.set(code, (failed.get(code) ?? 0) + 1);
    }
  }
  const pulse = await readPulse(store, now);
  return {
    peers: await peersOf(deployment, pulse, now),
    pulse,
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

/** Everything that has to be mended, the worst first. */
export function troublesOf(found: Findings, own: OwnName | undefined, now: number): Trouble[] {
  const { peers, pulse, failed, visitors, late, damaged, rejectedAssets } = found;
  const troubles: Trouble[] = [];
  if (pulse?.isRunning !== true) {
    troubles.push({
      sign: SIGN.bad,
      what: "this server does not run",
      why:
        pulse === undefined ? "it has never run on this store" : `seen last ${ago(pulse.at, now)}`,
      mend: ["start it, and look at its log"],
    });
  }
  const broken = peers.filter((peer) => TROUBLES.has(conditionOf(peer)));
  for (const each of broken.slice(0, MOST_TOLD)) troubles.push(peerTrouble(each, own, now));
  if (broken.length > MOST_TOLD) {
    const more = `${broken.length - MOST_TOLD} more peers are in trouble`;
    troubles.push({ sign: SIGN.bad, what: more, mend: [`${COMMAND} peers list`] });
  }
  const count = [...failed.values()].reduce((sum, each) => sum + each, 0);
  if (count > 0) {
    troubles.push({
      sign: SIGN.unwell,
      what: `${counted(count, "crossing")} failed in the last day`,
      why: [...failed]
        .sort(([, one], [, other]) => other - one)
        .map(([code, times]) => `${times} × ${code} (${ERROR_CODES[code][1]})`)
        .join("; "),
      mend: [`${COMMAND} crossings --failed`],
    });
  }
  if (visitors.returning > 0) {
    troubles.push({
      sign: SIGN.unwell,
      what: `${counted(visitors.returning, "visitor")} cannot be given back yet`,
      why: "the home of each has not taken it back; it is tried again until it does",
      mend: [`${COMMAND} players visitors`],
    });
  }
  if (late > 0) {
    troubles.push({
      sign: SIGN.unwell,
      what: `${counted(late, "state")} came back too late, and waits for you`,
      why: "the player had been played since",
      mend: [`${COMMAND} players late`],
    });
  }
  if (damaged > 0) {
    troubles.push({
      sign: SIGN.bad,
      what: `${counted(damaged, "row")} of the store cannot be read`,
      mend: [`${COMMAND} players damaged`],
    });
  }
  if (rejectedAssets > 0) {
    troubles.push({
      sign: SIGN.unwell,
      what: `${counted(rejectedAssets, "asset")} in quarantine`,
      why: "their bytes are others than their hash names",
      mend: [`${COMMAND} assets quarantine`],
    });
  }
  return troubles;
}

function peerTrouble(peer: PeerSummary, own: OwnName | undefined, now: number): Trouble {
  const { origin } = peer;
  const condition = conditionOf(peer);
  const name = shownText(peer.name, MAX_NAME_LENGTH) ?? "";
  const since = sinceOf(peer);
  const mend = own === undefined ? undefined : mendOf(peer, own);
  return {
    sign: conditionText(condition),
    what: `${origin}${name === "" || name === new URL(origin).host ? "" : ` (${name})`}`,
    why: [
      whyOf(peer) ?? "",
      ...(since === undefined
        ? []
        : [`since ${when(Math.floor(since / 1000))} (${span(now - since)})`]),
    ].join(", "),
    mend: [
      ...(mend === undefined
        ? []
        : [mend.where === "there" ? `its operator runs: ${mend.command}` : mend.command]),
      // Whatever was mended there: only a handshake says.
      ...(condition === "refused" ? [`${COMMAND} peers retry ${origin}`] : []),
    ],
  };
}

function ago(at: number, now: number): string {
  return `${when(Math.floor(at / 1000))} (${span(now - at)} ago)`;
}
