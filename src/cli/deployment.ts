/** A server's data folder, as the command line works on it beside the running server. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Logger, systemClock } from "../ports.ts";
import { ServerRegistry } from "../registry/server-registry.ts";
import { DATA_FILES } from "../runtime/data-folder.ts";
import { checkStoreForm } from "../runtime/store-form.ts";
import { AuditLog } from "../storage/audit-log.ts";
import { checkDataFolder } from "../storage/private-files.ts";
import { KeyvStore } from "../storage/keyv-store.ts";
import { SqliteEngine } from "../storage/sqlite-engine.ts";
import { CommandError } from "./output.ts";

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
  readonly registry: ServerRegistry;
  /** Hears of damaged rows. */
  readonly logger: Pick<Logger, "error">;
  audit(what: string, subject: string, result?: AuditedResult): Promise<void>;
}

/** What damaged rows are reported to: the command's own answer stays what scripts expect. */
const logger: Pick<Logger, "error"> = {
  error: (message) => {
    process.stderr.write(`${message}\n`);
  },
};
const MAX_PEERS = 100_000;

/** Opens the data folder of a server that has run at least once, for the time `work` takes. */
export async function withDeployment<Result>(
  folder: string,
  work: (deployment: Deployment) => Promise<Result>,
): Promise<Result> {
  checkDataFolder(folder);
  const storePath = join(folder, DATA_FILES.store);
  if (!existsSync(storePath)) {
    throw new CommandError(
      existsSync(join(folder, DATA_FILES.keys))
        ? `there is a key in ${folder}, but no store beside it (${DATA_FILES.store}): restore it from a backup before you start the server, or name another data folder with --data`
        : `there is no federation data in ${folder}: name the server's data folder with --data`,
    );
  }
  const store = new KeyvStore(new SqliteEngine({ path: storePath }));
  try {
    await checkStoreForm(store);
    const registry = new ServerRegistry({ store, clock: systemClock, maxPeers: MAX_PEERS, logger });
    await registry.load();
    const log = new AuditLog(join(folder, DATA_FILES.audit));
    return await work({
      folder,
      keyPath: join(folder, DATA_FILES.keys),
      store,
      registry,
      logger,
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
