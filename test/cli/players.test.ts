import assert from "node:assert/strict";
import { join } from "node:path";
import { LedgerRows } from "../../src/custody/home/ledger-rows.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { CLI, runScript } from "../support/command-line.ts";
import { folderOfTest } from "../support/folders.ts";

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
      const rows = new LedgerRows(store);
      await store.set("custody/ada", "{");
      await assert.rejects(rows.get("ada"), { code: "ERR_FED_ROW_DAMAGED" });
      const fresh = { localId: "bob", name: "Bob", holder: "https://here.example", epoch: 0 };
      await rows.update("bob", () => fresh);
    });
    const shown = await cli("players", "damaged", "--json");
    assert.deepEqual(shown.json(), { damaged: [{ key: "custody/ada", text: "{" }] });
    const sound = await cli("players", "forget", "bob@here.example");
    assert.equal(sound.code, 1);
    assert.match(sound.err, /no damaged row/u);
    assert.equal((await cli("players", "forget")).code, 2);
    assert.equal((await cli("players", "forget", "ada@here.example")).code, 0);
    await withStore(async (store) => {
      const rows = new LedgerRows(store);
      assert.equal(await rows.get("ada"), undefined);
      assert.equal((await rows.get("bob"))?.name, "Bob");
      assert.equal(await store.get("damaged/custody/ada"), "{", "what was left stays");
    });
  });

  it("works on no store that a newer version has written", async () => {
    await withStore((store) => store.set("format", '{"version":99}'));
    const { code, err } = await cli("players", "damaged");
    assert.equal(code, 1);
    assert.match(err, /update it/u);
  });
});
