/** What depends on how much there is: a curve for each figure, and all of it at once in live servers. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SessionKeeper } from "../src/handshake/session-keeper.ts";
import { systemRandom } from "../src/ports.ts";
import { TrustState } from "../src/registry/federated-server.ts";
import { ServerRegistry } from "../src/registry/server-registry.ts";
import { RoutingTable } from "../src/routing/routing-table.ts";
import { KeyvStore } from "../src/storage/keyv-store.ts";
import { SqliteEngine } from "../src/storage/sqlite-engine.ts";
import { ManualClock } from "../src/testing/manual-clock.ts";
import { CustodyServers, bodyThatCarries } from "../test/support/custody-servers.ts";
import { quietLogger } from "../test/support/loggers.ts";
import { type Curve, type CurveSection, curveSection, median, watched } from "./curves.ts";
import { custodyGrowth } from "./growth-custody.ts";
import { probeGrowth } from "./growth-probes.ts";
import { renewalGrowth } from "./growth-renewals.ts";
import { benchLarge } from "./growth-servers.ts";
import { memoryGrowth, startGrowth } from "./growth-start.ts";
import type { Section } from "./measure.ts";
import { peerRows } from "./peer-rows.ts";
import { CARRIED } from "./room.ts";
import { peerOf, routesOf } from "./routing-texts.ts";

const PEERS = [10, 1_000, 10_000];
const PLAYERS = [10, 1_000, 10_000];
const ROUTES = [10, 1_000, 10_000, 100_000];
const LOOK_UPS = 20_000;
const RUNS = 7;

export async function benchGrowth(): Promise<Section[]> {
  const sections: CurveSection[] = [
    curveSection("peers known", await peers()),
    curveSection("routes", await routes()),
    curveSection("players at home", await players()),
  ];
  sections.push(
    curveSection("peers probed", await probeGrowth()),
    curveSection("visiting players", await renewalGrowth()),
    curveSection("what a start finds", await startGrowth()),
    curveSection("what is held in memory", await memoryGrowth()),
    curveSection("custody rows", await custodyGrowth()),
  );
  return [...sections, ...(await benchLarge())];
}

async function peers(): Promise<Curve[]> {
  const curves = {
    load: curve("the registry loads", "ms"),
    stretch: curve("longest stretch of it", "ms"),
    refresh: curve("one change of another process is read", "µs"),
    lookUp: curve("a peer is looked up", "ns"),
    round: curve("the keeper's round", "µs"),
    block: curve("a block that reaches nobody", "ms"),
    blockStretch: curve("longest stretch of that", "ms"),
  };
  for (const count of PEERS) {
    const folder = await mkdtemp(join(tmpdir(), "aether-growth-"));
    const path = join(folder, "store.sqlite");
    const open = (): KeyvStore => new KeyvStore(new SqliteEngine({ path }));
    const [store, other] = [open(), open()];
    try {
      await Promise.all([...(await peerRows(count))].map(([key, row]) => store.set(key, row)));
      const make = (of: KeyvStore): ServerRegistry =>
        new ServerRegistry({ store: of, maxPeers: 20_000 });
      const loads: { took: number; stretch: number }[] = [];
      for (let run = 0; run < RUNS; run += 1) loads.push(await watched(() => make(store).load()));
      curves.load.points.push(
        await pointOf(
          count,
          loads.map(({ took }) => took),
        ),
      );
      curves.stretch.points.push(
        await pointOf(
          count,
          loads.map(({ stretch }) => stretch),
        ),
      );
      const [registry, changing] = [make(store), make(other)];
      await Promise.all([registry.load(), changing.load()]);
      const origins = registry.list().map(({ origin }) => origin);
      const [first = ""] = origins;
      const refresh = await median(RUNS, async () => {
        const { trust } = changing.get(first) ?? {};
        const next = trust === TrustState.Trusted ? TrustState.Pending : TrustState.Trusted;
        await changing.setTrust(first, next);
        const { took } = await watched(() => registry.refresh());
        return took * 1000;
      });
      curves.refresh.points.push({ count, value: refresh });
      const lookUp = await median(RUNS, () => {
        const from = performance.now();
        for (let each = 0; each < LOOK_UPS; each += 1) {
          registry.get(origins[(each * 7_919) % count] ?? "");
        }
        return ((performance.now() - from) * 1e6) / LOOK_UPS;
      });
      curves.lookUp.points.push({ count, value: lookUp });
      curves.round.points.push({ count, value: await round(origins) });
      const blocks: { took: number; stretch: number }[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        blocks.push(await watched(() => registry.block(`*.elsewhere-${run}.example`)));
      }
      const [took, stretch] = [blocks.map((each) => each.took), blocks.map((each) => each.stretch)];
      curves.block.points.push(await pointOf(count, took));
      curves.blockStretch.points.push(await pointOf(count, stretch));
    } finally {
      await Promise.all([store.close(), other.close()]);
      await rm(folder, { recursive: true });
    }
  }
  return Object.values(curves);
}

/** What a round of the session keeper takes, in µs, where every peer has its session. */
async function round(origins: readonly string[]): Promise<number> {
  const clock = new ManualClock();
  const all = new Set(origins);
  const keeper = new SessionKeeper({
    wanted: () => all,
    isWanted: (origin) => all.has(origin),
    expiresAt: () => clock.now() / 1000 + 20 * 3600,
    connect: () => Promise.reject(new Error("nobody is to be called")),
    ...{ clock, random: systemRandom, logger: quietLogger() },
  });
  keeper.start();
  const value = await median(101, () => {
    const from = performance.now();
    clock.advance(500);
    return (performance.now() - from) * 1000;
  });
  keeper.stop();
  return value;
}

