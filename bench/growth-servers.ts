/** Live servers with ten of everything beside live servers with very many: a join and a crossing in each. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Client, type Room } from "@colyseus/sdk";
import { PlayerKey, Traveler } from "aether-federation/client";
import { LeaseBook } from "../src/custody/home/lease-book.ts";
import { CustodyLedger } from "../src/custody/home/ledger.ts";
import { systemClock, systemRandom } from "../src/ports.ts";
import { DATA_FILES } from "../src/runtime/data-folder.ts";
import { KeyvStore } from "../src/storage/keyv-store.ts";
import { SqliteEngine } from "../src/storage/sqlite-engine.ts";
import { quietLogger } from "../test/support/loggers.ts";
import { memoryStorage } from "../test/support/memory-storage.ts";
import { type ServerProcess, Servers } from "../test/support/processes.ts";
import { crossing, quietly } from "./join.ts";
import { Samples, type Section, compare, summary } from "./measure.ts";
import { peerRows } from "./peer-rows.ts";

const TIMES = 100;
const WARM_UP = 30;
const TARGET = 1.1;
const MIDDLE_OF = 10;
const PAUSE_MILLISECONDS = 15;
const SMALL = { peers: 10, rows: 10, routes: 10 };
/** `AETHER_BENCH_ROWS`: players who were ever at home; a million takes a minute more. */
const LARGE = {
  peers: 10_000,
  rows: Number(process.env["AETHER_BENCH_ROWS"] ?? 1_000_000),
  routes: 100_000,
};
const WRITTEN_AT_ONCE = 10_000;

type Much = typeof SMALL;

export async function benchLarge(): Promise<Section[]> {
  const servers = new Servers();
  // Health checks of all those peers are answered, here.
  const healthy = createServer((_request, response) => {
    response.setHeader("content-type", "application/health+json");
    response.end('{"status":"pass"}');
  });
  await new Promise<void>((resolve) => healthy.listen(0, "localhost", resolve));
  const endpoint = `http://localhost:${(healthy.address() as AddressInfo).port}`;
  try {
    const pairs = [
      { name: told(SMALL), pair: await pairWith(servers, "small", SMALL, endpoint) },
      { name: told(LARGE), pair: await pairWith(servers, "large", LARGE, endpoint) },
    ];
    const travelers: Traveler[] = [];
    for (const { pair } of pairs) {
      const traveler = new Traveler(pair[0].origin, { name: "Ada", storage: memoryStorage() });
      quietly(await traveler.join("portals"));
      travelers.push(traveler);
    }
    const [joins, crossings] = [new Middles(), new Middles()];
    for (let turn = -WARM_UP; turn < TIMES; turn += 1) {
      for (const [index, { name, pair }] of pairs.entries()) {
        const traveler = travelers[index];
        if (traveler === undefined) throw new Error("no traveler");
        const to = pair[turn % 2 === 0 ? 1 : 0];
        for (const [samples, run, after] of [
          [joins, () => joined(pair[0]), (room: Room) => room.leave()],
          [crossings, () => crossing(traveler, `aether://${to.authority}/portals`), quietly],
        ] as const) {
          const from = performance.now();
          const room = await run();
          if (turn >= 0) samples.add(name, (performance.now() - from) * 1000);
          await after(room);
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
        }
      }
    }
    await Promise.all(travelers.map((traveler) => traveler.leave()));
    const targets = { [told(LARGE)]: TARGET };
    return [
      compare(joins.samples, {
        title: "a join at home, player with a key",
        ratio: "cost",
        targets,
      }),
      compare(crossings.samples, { title: "a crossing, out and back", ratio: "cost", targets }),
    ];
  } finally {
    await servers.stop();
    healthy.closeAllConnections();
    healthy.close();
  }
}

/** One sample for so many measurements, their middle: a single one is mostly the machine's mood. */
class Middles {
  readonly samples = new Samples();
  readonly #values = new Map<string, number[]>();

  add(name: string, value: number): void {
    const values = [...(this.#values.get(name) ?? []), value];
    this.#values.set(name, values.length < MIDDLE_OF ? values : []);
    if (values.length >= MIDDLE_OF) this.samples.add(name, summary(name, values).median);
  }
}

async function joined(server: ServerProcess): Promise<Room> {
  const client = new Client(server.origin);
  client.http.authToken = await PlayerKey.generate().prove(server.origin);
  return quietly(await client.joinOrCreate("portals"));
}

/** Two servers that meet, and are started again with so much of everything in their stores. */
async function pairWith(
  servers: Servers,
  name: string,
  much: Much,
  endpoint: string,
): Promise<readonly [ServerProcess, ServerProcess]> {
  const flags = ["--max-peers", "20000", "--routes", String(much.routes)];
  const kinds = ["home", "abroad"].map((place) => ({
    ...{ name: `${name}-${place}`, script: "bench/federated-server.ts", flags },
  }));
  const met = await servers.start(kinds);
  await Promise.all(met.map((server) => server.kill("SIGTERM")));
  const [home, abroad] = await Promise.all(
    met.map(async (server) => {
      await fill(server.spec, much, endpoint);
      return servers.restart(server);
    }),
  );
  if (home === undefined || abroad === undefined) throw new Error("no servers");
  await Promise.all([home.knows(abroad.origin), abroad.knows(home.origin)]);
  return [home, abroad];
}

async function fill(
  { data, origin }: { readonly data: string; readonly origin: string },
  { peers, rows }: Much,
  endpoint: string,
): Promise<void> {
  const store = new KeyvStore(new SqliteEngine({ path: join(data, DATA_FILES.store) }));
  const leases = new LeaseBook({ clock: systemClock, leaseSeconds: 30 });
  const ledger = new CustodyLedger({
    ...{ origin, store, leases, clock: systemClock, random: systemRandom, logger: quietLogger() },
  });
  try {
    await Promise.all(
      [...(await peerRows(peers, endpoint))].map(([key, row]) => store.set(key, row)),
    );
    for (let from = 0; from < rows; from += WRITTEN_AT_ONCE) {
      const count = Math.min(WRITTEN_AT_ONCE, rows - from);
      await Promise.all(
        Array.from({ length: count }, (_, n) =>
          ledger.admit(`bench-${from + n}`, { name: "Ada", jkt: undefined }),
        ),
      );
    }
  } finally {
    await store.close();
  }
}

function told({ peers, rows, routes }: Much): string {
  const many = (count: number): string => count.toLocaleString("en");
  return `${many(peers)} peers, ${many(rows)} rows, ${many(routes)} routes`;
}
