/** Takes over what the operator's command line, or another process of this server, has changed. */
import type { Custody } from "../custody/custody.ts";
import type { LinkCheckWishes } from "../doctor/wishes.ts";
import type { HandshakeService } from "../handshake/handshake-service.ts";
import type { SessionKeeper } from "../handshake/session-keeper.ts";
import type { Logger, Store } from "../ports.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { TrustState } from "../registry/federated-server.ts";
import { RECALL_PREFIX, RETRY_PREFIX } from "./data-folder.ts";
import type { OwnDescriptor } from "./own-descriptor.ts";
import type { OwnKeys } from "./own-keys.ts";

/** How soon what the operator's command line did takes effect. */
export const CHANGES_MILLISECONDS = 1_000;

/** What taking over needs. */
export interface OperatorChangesOptions {
  readonly store: Store;
  readonly registry: ServerRegistry;
  readonly handshake: Pick<HandshakeService, "connect">;
  readonly keeper: Pick<SessionKeeper, "renew">;
  readonly keys: Pick<OwnKeys, "reload">;
  readonly descriptor: Pick<OwnDescriptor, "renew">;
  readonly custody: Pick<Custody, "recall">;
  readonly linkChecks: Pick<LinkCheckWishes, "take">;
  readonly logger: Logger;
}

/** Looks once at peers, wishes for handshakes, examinations and players, and the key file. */
export async function takeOverChanges({
  store,
  registry,
  handshake,
  keeper,
  keys,
  descriptor,
  custody,
  linkChecks,
  logger,
}: OperatorChangesOptions): Promise<void> {
  await registry.refresh();
  await linkChecks.take();
  for await (const [key] of store.entries(RETRY_PREFIX)) {
    await store.delete(key);
    const origin = key.slice(RETRY_PREFIX.length);
    await handshake.connect(origin).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : "unknown";
      logger.warn(`the handshake with ${origin} failed: ${why}`, { peer: origin });
    });
  }
  for await (const [key] of store.entries(RECALL_PREFIX)) {
    await store.delete(key);
    const localId = key.slice(RECALL_PREFIX.length);
    // It waits for the holder, which nobody else has to.
    void custody.recall(localId).catch((cause: unknown) => {
      logger.error(`${localId} cannot be called home`, cause);
    });
  }
  if (!(await keys.reload())) return;
  descriptor.renew();
  // Peers learn of a key from a handshake: they must know the next one before it is used.
  for (const { origin } of registry.list({ trust: TrustState.Trusted })) keeper.renew(origin);
}
