import assert from "node:assert/strict";
import { once } from "node:events";
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import {
  ContentStore,
  type ContentStoreOptions,
  type StoredAsset,
} from "../../../src/assets/store/content-store.ts";
import { FederationError } from "../../../src/errors.ts";
import { assetBytes, expectedOf, filesOf, hexOf, sriOf } from "../../support/assets.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const KIBIBYTE = 1024;
const TYPE = "application/octet-stream";
const WHOLE_SECOND = 1_767_225_600;

const coded = (code: string) => (error: unknown) =>
  error instanceof FederationError && error.code === code;

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Puts an asset in as a peer's. */
async function put(store: ContentStore, bytes: Uint8Array, mediaType = TYPE): Promise<string> {
  const incoming = await store.receive(expectedOf(bytes, mediaType));
  await incoming.write(bytes.subarray(incoming.offset));
  const result = await incoming.commit();
  assert.ok(result.valid, JSON.stringify(result));
  return result.hash;
}

async function read(store: ContentStore, hash: string): Promise<Buffer | undefined> {
  const opened = await store.open(hash);
  if (opened === undefined) return undefined;
  const bytes = await bytesOf(opened.stream());
  await opened.close();
  return bytes;
}

async function listed(store: ContentStore): Promise<StoredAsset[]> {
  const assets: StoredAsset[] = [];
  for await (const asset of store.list()) assets.push(asset);
  return assets;
}

describe("assets/content-store", () => {
  let folder: string;
  let directory: string;
  let clock: ManualClock;
  let stores: ContentStore[];
  let said: string[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "aether-assets-"));
    directory = join(folder, "assets");
    clock = new ManualClock();
    stores = [];
    said = [];
  });
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await rm(folder, { recursive: true, force: true });
  });

  async function openStore(options: Partial<ContentStoreOptions> = {}): Promise<ContentStore> {
    const say = (message: string): void => void said.push(message);
    const logger = { debug: () => undefined, info: say, warn: say, error: say };
    const store = await ContentStore.open({
      directory,
      maxBytes: 10 * 1024 * KIBIBYTE,
      clock,
      logger,
      ...options,
    });
    stores.push(store);
    return store;
  }
  const contentPath = (bytes: Uint8Array): string => {
    const hex = hexOf(bytes);
    return join(directory, "sha256", hex.slice(0, 2), hex, "content");
  };

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
      const contents = [...filesOf(directory).keys()].filter((path) => path.endsWith("content"));
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
      for (const path of filesOf(directory).keys()) assert.match(path, name);
      assert.equal((await stat(directory)).mode & 0o077, 0);
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
      await writeFile(directory, "a file");
      await assert.rejects(openStore(), coded("ERR_FED_STORE_UNAVAILABLE"));
      await rm(directory);
      const store = await openStore();
      await store.close();
      await store.close();
      const { hash } = expectedOf(Buffer.from("x"));
      await assert.rejects(store.stat(hash), coded("ERR_FED_STORE_UNAVAILABLE"));
      await assert.rejects(
        store.add(Buffer.of(1), { mediaType: TYPE }),
        coded("ERR_FED_STORE_UNAVAILABLE"),
      );
      assert.deepEqual([...filesOf(directory).keys()], []);
    });
  });

  it("waits, when it closes, for what is being stored, and leaves nothing half done", async () => {
    for (let steps = 0; steps < 40; steps += 4) {
      const store = await openStore();
      const adding = Array.from({ length: 10 }, (_, index) => {
        return store.add(assetBytes(`${steps}-${index}`, 100), { mediaType: TYPE });
      });
      const settled = Promise.allSettled(adding);
      for (let step = 0; step < steps; step += 1) await setImmediate();
      await store.close();
      for (const outcome of await settled) {
        if (outcome.status === "fulfilled") continue;
        assert.equal((outcome.reason as FederationError).message, "The asset store is closed.");
      }
      assert.deepEqual(await readdir(join(directory, "incoming")), []);
    }
  });

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
      assert.ok(![...filesOf(directory).keys()].some((path) => path.endsWith("content")));
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
      const path = join(directory, "partial", hexOf(bytes), "content");
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
      await appendFile(join(directory, "partial", hexOf(bytes), "content"), bytes);
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
      await writeFile(join(folder, "own"), bytes);
      const handle = await open(join(folder, "own"));
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

  describe("making room", () => {
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
        clock.advance(61_000);
      }
      await read(first, sriOf(asset("a")));
      clock.advance(61_000);
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
        for (const [path, size] of filesOf(directory)) {
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
        clock.advance(61_000);
        const opened = await store.open(sriOf(large));
        assert.ok(opened);
        const stream = opened.stream();
        await once(stream, "readable");
        const first = stream.read() as Buffer;
        await takeAway();
        assert.equal(await store.stat(sriOf(large)), undefined);
        assert.ok(Buffer.concat([first, await bytesOf(stream)]).equals(large));
        assert.ok(
          (await bytesOf(opened.stream({ start: 7, end: 9 }))).equals(large.subarray(7, 10)),
        );
        await opened.close();
      }
    });
  });

  describe("on a disk that others write to", () => {
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
            assert.ok(said.some((line) => line.includes(hexOf(bytes))));
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
      await mkdir(join(directory, "sha256", "zz"));
      await writeFile(join(directory, "sha256", "zz", "note"), "mine");
      await writeFile(join(directory, "README"), "mine");
      const again = await openStore();
      assert.equal(await readFile(join(directory, "README"), "utf8"), "mine");
      assert.equal((await listed(again)).length, 1);
    });
  });

  describe("quarantine", () => {
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
        quarantinedAt: clock.now(),
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
        [...filesOf(directory).keys()].filter((path) => path.startsWith("sha256")),
      ];
      assert.equal(files.length, 2);
    });

    it("releases under the hash the bytes have now, if somebody changed them there", async () => {
      const store = await openStore();
      const id = await putAside(store, assetBytes("wrong", 1500));
      const other = Buffer.from('{"changed":true}');
      await writeFile(join(directory, "quarantine", id, "content"), other);
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
      assert.deepEqual(await readdir(join(directory, "quarantine")), []);
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
        clock.advance(1000);
      }
      const reasons = async (): Promise<string[]> =>
        (await store.quarantine.list()).map(({ reason }) => reason);
      assert.deepEqual(await reasons(), ["b", "c", "d"]);
      await putAside(store, assetBytes("e", 1950), "e");
      clock.advance(1000);
      await putAside(store, assetBytes("f", 1000), "f");
      assert.deepEqual(await reasons(), ["e", "f"]);
      const incoming = await store.receive(expectedOf(assetBytes("g", 4000)));
      await incoming.write(Buffer.alloc(3001));
      assert.equal(await incoming.quarantine({ reason: "large" }), undefined);
      assert.deepEqual(await reasons(), ["e", "f"]);
      assert.equal(store.usage().incomingBytes, 0);
    });
  });
});
