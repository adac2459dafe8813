import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { resolveOptions } from "../../src/federation/options.ts";
import { signMove } from "../../src/identity/move.ts";
import { systemClock } from "../../src/ports.ts";
import { TrustState } from "../../src/registry/federated-server.ts";
import { ServerRegistry } from "../../src/registry/server-registry.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { storeIdentity } from "../../src/runtime/store-identity.ts";
import { KeyvStore } from "../../src/storage/keyv-store.ts";
import { SqliteEngine } from "../../src/storage/sqlite-engine.ts";
import { CLI, runScript } from "../support/command-line.ts";
import { folderOfTest } from "../support/folders.ts";
import { quietLogger } from "../support/loggers.ts";
import { ringOf, verifiedDescriptorOf } from "../support/parties.ts";

const OLD = "https://old.example";
const NEW = "https://new.example";

describe("cli/move", function () {
  this.timeout(20_000);
  const folder = folderOfTest();
  const cli = (...args: readonly string[]) => runScript(CLI, ...args, "--data", folder.path);
  let running: FederationRuntime | undefined;
  afterEach(() => running?.stop());

  async function start(origin: string): Promise<FederationRuntime> {
    const options = { origin, worlds: {}, dataDirectory: folder.path, logger: quietLogger() };
    running = new FederationRuntime(resolveOptions(options));
    await running.start();
    return running;
  }
  async function stop(): Promise<void> {
    await running?.stop();
    running = undefined;
  }
  async function withStore<T>(work: (store: KeyvStore) => Promise<T>): Promise<T> {
    const store = new KeyvStore(new SqliteEngine({ path: join(folder.path, "federation.sqlite") }));
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  it("moves a server that has stopped, and says what to do next", async () => {
    await start(OLD);
    await stop();
    const { code, out } = await cli("move", "--to", NEW);
    assert.equal(code, 0);
    assert.match(out, /This server is https:\/\/new\.example from now on/u);
    assert.match(out, /at https:\/\/old\.example\/\.well-known\/aether-federation/u);
    const file = join(folder.path, "moved-to.json");
    assert.equal((JSON.parse(await readFile(file, "utf8")) as { movedTo: string }).movedTo, NEW);
    const again = await cli("move", "--to", NEW);
    assert.match(again.out, /already; its move from https:\/\/old\.example is signed anew/u);
    const runtime = await start(NEW);
    const { moves } = await runtime.descriptor();
    assert.equal(moves?.length, 1);
    assert.equal(runtime.currentOrigin(OLD), NEW);
  });

  it("does not start the server at its old origin any more", async () => {
    await start(OLD);
    await withStore((store) => store.set("peer/x", "{}"));
    await stop();
    await cli("move", "--to", NEW);
    await assert.rejects(start(OLD), /has moved from https:\/\/old\.example to https:\/\/new/u);
  });

  it("refuses a server that runs", async () => {
    await start(OLD);
    const { code, err } = await cli("move", "--to", NEW);
    assert.equal(code, 1);
    assert.match(err, /runs on the folder/u);
    assert.equal((await withStore(storeIdentity))?.origin, OLD);
  });

  it("refuses what is no origin, and no origin at all", async () => {
    await start(OLD);
    await stop();
    const wrong = await cli("move", "--to", "new.example/game");
    assert.deepEqual([wrong.code, wrong.err.includes("--to")], [2, true]);
    assert.equal((await cli("move")).code, 2);
  });

  it("refuses http", async () => {
    await start(OLD);
    await stop();
    const { code, err } = await cli("move", "--to", "http://new.example");
    assert.equal(code, 1);
    assert.match(err, /not https/u);
  });

  it("refuses without a key", async () => {
    await start(OLD);
    await stop();
    await rm(join(folder.path, "keys.json"));
    const { code, err } = await cli("move", "--to", NEW);
    assert.equal(code, 1);
    assert.match(err, /restore keys\.json/u);
  });

  it("lets a peer move whose old origin does not say so, by the key that its operator names", async () => {
    const ring = ringOf("mover");
    await start("https://here.example");
    await stop();
    const now = systemClock.now();
    const kid = ring.current.kid;
    await withStore(async (store) => {
      const registry = new ServerRegistry({ store, clock: systemClock });
      await registry.load();
      const { descriptor } = await verifiedDescriptorOf(OLD, ring, now);
      await registry.register(descriptor, { trust: TrustState.Trusted });
      const iat = Math.floor(now / 1000);
      const statement = await signMove({ from: OLD, to: NEW, keys: [kid], iat }, ring.current);
      const read = await verifiedDescriptorOf(NEW, ring, now, { moves: [statement] });
      const outcome = await registry.followMove(read, "denies", 3600);
      assert.ok("code" in outcome && outcome.code === "ERR_FED_MOVE_DOUBTED");
    });
    const shown = await cli("peers", "approve", NEW);
    assert.equal(shown.code, 1);
    assert.match(shown.out, new RegExp(`said to have moved to ${NEW}, by the key ${kid}`, "u"));
    assert.equal((await cli("peers", "approve", NEW, "--key", "x".repeat(43))).code, 1);
    const approved = await cli("peers", "approve", NEW, "--key", kid, "--json");
    assert.equal(approved.json<{ approved: boolean }>().approved, true);
    await withStore(async (store) => {
      const registry = new ServerRegistry({ store, clock: systemClock });
      await registry.load();
      assert.equal(registry.doubtedMove(NEW)?.moving?.approved, true);
    });
  });
});
