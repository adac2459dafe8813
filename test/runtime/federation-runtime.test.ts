import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { resolveOptions } from "../../src/federation/options.ts";
import { FederationRuntime } from "../../src/runtime/federation-runtime.ts";
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
});
