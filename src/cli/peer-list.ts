/** `peers list`: a row for each peer, the worst first, in the columns that the terminal has. */
import { rememberedHealth } from "../health/health-memory.ts";
import type { ObservedShare, Uptime } from "../health/uptime-history.ts";
import {
  type PeerCondition,
  type PeerState,
  isTrouble,
  peerConditions,
} from "../operator/peer-states.ts";
import { systemClock } from "../ports.ts";
import { ALL_ROLES, type FederatedServer, TrustState } from "../registry/federated-server.ts";
import { shownText } from "../words.ts";
import type { Deployment } from "./deployment.ts";
import { type CommandResult, span } from "./output.ts";
import { SIGN, columns, cut, padded, shortOrigin, width, wrapped } from "./terminal.ts";

const SIGNS: Readonly<Record<PeerState, string>> = {
  down: SIGN.bad,
  "refuses us": SIGN.bad,
  quarantined: SIGN.bad,
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
export async function listPeers({ registry, store }: Deployment): Promise<CommandResult> {
  const now = systemClock.now();
  const conditions = peerConditions(registry, await rememberedHealth(store), now);
  const blocks = registry.blocks();
  const text =
    conditions.length === 0 ? "No peer is known." : peerTable(conditions, now, columns());
  return {
    text:
      blocks.length === 0
        ? text
        : `${text}\n\n${wrapped(`Blocked: ${blocks.join(", ")}`, columns(), GAP)}`,
    json: {
      peers: conditions.map((condition) => ({
        ...peerJson(condition),
        session: registry.liveSession(condition.server.origin) !== undefined,
      })),
      blocks,
    },
  };
}

/** The sign and the word of a state. */
export function stateText(state: PeerState): string {
  return `${SIGNS[state]} ${state}`;
}

/** Rows of no more than `most` columns; what is wrong with a peer stands below its row. */
export function peerTable(conditions: readonly PeerCondition[], now: number, most: number): string {
  const cells = conditions.map(({ state, roundTripMilliseconds, uptime, since }) => [
    stateText(state),
    roundTripMilliseconds === undefined ? "–" : `${Math.round(roundTripMilliseconds)} ms`,
    shareText(uptime, "day"),
    shareText(uptime, "ninetyDays"),
    since === undefined ? "–" : span(now - since),
  ]);
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
    ...conditions.flatMap((condition, index) => {
      const origin = shortOrigin(condition.server.origin, room);
      const nameRoom = room - width(origin) - GAP.length;
      const name =
        nameRoom < NARROWEST_NAME
          ? ""
          : GAP + cut(shownText(condition.server.name, MAX_NAME_LENGTH) ?? "", nameRoom);
      const row = line(cells[index] ?? [], origin + name);
      const said = [condition.why, rolesText(condition.server)].filter(
        (each) => each !== undefined,
      );
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
function rolesText({ trust, roles = ALL_ROLES }: FederatedServer): string | undefined {
  if (trust !== TrustState.Trusted || (roles.inbound && roles.outbound)) return undefined;
  if (roles.inbound) return "its players come in, ours do not go there";
  return roles.outbound ? "ours go there, its players do not come in" : "trusted for nothing";
}

/** One peer, for scripts: times in Unix milliseconds but for `lastHandshakeAt` and `retiredAt`, in seconds. */
export function peerJson(condition: PeerCondition) {
  const { server, state, since, why, mend, roundTripMilliseconds, uptime } = condition;
  return {
    origin: server.origin,
    name: server.name,
    state,
    isTrouble: isTrouble(state),
    since: since ?? null,
    why: why ?? null,
    mend: mend ?? null,
    cause: condition.cause ?? null,
    roundTripMilliseconds: roundTripMilliseconds ?? null,
    uptime: Object.fromEntries(
      Object.entries(uptime).map(([window, { share, observedMilliseconds }]) => [
        window,
        { share: share ?? null, observedMilliseconds },
      ]),
    ),
    lastCheckedAt: condition.lastCheckedAt ?? null,
    lastOkAt: condition.lastOkAt ?? null,
    trust: server.trust,
    roles: server.roles ?? ALL_ROLES,
    endpoint: server.endpoint,
    worlds: server.worlds,
    lastHandshakeAt: server.lastHandshakeAt ?? null,
    keys: server.keys.map(({ jwk, retiredAt }) => ({ kid: jwk.kid, retiredAt: retiredAt ?? null })),
    proposedKeys: server.proposedKeys?.map(({ kid }) => kid) ?? [],
    recovery: server.recovery ?? null,
    refusal: server.refusal?.code ?? null,
  };
}
