import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LedgerRows } from "../../src/custody/home/ledger-rows.ts";
import { systemRandom } from "../../src/ports.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { CLI, runScript } from "../support/command-line.ts";
import { folderOfTest } from "../support/folders.ts";

const HERE = "https://here.example";
const rowsOf = (store: KeyvStore): LedgerRows =>
  new LedgerRows({ store, origin: HERE, random: systemRandom });

describe("cli/players", function () {
  this.timeout(20_000);
  const folder = folderOfTest();
  const cli = (...args: readonly string[]) => runScript(CLI, ...args, "--data", folder.path);

  async function withStore<T>(work: (store: KeyvStore) => Promise<T>): Promise<T> {
    const store = new KeyvStore(new SqliteEngine({ path: join(folder.path, "federation.sqlite") }));
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  it("shows what is damaged, and lets one player begin anew, who is damaged only", async () => {
    await withStore(async (store) => {
      const rows = rowsOf(store);
      for (const [localId, name] of [
        ["ada", "Ada"],
        ["bob", "Bob"],
      ] as const) {
        await rows.update(localId, () => ({ localId, name, holder: HERE, epoch: 0 }));
      }
    });
    const database = new DatabaseSync(join(folder.path, "federation.sqlite"));
    database.exec("UPDATE custody SET last = '{' WHERE key = 'ada'");
    database.close();
    await withStore((store) =>
      assert.rejects(rowsOf(store).get("ada"), { code: "ERR_FED_ROW_DAMAGED" }),
    );
    const shown = await cli("players", "damaged", "--json");
    const text = JSON.stringify({ name: "Ada", holder: HERE, epoch: 0, last: "{" });
    assert.deepEqual(shown.json(), { damaged: [{ key: "custody/ada", text }] });
    const sound = await cli("players", "forget", "bob@here.example");
    assert.equal(sound.code, 1);
    assert.match(sound.err, /no damaged row/u);
    assert.equal((await cli("players", "forget")).code, 2);
    assert.equal((await cli("players", "forget", "ada@here.example")).code, 0);
    await withStore(async (store) => {
      const rows = rowsOf(store);
      assert.equal(await rows.get("ada"), undefined);
      assert.equal((await rows.get("bob"))?.name, "Bob");
      assert.equal(await store.get("damaged/custody/ada"), text, "what was left stays");
    });
  });

  it("works on no store that a newer version has written", async () => {
    await withStore((store) => store.set("format", '{"version":99}'));
    const { code, err } = await cli("players", "damaged");
    assert.equal(code, 1);
    assert.match(err, /update it/u);
  });
});
