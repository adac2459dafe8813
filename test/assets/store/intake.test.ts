import assert from "node:assert/strict";
import { appendFile, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assetBytes, expectedOf, filesOf, hexOf, sriOf } from "../../support/assets.ts";
import { coded } from "../../support/coded.ts";
import { TYPE, put, read, storesOnDisk } from "../../support/stores.ts";

const KIBIBYTE = 1024;

describe("assets/store/intake", () => {
  const disk = storesOnDisk();
  const { openStore } = disk;

  describe("receiving", () => {
    const bytes = assetBytes("hat", 100 * KIBIBYTE);

    it("shows nothing before all is right", async () => {
      const store = await openStore();
      const incoming = await store.receive(expectedOf(bytes));
      await incoming.write(bytes.subarray(0, -1));
      assert.equal(await store.stat(sriOf(bytes)), undefined);
      await incoming.write(bytes.subarray(-1));
      assert.equal(await store.stat(sriOf(bytes)), undefined);
      assert.ok((await incoming.commit()).valid);
      assert.ok((await read(store, sriOf(bytes)))?.equals(bytes));
    });

    it("tells a flipped byte and serves nothing of it", async () => {
      const store = await openStore();
      const flipped = Buffer.from(bytes);
      flipped[50_000]! ^= 1;
      const incoming = await store.receive(expectedOf(bytes));
      await incoming.write(flipped);
      assert.deepEqual(await incoming.commit(), {
        valid: false,
        mismatches: ["hash"],
        expected: { hash: sriOf(bytes), size: bytes.length },
        actual: { hash: sriOf(flipped), size: bytes.length },
      });
      await incoming.discard();
      assert.equal(await store.stat(sriOf(bytes)), undefined);
      assert.equal(await store.stat(sriOf(flipped)), undefined);
      assert.deepEqual(store.usage(), { bytes: 0, count: 0, incomingBytes: 0 });
    });

    it("tells a truncation, and takes the whole after a restart", async () => {
      const store = await openStore();
      const incoming = await store.receive(expectedOf(bytes));
      await incoming.write(bytes.subarray(0, 1000));
      const result = await incoming.commit();
      assert.ok(!result.valid);
      assert.deepEqual(result.mismatches, ["hash", "size"]);
      await incoming.restart();
      assert.equal(incoming.offset, 0);
      assert.equal(store.usage().incomingBytes, 0);
      await incoming.write(bytes);
      assert.ok((await incoming.commit()).valid);
      assert.ok((await read(store, sriOf(bytes)))?.equals(bytes));
    });

    it("stops at the first byte too many, and writes none of it", async () => {
      const store = await openStore();
      const incoming = await store.receive(expectedOf(bytes));
      assert.equal(await incoming.write(bytes), true);
      for (let more = 0; more < 3; more += 1) {
        assert.equal(await incoming.write(Buffer.alloc(64 * KIBIBYTE)), false);
      }
      assert.equal(incoming.offset, bytes.length);
      assert.equal(store.usage().incomingBytes, bytes.length);
      const result = await incoming.commit();
      assert.ok(!result.valid);
      assert.deepEqual(result.mismatches, ["size"]);
      assert.equal(result.actual.hash, undefined);
      await incoming.discard();
    });

    it("does not keep bytes under a type that they are not", async () => {
      const store = await openStore();
      const script = Buffer.from("<script>alert(1)</script>");
      for (const mediaType of ["image/png", "text/plain", TYPE]) {
        const incoming = await store.receive(expectedOf(script, mediaType));
        await incoming.write(script);
        assert.deepEqual(await incoming.commit(), {
          valid: false,
          mismatches: ["type"],
          expected: { hash: sriOf(script), size: script.length, type: mediaType },
          actual: { hash: sriOf(script), size: script.length, type: "text/html" },
        });
        await incoming.discard();
      }
      await assert.rejects(store.add(script, { mediaType: TYPE }), coded("ERR_FED_ASSET_TYPE"));
      assert.deepEqual(store.usage(), { bytes: 0, count: 0, incomingBytes: 0 });
      assert.ok(![...filesOf(disk.directory).keys()].some((path) => path.endsWith("content")));
    });

    it("takes up where it was suspended, also after a restart", async () => {
      const first = await openStore();
      const incoming = await first.receive(expectedOf(bytes));
      await incoming.write(bytes.subarray(0, 30_000));
      await incoming.suspend();
      assert.deepEqual(first.usage(), { bytes: 0, count: 0, incomingBytes: 30_000 });
      const again = await first.receive(expectedOf(bytes));
      assert.equal(again.offset, 30_000);
      assert.ok(again.resumed);
      await again.write(bytes.subarray(30_000, 60_000));
      // Closing suspends.
      await first.close();
      const second = await openStore();
      assert.equal(second.usage().incomingBytes, 60_000);
      const last = await second.receive(expectedOf(bytes));
      assert.equal(last.offset, 60_000);
      await last.write(bytes.subarray(60_000));
      assert.ok((await last.commit()).valid);
      assert.ok((await read(second, sriOf(bytes)))?.equals(bytes));
      assert.deepEqual(second.usage(), { bytes: bytes.length, count: 1, incomingBytes: 0 });
    });

    it("does not trust what was suspended: a byte flipped meanwhile is told", async () => {
      const store = await openStore();
      const incoming = await store.receive(expectedOf(bytes));
      await incoming.write(bytes.subarray(0, 30_000));
      await incoming.suspend();
      const path = join(disk.directory, "partial", hexOf(bytes), "content");
      const handle = await open(path, "r+");
      await handle.write(Buffer.of(bytes[100]! ^ 1), 0, 1, 100);
      await handle.close();
      const again = await store.receive(expectedOf(bytes));
      await again.write(bytes.subarray(again.offset));
      const result = await again.commit();
      assert.ok(!result.valid && again.resumed);
      await again.restart();
      await again.write(bytes);
      assert.ok((await again.commit()).valid);
    });

    it("begins anew when more was suspended than is expected", async () => {
      const store = await openStore();
      const incoming = await store.receive(expectedOf(bytes));
      await incoming.write(bytes.subarray(0, 30_000));
      await incoming.suspend();
      await appendFile(join(disk.directory, "partial", hexOf(bytes), "content"), bytes);
      const again = await store.receive(expectedOf(bytes));
      assert.equal(again.offset, 0);
      await again.write(bytes);
      assert.ok((await again.commit()).valid);
    });

    it("keeps the longer of two parts", async () => {
      const store = await openStore();
      const [long, short] = [
        await store.receive(expectedOf(bytes)),
        await store.receive(expectedOf(bytes)),
      ];
      await long.write(bytes.subarray(0, 30_000));
      await short.write(bytes.subarray(0, 20_000));
      await long.suspend();
      await short.suspend();
      assert.equal(store.usage().incomingBytes, 30_000);
      const again = await store.receive(expectedOf(bytes));
      assert.equal(again.offset, 30_000);
      await again.discard();
      assert.equal(store.usage().incomingBytes, 0);
    });

    it("writes in order, whether each write is waited for or not", async () => {
      const store = await openStore();
      const incoming = await store.receive(expectedOf(bytes));
      const writes = [];
      for (let at = 0; at < bytes.length; at += 999) {
        writes.push(incoming.write(bytes.subarray(at, at + 999)));
      }
      const [result] = await Promise.all([incoming.commit(), ...writes]);
      assert.ok(result.valid);
    });

    it("is over when it is over", async () => {
      const store = await openStore();
      const incoming = await store.receive(expectedOf(bytes));
      await incoming.write(bytes);
      await incoming.commit();
      await incoming.discard();
      await incoming.suspend();
      assert.equal(await incoming.quarantine({ reason: "late" }), undefined);
      await assert.rejects(incoming.write(Buffer.of(1)), TypeError);
      await assert.rejects(incoming.commit(), TypeError);
      assert.ok((await read(store, sriOf(bytes)))?.equals(bytes));
      assert.deepEqual(await store.quarantine.list(), []);
    });
  });

  describe("adding", () => {
    it("takes streams, and passes a source's failure on", async () => {
      const store = await openStore();
      const bytes = assetBytes("own", 300 * KIBIBYTE);
      await writeFile(join(disk.folder, "own"), bytes);
      const handle = await open(join(disk.folder, "own"));
      const asset = await store.add(handle.createReadStream(), { mediaType: TYPE });
      assert.equal(asset.hash, sriOf(bytes));
      const broken = (async function* () {
        yield bytes;
        throw new Error("the disk of the source is broken");
      })();
      await assert.rejects(store.add(broken, { mediaType: TYPE }), /disk of the source/u);
      assert.deepEqual(store.usage(), { bytes: bytes.length, count: 1, incomingBytes: 0 });
    });

    it("makes a peer's copy the operator's own", async () => {
      const store = await openStore({ maxBytes: 100 });
      const text = Buffer.from("[".padEnd(60, "1") + "]");
      await put(store, text, TYPE);
      await store.add(text, { mediaType: "application/json" });
      assert.equal((await store.stat(sriOf(text)))?.mediaType, "application/json");
      await assert.rejects(put(store, assetBytes("x", 60)), coded("ERR_FED_ASSET_STORE_FULL"));
      await store.close();
      const again = await openStore({ maxBytes: 100 });
      assert.equal((await again.stat(sriOf(text)))?.mediaType, "application/json");
      await assert.rejects(put(again, assetBytes("x", 60)), coded("ERR_FED_ASSET_STORE_FULL"));
    });
  });
});
