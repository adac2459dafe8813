/** The store of a server's data, wherever it is: in the data folder, in Redis or in PostgreSQL. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { DATA_FILES } from "../runtime/data-folder.ts";
import { KeyvStore } from "../storage/keyv-store.ts";
import type { PostgresClient } from "../storage/postgres-access.ts";
import type { RedisClient } from "../storage/redis-engine.ts";
import { CommandError, EXIT } from "./output.ts";

/** A store that is open. */
export interface OpenStore {
  readonly store: KeyvStore;
  /** Where it is, without a password: for people. */
  readonly named: string;
  /** Whether it is in the data folder: then one process has it, and the folder's lock says whether it runs. */
  readonly inFolder: boolean;
}

const ENVIRONMENT = "AETHER_STORE";
const FORMS =
  "redis://host:6379?keyPrefix=aether:worlds.example.com or postgres://user@host/database?schema=aether";
/** What the URL may say of the engine; everything else of it is the client's. */
const REDIS_OPTIONS = ["keyPrefix"] as const;
const POSTGRES_OPTIONS = ["schema", "tablePrefix"] as const;
const TIMEOUT_SECONDS = 5;

/** Whether a store is named, or there is one in the folder. */
export function isPlaceOfServer({
  data,
  store,
}: {
  readonly data: string;
  readonly store: string | undefined;
}): boolean {
  const isNamed = (store ?? process.env[ENVIRONMENT] ?? "") !== "";
  return isNamed || existsSync(join(data, DATA_FILES.store));
}

/** Opens the store that `url` names, or the environment, or else the one in the folder. */
export async function openStore(folder: string, url: string | undefined): Promise<OpenStore> {
  const given = url ?? process.env[ENVIRONMENT] ?? "";
  if (given === "") return inFolder(folder);
  let at: URL;
  try {
    at = new URL(given);
  } catch {
    throw new CommandError(`--store is no URL: write ${FORMS}`, EXIT.usage);
  }
  switch (at.protocol) {
    case "redis:":
    case "rediss:":
      return inRedis(at);
    case "postgres:":
    case "postgresql:":
      return inPostgres(at);
    default:
      throw new CommandError(`--store begins with ${at.protocol}: write ${FORMS}`, EXIT.usage);
  }
}

async function inFolder(folder: string): Promise<OpenStore> {
  const path = join(folder, DATA_FILES.store);
  if (!existsSync(path)) {
    throw new CommandError(
      existsSync(join(folder, DATA_FILES.keys))
        ? `there is a key in ${folder}, but no store beside it (${DATA_FILES.store}): where the server keeps it in Redis or PostgreSQL, name that with --store; otherwise restore it from a backup before you start the server, or name another data folder with --data`
        : `there is no federation data in ${folder}: name the server's data folder with --data, or its store in Redis or PostgreSQL with --store`,
    );
  }
  const { SqliteEngine } = await import("../storage/sqlite-engine.ts");
  return { store: new KeyvStore(new SqliteEngine({ path })), named: path, inFolder: true };
}

async function inRedis(url: URL): Promise<OpenStore> {
  const { client: at, options } = apart(url, REDIS_OPTIONS);
  const { Redis } = hostsPackage<{
    Redis: new (
      url: string,
      options: object,
    ) => RedisClient & {
      on(event: "error", listener: () => void): unknown;
    };
  }>("ioredis", "Redis");
  const client = new Redis(at.href, {
    maxRetriesPerRequest: 1,
    connectTimeout: TIMEOUT_SECONDS * 1000,
  });
  // What fails, fails at the command that waits for it.
  client.on("error", () => undefined);
  const { RedisEngine } = await import("../storage/redis-engine.ts");
  const closing = { client, closesClient: true, timeoutSeconds: TIMEOUT_SECONDS };
  return {
    store: new KeyvStore(new RedisEngine({ ...closing, ...options })),
    named: shownUrl(url),
    inFolder: false,
  };
}

async function inPostgres(url: URL): Promise<OpenStore> {
  const { client: at, options } = apart(url, POSTGRES_OPTIONS);
  const { Pool } = hostsPackage<{ Pool: new (options: object) => PostgresClient }>(
    "pg",
    "PostgreSQL",
  );
  const client = new Pool({ connectionString: at.href, max: 2 });
  client.on("error", () => undefined);
  const { PostgresEngine } = await import("../storage/postgres-engine.ts");
  const closing = { client, closesClient: true, timeoutSeconds: TIMEOUT_SECONDS };
  try {
    const engine = new PostgresEngine({ ...closing, ...options });
    return { store: new KeyvStore(engine), named: shownUrl(url), inFolder: false };
  } catch (cause) {
    await client.end();
    throw new CommandError(cause instanceof Error ? `--store: ${cause.message}` : "", EXIT.usage);
  }
}

/** The URL without what it says to the engine, and that. */
function apart<Name extends string>(
  url: URL,
  names: readonly Name[],
): { readonly client: URL; readonly options: Partial<Record<Name, string>> } {
  const client = new URL(url);
  const options: Partial<Record<Name, string>> = {};
  for (const name of names) {
    const value = client.searchParams.get(name);
    if (value !== null) options[name] = value;
    client.searchParams.delete(name);
  }
  return { client, options };
}

/** A URL as it can be shown: who may use it and with which password is nobody's business. */
export function shownUrl(url: URL): string {
  const options = [...REDIS_OPTIONS, ...POSTGRES_OPTIONS].flatMap((name) => {
    const value = url.searchParams.get(name);
    return value === null ? [] : [`${name}=${value}`];
  });
  return `${url.protocol}//${url.host}${url.pathname}${options.length === 0 ? "" : `?${options.join("&")}`}`;
}

/** A package of the host's project, or of wherever this one is installed. @throws CommandError: there is none. */
export function hostsPackage<Contents>(name: string, what: string): Contents {
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      return createRequire(from)(name) as Contents;
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw cause;
    }
  }
  throw new CommandError(
    `a store in ${what} needs the package ${name}: install it beside aether-federation (npm install ${name})`,
  );
}
