/** How many custody decisions home takes in a second, against SQLite doing the same writes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { HomeAnswers } from "../src/custody/home/answers.ts";
import { type HomeSide, composeHome } from "../src/custody/home/home-side.ts";
import { loggerOf } from "../src/federation/logging.ts";
import type { LedgerRow } from "../src/custody/home/ledger-row.ts";
import { type SigningKey, generateSigningKey } from "../src/identity/server-keys.ts";
import { systemClock, systemRandom } from "../src/ports.ts";
import { KeyvStore } from "../src/storage/keyv-store.ts";
import { SqliteEngine } from "../src/storage/sqlite-engine.ts";
import { Samples, type Section, compare } from "./measure.ts";

const HOME = "https://home.example";
const NEAR = "https://near.example";
const FAR = "https://far.example";
const PLAYERS = 1024;
const IN_FLIGHT = 64;
const ALONE = 128;
const ROUNDS = 15;
const WARM_UP = 2;
/** The least of raw SQLite's speed. */
const TARGETS = { many: 0.75, one: 0.85 };

const state = (count: number) => ({
  coins: ["plaza-1f3a", "plaza-77c0", "arena-0b52"],
  hat: "green",
  count,
});
const id = (player: number): string => `player${String(player).padStart(8, "0")}`;
const name = (player: number): string => `${id(player)}@${new URL(HOME).host}`;

interface Subject {
  readonly name: string;
  readonly inFlight: number;
  /** Who holds the players when a round begins. */
  readonly holder?: string;
  /** Before the round, outside of what is measured; `prepare` for each player. */
  readonly begin?: () => void;
  readonly prepare?: (player: number) => Promise<unknown>;
  readonly run: (player: number) => Promise<{ readonly ok: boolean }>;
}

