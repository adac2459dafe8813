import assert from "node:assert/strict";
import { readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FederationError } from "../../../src/errors.ts";
import { assetBytes, expectedOf, filesOf, hexOf, sriOf } from "../../support/assets.ts";
import { coded } from "../../support/coded.ts";
import { TYPE, bytesOf, listed, put, read, storesOnDisk } from "../../support/stores.ts";
import { turn } from "../../support/turn.ts";

const KIBIBYTE = 1024;

describe("assets/store/content-store", () => {
  const disk = storesOnDisk();
  const { openStore } = disk;

  describe("keeping", () => {
    it("gives back what it was given, whole and by range", async () => {
      const store = await openStore();
      const bytes = assetBytes("hat", 700 * KIBIBYTE + 1);
      const hash = await put(store, bytes);
      const asset = { hash: sriOf(bytes), hex: hexOf(bytes), size: bytes.length, mediaType: TYPE };
      assert.equal(hash, asset.hash);
      assert.deepEqual(await store.stat(hash), asset);
      assert.deepEqual(await store.stat(asset.hex), asset);
      assert.deepEqual(store.usage(), { bytes: bytes.length, count: 1, incomingBytes: 0 });
      const opened = await store.open(hash);
      assert.deepEqual(opened?.asset, asset);
      const ranges = [
        [0, 0],
        [5, 5],
        [300_000, 600_000],
        [bytes.length - 1, bytes.length - 1],
      ] as const;
      const [whole, ...parts] = await Promise.all([
        bytesOf(opened.stream()),
        ...ranges.map(([start, end]) => bytesOf(opened.stream({ start, end }))),
      ]);
      assert.ok(whole.equals(bytes));
      ranges.forEach(([start, end], index) => {
        assert.ok(parts[index]?.equals(bytes.subarray(start, end + 1)));
      });
      for (const [start, end] of [
        [-1, 5],
        [6, 5],
        [0, bytes.length],
        [0.5, 5],
        [0, Number.NaN],
      ] as const) {
        assert.throws(() => opened.stream({ start, end }), RangeError);
      }
      await opened.close();
      await opened.close();
    });

    it("keeps an empty asset", async () => {
      const store = await openStore();
      const hash = await put(store, Buffer.alloc(0));
      assert.equal((await read(store, hash))?.length, 0);
    });

    it("keeps the same bytes once, however they come", async () => {
      const store = await openStore();
      const bytes = assetBytes("hat", 10 * KIBIBYTE);
      await put(store, bytes);
      await put(store, bytes);
      await store.add(bytes, { mediaType: TYPE });
      const both = await Promise.all([
        store.receive(expectedOf(bytes)),
        store.receive(expectedOf(bytes)),
      ]);
      for (const incoming of both) await incoming.write(bytes);
      for (const result of await Promise.all(both.map((each) => each.commit()))) {
        assert.ok(result.valid);
      }
      assert.deepEqual(store.usage(), { bytes: bytes.length, count: 1, incomingBytes: 0 });
      const contents = [...filesOf(disk.directory).keys()].filter((path) =>
        path.endsWith("content"),
      );
      assert.equal(contents.length, 1);
    });

    it("remembers type, size and whose it is through a restart", async () => {
      const first = await openStore();
      const text = Buffer.from("a hat of green felt");
      const hash = await put(first, text, "text/plain");
      const own = await first.add(assetBytes("own", 100), { mediaType: TYPE });
      const before = await listed(first);
      await first.close();
      const second = await openStore({ maxBytes: 100 });
      // Over the quota: the operator's own is spared.
      assert.deepEqual(await listed(second), [own]);
      await second.close();
      assert.equal(before.length, 2);
      assert.equal(before.find((each) => each.hash === hash)?.mediaType, "text/plain");
    });

    it("does not have what it was never given", async () => {
      const store = await openStore();
      const hash = sriOf(Buffer.from("nothing"));
      assert.equal(await store.stat(hash), undefined);
      assert.equal(await store.open(hash), undefined);
      assert.equal(await store.remove(hash), false);
    });

    it("refuses by code every name that is no sha256, paths among them", async () => {
      const store = await openStore();
      for (const name of [
        "",
        "..",
        "../../etc/passwd",
        `${"../".repeat(20)}etc`,
        "sha256-",
        "a".repeat(128),
        `${"a".repeat(63)}/`,
        `${"a".repeat(63)}\0`,
      ]) {
        const invalid = coded("ERR_FED_ASSET_HASH_INVALID");
        await assert.rejects(store.stat(name), invalid);
        await assert.rejects(store.open(name), invalid);
        await assert.rejects(store.remove(name), invalid);
        await assert.rejects(store.receive({ hash: name, size: 1, mediaType: TYPE }), invalid);
        assert.throws(() => store.hold(name), invalid);
      }
    });

    it("writes nothing outside of names made of hex", async () => {
      const store = await openStore();
      await put(store, assetBytes("hat", 1000));
      const incoming = await store.receive(expectedOf(assetBytes("coat", 1000)));
      await incoming.write(assetBytes("coat", 1000).subarray(0, 10));
      const uuid = "[0-9a-f-]{36}";
      const name = new RegExp(
        `^(sha256/[0-9a-f]{2}/[0-9a-f]{64}/(content|meta.json)|incoming/${uuid}/(lock|[0-9a-f]{64}.[0-9]+/content))$`,
        "u",
      );
      for (const path of filesOf(disk.directory).keys()) assert.match(path, name);
      assert.equal((await stat(disk.directory)).mode & 0o077, 0);
    });

    it("throws a TypeError that names the option", async () => {
      for (const [options, message] of [
        [{ directory: "" }, /^directory/u],
        [{ maxBytes: 0 }, /^maxBytes/u],
        [{ maxBytes: undefined as unknown as number }, /^maxBytes/u],
        [{ maxAssets: 1.5 }, /^maxAssets/u],
        [{ maxQuarantineBytes: -1 }, /^maxQuarantineBytes/u],
        [{ maxQuarantined: Number.NaN }, /^maxQuarantined/u],
      ] as const) {
        await assert.rejects(openStore(options), { name: "TypeError", message });
      }
      const store = await openStore();
      const { hash } = expectedOf(Buffer.from("x"));
      await assert.rejects(store.receive({ hash, size: -1, mediaType: TYPE }), TypeError);
      await assert.rejects(store.receive({ hash, size: 1, mediaType: "PNG" }), TypeError);
      await assert.rejects(store.add(Buffer.from("x"), { mediaType: "a/b; c" }), TypeError);
    });

    it("rejects by code when its folder cannot be used, and once it is closed", async () => {
      await writeFile(disk.directory, "a file");
      await assert.rejects(openStore(), coded("ERR_FED_STORE_UNAVAILABLE"));
      await rm(disk.directory);
      const store = await openStore();
      await store.close();
      await store.close();
      const { hash } = expectedOf(Buffer.from("x"));
      await assert.rejects(store.stat(hash), coded("ERR_FED_STORE_UNAVAILABLE"));
      await assert.rejects(
        store.add(Buffer.of(1), { mediaType: TYPE }),
        coded("ERR_FED_STORE_UNAVAILABLE"),
      );
      assert.deepEqual([...filesOf(disk.directory).keys()], []);
    });
  });

  it("waits, when it closes, for what is being stored, and leaves nothing half done", async () => {
    for (let steps = 0; steps < 40; steps += 4) {
      const store = await openStore();
      const adding = Array.from({ length: 10 }, (_, index) => {
        return store.add(assetBytes(`${steps}-${index}`, 100), { mediaType: TYPE });
      });
      const settled = Promise.allSettled(adding);
      await turn(steps);
      await store.close();
      for (const outcome of await settled) {
        if (outcome.status === "fulfilled") continue;
        assert.equal((outcome.reason as FederationError).message, "The asset store is closed.");
      }
      assert.deepEqual(await readdir(join(disk.directory, "incoming")), []);
    }
  });
});
