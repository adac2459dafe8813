/** `peers list`: a row for each peer, the worst first, in the columns that the terminal has. */
import { rememberedHealth } from "../health/health-memory.ts";
import type { ObservedShare, Uptime } from "../health/uptime-history.ts";
import {
  type OwnName,
  type PeerCondition,
  TROUBLES,
  conditionOf,
  mendOf,
  sinceOf,
  whyOf,
} from "../operator/condition.ts";
import { rememberedPeers } from "../operator/peer-states.ts";
import type { PeerSummary } from "../operator/peers.ts";
import { systemClock } from "../ports.ts";
import { TrustState } from "../registry/federated-server.ts";
import { type PulseReading, readPulse } from "../runtime/pulse.ts";
import { shownText } from "../words.ts";
import { type Deployment, ownName } from "./deployment.ts";
import { type CommandResult } from "./output.ts";
import { span } from "../operator/span.ts";
import { SIGN, columns, cut, padded, shortOrigin, width, wrapped } from "./terminal.ts";

const SIGNS: Readonly<Record<PeerCondition, string>> = {
  quarantined: SIGN.bad,
  down: SIGN.bad,
  refused: SIGN.bad,
  unmet: SIGN.bad,
  degraded: SIGN.unwell,
  unknown: SIGN.unknown,
  pending: SIGN.waits,
  up: SIGN.well,
  blocked: SIGN.shut,
};
const GAP = "  ";
const HEADS = ["", "answers", "day", "90 days", "since", "peer"] as const;
const PART = /% \d+[smhd]$/u;
const PART_LEGEND =
  "Shares are of the time that was observed; where that is less than the day or the 90 days, it stands behind.";
const INDENT = "    ";
/** Of what was observed of a window: from this share on it speaks for the whole. */
const NEARLY_ALL = 0.9;
const WINDOW_MILLISECONDS = {
  hour: 3_600_000,
  day: 86_400_000,
  ninetyDays: 90 * 86_400_000,
} as const;
const NARROWEST_NAME = 6;
const MAX_NAME_LENGTH = 64;

/** Every known peer and every block. */
export async function listPeers(deployment: Deployment): Promise<CommandResult> {
  const { registry, store } = deployment;
  const now = systemClock.now();
  const peers = await peersOf(deployment, await readPulse(store, now), now);
  const own = await ownName(deployment);
  const blocks = registry.blocks();
  const text = peers.length === 0 ? "No peer is known." : peerTable(peers, now, columns());
  return {
    text:
      blocks.length === 0
        ? text
        : `${text}\n\n${wrapped(`Blocked: ${blocks.join(", ")}`, columns(), GAP)}`,
    json: {
      peers: peers.map((peer) => peerJson(deployment, peer, own)),
      blocks,
    },
  };
}

/** Every peer as the store remembers it, the worst first. */
export async function peersOf(
  { registry, store }: Deployment,
  pulse: PulseReading | undefined,
  now: number,
): Promise<PeerSummary[]> {
  const remembered = await rememberedHealth(store);
  const { named = [], attempts = [] } = pulse ?? {};
  return rememberedPeers({ registry, remembered, named, attempts, now });
}

/** The sign and the word of a condition. */
export function conditionText(condition: PeerCondition): string {
  return `${SIGNS[condition]} ${condition}`;
}

/** Rows of no more than `most` columns; what is wrong with a peer stands below its row. */
export function peerTable(peers: readonly PeerSummary[], now: number, most: number): string {
  const cells = peers.map((peer) => {
    const { roundTripMilliseconds, uptime } = peer;
    const since = sinceOf(peer);
    return [
      conditionText(conditionOf(peer)),
      roundTripMilliseconds === undefined ? "–" : `${Math.round(roundTripMilliseconds)} ms`,
      shareText(uptime, "day"),
      shareText(uptime, "ninetyDays"),
      since === undefined ? "–" : span(now - since),
    ];
  });
  const widths = HEADS.slice(0, -1).map((head, column) =>
    cells.reduce((wide, row) => Math.max(wide, width(row[column] ?? "")), head.length),
  );
  const line = (row: readonly string[], peer: string): string =>
    [
      ...row.map((cell, column) =>
        padded(cell, widths[column] ?? 0, column === 0 ? "right" : "left"),
      ),
      peer,
    ]
      .join(GAP)
      .trimEnd();
  const room = most - widths.reduce((sum, each) => sum + each + GAP.length, 0);
  const isPart = cells.some(([, , day = "", ninetyDays = ""]) =>
    [day, ninetyDays].some((share) => PART.test(share)),
  );
  return [
    line(HEADS.slice(0, -1), HEADS.at(-1) ?? ""),
    ...peers.flatMap((peer, index) => {
      const origin = shortOrigin(peer.origin, room);
      const nameRoom = room - width(origin) - GAP.length;
      const name =
        nameRoom < NARROWEST_NAME
          ? ""
          : GAP + cut(shownText(peer.name, MAX_NAME_LENGTH) ?? "", nameRoom);
      const row = line(cells[index] ?? [], origin + name);
      const said = [whyOf(peer), rolesText(peer)].filter((each) => each !== undefined);
      return said.length === 0
        ? [row]
        : [row, INDENT + wrapped(said.join("; "), most - INDENT.length, INDENT)];
    }),
    ...(isPart ? ["", wrapped(PART_LEGEND, most)] : []),
  ].join("\n");
}

/** A share, and where little of its window was observed, how much: `99.9 %`, `98 % 3h`, `unknown`. */
function shareText(uptime: Uptime, window: keyof Uptime): string {
  const { share, observedMilliseconds }: ObservedShare = uptime[window];
  if (share === undefined) return "unknown";
  // Never rounded up to what it is not.
  const percent = `${Math.floor(share * 1000) / 10} %`;
  return observedMilliseconds >= NEARLY_ALL * WINDOW_MILLISECONDS[window]
    ? percent
    : `${percent} ${span(observedMilliseconds).replace(/ (.).*$/u, "$1")}`;
}

/** What a trusted peer is not trusted for; undefined: nothing. */
function rolesText({ trust, roles }: PeerSummary): string | undefined {
  if (trust !== TrustState.Trusted || (roles.inbound && roles.outbound)) return undefined;
  if (roles.inbound) return "its players come in, ours do not go there";
  return roles.outbound ? "ours go there, its players do not come in" : "trusted for nothing";
}

/** One peer, for scripts: a {@link PeerSummary}, how it is, and its keys. What is not known is null. */
export function peerJson(
  { registry }: Deployment,
  peer: PeerSummary,
  own: OwnName | undefined,
): unknown {
  const condition = conditionOf(peer);
  const { endpoint, keys = [], proposedKeys = [] } = registry.get(peer.origin) ?? {};
  const told = {
    ...peer,
    ...{ condition, isTrouble: TROUBLES.has(condition), since: sinceOf(peer), why: whyOf(peer) },
    mend: own === undefined ? undefined : mendOf(peer, own),
    endpoint,
    keys: keys.map(({ jwk, retiredAt }) => ({ kid: jwk.kid, retiredAt })),
    proposedKeys: proposedKeys.map(({ kid }) => kid),
  };
  return JSON.parse(JSON.stringify(told, (_, value: unknown) => value ?? null));
}
