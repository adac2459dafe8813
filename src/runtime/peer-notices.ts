/**
 * What an operator has to know of its peers, in one log line each that ends with the command that mends it.
 * A flood of strangers is one line now and then.
 */
import type { Clock, Logger } from "../ports.ts";
import { keysOffered } from "../registry/descriptor-verdict.ts";
import { type FederatedServer, TrustState } from "../registry/federated-server.ts";
import type { RegistryEvent, ServerRegistry } from "../registry/server-registry.ts";
import type { OwnKeys } from "./own-keys.ts";

/** Strangers that wait are told of no more often. */
const STRANGERS_MILLISECONDS = 10_000;
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
  let strangersToldAt = -Infinity;
  let untold = 0;
  const stranger = (server: FederatedServer): void => {
    const now = clock.monotonic();
    if (now - strangersToldAt < STRANGERS_MILLISECONDS) {
      untold += 1;
      return;
    }
    const more = untold === 0 ? "" : ` (and ${untold} more: ${COMMAND} peers list)`;
    [strangersToldAt, untold] = [now, 0];
    logger.warn(
      `${server.origin} wants to be a peer and waits for you${more}: ${COMMAND} peers approve ${server.origin}`,
      { peer: server.origin },
    );
  };
  registry.on((event) => {
    const { server } = event;
    if (event.fromStore === true || server === undefined) return;
    if (event.type === "added" && server.trust === TrustState.Pending) stranger(server);
    else tell(event, server);
  });

  function tell({ type }: RegistryEvent, server: FederatedServer): void {
    if (type === "quarantined") {
      const came = keysOffered(server).map(({ kid }) => kid);
      logger.warn(
        `${server.origin} is quarantined, and its players stay out: nothing vouches for the key it comes with, ${came.join(", ")}. Ask its operator, by another way, which is right, then: ${COMMAND} peers approve ${server.origin}`,
        { peer: server.origin },
      );
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
      default:
        return `See what is wrong: ${COMMAND} doctor ${code === "ERR_FED_WRONG_RECIPIENT" ? server.origin : origin}`;
    }
  }
}
