/** Whether players are sent to another server, and why not: for the player, and for the operator. */
import type { FederationErrorCode } from "../errors.ts";
import { TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";

/** Why nobody is sent to a server. */
export interface NoWayOut {
  readonly code: FederationErrorCode;
  /** The sentence for the player. */
  readonly message: string;
  /** A few words for the operator. */
  readonly why: string;
}

/** Why nobody is sent to `origin` now; undefined: players are. */
export function noWayOut(
  {
    registry,
    named,
    mayGoTo,
    isReachable,
  }: {
    readonly registry: ServerRegistry;
    /** Servers that the operator named: a session with them may be there any moment. */
    readonly named: readonly string[];
    readonly mayGoTo: (origin: string) => boolean;
    readonly isReachable: (origin: string) => boolean;
  },
  origin: string,
): NoWayOut | undefined {
  const server = registry.get(origin);
  const trust = server?.trust;
  if (registry.isBlocked(origin)) {
    const message = "This server does not send players to the other.";
    return { code: "ERR_FED_BLOCKED", message, why: "it is blocked" };
  }
  const code = "ERR_FED_NOT_TRUSTED";
  if (trust === TrustState.Quarantined) {
    const message =
      "This server does not trust the other any more, until its operator has looked at it.";
    return { code, message, why: "it is quarantined until you have looked at its keys" };
  }
  const known = trust === TrustState.Trusted || named.includes(origin);
  if (!known || !mayGoTo(origin)) {
    const message = "This server and the other do not trust each other yet.";
    const why =
      server === undefined
        ? "it is not known yet"
        : known
          ? "it is not trusted with players of this server (role outbound)"
          : "it is not trusted yet";
    return { code, message, why };
  }
  if (isReachable(origin)) return undefined;
  return {
    code: "ERR_FED_DESTINATION_DOWN",
    message: "The other server is down right now.",
    why: server === undefined ? "it was never reached" : "it is down",
  };
}