export async function benchLedger(): Promise<Section[]> {
  const folder = await mkdtemp(join(tmpdir(), "aether-bench-"));
  const store = new KeyvStore(new SqliteEngine({ path: join(folder, "ledger.sqlite") }));
  const raw = new RawWrites(join(folder, "raw.sqlite"));
  try {
    const home = new Home(store);
    return [
      await section(home, raw, {
        title: `a decision, ${IN_FLIGHT} in flight`,
        anchor: { writes: 1, inFlight: IN_FLIGHT },
        subjects: storageOnly(home, IN_FLIGHT),
        target: TARGETS.many,
      }),
      await section(home, raw, {
        title: "a decision, one at a time",
        anchor: { writes: 1, inFlight: 1 },
        subjects: storageOnly(home, 1),
        target: TARGETS.one,
      }),
      await section(home, raw, {
        title: `depart (also signs), ${IN_FLIGHT} in flight`,
        anchor: { writes: 2, inFlight: IN_FLIGHT },
        subjects: [depart(home)],
      }),
      await section(home, raw, {
        title: `claim (also signs), ${IN_FLIGHT} in flight`,
        anchor: { writes: 1, inFlight: IN_FLIGHT },
        subjects: [claim(home)],
      }),
    ];
  } finally {
    await store.close();
    raw.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A ledger with players whose rows can be set as a round needs them. */
class Home {
  answers: HomeAnswers;
  #ledger: HomeSide["ledger"];
  readonly #key: SigningKey;
  readonly #store: KeyvStore;
  /** Transfers of the round that goes on, by player. */
  transfers: string[] = [];
  seconds = Math.floor(Date.now() / 1000);

  constructor(store: KeyvStore) {
    const key = generateSigningKey(systemRandom);
    this.#store = store;
    this.#key = key;
    ({ answers: this.answers, ledger: this.#ledger } = this.#compose());
  }

  /** A home that remembers no row. */
  forget(): void {
    ({ answers: this.answers, ledger: this.#ledger } = this.#compose());
  }

  #compose(): HomeSide {
    return composeHome({
      origin: HOME,
      store: this.#store,
      clock: systemClock,
      random: systemRandom,
      logger: loggerOf(console),
      peerKey: () => undefined,
      peers: { call: () => Promise.reject(new Error("nobody is to be called")) },
      signingKey: () => this.#key,
    });
  }

  async begin(holder: string): Promise<void> {
    this.transfers = Array.from({ length: PLAYERS }, () => crypto.randomUUID());
    this.seconds += 1;
    await each(PLAYERS, PLAYERS, (player) => {
      const row: LedgerRow = {
        localId: id(player),
        name: "Ada",
        jkt: "x".repeat(43),
        holder,
        epoch: 7,
        state: state(0),
      };
      return this.#ledger
        .admit(row.localId, { name: row.name, jkt: row.jkt })
        .then(() => this.#ledger.decide(row.localId, undefined, () => ({ ok: true, row })));
    });
  }
}

/** The decisions that are a compare-and-set and nothing else. */
function storageOnly(home: Home, inFlight: number): Subject[] {
  const common = { inFlight, holder: NEAR };
  const cancel: Subject["run"] = (player) =>
    home.answers.cancel(NEAR, {
      transferId: home.transfers[player] ?? "",
      player: name(player),
      epoch: 7,
    });
  return [
    {
      ...common,
      name: "cancel",
      run: cancel,
    },
    {
      ...common,
      name: "cancel, row not in memory",
      begin: () => {
        home.forget();
      },
      run: cancel,
    },
    {
      ...common,
      name: "return, with state",
      run: (player) =>
        home.answers.giveBack(NEAR, { player: name(player), epoch: 7, state: state(home.seconds) }),
    },
    {
      ...common,
      name: "renew, with state",
      run: (player) =>
        home.answers.renew(
          NEAR,
          { players: [{ player: name(player), epoch: 7, state: state(home.seconds) }] },
          home.seconds,
        ),
    },
  ];
}

function depart(home: Home): Subject {
  return {
    name: "depart",
    inFlight: IN_FLIGHT,
    holder: NEAR,
    run: (player) => openTransfer(home, player),
  };
}

function claim(home: Home): Subject {
  return {
    name: "claim",
    inFlight: IN_FLIGHT,
    holder: NEAR,
    prepare: (player) => openTransfer(home, player),
    run: (player) => home.answers.claim(FAR, home.transfers[player] ?? ""),
  };
}

function openTransfer(home: Home, player: number): ReturnType<HomeAnswers["depart"]> {
  return home.answers.depart(NEAR, {
    transferId: home.transfers[player] ?? "",
    player: name(player),
    epoch: 7,
    to: FAR,
    world: "pit",
    state: state(home.seconds),
  });
}

async function section(
  home: Home,
  raw: RawWrites,
  plan: {
    readonly title: string;
    readonly anchor: { readonly writes: number; readonly inFlight: number };
    readonly subjects: readonly Subject[];
    readonly target?: number;
  },
): Promise<Section> {
  const { title, anchor, subjects, target } = plan;
  const samples = new Samples();
  const anchorName = `node:sqlite, ${anchor.writes * anchor.inFlight} in a transaction`;
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    const record = (what: string, from: number, count: number): void => {
      if (round >= 0) samples.add(what, ((performance.now() - from) * 1000) / count);
    };
    const count = anchor.inFlight === 1 ? ALONE : PLAYERS;
    for (const compare of [false, true]) {
      const from = performance.now();
      raw.write(count * anchor.writes, anchor.inFlight * anchor.writes, compare);
      record(compare ? "node:sqlite, read, then write if unchanged" : anchorName, from, count);
    }
    const from = performance.now();
    await each(count, anchor.inFlight, (player) => raw.ask(player));
    record("node:sqlite, asked for by a promise each", from, count);
    for (const subject of subjects) {
      await home.begin(subject.holder ?? HOME);
      if (subject.prepare !== undefined) await each(count, PLAYERS, subject.prepare);
      subject.begin?.();
      const started = performance.now();
      await each(count, subject.inFlight, async (player) => {
        const { ok } = await subject.run(player);
        if (!ok) throw new Error(`the benchmark's own ${subject.name} is refused`);
      });
      record(subject.name, started, count);
    }
  }
  return compare(samples, {
    title,
    ratio: "speed",
    ...(target === undefined
      ? {}
      : { targets: Object.fromEntries(subjects.map((subject) => [subject.name, target])) }),
  });
}

/** Does `run` for 0 … count − 1, so many at a time, each flight's next as soon as one is done. */
async function each(
  count: number,
  inFlight: number,
  run: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(count, inFlight) }, async () => {
      while (next < count) await run(next++);
    }),
  );
}

/** The same writes without anything of ours: one table, rows as long, WAL, FULL. */
class RawWrites {
  readonly #database: DatabaseSync;
  readonly #statements;
  readonly #values: readonly string[];
  #turn = 0;
  #asked: { readonly player: number; readonly resolve: () => void }[] = [];

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    `);
    this.#statements = {
      update: this.#database.prepare("UPDATE entries SET value = ? WHERE key = ?"),
      read: this.#database.prepare("SELECT value FROM entries WHERE key = ?"),
      replace: this.#database.prepare("UPDATE entries SET value = ? WHERE key = ? AND value = ?"),
    };
    // SQLite writes nothing for a row that stays the same: 17 values go round, and no row keeps one.
    this.#values = Array.from({ length: 17 }, (_, count) => {
      const transferId = crypto.randomUUID();
      const last = {
        kind: "cancel",
        transferId,
        epoch: 8,
        from: NEAR,
        to: NEAR,
        at: 1_800_000_000,
      };
      const jkt = "x".repeat(43);
      const row = { localId: id(count), name: "Ada", jkt, holder: NEAR, epoch: 8 };
      return JSON.stringify({ ...row, state: state(count), last });
    });
    const insert = this.#database.prepare("INSERT INTO entries (key, value) VALUES (?, ?)");
    this.#database.exec("BEGIN");
    for (let player = 0; player < PLAYERS; player += 1) {
      insert.run(`custody/${id(player)}`, this.#values[0] ?? "");
    }
    this.#database.exec("COMMIT");
  }

  /** Writes rows, so many in a transaction; with `compare`, reads each and writes it if unchanged. */
  write(count: number, perTransaction: number, compare: boolean): void {
    const { update, read, replace } = this.#statements;
    for (let done = 0; done < count; done += perTransaction) {
      const end = Math.min(count, done + perTransaction);
      const before: string[] = [];
      for (let each = done; compare && each < end; each += 1) {
        before.push(read.get(rowKey(each))?.["value"] as string);
      }
      this.#database.exec("BEGIN IMMEDIATE");
      for (let each = done; each < end; each += 1) {
        this.#turn += 1;
        const value = this.#values[this.#turn % this.#values.length] ?? "";
        if (compare) replace.run(value, rowKey(each), before[each - done] ?? "");
        else update.run(value, rowKey(each));
      }
      this.#database.exec("COMMIT");
    }
  }

  /** Writes a row; what is asked for in one turn of the event loop is one transaction. The least that decides nothing. */
  ask(player: number): Promise<void> {
    return new Promise((resolve) => {
      this.#asked.push({ player, resolve });
      if (this.#asked.length > 1) return;
      setImmediate(() => {
        const asked = this.#asked;
        this.#asked = [];
        this.#database.exec("BEGIN IMMEDIATE");
        for (const each of asked) {
          this.#turn += 1;
          const value = this.#values[this.#turn % this.#values.length] ?? "";
          this.#statements.update.run(value, rowKey(each.player));
        }
        this.#database.exec("COMMIT");
        for (const each of asked) each.resolve();
      });
    });
  }

  close(): void {
    this.#database.close();
  }
}

const rowKey = (player: number): string => `custody/${id(player % PLAYERS)}`;
