import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FederationAssets } from "../../src/federation/assets.ts";
import { resolveOptions } from "../../src/federation/options.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
import { withDefaults } from "../../src/runtime/settings.ts";
import { MemoryStore } from "../../src/storage/memory-store.ts";
import { sriOf } from "../support/assets.ts";
import { folderOfTest } from "../support/folders.ts";

describe("runtime/federation-runtime", () => {
  const folder = folderOfTest();

  function runtime(): FederationRuntime {
    return new FederationRuntime(
      resolveOptions({ origin: "https://here.example", worlds: {}, dataDirectory: folder.path }),
    );
  }

  it("gives back what it opened when it cannot start, so that the next start can", async () => {
    const keys = join(folder.path, "keys.json");
    await writeFile(keys, "no JSON");
    const first = runtime();
    await assert.rejects(first.start(), { code: "ERR_FED_KEY_FILE" });
    assert.equal(first.started, false);
    await rm(keys);
    await first.start();
    await first.stop();
  });

  it("starts again after it has stopped, with the same key", async () => {
    const first = runtime();
    await first.start();
    first.goOnline();
    const { kid } = first.signingKey();
    await first.stop();
    await first.start();
    assert.equal(first.signingKey().kid, kid);
    await first.stop();
  });

  it("says what to call while it does not run", () => {
    assert.throws(() => runtime().registry, /federation\.attach/u);
  });

  it("lets two servers not have one folder", async () => {
    const first = runtime();
    await first.start();
    await assert.rejects(runtime().start(), { code: "ERR_FED_STORE_IN_USE" });
    await first.stop();
  });

  describe("alone", () => {
    const folders = () =>
      readdirSync(tmpdir()).filter((name) => name.startsWith("aether-federation-"));

    it("runs with nothing but numbers, and leaves nothing behind", async () => {
      const alone = new FederationRuntime({
        ...{ maxPeers: 100, handshakeTimeoutSeconds: 30, healthCheckIntervalSeconds: 60 },
      });
      assert.match(alone.options.origin, /^https:\/\/[0-9a-f]{32}\.invalid$/u);
      const before = folders();
      await alone.start();
      const made = folders().filter((name) => !before.includes(name));
      assert.ok(made.length > 0);
      assert.equal((await alone.descriptor()).origin, alone.options.origin);
      const { kid } = alone.signingKey();
      await alone.stop();
      const left = folders();
      assert.ok(made.some((name) => !left.includes(name)));
      await alone.start();
      assert.notEqual(alone.signingKey().kid, kid);
      await alone.stop();
    });

    it("takes what it is not told from where createFederation takes it", () => {
      const host = resolveOptions({ origin: "https://here.example", worlds: {} });
      const { assets, ...alone } = withDefaults({ origin: "https://here.example" });
      // Pages are the host's, not the runtime's.
      const own = ["dataDirectory", "logger", "identify", "onRecoveryKey", "admin", "status"];
      const rest = (options: object) =>
        Object.fromEntries(
          Object.entries(options).filter(([name]) => !own.some((each) => each === name)),
        );
      const { directory: _here, ...ours } = host.assets;
      const { directory: _none, ...theirs } = assets;
      assert.deepEqual(theirs, ours);
      const { assets: _assets, ...given } = rest(host);
      assert.deepEqual(rest(alone), given);
    });

    it("takes what is undefined for what was not given", () => {
      const { maxPeers, trust } = withDefaults({ maxPeers: undefined, trust: undefined } as never);
      assert.deepEqual([maxPeers, trust], [128, "approve"]);
    });

    it("names the option that is wrong", () => {
      assert.throws(() => new FederationRuntime({ origin: "here" }), TypeError);
      assert.throws(() => new FederationRuntime({ origin: "http://here.example" }), /https/u);
      assert.throws(() => new FederationRuntime({ maxPeers: Number.NaN }), /maxPeers/u);
      assert.throws(() => new FederationRuntime({ leaseSeconds: "30" as never }), /leaseSeconds/u);
    });

    it("takes a store that the host has made", async () => {
      const store = new MemoryStore();
      const alone = new FederationRuntime({ store });
      await alone.start();
      assert.equal(alone.store, store);
      await alone.stop();
    });

    it("has failed to prepare an asset whose size and type nobody has said", async () => {
      const alone = new FederationRuntime();
      await alone.start();
      const assetHash = sriOf(Buffer.from("hat"));
      const { failed } = await new FederationAssets(alone).prepare([
        { originServer: "https://a.example", assetHash },
      ]);
      assert.deepEqual(failed, [{ assetHash, code: "ERR_FED_MALFORMED" }]);
      await alone.stop();
    });
  });
});
