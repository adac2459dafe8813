import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Keyv } from "keyv";
import { FederationError } from "../../src/errors.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { coded } from "../support/coded.ts";
import { folderOfTest } from "../support/folders.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { describeStore } from "./store-conformance.ts";

describe("storage/sqlite-engine", () => {
  const folder = folderOfTest();

  describeStore(
    "SQLite",
    (clock) =>
      Promise.resolve(
        new KeyvStore(new SqliteEngine({ path: join(folder.path, "s.sqlite"), clock }), { clock }),
      ),
    () => new ManualClock(),
  );

  it("serves through a Keyv with a namespace, apart from others", async () => {
    const engine = () => new SqliteEngine({ path: join(folder.path, "shared.sqlite") });
    const [a, b] = ["a", "b"].map(
      (namespace) => new KeyvStore(new Keyv({ store: engine(), namespace })),
    );
    await a?.set("key", "of a");
    assert.equal(await b?.get("key"), undefined);
    await b?.set("key", "of b");
    assert.equal(await a?.get("key"), "of a");
    await Promise.all([a?.close(), b?.close()]);
  });

  it("lets one of two processes use a nonce up", async () => {
    const path = join(folder.path, "nonces.sqlite");
    const one = new KeyvStore(new SqliteEngine({ path }));
    const two = new KeyvStore(new SqliteEngine({ path }));
    for (let nonce = 0; nonce < 20; nonce += 1) {
      const won = await Promise.all(
        [one, two].map((store) => store.compareAndSet(`nonce/${nonce}`, undefined, "1", 60_000)),
      );
      assert.deepEqual(won.sort(), [false, true]);
    }
    await Promise.all([one.close(), two.close()]);
  });

  it("refuses a store without compare-and-set", () => {
    assert.throws(() => new KeyvStore(new Keyv()), coded("ERR_FED_STORE_WITHOUT_CAS"));
  });

  it("rejects, and never answers absent, once it is closed", async () => {
    const store = new KeyvStore(new SqliteEngine({ path: join(folder.path, "closed.sqlite") }));
    await store.close();
    await assert.rejects(store.get("a"), /store does not answer/u);
    await assert.rejects(store.set("a", "1"), /store does not answer/u);
    await assert.rejects(store.compareAndSet("a", undefined, "1"), /store does not answer/u);
  });

  it("says what to check when the file is no database", async () => {
    const path = join(folder.path, "text.sqlite");
    await writeFile(path, "this is not a database, however long it may be".repeat(100));
    assert.throws(
      () => new SqliteEngine({ path }),
      (error) =>
        error instanceof FederationError &&
        error.code === "ERR_FED_STORE_UNAVAILABLE" &&
        error.message.includes(path),
    );
  });

  it("keeps its file to its owner", async () => {
    const path = join(folder.path, "deep", "own.sqlite");
    const store = new KeyvStore(new SqliteEngine({ path }));
    await store.set("a", "1");
    const own: { mode: number } = await stat(path);
    assert.equal(own.mode & 0o777, 0o600);
    const above: { mode: number } = await stat(join(folder.path, "deep"));
    assert.equal(above.mode & 0o777, 0o700);
    await store.close();
  });
});
