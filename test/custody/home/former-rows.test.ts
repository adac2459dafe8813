import assert from "node:assert/strict";
import { takeOverLedger } from "../../../src/custody/home/former-rows.ts";
import { LedgerRows } from "../../../src/custody/home/ledger-rows.ts";
import type { LedgerRow } from "../../../src/custody/home/ledger-row.ts";
import { type MemoryDisk, MemoryStore } from "../../../src/storage/memory-store.ts";
import { recordingLogger } from "../../support/loggers.ts";
import { seededRandom } from "../../support/seeded-random.ts";

const HOME = "https://home.example";
const FAR = "https://far.example";
const full: LedgerRow = {
  ...{ localId: "full", name: "Ada", jkt: "x".repeat(43), holder: FAR, epoch: 9 },
  transfer: { id: "t1", from: FAR, to: HOME, world: "pit", deadline: 12.5, handed: "digest" },
  last: { kind: "claim", transferId: "t0", epoch: 9, from: HOME, to: FAR, at: 17, digest: "d" },
  recalled: true,
  lapsed: [{ holder: FAR, epoch: 3, cancelled: 2, played: true }],
  state: { gold: [1, { deep: null }], "": "🪙" },
  brought: { hat: FAR },
  within: { "/bag/coin": FAR },
  untold: [{ from: FAR, kept: ["/a"], lost: ["/b"], more: 1 }],
  ...{ life: "life", grantor: "grantor", stateSentAt: 1_700_000_000.25 },
};

describe("custody/home/former-rows", () => {
  let disk: MemoryDisk;
  let lines: string[];
  beforeEach(() => {
    disk = new Map();
    lines = [];
  });
  const options = (store: MemoryStore) => ({
    ...{ store, origin: HOME, random: seededRandom(1), logger: recordingLogger(lines) },
  });
  const former = async (rows: readonly (LedgerRow | string)[]): Promise<void> => {
    const store = new MemoryStore(undefined, disk);
    for (const row of rows) {
      const key = typeof row === "string" ? "broken" : row.localId;
      await store.set(`custody/${key}`, typeof row === "string" ? row : JSON.stringify(row));
    }
  };
  const present = async (): Promise<LedgerRow[]> => {
    const found: LedgerRow[] = [];
    const rows = new LedgerRows(options(new MemoryStore(undefined, disk)));
    for await (const row of rows.all()) found.push(row);
    return found;
  };

  it("brings every member of a row over, and leaves nothing of the former one", async () => {
    const plain: LedgerRow = { localId: "plain", name: "Bob", holder: HOME, epoch: 0 };
    await former([full, plain]);
    const store = new MemoryStore(undefined, disk);
    await takeOverLedger(options(store));
    assert.deepEqual(await present(), [full, plain]);
    for await (const [key] of store.entries("")) assert.fail(key);
  });

  it("goes on after a crash at any write, and keeps what was decided since", async () => {
    const players = Array.from({ length: 6 }, (_, each): LedgerRow => {
      return { localId: `p${each}`, name: "Bob", holder: HOME, epoch: each, state: { each } };
    });
    for (let last = 0; last <= 13; last += 1) {
      disk = new Map();
      await former(players);
      const dying = new MemoryStore(undefined, disk);
      let writes = 0;
      const counted = <Arguments extends unknown[]>(
        write: (...args: Arguments) => Promise<boolean>,
      ) => {
        return (...args: Arguments): Promise<boolean> => {
          writes += 1;
          return writes > last ? Promise.reject(new Error("dead")) : write(...args);
        };
      };
      const table = dying.table.bind(dying);
      dying.table = (spec) => {
        const real = table(spec);
        real.insert = counted(real.insert.bind(real));
        return real;
      };
      dying.compareAndSet = counted(dying.compareAndSet.bind(dying));
      await takeOverLedger(options(dying)).catch(() => undefined);
      await takeOverLedger(options(new MemoryStore(undefined, disk)));
      assert.deepEqual(await present(), players, `after ${last} writes`);
    }
  });

  it("refuses the player whose row cannot be read, and keeps its text", async () => {
    await former(["{"]);
    const store = new MemoryStore(undefined, disk);
    await takeOverLedger(options(store));
    const rows = new LedgerRows(options(store));
    await assert.rejects(rows.get("broken"), { code: "ERR_FED_ROW_DAMAGED" });
    assert.equal(await store.get("damaged/custody/broken"), "{");
  });
});
