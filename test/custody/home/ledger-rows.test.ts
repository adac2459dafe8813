import assert from "node:assert/strict";
import { LEDGER_TABLE } from "../../../src/custody/home/ledger-columns.ts";
import { LedgerRows } from "../../../src/custody/home/ledger-rows.ts";
import type { LedgerRow } from "../../../src/custody/home/ledger-row.ts";
import type { Table } from "../../../src/ports.ts";
import { type MemoryDisk, MemoryStore } from "../../../src/storage/memory-store.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const HOME = "https://home.example";
const FAR = "https://far.example";
const fresh: LedgerRow = { localId: "ada", name: "Ada", holder: HOME, epoch: 0 };

/** One process: its rows, and how often its table was asked. */
function processOn(disk: MemoryDisk, isRecorded?: () => boolean) {
  const store = new MemoryStore(undefined, disk);
  const table = store.table(LEDGER_TABLE);
  const counts = { get: 0, update: 0 };
  const { get, update } = { get: table.get.bind(table), update: table.update.bind(table) };
  table.get = (key) => {
    counts.get += 1;
    return get(key);
  };
  table.update = (...args) => {
    counts.update += 1;
    return update(...args);
  };
  const rows = new LedgerRows({ store, origin: HOME, random: seededRandom(1), isRecorded });
  return { rows, table, counts };
}

const raised = (row: LedgerRow | undefined): LedgerRow => ({
  ...(row ?? fresh),
  epoch: (row ?? fresh).epoch + 1,
});
const listed = async (rows: LedgerRows): Promise<string[]> => {
  const found: string[] = [];
  for await (const { localId } of rows.open()) found.push(localId);
  return found;
};

describe("custody/home/ledger-rows", () => {
  let disk: MemoryDisk;
  beforeEach(() => {
    disk = new Map();
  });

  it("decides on the row that it has written, without reading it again", async () => {
    const { rows, counts } = processOn(disk);
    await rows.update("ada", () => fresh);
    const reads = counts.get;
    for (let each = 0; each < 5; each += 1) await rows.update("ada", raised);
    assert.equal(counts.get, reads);
    assert.equal((await rows.get("ada"))?.epoch, 5);
  });

  it("decides again on what another process has written since", async () => {
    const [one, two] = [processOn(disk), processOn(disk)];
    await one.rows.update("ada", () => fresh);
    await two.rows.update("ada", (row) => ({ ...raised(row), holder: FAR }));
    const seen: (LedgerRow | undefined)[] = [];
    await one.rows.update("ada", (row) => {
      seen.push(row);
      return raised(row);
    });
    assert.deepEqual(
      seen.map((row) => row?.epoch),
      [0, 1],
    );
    assert.deepEqual(await two.rows.get("ada"), { ...fresh, holder: FAR, epoch: 2 });
  });

  it("refuses nothing, and repeats nothing, for a row that another process has changed", async () => {
    const [one, two] = [processOn(disk), processOn(disk)];
    await one.rows.update("ada", () => fresh);
    await two.rows.update("ada", raised);
    const row = await one.rows.update("ada", (found) => found);
    assert.equal(row?.epoch, 1);
  });

  it("takes no new row for one that it knew under the same name", async () => {
    const [one, two] = [processOn(disk), processOn(disk)];
    await one.rows.update("ada", () => ({ ...fresh, name: "old" }));
    await two.rows.update("ada", () => undefined);
    const other = new LedgerRows({
      ...{ store: new MemoryStore(undefined, disk), origin: HOME, random: seededRandom(2) },
    });
    await other.update("ada", () => ({ ...fresh, name: "new" }));
    assert.equal((await one.rows.update("ada", raised)).name, "new");
  });

  it("remembers nothing of a write of which nobody knows whether it was made", async () => {
    const { rows, table } = processOn(disk);
    await rows.update("ada", () => fresh);
    const update: Table["update"] = table.update.bind(table);
    table.update = async (...args) => {
      await update(...args);
      throw new Error("no answer");
    };
    await assert.rejects(rows.update("ada", raised), /no answer/u);
    table.update = update;
    const seen: (number | undefined)[] = [];
    await rows.update("ada", (row) => {
      seen.push(row?.epoch);
      return raised(row);
    });
    assert.deepEqual(seen, [1]);
  });

  it("agrees with a row that is always read, whoever writes in between", async () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const random = seededRandom(seed);
      disk = new Map();
      const processes = [processOn(disk), processOn(disk), processOn(disk)];
      let expected = 0;
      await processes[0]?.rows.update("ada", () => fresh);
      await Promise.all(
        Array.from({ length: 24 }, async () => {
          const { rows } = processes[Math.floor(random.fraction() * 3)]!;
          for (let turns = random.fraction() * 20; turns > 0; turns -= 1) await Promise.resolve();
          const skips = random.fraction() < 0.3;
          const row = await rows.update("ada", (found) => (skips ? found : raised(found)));
          if (!skips) expected += 1;
          assert.ok(row !== undefined && row.epoch <= 24);
        }),
      );
      assert.equal((await processes[1]?.rows.get("ada"))?.epoch, expected, `seed ${seed}`);
    }
  });

  it("lists whoever is away, or leaves, and who came home until that is recorded", async () => {
    let recorded = false;
    const { rows } = processOn(disk, () => recorded);
    await rows.update("ada", () => fresh);
    await rows.update("bob", () => ({ ...fresh, localId: "bob", holder: FAR }));
    assert.deepEqual(await listed(rows), ["bob"]);
    const transfer = { id: "t", from: HOME, to: FAR, world: "pit", deadline: 1 };
    await rows.update("ada", (row) => ({ ...(row ?? fresh), transfer }));
    assert.deepEqual(await listed(rows), ["ada", "bob"]);
    await rows.update("ada", () => fresh);
    const last = { kind: "claim", transferId: "t", epoch: 1, from: FAR, to: HOME, at: 1 } as const;
    await rows.update("bob", (row) => ({ ...raised(row), localId: "bob", holder: HOME, last }));
    assert.deepEqual(await listed(rows), ["bob"], "its crossing may be written down nowhere");
    await rows.update("bob", raised);
    assert.deepEqual(await listed(rows), ["bob"]);
    recorded = true;
    await rows.update("bob", raised);
    assert.deepEqual(await listed(rows), []);
  });

  it("keeps a row on the list that has changed since its crossing was looked for", async () => {
    const { rows } = processOn(disk);
    const last = { kind: "claim", transferId: "t", epoch: 1, from: FAR, to: HOME, at: 1 } as const;
    const row = await rows.update("ada", () => ({ ...fresh, last }));
    await rows.recorded({ ...row, epoch: 7 });
    assert.deepEqual(await listed(rows), ["ada"]);
    await rows.recorded(row);
    assert.deepEqual(await listed(rows), []);
  });
});
