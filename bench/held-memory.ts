/**
 * What is held in memory of so many of one kind: `node --expose-gc bench/held-memory.ts KIND COUNT` prints
 * `{"heap": bytes, "resident": bytes}`, both after garbage was collected, beyond what the process had before. A
 * process for each, as nothing else tells apart what another kind has left.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Custody } from "../src/custody/custody.ts";
import { NO_SEATS } from "../src/custody/destination/seat-host.ts";
import { PlayerSession } from "../src/custody/shared/player-session.ts";
import { HealthMonitor } from "../src/health/health-monitor.ts";
import { generateSigningKey } from "../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../src/ports.ts";
import { ServerRegistry } from "../src/registry/server-registry.ts";
import { RoutingTable } from "../src/routing/routing-table.ts";
import { KeyvStore } from "../src/storage/keyv-store.ts";
import { SqliteEngine } from "../src/storage/sqlite-engine.ts";
import { bodyThatCarries } from "../test/support/custody-servers.ts";
import { quietLogger } from "../test/support/loggers.ts";
import { peerRows } from "./peer-rows.ts";
import { CARRIED } from "./room.ts";
import { peerOf, routesOf } from "./routing-texts.ts";

const HOME = "https://home.example";
/** Players whose logins wait together for one commit. */
const AT_ONCE = 500;

/** Makes so many of a kind and returns what keeps them. */
type Make = (store: KeyvStore, count: number) => unknown;

const KINDS: Readonly<Record<string, { readonly fill?: Make; readonly make: Make }>> = {
  peers: {
    fill: async (store, count) => {
      for (const [key, row] of await peerRows(count)) await store.set(key, row);
    },
    make: async (store) => {
      const registry = new ServerRegistry({ store, maxPeers: 20_000 });
      await registry.load();
      // As the runtime has it: every trusted peer is watched.
      const health = new HealthMonitor();
      for (const { origin } of registry.list()) health.watch(origin);
      return [registry, health];
    },
  },
  routes: {
    make: (_store, count) => {
      const table = new RoutingTable({ peerFor: peerOf });
      for (const { pattern } of routesOf(count)) {
        if (pattern !== undefined) table.addRoute({ pattern, server: "https://arena.example" });
      }
      return table;
    },
  },
  players: {
    make: async (store, count) => {
      const custody = custodyOn(store);
      await custody.start();
      for (let from = 0; from < count; from += AT_ONCE) {
        const logins = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, n) =>
          custody.login(
            `p${from + n}`,
            { name: "Ada", jkt: undefined, guest: false },
            bodyThatCarries({ ...CARRIED, n: from + n }),
          ),
        );
        await Promise.all(logins);
      }
      return custody;
    },
  },
  visitors: {
    make: async (store, count) => {
      const custody = custodyOn(store);
      await custody.start();
      for (let n = 0; n < count; n += 1) {
        const host = `home-${n % 1_000}.example`;
        const [player, home] = [`p${n}@${host}`, `https://${host}`];
        await custody.visitors.hold(player, home, { epoch: 2, phase: "held" });
        const session = new PlayerSession({
          ...{ player, home, atHome: false, name: "Ada", guest: false, epoch: 2 },
          body: bodyThatCarries({ ...CARRIED, n }),
        });
        custody.sessions.add(session);
        custody.leases.won(session, systemClock.monotonic(), 3600);
      }
      return custody;
    },
  },
};

function custodyOn(store: KeyvStore): Custody {
  const key = generateSigningKey(systemRandom);
  return new Custody({
    ...{ origin: HOME, store, clock: systemClock, random: systemRandom, logger: quietLogger() },
    ...{ seats: NO_SEATS, signingKey: () => key, issuerKey: () => undefined },
    peers: { call: () => Promise.reject(new Error("nobody is to be called")) },
  });
}

/** What the process holds once garbage is collected. */
async function used(): Promise<{ heap: number; resident: number }> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("run it with --expose-gc");
  for (let each = 0; each < 4; each += 1) {
    gc();
    await wait(20);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

const [, , name = "", counted = ""] = process.argv;
const kind = KINDS[name];
const count = Number(counted);
if (kind === undefined || !(count > 0)) {
  console.error(`held-memory ${Object.keys(KINDS).join("|")} COUNT`);
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), "aether-memory-"));
const open = (): KeyvStore => new KeyvStore(new SqliteEngine({ path: join(folder, "s.sqlite") }));
try {
  const store = open();
  await kind.fill?.(store, count);
  const before = await used();
  const held = await kind.make(store, count);
  const after = await used();
  if (held === undefined) throw new Error("nothing is held");
  console.log(
    JSON.stringify({
      heap: Math.max(0, after.heap - before.heap),
      resident: Math.max(0, after.resident - before.resident),
    }),
  );
} finally {
  await rm(folder, { recursive: true });
}
process.exit(0);
