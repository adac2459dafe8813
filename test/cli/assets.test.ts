import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { CLI, runScript } from "../support/command-line.ts";
import { assetBytes } from "../support/assets.ts";
import { put, storesOnDisk } from "../support/stores.ts";

describe("cli/assets", function () {
  this.timeout(20_000);
  const here = storesOnDisk();

  it("lists whose each file is, and where it lies", async () => {
    const store = await here.openStore();
    const own = await store.add(assetBytes("own", 10), { mediaType: "application/octet-stream" });
    const fetched = await put(store, assetBytes("fetched", 20));
    const type = "application/octet-stream";
    const owned = await put(store, assetBytes("owned", 30), type, "https://arena.example.org");
    const { code, out } = await runScript(CLI, "assets", "list", "--assets", here.directory);
    assert.equal(code, 0);
    const line = (hash: string) => out.split("\n").find((each) => each.endsWith(hash)) ?? "";
    assert.match(line(own.hash), /^this server +10 /u);
    assert.match(line(fetched), /^others +20 /u);
    assert.match(line(owned), /^arena\.example\.org +30 /u);
    const answer = await runScript(CLI, "assets", "list", "--assets", here.directory, "--json");
    const { assets } = answer.json<{ assets: { hash: string; own: boolean; path: string }[] }>();
    assert.deepEqual(
      assets.map(({ hash, own: isOwn }) => [hash, isOwn]).sort(),
      [
        [own.hash, true],
        [fetched, false],
        [owned, false],
      ].sort(),
    );
    for (const { path } of assets) assert.ok(existsSync(path) && out.includes(path), path);
  });
});
