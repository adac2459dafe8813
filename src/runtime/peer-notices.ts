/**
 * What an operator has to know of its peers, in one log line each that ends with the command that mends it.
 * A flood of strangers is one line now and then.
 */
import type { Clock, Logger } from "../ports.ts";
import { keysOffered } from "../registry/descriptor-verdict.ts";
import { ALL_ROLES, type FederatedServer, TrustState } from "../registry/federated-server.ts";
import type { RegistryEvent, ServerRegistry } from "../registry/server-registry.ts";
import type { OwnKeys } from "./own-keys.ts";

/** What may be about many at once is told no more often. */
const SELDOM_MILLISECONDS = 10_000;
const COMMAND = "npx aether-federation";

/** Options of {@link tellOfPeers}. */
export interface PeerNoticesOptions {
  readonly origin: string;
  readonly registry: Pick<ServerRegistry, "on">;
  readonly keys: Pick<OwnKeys, "ring">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Logs what happens to peers from now on, but for what another process has told of. */
export function tellOfPeers({ origin, registry, keys, clock, logger }: PeerNoticesOptions): void {
  const monotonic = (): number => clock.monotonic();
  const waits = seldom(monotonic, (server, more) => {
    logger.warn(
      `${server.origin} wants to be a peer and waits for you${more}: ${COMMAND} peers approve ${server.origin}`,
      { peer: server.origin },
    );
  });
  const blocked = seldom(monotonic, (server, more) => {
    logger.warn(
      `${server.origin} is blocked${more}: its players stay out, and this server's away from it. To end that: ${COMMAND} peers unblock ${server.origin}`,
      { peer: server.origin },
    );
  });
  /** By origin: the lines on trust that goes one way, as far as they hold still. */
  const oneSided = new Map<string, ReadonlySet<string>>();
  registry.on((event) => {
    const { server } = event;
    if (server === undefined) oneSided.delete(event.origin);
    if (server === undefined) return;
    // Also what the command line has decided, which says nothing of the other side.
    if (event.type !== "status-changed") compare(server);
    if (event.fromStore === true) return;
    if (event.type === "added" && server.trust === TrustState.Pending) waits(server);
    else tell(event, server);
  });

  /** Trust that goes one way only is one line here, and one there. */
  function compare(server: FederatedServer): void {
    const { origin: peer, theirTrust: theirs, trust, refusal } = server;
    if (theirs === undefined || trust !== TrustState.Trusted || refusal !== undefined) return;
    const ours = server.roles ?? ALL_ROLES;
    const mends = `If that is not meant, its operator mends it: ${COMMAND} peers approve ${origin}`;
    const mend = `If that is not meant: ${COMMAND} peers approve ${peer}`;
    const differing: readonly (readonly [boolean, string])[] = [
      [ours.outbound && !theirs.inbound, `lets none of this server's players in. ${mends}`],
      [ours.inbound && !theirs.outbound, `lets none of its players come here. ${mends}`],
      [theirs.outbound && !ours.inbound, `lets its players come, and none is let in here. ${mend}`],
      [theirs.inbound && !ours.outbound, `lets players in, and none is let go from here. ${mend}`],
    ];
    const lines = differing.flatMap(([differs, text]) => (differs ? [`${peer} ${text}`] : []));
    const told = oneSided.get(peer);
    if (lines.length === 0) oneSided.delete(peer);
    else oneSided.set(peer, new Set(lines));
    for (const line of lines) if (told?.has(line) !== true) logger.warn(line, { peer });
  }

  function tell({ type }: RegistryEvent, server: FederatedServer): void {
    if (type === "quarantined") {
      const came = keysOffered(server).map(({ kid }) => kid);
      logger.warn(
        `${server.origin} is quarantined, and its players stay out: nothing vouches for the key it comes with, ${came.join(", ")}. Ask its operator, by another way, which is right, then: ${COMMAND} peers approve ${server.origin}`,
        { peer: server.origin },
      );
    } else if (type === "moved") {
      logger.warn(`${server.movedFrom} has moved to ${server.origin}: trust and players followed`, {
        peer: server.origin,
      });
    } else if (type === "move-doubted") {
      const { to = "", kid = "" } = server.moving ?? {};
      logger.warn(
        `${server.origin} is said to have moved to ${to}, by the key ${kid}, and its old origin does not say so. Ask its operator, by another way, then: ${COMMAND} peers approve ${to} --key ${kid}`,
        { peer: server.origin, code: "ERR_FED_MOVE_DOUBTED" },
      );
    } else if (type === "blocked") {
      blocked(server);
    } else if (type === "recovered") {
      logger.warn(`${server.origin} has replaced all its keys by its recovery key`, {
        peer: server.origin,
      });
    } else if (type === "refuses-us") {
      const { code } = server.refusal ?? { code: "" };
      logger.warn(`${server.origin} refuses this server (${code}). ${advice(code, server)}`, {
        peer: server.origin,
        code,
      });
    }
  }

  function advice(code: string, server: FederatedServer): string {
    switch (code) {
      case "ERR_FED_CLOCK_SKEW":
      case "ERR_FED_SIGNATURE_EXPIRED":
        return "The clocks of both differ: run NTP on this server.";
      case "ERR_FED_BLOCKED":
        return `Only its operator can end that: ${COMMAND} peers unblock ${origin}`;
      case "ERR_FED_NOT_TRUSTED":
      case "ERR_FED_UNKNOWN_KEY":
      case "ERR_FED_KEY_CHANGED":
        return `Tell its operator the key id of this server by another way; there: ${COMMAND} peers approve ${origin} --key ${keys.ring.current.kid}`;
      case "ERR_FED_MOVE_DOUBTED":
        return `Let the old origin serve moved-to.json (data folder), or have its operator look, there: ${COMMAND} peers approve ${origin} --key ${keys.ring.current.kid}`;
      default:
        return `See what is wrong: ${COMMAND} doctor ${code === "ERR_FED_WRONG_RECIPIENT" ? server.origin : origin}`;
    }
  }
}

/** Tells of one server now and then; of the others, how many there were meanwhile. */
function seldom(
  monotonic: () => number,
  say: (server: FederatedServer, more: string) => void,
): (server: FederatedServer) => void {
  let toldAt = -Infinity;
  let untold = 0;
  return (server) => {
    if (monotonic() - toldAt < SELDOM_MILLISECONDS) {
      untold += 1;
      return;
    }
    const more = untold === 0 ? "" : ` (and ${untold} more: ${COMMAND} peers list)`;
    [toldAt, untold] = [monotonic(), 0];
    say(server, more);
  };
}
