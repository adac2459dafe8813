import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContentStore } from "../../../src/assets/store/content-store.ts";
import { assetBytes, expectedOf, filesOf, hexOf, sriOf } from "../../support/assets.ts";
import { coded } from "../../support/coded.ts";
import { TYPE, put, read, storesOnDisk } from "../../support/stores.ts";

describe("assets/store/quarantine", () => {
  const disk = storesOnDisk();
  const { openStore } = disk;

  const claimed = assetBytes("hat", 2000);
  async function putAside(
    store: ContentStore,
    wrong: Uint8Array,
    reason = "wrong",
  ): Promise<string> {
    const incoming = await store.receive(expectedOf(claimed));
    await incoming.write(wrong);
    assert.ok(!(await incoming.commit()).valid);
    const id = await incoming.quarantine({ reason, origin: "https://near.example" });
    assert.ok(id);
    return id;
  }

  it("lists what is in it, through a restart, and serves none of it", async () => {
    const first = await openStore();
    const wrong = assetBytes("wrong", 1500);
    const id = await putAside(first, wrong);
    const item = {
      id,
      expectedHash: sriOf(claimed),
      actualHash: sriOf(wrong),
      size: 1500,
      mediaType: TYPE,
      reason: "wrong",
      origin: "https://near.example",
      quarantinedAt: disk.clock.now(),
    };
    assert.deepEqual(await first.quarantine.list(), [item]);
    await first.close();
    const second = await openStore();
    assert.deepEqual(await second.quarantine.list(), [item]);
    for (const bytes of [claimed, wrong]) {
      assert.equal(await second.stat(sriOf(bytes)), undefined);
      assert.equal(await second.open(sriOf(bytes)), undefined);
    }
    assert.deepEqual(second.usage(), { bytes: 0, count: 0, incomingBytes: 0 });
  });

  it("releases under the hash that the bytes really have, not under the one they were sent as", async () => {
    const store = await openStore();
    const wrong = assetBytes("wrong", 1500);
    const id = await putAside(store, wrong);
    assert.deepEqual(await store.quarantine.release(id), {
      hash: sriOf(wrong),
      hex: hexOf(wrong),
      size: 1500,
      mediaType: TYPE,
    });
    assert.ok((await read(store, sriOf(wrong)))?.equals(wrong));
    assert.equal(await store.stat(sriOf(claimed)), undefined);
    assert.deepEqual(await store.quarantine.list(), []);
    assert.equal(await store.quarantine.release(id), undefined);
    assert.deepEqual(store.usage(), { bytes: 1500, count: 1, incomingBytes: 0 });
    const [, files] = [
      id,
      [...filesOf(disk.directory).keys()].filter((path) => path.startsWith("sha256")),
    ];
    assert.equal(files.length, 2);
  });

  it("releases under the hash the bytes have now, if somebody changed them there", async () => {
    const store = await openStore();
    const id = await putAside(store, assetBytes("wrong", 1500));
    const other = Buffer.from('{"changed":true}');
    await writeFile(join(disk.directory, "quarantine", id, "content"), other);
    const released = await store.quarantine.release(id);
    assert.equal(released?.hash, sriOf(other));
    assert.ok((await read(store, sriOf(other)))?.equals(other));
    assert.deepEqual(store.usage(), { bytes: other.length, count: 1, incomingBytes: 0 });
  });

  it("releases with a type that the bytes agree with", async () => {
    const store = await openStore();
    const page = Buffer.from("<!doctype html><script>1</script>");
    const incoming = await store.receive(expectedOf(page, "image/png"));
    await incoming.write(page);
    assert.ok(!(await incoming.commit()).valid);
    const id = await incoming.quarantine({ reason: "not a picture" });
    assert.equal((await store.quarantine.release(id!))?.mediaType, "text/html");
  });

  it("keeps what the store has no room for", async () => {
    const store = await openStore({ maxBytes: 2500, maxQuarantineBytes: 10_000 });
    const id = await putAside(store, assetBytes("wrong", 1500));
    await store.add(assetBytes("own", 2000), { mediaType: TYPE });
    await assert.rejects(store.quarantine.release(id), coded("ERR_FED_ASSET_STORE_FULL"));
    assert.equal((await store.quarantine.list()).length, 1);
    assert.equal(store.usage().incomingBytes, 0);
    await store.remove(sriOf(assetBytes("own", 2000)));
    assert.ok(await store.quarantine.release(id));
  });

  it("purges one, or all", async () => {
    const store = await openStore();
    const ids = [];
    for (const name of ["a", "b", "c"]) ids.push(await putAside(store, assetBytes(name, 100)));
    assert.equal(await store.quarantine.purge(ids[1]), 1);
    assert.equal(await store.quarantine.purge(ids[1]), 0);
    assert.deepEqual(
      (await store.quarantine.list()).map(({ id }) => id).sort(),
      [ids[0], ids[2]].sort(),
    );
    assert.equal(await store.quarantine.purge(), 2);
    assert.deepEqual(await readdir(join(disk.directory, "quarantine")), []);
  });

  it("knows no id that is a path", async () => {
    const store = await openStore();
    const hash = await put(store, claimed);
    for (const id of ["", ".", "..", "../sha256", `../sha256/${hexOf(claimed).slice(0, 2)}`]) {
      assert.equal(await store.quarantine.release(id), undefined);
      assert.equal(await store.quarantine.purge(id), 0);
    }
    assert.ok(await store.stat(hash));
  });

  it("is bounded in number and bytes, the oldest giving way", async () => {
    const store = await openStore({ maxQuarantined: 3, maxQuarantineBytes: 3000 });
    for (const name of ["a", "b", "c", "d"]) {
      await putAside(store, assetBytes(name, 100), name);
      disk.clock.advance(1000);
    }
    const reasons = async (): Promise<string[]> =>
      (await store.quarantine.list()).map(({ reason }) => reason);
    assert.deepEqual(await reasons(), ["b", "c", "d"]);
    await putAside(store, assetBytes("e", 1950), "e");
    disk.clock.advance(1000);
    await putAside(store, assetBytes("f", 1000), "f");
    assert.deepEqual(await reasons(), ["e", "f"]);
    const incoming = await store.receive(expectedOf(assetBytes("g", 4000)));
    await incoming.write(Buffer.alloc(3001));
    assert.equal(await incoming.quarantine({ reason: "large" }), undefined);
    assert.deepEqual(await reasons(), ["e", "f"]);
    assert.equal(store.usage().incomingBytes, 0);
  });
});
