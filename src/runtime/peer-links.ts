/** With whom links may be, and for how long, by what is known of peers now. */
import { LINK_CAPABILITY } from "../http/link/opening.ts";
import type { LinksOptions } from "../link/links.ts";
import { TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { standingOf } from "../registry/standing.ts";

/** Answers from the registry. */
export function termsOfLinks(
  registry: Pick<ServerRegistry, "get" | "isBlocked" | "keyFor" | "liveSession">,
): Pick<LinksOptions, "termsOf" | "standing"> {
  return {
    termsOf: (origin) => {
      const server = registry.get(origin);
      const session = registry.liveSession(origin);
      if (server?.trust !== TrustState.Trusted || session === undefined) return undefined;
      return server.protocols.includes(LINK_CAPABILITY)
        ? { sessionId: session.sessionId, endpoint: server.endpoint }
        : undefined;
    },
    standing: (peer) => {
      const known = registry.keyFor(peer.origin, peer.kid) !== undefined;
      const code = known ? standingOf(registry, peer) : "ERR_FED_UNKNOWN_KEY";
      if (code !== undefined) return { stands: false, renewed: false, code };
      return registry.liveSession(peer.origin)?.sessionId === peer.sessionId
        ? { stands: true }
        : { stands: false, renewed: true };
    },
  };
}
