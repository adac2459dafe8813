/** What renewing the leases of visiting players costs, at the server they visit and at home. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Custody } from "../src/custody/custody.ts";
import { Leases } from "../src/custody/holder/leases.ts";
import { VisitorBook } from "../src/custody/holder/visitors.ts";
import { LEDGER_TABLE } from "../src/custody/home/ledger-columns.ts";
import { remoteHome } from "../src/custody/shared/home.ts";
import { PlayerSession, PlayerSessions } from "../src/custody/shared/player-session.ts";
import { NO_SEATS } from "../src/custody/destination/seat-host.ts";
import { generateSigningKey } from "../src/identity/server-keys.ts";
import { type PeerAnswer, systemRandom } from "../src/ports.ts";
import { KeyvStore } from "../src/storage/keyv-store.ts";
import { SqliteEngine } from "../src/storage/sqlite-engine.ts";
import { bodyThatCarries } from "../test/support/custody-servers.ts";
import { quietLogger } from "../test/support/loggers.ts";
import { type Curve, Curves, watched } from "./curves.ts";
import { QueueClock } from "../test/support/queue-clock.ts";
import { CARRIED } from "./room.ts";

const KINDS = [
  { count: 10, homes: 1 },
  { count: 1_000, homes: 100 },
  { count: 10_000, homes: 1_000 },
];
const RUNS = 5;
const LEASE_SECONDS = 30;
/** In this time every lease is renewed once: a third of it, by a fifth less for some homes. */
const BEAT_MILLISECONDS = (LEASE_SECONDS * 1000) / 3;
const HOME = "https://home.example";
const NEAR = "https://near.example";

/** Of ten players of one home, a thousand of a hundred, ten thousand of a thousand; and of one home alone. */
export async function renewalGrowth(): Promise<Curve[]> {
  const curves = new Curves();
  for (const { count, homes } of KINDS) {
    await visited(curves, "", count, homes);
    await visited(curves, ", all of one home", count, 1);
    await atHome(curves, count);
  }
  return curves.all();
}

async function visited(curves: Curves, of: string, count: number, homes: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "aether-growth-"));
  const store = new KeyvStore(new SqliteEngine({ path: join(folder, "store.sqlite") }));
  const clock = new QueueClock();
  let [calls, underWay] = [0, 0];
  // A home that renews everybody, a turn of the event loop later.
  const call = async (): Promise<PeerAnswer> => {
    calls += 1;
    underWay += 1;
    await new Promise<void>((resolve) => setImmediate(resolve));
    underWay -= 1;
    return { ok: true, status: 200, body: { leaseSeconds: LEASE_SECONDS, lost: [] } };
  };
  const sessions = new PlayerSessions();
  const visitors = new VisitorBook(store);
  const leases = new Leases({
    ...{ sessions, visitors, clock, logger: quietLogger() },
    homeAt: (origin) => remoteHome({ call }, origin, true),
  });
  try {
    const bodies = [];
    for (let n = 0; n < count; n += 1) {
      const host = `home-${n % homes}.example`;
      const body = bodyThatCarries({ ...CARRIED, n });
      const session = new PlayerSession({
        ...{ player: `p${n}@${host}`, home: `https://${host}`, atHome: false, name: "Ada" },
        ...{ guest: false, epoch: 2, body },
      });
      sessions.add(session);
      leases.won(session, clock.monotonic(), LEASE_SECONDS);
      bodies.push(body);
    }
    const beat = (): Promise<{ took: number; stretch: number }> =>
      watched(() => clock.pass(BEAT_MILLISECONDS, () => underWay === 0));
    // The first tells every home what its players carry.
    await beat();
    const runs = { still: [] as number[], stretch: [] as number[], calls: [] as number[] };
    const moved: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      calls = 0;
      const still = await beat();
      runs.still.push(still.took);
      runs.stretch.push(still.stretch);
      runs.calls.push(calls);
      for (const body of bodies) body.carried = { ...CARRIED, run };
      const all = await beat();
      moved.push(all.took);
      runs.stretch.push(all.stretch);
    }
    await curves.add(`all are renewed once${of}`, "ms", count, runs.still);
    await curves.add(`the same, and each has changed${of}`, "ms", count, moved);
    await curves.add(`longest stretch of both${of}`, "ms", count, runs.stretch);
    await curves.add(`calls made${of}`, "calls", count, runs.calls);
  } finally {
    leases.stop();
    await store.close();
    await rm(folder, { recursive: true });
  }
}

/** Home answers the calls in which all of them are renewed, one after the other as one server makes them. */
async function atHome(curves: Curves, count: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "aether-growth-"));
  const path = join(folder, "store.sqlite");
  await fill(path, count);
  const store = new KeyvStore(new SqliteEngine({ path }));
  const clock = new QueueClock();
  const key = generateSigningKey(systemRandom);
  const custody = new Custody({
    ...{ origin: HOME, store, clock, random: systemRandom, logger: quietLogger(), seats: NO_SEATS },
    ...{ signingKey: () => key, issuerKey: () => undefined, leaseSeconds: LEASE_SECONDS },
    peers: { call: () => Promise.reject(new Error("nobody is to be called")) },
  });
  try {
    await custody.start();
    const renew = async (state: object | undefined): Promise<void> => {
      for (let from = 0; from < count; from += 200) {
        const players = Array.from({ length: Math.min(200, count - from) }, (_, n) => ({
          ...{ player: `p${from + n}@home.example`, epoch: 7 },
          ...(state === undefined ? {} : { state }),
        }));
        const answer = await custody.answer(NEAR, "renew", { players }, clock.now() / 1000);
        if (!answer.ok || (answer.body as { lost: unknown[] }).lost.length > 0) {
          throw new Error(`home does not renew: ${JSON.stringify(answer)}`);
        }
        // Each comes in a turn of its own.
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    };
    const [still, moved, stretch]: [number[], number[], number[]] = [[], [], []];
    await renew(undefined);
    for (let run = 0; run < RUNS; run += 1) {
      const one = await watched(() => renew(undefined));
      const other = await watched(() => renew({ ...CARRIED, run }));
      still.push(one.took);
      moved.push(other.took);
      stretch.push(one.stretch, other.stretch);
    }
    await curves.add("home answers for all of them", "ms", count, still);
    await curves.add("the same, and stores what each carries", "ms", count, moved);
    await curves.add("longest stretch of both at home", "ms", count, stretch);
  } finally {
    custody.stop();
    await store.close();
    await rm(folder, { recursive: true });
  }
}

/** Players who are away at one server, as home's ledger writes them. */
async function fill(path: string, count: number): Promise<void> {
  const store = new KeyvStore(new SqliteEngine({ path }));
  await store.table(LEDGER_TABLE).get("");
  await store.close();
  const database = new DatabaseSync(path);
  const insert = database.prepare(
    `INSERT INTO custody (key, version, name, jkt, holder, epoch, state, listed)
     VALUES (?, 1, 'Ada', ?, ?, 7, ?, 1)`,
  );
  database.exec("BEGIN");
  for (let n = 0; n < count; n += 1) {
    insert.run(`p${n}`, "x".repeat(43), NEAR, JSON.stringify(CARRIED));
  }
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}
