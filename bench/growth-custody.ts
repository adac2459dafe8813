/** What custody costs with few and with many rows: start, decisions, the sweep of guests. */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LEDGER_TABLE } from "../src/custody/home/ledger-columns.ts";
import { type HomeSide, composeHome } from "../src/custody/home/home-side.ts";
import { settleHome } from "../src/custody/home/settle-home.ts";
import { generateSigningKey } from "../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../src/ports.ts";
import { KeyvStore } from "../src/storage/keyv-store.ts";
import { SqliteEngine } from "../src/storage/sqlite-engine.ts";

const HOME = "https://home.example";
const NEAR = "https://near.example";
const COUNTS = [1_000, 1_000_000];
/** Players who are away, however many were ever seen. */
const AWAY = 200;
const DECISIONS = 4_096;
const IN_FLIGHT = 64;
const CROSSINGS = 100_000;

/** One figure, at each count. */
export interface Growth {
  readonly name: string;
  readonly unit: string;
  readonly points: { readonly count: number; readonly value: number }[];
}

const idOf = (player: number): string => `player${String(player).padStart(8, "0")}`;

/** Measures with a thousand and a million rows. Takes about a minute, and half a gigabyte of disk. */
export async function custodyGrowth(): Promise<
  { name: string; unit: string; points: { count: number; value: number }[] }[]
> {
  const figures = new Map<string, Growth>();
  for (const count of COUNTS) {
    const folder = await mkdtemp(join(tmpdir(), "aether-bench-"));
    try {
      for (const [name, unit, value] of await measured(join(folder, "s.sqlite"), count)) {
        const figure = figures.get(name) ?? { name, unit, points: [] };
        figure.points.push({ count, value });
        figures.set(name, figure);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return [...figures.values()];
}

type Figure = readonly [name: string, unit: string, value: number];

async function measured(path: string, count: number): Promise<Figure[]> {
  await fill(path, count);
  const loop = new LoopWatch();
  const started = performance.now();
  const store = new KeyvStore(new SqliteEngine({ path }));
  try {
    const home = compose(store);
    await settleHome({ ...home, origin: HOME }, () => Promise.resolve(true));
    const start = performance.now() - started;
    const swept = performance.now();
    for await (const _ of home.ledger.openRows("guest-")) throw new Error("there is no guest");
    const sweep = performance.now() - swept;
    loop.stop();
    const cold = await decide(home, count, () => Math.floor(Math.random() * (count - AWAY)) + AWAY);
    const warm = await decide(home, count, (each) => AWAY + (each % 512));
    const before = (await stat(path)).size;
    await cross(home);
    await store.compareAndSet("checkpoint", undefined, "1");
    const bytes = sizeOf(path) - before;
    return [
      ["start: open the store and settle", "ms", start],
      ["sweep of guests", "ms", sweep],
      ["longest stretch of the event loop in both", "ms", loop.longest],
      [`decision, ${IN_FLIGHT} in flight, any player`, "µs", cold],
      [`decision, ${IN_FLIGHT} in flight, one of 512`, "µs", warm],
      ["file for one row", "B", before / count],
      ["file for one crossing in the history", "B", bytes / CROSSINGS],
    ];
  } finally {
    await store.close();
  }
}

/** The longest time between two turns of the event loop. */
class LoopWatch {
  longest = 0;
  #last = performance.now();
  #timer = setImmediate(() => {
    this.#turn();
  });

  stop(): void {
    this.#note();
    clearImmediate(this.#timer);
  }

  #turn(): void {
    this.#note();
    this.#timer = setImmediate(() => {
      this.#turn();
    });
  }

  #note(): void {
    const now = performance.now();
    this.longest = Math.max(this.longest, now - this.#last);
    this.#last = now;
  }
}

function compose(store: KeyvStore): HomeSide {
  const key = generateSigningKey(systemRandom);
  const silent = (): void => undefined;
  return composeHome({
    ...{ origin: HOME, store, clock: systemClock, random: systemRandom },
    logger: { debug: silent, info: silent, warn: silent, error: console.error },
    peerKey: () => undefined,
    peers: { call: () => Promise.reject(new Error("nobody is to be called")) },
    signingKey: () => key,
  });
}

/** Rows as the ledger writes them, most at home, written at once. */
async function fill(path: string, count: number): Promise<void> {
  const store = new KeyvStore(new SqliteEngine({ path }));
  await store.table(LEDGER_TABLE).get("");
  await store.close();
  const database = new DatabaseSync(path);
  const insert = database.prepare(
    `INSERT INTO custody (key, version, name, jkt, holder, epoch, state, listed)
     VALUES (?, 1, 'Ada', ?, ?, 7, ?, ?)`,
  );
  const state = JSON.stringify({ coins: ["plaza-1f3a", "plaza-77c0"], hat: "green" });
  database.exec("BEGIN");
  for (let player = 0; player < count; player += 1) {
    const away = player < AWAY;
    insert.run(idOf(player), "x".repeat(43), away ? NEAR : HOME, state, away ? 1 : null);
  }
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

/** Microseconds for one decision: a state is stored. */
async function decide(
  { ledger }: HomeSide,
  count: number,
  which: (each: number) => number,
): Promise<number> {
  const from = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (next < DECISIONS) {
        const each = next;
        next += 1;
        const player = which(each) % count;
        if (!(await ledger.save(idOf(player), 7, { each, at: from }))) {
          throw new Error(`nothing is stored of ${player}`);
        }
      }
    }),
  );
  return ((performance.now() - from) * 1000) / DECISIONS;
}

/** Writes crossings as a claim does, with receipts as long as real ones. */
async function cross({ history }: HomeSide): Promise<void> {
  const receipt = "r".repeat(620);
  for (let done = 0; done < CROSSINGS; done += 1_000) {
    const written = Promise.all(
      Array.from({ length: 1_000 }, (_, each) =>
        history.record(idOf((done + each) % 5_000), {
          ...{ transferId: systemRandom.uuid(), home: HOME, from: HOME, to: NEAR },
          ...{ epoch: Math.floor(done / 5_000), at: 1_800_000_000, receipt },
        }),
      ),
    );
    await history.flush();
    await written;
  }
}

function sizeOf(path: string): number {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA wal_checkpoint(FULL)");
  const pages = Number(database.prepare("PRAGMA page_count").get()?.["page_count"]);
  const bytes = Number(database.prepare("PRAGMA page_size").get()?.["page_size"]);
  database.close();
  return pages * bytes;
}
