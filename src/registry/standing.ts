import type { FederationErrorCode } from "../errors.ts";
import { TrustState } from "./federated-server.ts";
import type { ServerRegistry } from "./server-registry.ts";

/** Why who has proven a key is not heard as a peer, in PROTOCOL 3's order; undefined: it is. */
export function standingOf(
  registry: Pick<ServerRegistry, "get" | "isBlocked" | "liveSession">,
  { origin, kid }: { readonly origin: string; readonly kid: string },
): FederationErrorCode | undefined {
  if (registry.isBlocked(origin, kid)) return "ERR_FED_BLOCKED";
  if (registry.liveSession(origin) === undefined) return "ERR_FED_HANDSHAKE_REQUIRED";
  return registry.get(origin)?.trust === TrustState.Trusted ? undefined : "ERR_FED_NOT_TRUSTED";
}
