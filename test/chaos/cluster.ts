/**
 * Two operators, each with two processes behind one door, a PostgreSQL for belongings and a Redis for presence
 * and rooms.
 */
import { join } from "node:path";
import { freePort } from "../../src/testing/test-place.ts";
import { eventually } from "../support/eventually.ts";
import { PostgresServer } from "../support/postgres.ts";
import type { Servers } from "../support/processes.ts";
import { RedisServer } from "../support/redis.ts";
import { type Host, type Landscape, allKnow, wait } from "./landscape.ts";
import { Wire } from "./proxy.ts";

/** Where they are on this machine. */
export interface ClusterPrograms {
  readonly redis: string;
  readonly postgres: string;
}

interface Operator {
  readonly name: string;
  readonly origin: string;
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  /** The balancer. */
  readonly door: Wire;
  readonly hosts: readonly Host[];
}

interface HomeRow {
  readonly key: string;
  readonly holder: string | null;
  readonly transfer: string | null;
  readonly state: string | null;
}

const NAMES = ["a", "b"];
const PROCESSES = 2;
/** Several rooms for the players of one server, so that both processes have some. */
const SEATS = 2;

/** Starts it all. */
export async function twoClusters(servers: Servers, programs: ClusterPrograms): Promise<Landscape> {
  const folder = await servers.folder();
  const doors = await Promise.all(NAMES.map(() => freePort()));
  const origins = doors.map((door) => `http://localhost:${door}`);
  const operators = await Promise.all(
    NAMES.map(async (name, index): Promise<Operator> => {
      const [redis, postgres] = await Promise.all([
        RedisServer.start(programs.redis),
        PostgresServer.start(programs.postgres),
      ]);
      const [origin = "", doorPort = 0] = [origins[index], doors[index]];
      const ports = await Promise.all(Array.from({ length: PROCESSES }, () => freePort()));
      const hosts = await Promise.all(
        ports.map(async (port, number): Promise<Host> => {
          const own = await freePort();
          const data = join(folder, name);
          const journal = join(folder, `${name}${number + 1}.log`);
          const spec = {
            ...{ name: `${name}${number + 1}`, port, origin: `http://localhost:${own}`, data },
            script: "test/chaos/server.ts",
            flags: [
              ...["--name", name, "--port", String(port), "--origin", origin, "--data", data],
              ...["--journal", journal, "--public", `localhost:${own}`, "--seats", String(SEATS)],
              ...["--presence", redis.url, "--postgres", postgres.url],
              ...origins.filter((other) => other !== origin).flatMap((other) => ["--peer", other]),
            ],
          };
          const wire = await Wire.open(own, port);
          const process = servers.run(spec);
          return { spec, wire, journal, process, deaths: [], hangs: [], busy: false };
        }),
      );
      const door = await Wire.open(doorPort, ...ports);
      return { name, origin, redis, postgres, door, hosts };
    }),
  );
  const hosts = operators.flatMap((operator) => operator.hosts);
  await Promise.all(
    operators.map((operator) =>
      allKnow(
        operator.hosts,
        origins.filter((origin) => origin !== operator.origin),
      ),
    ),
  );
  return {
    ...{ hosts, origins },
    async starve(fraction, milliseconds) {
      const stores = operators.flatMap(({ redis, postgres }) => [redis, postgres]);
      const store = stores[Math.floor(fraction * stores.length)];
      if (store === undefined) return false;
      await store.kill();
      await wait(milliseconds);
      await store.resume();
      return true;
    },
    astray: (items) => astray(operators, items),
    async stop() {
      for (const { wire } of hosts) wire.close();
      await Promise.all(
        operators.map(async ({ door, redis, postgres }) => {
          door.close();
          await Promise.all([redis.stop(), postgres.stop()]);
        }),
      );
    },
  };
}

/** What the databases say beside what is right. */
async function astray(
  operators: readonly Operator[],
  items: ReadonlyMap<string, readonly string[]>,
): Promise<string[]> {
  let found: string[] = [];
  // What a leave has still to store, and what a visited server still settles, takes its time.
  await eventually(
    async () => {
      found = (await Promise.all(operators.map((each) => astrayAt(each, items)))).flat();
      if (found.length > 0) throw new Error(found.join("; "));
    },
    { timeoutMilliseconds: 30_000 },
  ).catch(() => undefined);
  return found;
}

async function astrayAt(
  { name, origin, postgres }: Operator,
  items: ReadonlyMap<string, readonly string[]>,
): Promise<string[]> {
  const pool = postgres.pool();
  const { rows } = await pool.query<HomeRow>(
    "SELECT key, holder, transfer, state FROM aether.custody",
  );
  const visitors = await pool.query<{ key: string }>(
    "SELECT key FROM aether.entries WHERE key LIKE 'visitor/%'",
  );
  await pool.end();
  const { host } = new URL(origin);
  const homeOf = ([id]: readonly [string, unknown]): boolean => id.endsWith(`@${host}`);
  const expected = new Map([...items].filter(homeOf));
  const found = visitors.rows.map(({ key }) => `${key} is still at ${name}, says ${name}`);
  for (const { key, holder, transfer, state } of rows) {
    const id = `${key}@${host}`;
    const told = expected.get(id);
    expected.delete(id);
    if (holder !== origin || transfer !== null) found.push(`${id} is at ${holder}, says ${name}`);
    const { items: kept = [] } = JSON.parse(state ?? "{}") as { items?: readonly string[] };
    const [has, had] = [kept, told ?? []].map((each) => [...each].sort().join(" "));
    if (has !== had) found.push(`${id} has ${has}, says ${name}, and was told ${had}`);
  }
  return [...found, ...[...expected.keys()].map((id) => `${name} does not know ${id}`)];
}
