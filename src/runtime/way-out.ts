/** Whether players are sent to another server, and why not: for the player, and for the operator. */
import type { FederationErrorCode } from "../errors.ts";
import { ALL_ROLES, ServerStatus, TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";

/** Why nobody is sent to a server. */
export interface NoWayOut {
  readonly code: FederationErrorCode;
  /** The sentence for the player. */
  readonly message: string;
  /** A few words for the operator. */
  readonly why: string;
}

/** Whether players of `self` may go to a server: it is not known for anything that speaks against it. */
export function mayGoTo(
  registry: Pick<ServerRegistry, "get" | "isBlocked">,
  self: string,
  origin: string,
): boolean {
  if (registry.isBlocked(origin)) return false;
  const server = registry.get(origin);
  if (server === undefined || origin === self) return true;
  const suspended = server.trust === TrustState.Blocked || server.trust === TrustState.Quarantined;
  return !suspended && (server.roles ?? ALL_ROLES).outbound;
}

/** Whether players can be sent to a server now, as far as its status says. */
export function isReachable(
  registry: Pick<ServerRegistry, "get">,
  self: string,
  origin: string,
): boolean {
  if (origin === self) return true;
  const { trust, status } = registry.get(origin) ?? {};
  return (
    trust === TrustState.Trusted &&
    (status === ServerStatus.Online || status === ServerStatus.Degraded)
  );
}

/** The known peer with an authority. */
export function withAuthority(
  registry: Pick<ServerRegistry, "get">,
  authority: string,
): string | undefined {
  return (registry.get(`https://${authority}`) ?? registry.get(`http://${authority}`))?.origin;
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
