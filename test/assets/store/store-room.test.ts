import assert from "node:assert/strict";
import { once } from "node:events";
import type { ContentStore } from "../../../src/assets/store/content-store.ts";
import { FederationError } from "../../../src/errors.ts";
import { assetBytes, expectedOf, filesOf, hexOf, sriOf } from "../../support/assets.ts";
import { coded } from "../../support/coded.ts";
import { TYPE, bytesOf, listed, put, read, storesOnDisk } from "../../support/stores.ts";

const KIBIBYTE = 1024;

describe("assets/store/store-room", () => {
  const disk = storesOnDisk();
  const { openStore } = disk;

  const asset = (name: string, size = 1000): Buffer => assetBytes(name, size);
  const names = async (store: ContentStore, among: readonly string[]): Promise<string[]> => {
    const hashes = (await listed(store)).map(({ hash }) => hash);
    return among.filter((name) => hashes.includes(sriOf(asset(name))));
  };
  const five = ["a", "b", "c", "d", "e"] as const;

  it("evicts the least recently used, uses remembered through a restart", async () => {
    const first = await openStore({ maxBytes: 5000 });
    for (const name of five) {
      await put(first, asset(name));
      disk.clock.advance(61_000);
    }
    await read(first, sriOf(asset("a")));
    disk.clock.advance(61_000);
    await put(first, asset("f"));
    assert.deepEqual(await names(first, [...five, "f"]), ["a", "c", "d", "e", "f"]);
    // Too soon after the last one to be written down at once.
    await read(first, sriOf(asset("c")));
    await first.close();
    const second = await openStore({ maxBytes: 5000 });
    await put(second, asset("g"));
    await put(second, asset("h"));
    assert.deepEqual(await names(second, [...five, "f", "g", "h"]), ["a", "c", "f", "g", "h"]);
  });

  it("spares what is held, until every hold is released", async () => {
    const store = await openStore({ maxBytes: 3000 });
    // Held before it is there: a player wears what is still being fetched.
    const releases = [store.hold(sriOf(asset("a"))), store.hold(hexOf(asset("a")))];
    for (const name of ["a", "b", "c", "d"]) await put(store, asset(name));
    assert.deepEqual(await names(store, ["a", "b", "c", "d"]), ["a", "c", "d"]);
    releases[0]?.();
    releases[0]?.();
    await put(store, asset("e"));
    assert.ok(await store.stat(sriOf(asset("a"))));
    releases[1]?.();
    await put(store, asset("f"));
    assert.equal(await store.stat(sriOf(asset("a"))), undefined);
  });

  it("never evicts the operator's own, and refuses by code when nothing else is left", async () => {
    const store = await openStore({ maxBytes: 3000 });
    await store.add(asset("own"), { mediaType: TYPE });
    const release = store.hold(sriOf(asset("a")));
    await put(store, asset("a"));
    await put(store, asset("b"));
    await assert.rejects(
      store.receive(expectedOf(asset("large", 1001))),
      coded("ERR_FED_ASSET_STORE_FULL"),
    );
    assert.ok(await store.stat(sriOf(asset("b"))), "refused before anything was evicted");
    await put(store, asset("c"));
    assert.deepEqual(await names(store, ["own", "a", "b", "c"]), ["own", "a", "c"]);
    release();
    assert.equal(await store.remove(sriOf(asset("own"))), true);
    await put(store, asset("large", 3000));
    assert.deepEqual(store.usage(), { bytes: 3000, count: 1, incomingBytes: 0 });
  });

  it("gives up parts that could be resumed before whole assets", async () => {
    const store = await openStore({ maxBytes: 3000 });
    for (const name of ["p", "q"]) {
      const incoming = await store.receive(expectedOf(asset(name)));
      await incoming.write(asset(name).subarray(0, 900));
      await incoming.suspend();
    }
    await put(store, asset("a"));
    await put(store, asset("b"));
    assert.deepEqual(await names(store, ["a", "b"]), ["a", "b"]);
    assert.equal(store.usage().incomingBytes, 900);
    assert.equal((await store.receive(expectedOf(asset("p")))).offset, 0);
    assert.equal((await store.receive(expectedOf(asset("q")))).offset, 900);
  });

  it("discards what does not fit in the end, and goes on", async () => {
    const store = await openStore({ maxBytes: 3000 });
    const [one, two] = [
      await store.receive(expectedOf(asset("one", 2000))),
      await store.receive(expectedOf(asset("two", 2000))),
    ];
    await one.write(asset("one", 2000));
    await assert.rejects(two.write(asset("two", 2000)), coded("ERR_FED_ASSET_STORE_FULL"));
    assert.deepEqual(store.usage(), { bytes: 0, count: 0, incomingBytes: 2000 });
    assert.ok((await one.commit()).valid);
    await put(store, asset("two", 2000));
  });

  it("keeps no more assets than it may", async () => {
    const store = await openStore({ maxAssets: 3 });
    for (const name of five) await put(store, asset(name));
    assert.deepEqual(await names(store, five), ["c", "d", "e"]);
  });

  it("never takes more of the disk than its quota, whatever is done at once", async () => {
    const maxBytes = 20_000;
    const store = await openStore({ maxBytes });
    let most = 0;
    const look = (): void => {
      let bytes = 0;
      for (const [path, size] of filesOf(disk.directory)) {
        if (path.endsWith("content") && !path.startsWith("trash")) bytes += size;
      }
      most = Math.max(most, bytes);
    };
    let full = 0;
    const player = async (number: number): Promise<void> => {
      for (let turn = 0; turn < 12; turn += 1) {
        const bytes = asset(`${number % 4}-${turn}`, 500 + ((number * 7 + turn * 13) % 40) * 100);
        try {
          const incoming = await store.receive(expectedOf(bytes));
          for (let at = incoming.offset; at < bytes.length; at += 400) {
            await incoming.write(bytes.subarray(at, at + 400));
            look();
          }
          if (turn % 3 === 2) await incoming.suspend();
          else assert.ok((await incoming.commit()).valid);
          look();
          await read(store, sriOf(bytes));
        } catch (error) {
          assert.ok(coded("ERR_FED_ASSET_STORE_FULL")(error), String(error));
          full += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, number) => player(number)));
    assert.ok(most <= maxBytes, `${most} bytes were on the disk`);
    assert.ok(most > maxBytes / 2, `${most} bytes at most, ${full} times full`);
    const { bytes, incomingBytes, count } = store.usage();
    await store.close();
    const again = await openStore({ maxBytes });
    assert.deepEqual(again.usage(), { bytes, incomingBytes, count }, "it had counted right");
  });

  it("lets a reader finish what is removed or evicted meanwhile", async () => {
    const store = await openStore({ maxBytes: 5 * 1024 * KIBIBYTE });
    const other = await openStore({ maxBytes: 5 * 1024 * KIBIBYTE });
    const large = asset("large", 4 * 1024 * KIBIBYTE);
    for (const takeAway of [
      async () => {
        // In this process what is being read is spared…
        await assert.rejects(put(store, asset("x", 2 * 1024 * KIBIBYTE)), FederationError);
        assert.ok(await store.remove(sriOf(large)));
      },
      async () => {
        // …of another process' readers nothing is known.
        await put(other, asset("y", 2 * 1024 * KIBIBYTE));
        await other.remove(sriOf(asset("y", 2 * 1024 * KIBIBYTE)));
      },
    ]) {
      await put(store, large);
      disk.clock.advance(61_000);
      const opened = await store.open(sriOf(large));
      assert.ok(opened);
      const stream = opened.stream();
      await once(stream, "readable");
      const first = stream.read() as Buffer;
      await takeAway();
      assert.equal(await store.stat(sriOf(large)), undefined);
      assert.ok(Buffer.concat([first, await bytesOf(stream)]).equals(large));
      assert.ok((await bytesOf(opened.stream({ start: 7, end: 9 }))).equals(large.subarray(7, 10)));
      await opened.close();
    }
  });
});
