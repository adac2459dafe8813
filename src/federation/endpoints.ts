import { type Endpoints, type EndpointsOptions, createEndpoints } from "../http/inbound/router.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";

/** What players ask of their home who are in no room. */
export type PlayerCalls = Pick<EndpointsOptions, "travel" | "handOver" | "playerKeys">;

/** The endpoints of a runtime that has started. */
export function endpointsOf(
  runtime: FederationRuntime,
  { version, players }: { readonly version: string; readonly players: PlayerCalls },
): Endpoints {
  const { options, registry, handshake, nonces, custody, assets, clock, random } = runtime;
  return createEndpoints({
    ...{ registry, handshake, nonces, custody, assets, clock, random },
    ...players,
    links: runtime.links,
    origin: options.origin,
    endpoint: options.endpoint,
    descriptor: () => runtime.descriptor(),
    keyWord: (kid) => runtime.keyWord(kid),
    servers: (cursor) => runtime.serverPages.page(cursor),
    health: () => ({ ...runtime.ownHealth(), version }),
    logger: options.logger,
    telemetry: runtime.telemetry,
    signingKey: runtime.signingKey,
    maxRequestsPerMinutePerAddress: options.maxRequestsPerMinutePerAddress,
    maxRequestsPerMinutePerPeer: options.maxRequestsPerMinutePerPeer,
    maxTravelsPerMinutePerAddress: options.maxTravelsPerMinutePerAddress,
    refreshPeers: () => runtime.refreshPeers(),
    onVerifiedCall: (origin) => {
      runtime.heardFrom(origin);
    },
  });
}
