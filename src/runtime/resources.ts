/** What has to be opened before the parts can be put together, and is closed after they have stopped. */
import { join } from "node:path";
import { ContentStore } from "../assets/store/content-store.ts";
import type { Clock, Random, Store } from "../ports.ts";
import { AuditLog } from "../storage/audit-log.ts";
import { MemoryStore } from "../storage/memory-store.ts";
import { checkDataFolder, makeTemporaryFolder } from "../storage/private-files.ts";
import { lockFolder } from "../storage/file-lock.ts";
import { KeyvStore } from "../storage/keyv-store.ts";
import { PostgresEngine } from "../storage/postgres-engine.ts";
import { RedisEngine } from "../storage/redis-engine.ts";
import { SqliteEngine } from "../storage/sqlite-engine.ts";
import { ASSETS_FOLDER, DATA_FILES } from "./data-folder.ts";
import { OwnKeys } from "./own-keys.ts";
import { type Part, stopAll } from "./part.ts";
import type { ResolvedOptions } from "./settings.ts";
import { type StoreIdentity, storeIdentity } from "./store-identity.ts";
import { openStoreForm } from "./store-form.ts";
import type { ProcessLink } from "./sibling-processes.ts";

/** The store, the key and the files of one server. */
export interface Resources {
  readonly store: Store;
  /** In memory, where the folder's lock says that nobody else has the store. */
  readonly transient: Store | undefined;
  readonly keys: OwnKeys;
  /** Whose the store is. */
  readonly identity: StoreIdentity;
  readonly audit: AuditLog;
  readonly files: ContentStore;
  /** Gives everything back. */
  close(): Promise<void>;
}

/**
 * Opens the store and the key, and the folder of the assets. When one cannot be opened, the others
 * are closed again.
 *
 * @throws FederationError `ERR_FED_STORE_UNAVAILABLE`, `ERR_FED_STORE_WITHOUT_CAS`,
 * `ERR_FED_STORE_IN_USE`, `ERR_FED_STORE_NEWER`, `ERR_FED_STORE_IDENTITY`, `ERR_FED_KEY_FILE`.
 */
export async function openResources({
  options,
  link,
  clock,
  random,
}: {
  readonly options: ResolvedOptions;
  readonly link: ProcessLink | undefined;
  readonly clock: Clock;
  readonly random: Random;
}): Promise<Resources> {
  const { logger } = options;
  const closing: Part[] = [];
  const dataDirectory = options.dataDirectory ?? (await temporaryFolder(closing));
  try {
    const warning = checkDataFolder(dataDirectory);
    if (warning !== undefined) logger.warn(warning);
    const alone = options.store === undefined && link === undefined;
    if (alone) {
      closing.push({ stop: lockFolder(join(dataDirectory, DATA_FILES.lock)) });
    }
    const engine =
      options.store ??
      link?.engine() ??
      (options.dataDirectory === undefined
        ? new MemoryStore(clock)
        : new SqliteEngine({ path: join(dataDirectory, DATA_FILES.store), clock }));
    const store = engine instanceof MemoryStore ? engine : new KeyvStore(engine);
    closing.push({ stop: () => store.close() });
    if (
      engine instanceof PostgresEngine ||
      (options.store === undefined && engine instanceof RedisEngine)
    ) {
      const doubt = await engine.durability();
      if (doubt !== undefined) logger.warn(doubt);
    }
    const { origin, adopt, onRecoveryKey } = options;
    await openStoreForm(store, { origin, random, logger });
    const path = join(dataDirectory, DATA_FILES.keys);
    const asked = { path, origin, store, adopt, random, logger, clock, onRecoveryKey };
    const keys = await OwnKeys.open(asked);
    const { kid } = keys.ring.current;
    const identity = (await storeIdentity(store)) ?? { kid, origin };
    const { directory = join(dataDirectory, ASSETS_FOLDER), maxBytes } = options.assets;
    const files = await ContentStore.open({ directory, maxBytes, clock, logger });
    closing.push({ stop: () => files.close() });
    const audit = new AuditLog(join(dataDirectory, DATA_FILES.audit));
    const transient = alone ? new MemoryStore(clock) : undefined;
    return { store, transient, keys, identity, audit, files, close: () => stopAll(closing) };
  } catch (cause) {
    await stopAll(closing).catch(() => undefined);
    throw cause;
  }
}

/** A folder that is gone once everything is closed. */
async function temporaryFolder(closing: Part[]): Promise<string> {
  const { path, remove } = await makeTemporaryFolder();
  closing.push({ stop: remove });
  return path;
}
