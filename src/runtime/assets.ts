/** Puts together the parts that assets need while the federation runs. */
import { AssetLibrary } from "../assets/asset-library.ts";
import { ContentStore } from "../assets/store/content-store.ts";
import { MANIFEST_MEDIA_TYPE } from "../assets/verify/manifest.ts";
import type { AssetMismatch } from "../assets/transfer/flight.ts";
import { AssetTransfer } from "../assets/transfer/transfer.ts";
import { createAssetSource } from "../http/outbound/asset-source.ts";
import type { PeerClient } from "../http/outbound/peer-client.ts";
import type { VerifyKey } from "../identity/ed25519.ts";
import type { SigningKey } from "../identity/server-keys.ts";
import type { ResolvedOptions } from "../federation/options.ts";
import type { Clock, Random } from "../ports.ts";
import { TrustState } from "../registry/federated-server.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";

/** The assets of a running server. */
export interface RunningAssets {
  readonly library: AssetLibrary;
  readonly close: () => Promise<void>;
}

/**
 * Opens the store and what fills it.
 *
 * @throws FederationError `ERR_FED_STORE_UNAVAILABLE` when the folder cannot be used.
 */
export async function openAssets({
  options,
  registry,
  peers,
  clock,
  random,
  signingKey,
  issuerKey,
  onMismatch,
}: {
  readonly options: ResolvedOptions;
  readonly registry: ServerRegistry;
  readonly peers: PeerClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly signingKey: () => SigningKey;
  readonly issuerKey: (issuer: string, kid: string) => VerifyKey | undefined;
  readonly onMismatch: (event: AssetMismatch) => void;
}): Promise<RunningAssets> {
  const { logger, allowInsecure, allowPrivateNetwork } = options;
  const { directory, maxBytes, timeoutSeconds } = options.assets;
  const mediaTypes = new Set([...options.assets.policy.mediaTypes, MANIFEST_MEDIA_TYPE]);
  const policy = { ...options.assets.policy, mediaTypes };
  const store = await ContentStore.open({ directory, maxBytes, clock, logger });
  const open = createAssetSource({ allowInsecure, allowPrivateNetwork });
  const transfer = new AssetTransfer({
    ...{ store, policy, open, clock, random, logger, onMismatch },
    endpointOf: (origin) => {
      const server = registry.get(origin);
      return server?.trust === TrustState.Trusted ? server.endpoint : undefined;
    },
  });
  const library = new AssetLibrary({
    ...{ origin: options.origin, allowInsecure, policy, timeoutSeconds },
    ...{ store, transfer, peers, clock, signingKey, issuerKey },
  });
  return {
    library,
    close: async () => {
      await transfer.close();
      await open.close();
      await store.close();
    },
  };
}