async function routes(): Promise<Curve[]> {
  const known = curve("a text that is known is resolved", "ns");
  const fresh = curve("a text never seen before is", "ns");
  for (const count of ROUTES) {
    const table = new RoutingTable({ peerFor: peerOf });
    for (const { pattern } of routesOf(count)) {
      if (pattern !== undefined) table.addRoute({ pattern, server: "https://arena.example" });
    }
    const patterns = table.routes().map(({ pattern }) => pattern.replaceAll("*", "plaza"));
    let serial = 0;
    for (const [into, texts] of [
      [known, () => patterns.slice(0, 256)],
      [fresh, () => patterns.slice(0, LOOK_UPS).map((text) => `${text}?n=${(serial += 1)}`)],
    ] as const) {
      const value = await median(RUNS, () => {
        const given = texts().map((text) => Buffer.from(text).toString());
        const from = performance.now();
        for (let each = 0; each < LOOK_UPS; each += 1) {
          table.resolve(given[each % given.length] ?? "");
        }
        return ((performance.now() - from) * 1e6) / LOOK_UPS;
      });
      into.points.push({ count, value });
    }
  }
  return [known, fresh];
}

async function players(): Promise<Curve[]> {
  const all = curve("all are asked, and nothing has changed", "ms");
  const stretch = curve("longest stretch of it", "ms");
  for (const count of PLAYERS) {
    const servers = new CustodyServers();
    const home = servers.add("https://home.example");
    for (let n = 0; n < count; n += 1) {
      const known = { name: "Ada", jkt: undefined, guest: false };
      await home.custody.login(`p${n}`, known, bodyThatCarries({ ...CARRIED, n }));
    }
    const saves: { took: number; stretch: number }[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const save = await watched(async () => {
        let done = false;
        const saved = home.custody.saveAll().finally(() => {
          done = true;
        });
        while (!done) {
          servers.clock.advance(1);
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
        await saved;
      });
      // The first one stores everything.
      if (run > 0) saves.push(save);
    }
    all.points.push(
      await pointOf(
        count,
        saves.map(({ took }) => took),
      ),
    );
    stretch.points.push(
      await pointOf(
        count,
        saves.map((save) => save.stretch),
      ),
    );
  }
  return [all, stretch];
}

function curve(
  name: string,
  unit: string,
): {
  readonly name: string;
  readonly unit: string;
  readonly points: { count: number; value: number }[];
} {
  return { name, unit, points: [] };
}

async function pointOf(count: number, values: number[]): Promise<{ count: number; value: number }> {
  return { count, value: await median(values.length, () => values.pop() ?? 0) };
}
