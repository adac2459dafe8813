import assert from "node:assert/strict";
import {
  appendFile,
  mkdir,
  open,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { assetBytes, hexOf, sriOf } from "../../support/assets.ts";
import { listed, put, read, storesOnDisk } from "../../support/stores.ts";

const KIBIBYTE = 1024;
const WHOLE_SECOND = 1_767_225_600;

describe("assets/store/asset-files", () => {
  const disk = storesOnDisk();
  const { openStore, contentPath } = disk;

  const bytes = assetBytes("hat", 50 * KIBIBYTE);
  const tamper: Record<string, (path: string) => Promise<void>> = {
    "a flipped byte": async (path) => {
      const handle = await open(path, "r+");
      await handle.write(Buffer.of(bytes[9]! ^ 1), 0, 1, 9);
      await handle.close();
    },
    "a flipped byte, the times set back": async (path) => {
      // Set from here, times are coarser than those the system sets: what is set back to must be one.
      await utimes(path, WHOLE_SECOND, WHOLE_SECOND);
      const noting = await openStore();
      assert.ok(await noting.stat(sriOf(bytes)));
      await noting.close();
      const handle = await open(path, "r+");
      await handle.write(Buffer.of(bytes[9]! ^ 1), 0, 1, 9);
      await handle.close();
      await utimes(path, WHOLE_SECOND, WHOLE_SECOND);
    },
    "a truncation": (path) => truncate(path, 1000),
    "an extension": (path) => appendFile(path, "x"),
    "other content": (path) => writeFile(path, "<script>"),
    "no content": (path) => rm(path),
    "a link in its place": async (path) => {
      await rm(path);
      await symlink("/etc/passwd", path);
    },
    "a folder in its place": async (path) => {
      await rm(path);
      await mkdir(path);
    },
  };
  for (const [what, change] of Object.entries(tamper)) {
    it(`does not serve ${what}, found at once or after a restart`, async () => {
      for (const restart of [false, true]) {
        for (const ask of ["stat", "open"] as const) {
          let store = await openStore();
          await put(store, bytes);
          if (restart) await store.close();
          await change(contentPath(bytes));
          if (restart) store = await openStore();
          assert.equal(await store[ask](sriOf(bytes)), undefined);
          assert.equal(store.usage().count, 0);
          assert.equal(store.usage().bytes, 0);
          assert.ok(disk.said.some((line) => line.includes(hexOf(bytes))));
          // It can be had again.
          await put(store, bytes);
          assert.ok((await read(store, sriOf(bytes)))?.equals(bytes));
          await store.remove(sriOf(bytes));
          await store.close();
        }
      }
    });
  }

  it("serves what was only touched, after it has hashed it again", async () => {
    const store = await openStore();
    await put(store, bytes);
    const now = new Date();
    await utimes(contentPath(bytes), now, now);
    const reads = await Promise.all([1, 2, 3].map(() => read(store, sriOf(bytes))));
    for (const each of reads) assert.ok(each?.equals(bytes));
    assert.deepEqual(await store.quarantine.list(), []);
    await store.close();
    const again = await openStore();
    assert.ok(await again.stat(sriOf(bytes)));
  });

  it("removes what has no sidecar that can be read", async () => {
    for (const damage of ["", "{", "{}", '{"version":2}', "x".repeat(100_000)]) {
      const store = await openStore();
      await put(store, bytes);
      await store.close();
      await writeFile(contentPath(bytes).replace(/content$/u, "meta.json"), damage);
      const again = await openStore();
      assert.equal(await again.stat(sriOf(bytes)), undefined);
      await put(again, bytes);
      assert.ok((await read(again, sriOf(bytes)))?.equals(bytes));
      await again.close();
    }
  });

  it("puts a changed file into quarantine, under the hash it really has", async () => {
    const store = await openStore();
    await put(store, bytes);
    await appendFile(contentPath(bytes), "x");
    assert.equal(await read(store, sriOf(bytes)), undefined);
    const [item] = await store.quarantine.list();
    assert.equal(item?.expectedHash, sriOf(bytes));
    assert.equal(item.actualHash, sriOf(Buffer.concat([bytes, Buffer.from("x")])));
    assert.equal(item.reason, "changed on disk");
  });

  it("leaves files alone that it does not know", async () => {
    const store = await openStore();
    await put(store, bytes);
    await store.close();
    await mkdir(join(disk.directory, "sha256", "zz"));
    await writeFile(join(disk.directory, "sha256", "zz", "note"), "mine");
    await writeFile(join(disk.directory, "README"), "mine");
    const again = await openStore();
    assert.equal(await readFile(join(disk.directory, "README"), "utf8"), "mine");
    assert.equal((await listed(again)).length, 1);
  });
});
