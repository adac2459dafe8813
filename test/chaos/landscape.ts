/** What a chaotic run is of: server processes, what stands between them and their stores. */
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { freePort } from "../../src/testing/test-place.ts";
import type { ServerProcess, ServerSpec, Servers } from "../support/processes.ts";
import { RedisServer } from "../support/redis.ts";
import { Wire } from "./proxy.ts";

/** One process of a server, with all that is done to it. */
export interface Host {
  readonly spec: ServerSpec;
  /** Players reach it by this. */
  readonly wire: Wire;
  /** Where it writes down whom it simulates. */
  readonly journal: string;
  process: ServerProcess;
  /** When a life of it was over for sure. */
  readonly deaths: bigint[];
  /** When it stood still: nobody simulates anything then. */
  readonly hangs: { readonly from: bigint; readonly to: bigint }[];
  busy: boolean;
}

/** Processes that run and know each other. */
export interface Landscape {
  readonly hosts: readonly Host[];
  /** Of the servers: one for each, however many processes it is. */
  readonly origins: readonly string[];
  /** Takes the store of a server, chosen by `fraction` of [0, 1), away for so long. False: that was not possible. */
  starve(fraction: number, milliseconds: number): Promise<boolean>;
  /**
   * Once all players have left at home: where the stores do not say that each is there, and has what it was told
   * that it has (id → items). Nothing where stores cannot be looked into.
   */
  astray(items: ReadonlyMap<string, readonly string[]>): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const NAMES = ["a", "b", "c"];
/** The server whose store is Redis, where there is one. */
const ON_REDIS = "c";

/** Three servers of one process each, on their disks; one of them on Redis, where that is installed. */
export async function threeServers(
  servers: Servers,
  redisProgram: string | undefined,
): Promise<Landscape> {
  const folder = await servers.folder();
  const redis = redisProgram === undefined ? undefined : await RedisServer.start(redisProgram);
  const places = await Promise.all(
    NAMES.map(async (name) => ({ name, port: await freePort(), door: await freePort() })),
  );
  const hosts = await Promise.all(
    places.map(async ({ name, port, door }) => {
      const origin = `http://localhost:${door}`;
      const others = places.filter((other) => other.name !== name);
      const data = join(folder, name);
      const journal = join(folder, `${name}.log`);
      const spec = {
        ...{ name, port, origin, data, script: "test/chaos/server.ts" },
        flags: [
          ...["--name", name, "--port", String(port), "--origin", origin, "--data", data],
          ...["--journal", journal],
          ...others.flatMap((other) => ["--peer", `http://localhost:${other.door}`]),
          ...(name === ON_REDIS && redis !== undefined ? ["--redis", redis.url] : []),
        ],
      };
      const wire = await Wire.open(door, port);
      const process = servers.run(spec);
      return { spec, wire, journal, process, deaths: [], hangs: [], busy: false };
    }),
  );
  const origins = hosts.map(({ spec }) => spec.origin);
  await allKnow(hosts, origins);
  return {
    ...{ hosts, origins },
    async starve(fraction, milliseconds) {
      const host = hosts[Math.floor(fraction * hosts.length)];
      if (host === undefined) return false;
      if (host.spec.name !== ON_REDIS || redis === undefined) {
        return lock(join(host.spec.data, "federation.sqlite"), milliseconds);
      }
      await redis.kill();
      await wait(milliseconds);
      await redis.resume();
      return true;
    },
    astray: () => Promise.resolve([]),
    async stop() {
      for (const { wire } of hosts) wire.close();
      await redis?.stop();
    },
  };
}

/** Waits until all processes run and each knows the other servers. */
export async function allKnow(hosts: readonly Host[], origins: readonly string[]): Promise<void> {
  await Promise.all(hosts.map(({ process }) => process.ready()));
  await Promise.all(
    hosts.map(({ process, spec }) =>
      process.knows(...origins.filter((origin) => origin !== spec.origin)),
    ),
  );
}

/** As of a backup that went wrong. */
async function lock(file: string, milliseconds: number): Promise<boolean> {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 200 });
    database.exec("BEGIN EXCLUSIVE");
    await wait(milliseconds);
    database.exec("ROLLBACK");
    return true;
  } catch {
    // It is being written to, or not there yet.
    return false;
  } finally {
    database?.close();
  }
}
