/** A server's data, as the command line works on them beside the running server. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { OwnName } from "../operator/condition.ts";
import { type Logger, systemClock } from "../ports.ts";
import { ServerRegistry } from "../registry/server-registry.ts";
import { DATA_FILES } from "../runtime/data-folder.ts";
import { checkStoreForm } from "../runtime/store-form.ts";
import { storeIdentity } from "../runtime/store-identity.ts";
import { AuditLog } from "../storage/audit-log.ts";
import { loadKeyRing } from "../storage/key-file.ts";
import { checkDataFolder } from "../storage/private-files.ts";
import type { KeyvStore } from "../storage/keyv-store.ts";
import { CommandError } from "./output.ts";
import { openStore } from "./store-place.ts";

/** What a decision came to. */
export interface AuditedResult {
  readonly trust?: string | undefined;
  /** Origins of the known servers that it concerned. */
  readonly matched?: readonly string[];
}

/** What a command has to work with. */
export interface Deployment {
  readonly folder: string;
  readonly keyPath: string;
  readonly store: KeyvStore;
  /** Where the store is, for people: without a password. */
  readonly storeName: string;
  /** Whether the store is in the folder. */
  readonly inFolder: boolean;
  readonly registry: ServerRegistry;
  /** Hears of damaged rows. */
  readonly logger: Pick<Logger, "error">;
  /**
   * Before anything is decided: there is a folder whose log can say so.
   *
   * @throws CommandError where there is none.
   */
  mayDecide(): void;
  audit(what: string, subject: string, result?: AuditedResult): Promise<void>;
}

/** What damaged rows are reported to: the command's own answer stays what scripts expect. */
const logger: Pick<Logger, "error"> = {
  error: (message) => {
    process.stderr.write(`${message}\n`);
  },
};
const MAX_PEERS = 100_000;

/** Opens the data of a server that has run at least once, for the time `work` takes. */
export async function withDeployment<Result>(
  { data: folder, store: url }: { readonly data: string; readonly store: string | undefined },
  work: (deployment: Deployment) => Promise<Result>,
): Promise<Result> {
  checkDataFolder(folder);
  const { store, named, inFolder } = await openStore(folder, url);
  try {
    await checkStoreForm(store);
    if (!inFolder && (await storeIdentity(store)) === undefined) {
      throw new CommandError(
        `no server has its data in ${named}: in Redis they are under a prefix, "aether:<host>" unless createFederation is given a store of your own (add ?keyPrefix=aether:<host>); in PostgreSQL in a schema, "aether" unless said otherwise (add ?schema=<name>)`,
      );
    }
    const registry = new ServerRegistry({ store, clock: systemClock, maxPeers: MAX_PEERS, logger });
    await registry.load();
    const log = new AuditLog(join(folder, DATA_FILES.audit));
    return await work({
      folder,
      keyPath: join(folder, DATA_FILES.keys),
      store,
      storeName: named,
      inFolder,
      registry,
      logger,
      mayDecide: () => {
        if (existsSync(folder)) return;
        throw new CommandError(
          `there is no folder ${folder}, in whose audit log this decision belongs: name the server's data folder with --data`,
        );
      },
      audit: (what, subject, { trust, matched } = {}) =>
        log.append({
          at: new Date(systemClock.now()).toISOString(),
          by: "operator",
          what,
          subject,
          ...(trust === undefined ? {} : { trust }),
          ...(matched === undefined ? {} : { matched }),
        }),
    });
  } finally {
    await store.close();
  }
}

/** This server, as other operators' commands name it; undefined: it has never run on this store. */
export async function ownName({ store, keyPath }: Deployment): Promise<OwnName | undefined> {
  const origin = (await storeIdentity(store))?.origin;
  if (origin === undefined) return undefined;
  const ring = existsSync(keyPath) ? await loadKeyRing(keyPath) : undefined;
  return { origin, keyId: ring?.current.kid };
}
