import assert from "node:assert/strict";
import { copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FederationOptions } from "../../src/federation/federation-options.ts";
import { resolveOptions } from "../../src/federation/options.ts";
import { announceNextKey, switchToNextKey } from "../../src/identity/key-rotation.ts";
import { systemClock, systemRandom } from "../../src/ports.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { loadKeyRing, saveKeyRing } from "../../src/storage/key-file.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { folderOfTest } from "../support/folders.ts";
import { quietLogger, recordingLogger } from "../support/loggers.ts";

describe("runtime/store-identity", () => {
  const folder = folderOfTest();
  const running: FederationRuntime[] = [];
  afterEach(async () => {
    for (const runtime of running.splice(0)) await runtime.stop();
  });

  async function start(options: Partial<FederationOptions> = {}): Promise<FederationRuntime> {
    const runtime = new FederationRuntime(
      resolveOptions({
        ...{ origin: "https://here.example", worlds: {}, dataDirectory: folder.path },
        ...{ logger: quietLogger(), ...options },
      }),
    );
    running.push(runtime);
    await runtime.start();
    return runtime;
  }
  const startAndStop = async (options: Partial<FederationOptions> = {}): Promise<string> => {
    const runtime = await start(options);
    const { kid } = runtime.signingKey();
    await runtime.stop();
    return kid;
  };
  const refused = (message: RegExp, options: Partial<FederationOptions> = {}): Promise<void> =>
    assert.rejects(start(options), (error: { code?: string; message: string }) => {
      assert.equal(error.code, "ERR_FED_STORE_IDENTITY", error.message);
      assert.match(error.message, message);
      return true;
    });
  const removeStore = async (): Promise<void> => {
    for (const end of ["", "-wal", "-shm"]) {
      await rm(join(folder.path, `federation.sqlite${end}`), { force: true });
    }
  };
  const removeKey = (): Promise<void> => rm(join(folder.path, "keys.json"));

  it("starts for the first time, and again", async () => {
    assert.equal(await startAndStop(), await startAndStop());
  });

  it("refuses an empty store beside a key that had one, until that is said to be on purpose", async () => {
    const kid = await startAndStop();
    await removeStore();
    await refused(/adopt: "fresh-store"/u);
    await refused(/adopt: "fresh-store"/u, { adopt: "fresh-key" });
    assert.equal(await startAndStop({ adopt: "fresh-store" }), kid);
    assert.equal(await startAndStop(), kid, "once is enough");
  });

  it("refuses a store whose key is gone, until that is said to be on purpose", async () => {
    const kid = await startAndStop();
    await removeKey();
    await refused(/adopt: "fresh-key"/u);
    await refused(/adopt: "fresh-key"/u, { adopt: "fresh-store" });
    assert.equal(await loadKeyRing(join(folder.path, "keys.json")), undefined, "none was made");
    const fresh = await startAndStop({ adopt: "fresh-key" });
    assert.notEqual(fresh, kid);
    assert.equal(await startAndStop(), fresh, "once is enough");
  });

  it("refuses another origin on a store in use, until that is said to be on purpose", async () => {
    await startAndStop();
    await withStore((store) => store.set("peer/https://peer.example", "{}"));
    const origin = "https://elsewhere.example";
    await refused(/aether-federation move --to https:\/\/elsewhere\.example/u, { origin });
    await startAndStop({ origin, adopt: "fresh-origin" });
    await startAndStop({ origin });
    await refused(/move --to/u);
  });

  it("takes another origin on a store that nobody has used yet", async () => {
    await startAndStop();
    await startAndStop({ origin: "https://elsewhere.example" });
    await startAndStop();
  });

  it("refuses another server's store", async () => {
    await startAndStop();
    const other = join(folder.path, "other");
    const store = { dataDirectory: other, origin: "https://other.example" };
    await startAndStop(store);
    await copyFile(join(other, "keys.json"), join(folder.path, "keys.json"));
    await refused(/belongs to the key/u);
  });

  it("knows its store after its keys were rotated", async () => {
    await startAndStop();
    const path = join(folder.path, "keys.json");
    for (let round = 1; round <= 3; round += 1) {
      const ring = await loadKeyRing(path);
      assert.ok(ring !== undefined);
      await saveKeyRing(path, switchToNextKey(announceNextKey(ring, systemRandom), round));
    }
    await startAndStop();
    assert.equal((await loadKeyRing(path))?.hasStore, true);
    await removeStore();
    await refused(/fresh-store/u);
  });

  it("takes over a store and a key from before they knew of each other", async () => {
    const kid = await startAndStop();
    const path = join(folder.path, "keys.json");
    const ring = await loadKeyRing(path);
    assert.ok(ring !== undefined);
    await saveKeyRing(path, { ...ring, hasStore: undefined });
    await withStore(async (store) => {
      await store.delete("identity");
      await store.delete("format");
    });
    assert.equal(await startAndStop(), kid);
    await withStore(async (store) => {
      assert.deepEqual(JSON.parse((await store.get("format")) ?? ""), { version: 2 });
      assert.deepEqual(JSON.parse((await store.get("identity")) ?? ""), {
        kid,
        origin: "https://here.example",
      });
    });
  });

  it("starts several processes at once on a new store of their own, with one key file or copies", async () => {
    const path = join(folder.path, "shared.sqlite");
    const shared = (): Partial<FederationOptions> => ({ store: new SqliteEngine({ path }) });
    const first = await Promise.all([start(shared()), start(shared()), start(shared())]);
    assert.equal(new Set(first.map((each) => each.signingKey().kid)).size, 1);
    const copy = join(folder.path, "copy");
    await mkdir(copy);
    await copyFile(join(folder.path, "keys.json"), join(copy, "keys.json"));
    await start({ ...shared(), dataDirectory: copy });
  });

  describe("where another process starts for the first time between two looks of this one", () => {
    /** Runs `meanwhile` once, when it is asked whose the store is. */
    class Interrupted extends SqliteEngine {
      meanwhile: (() => Promise<unknown>) | undefined;
      when: "before" | "after" = "before";

      override async get<Value>(key: string): Promise<Value | undefined> {
        if (!key.endsWith("identity")) return super.get<Value>(key);
        const { meanwhile } = this;
        this.meanwhile = undefined;
        if (this.when === "before") await meanwhile?.();
        const found = await super.get<Value>(key);
        if (this.when === "after") await meanwhile?.();
        return found;
      }
    }

    for (const when of ["before", "after"] as const) {
      it(`takes the key and the store that the other has made (${when} the store is read)`, async () => {
        const path = join(folder.path, "shared.sqlite");
        const store = new Interrupted({ path });
        let other: string | undefined;
        store.when = when;
        store.meanwhile = async () => {
          other = await startAndStop({ store: new SqliteEngine({ path }) });
        };
        assert.equal(await startAndStop({ store }), other);
        assert.notEqual(other, undefined);
      });
    }

    it("takes the store that the other has bound to a key which this one has read before", async () => {
      const path = join(folder.path, "shared.sqlite");
      await startAndStop({ store: new SqliteEngine({ path: join(folder.path, "else.sqlite") }) });
      const keys = join(folder.path, "keys.json");
      const ring = await loadKeyRing(keys);
      assert.ok(ring !== undefined);
      await saveKeyRing(keys, { ...ring, hasStore: undefined });
      const store = new Interrupted({ path });
      store.when = "after";
      store.meanwhile = () => startAndStop({ store: new SqliteEngine({ path }) });
      assert.equal(await startAndStop({ store }), ring.current.kid);
    });
  });

  it("refuses a store that a newer version has written, and says what to do", async () => {
    await startAndStop();
    await withStore((store) => store.set("format", '{"version":99}'));
    await assert.rejects(start(), (error: { code?: string; message: string }) => {
      assert.equal(error.code, "ERR_FED_STORE_NEWER");
      assert.match(error.message, /update it/u);
      return true;
    });
    await withStore((store) => store.set("format", "what"));
    await assert.rejects(start(), { code: "ERR_FED_STORE_UNAVAILABLE" });
  });

  it("says when a store was begun under another origin", async () => {
    await startAndStop();
    const lines: string[] = [];
    await startAndStop({ origin: "https://there.example", logger: recordingLogger(lines) });
    assert.ok(
      lines.some((line) => line.includes("https://here.example")),
      lines.join("\n"),
    );
  });

  async function withStore(work: (store: KeyvStore) => Promise<void>): Promise<void> {
    const engine = new SqliteEngine({ path: join(folder.path, "federation.sqlite") });
    const store = new KeyvStore(engine, { clock: systemClock });
    await work(store);
    await store.close();
  }
});
