import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { hashChunks } from "../../../src/assets/verify/chunks.ts";
import type { HashMismatchAction } from "../../../src/assets/verify/reference.ts";
import type { TransferProgress } from "../../../src/assets/transfer/flight.ts";
import type { FetchAssetOptions } from "../../../src/assets/transfer/transfer.ts";
import {
  type AssetHandler,
  answerHead,
  honest,
  startOf,
  writeAll,
} from "../../support/asset-peer.ts";
import { TransferBench } from "../../support/asset-transfer.ts";
import { blob, expectedOf, sriOf } from "../../support/assets.ts";
import { eventually } from "../../support/eventually.ts";
import { nobodyThere } from "../../support/loopback.ts";
import { quickClock } from "../../support/quick-clock.ts";

const SIZE = 400_000;

describe("assets/transfer", () => {
  const benches: TransferBench[] = [];
  const open = async (...args: Parameters<typeof TransferBench.open>): Promise<TransferBench> => {
    const bench = await TransferBench.open(...args);
    benches.push(bench);
    return bench;
  };
  afterEach(async () => {
    for (const bench of benches.splice(0)) await bench.close();
  });

  /** Fetches `bytes` from one peer that answers in this way, and expects it to be refused. */
  const refused = async (
    handler: AssetHandler,
    code: string,
    why: RegExp,
    bytes: Buffer = blob(SIZE),
  ): Promise<{ bench: TransferBench; peer: Awaited<ReturnType<TransferBench["peer"]>> }> => {
    const bench = await open();
    const peer = await bench.peer(handler);
    const reference = bench.reference(peer, bytes);
    await assert.rejects(bench.transfer.fetch(reference), (cause: Error & { code?: string }) => {
      assert.equal(cause.code, code, cause.message);
      assert.match(cause.message, why);
      assert.ok(cause.message.includes(peer.origin));
      return true;
    });
    assert.equal(await bench.store.stat(reference.assetHash), undefined);
    return { bench, peer };
  };

  it("brings an asset into the store, telling how far it is", async () => {
    const bench = await open();
    const bytes = blob(SIZE);
    const peer = await bench.peer(honest(bytes));
    const reference = bench.reference(peer, bytes);
    const told: TransferProgress[] = [];
    const stored = await bench.transfer.fetch(reference, { onProgress: (step) => told.push(step) });
    assert.equal(stored.hash, reference.assetHash);
    assert.deepEqual(await bench.read(stored.hash), bytes);
    assert.equal(bench.store.fileOf(stored)?.owner, reference.originServer);
    assert.equal(peer.requests[0]!.url, `/federation/assets/sha256/${stored.hex}`);
    assert.equal(peer.requests[0]!.headers["accept-encoding"], "identity");
    assert.deepEqual(told.at(-1), {
      hash: stored.hash,
      receivedBytes: SIZE,
      totalBytes: SIZE,
      source: peer.origin,
    });
    const counts = told.map(({ receivedBytes }) => receivedBytes);
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => a - b),
    );
    await bench.transfer.fetch(reference);
    assert.equal(peer.requests.length, 1, "what is here is not fetched");
  });

  it("brings an asset of no bytes", async () => {
    const bench = await open();
    const bytes = Buffer.alloc(0);
    const peer = await bench.peer(honest(bytes));
    const stored = await bench.transfer.fetch(bench.reference(peer, bytes));
    assert.equal(stored.size, 0);
    const lie = bench.reference(peer, blob(10), { size: 0 });
    await assert.rejects(bench.transfer.fetch(lie), { code: "ERR_FED_ASSET_MISMATCH" });
    assert.equal(peer.requests.length, 1);
  });

  describe("from a peer that dies", () => {
    it("takes up where it stopped, at every tenth of a file", async () => {
      const bench = await open();
      const bytes = blob(4_000_000);
      const tenth = bytes.length / 10;
      const peer = await bench.peer(async (request, response) => {
        const from = answerHead(request, response, bytes.length);
        const end = (Math.floor(from / tenth) + 1) * tenth;
        await writeAll(response, bytes.subarray(from, end));
        if (end >= bytes.length) response.end();
        else {
          // Dies once the other side has all that was sent.
          const socket = response.socket!;
          await eventually(() => assert.equal(socket.writableLength, 0));
          await new Promise((resolve) => setTimeout(resolve, 50));
          socket.destroy();
        }
      });
      const reference = bench.reference(peer, bytes);
      const stored = await bench.transfer.fetch(reference);
      assert.deepEqual(await bench.read(stored.hash), bytes);
      assert.equal(peer.requests.length >= 10, true);
      assert.ok(peer.sent <= bytes.length * 1.05, `${peer.sent} bytes for ${bytes.length}`);
      for (const { headers } of peer.requests.slice(1)) {
        assert.match(headers.range ?? "", /^bytes=\d+-$/u);
        assert.equal(headers["if-range"], `"${stored.hex}"`);
      }
    });

    it("takes up what an earlier process left", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      const half = await bench.store.receive(expectedOf(bytes));
      await half.write(bytes.subarray(0, SIZE / 2));
      await half.suspend();
      const peer = await bench.peer(honest(bytes));
      await bench.transfer.fetch(bench.reference(peer, bytes));
      assert.deepEqual(peer.ranges, [`bytes=${SIZE / 2}-`]);
      assert.equal(peer.sent, SIZE / 2);
    });

    it("does not mind if all of it was left there", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      const all = await bench.store.receive(expectedOf(bytes));
      await all.write(bytes);
      await all.suspend();
      const peer = await bench.peer(honest(bytes));
      await bench.transfer.fetch(bench.reference(peer, bytes));
      assert.deepEqual(peer.ranges, []);
    });

    it("gives up after a few failures without getting on, keeping what is there", async () => {
      const bench = await open({ maxFailuresPerSource: 3 });
      const bytes = blob(SIZE);
      const half = bytes.subarray(0, SIZE / 2);
      const stopping = await bench.peer(async (request, response, index) => {
        const from = answerHead(request, response, SIZE);
        if (index === 0) await writeAll(response, half.subarray(from));
        setTimeout(() => response.socket?.destroy(), 50);
      });
      await assert.rejects(bench.transfer.fetch(bench.reference(stopping, bytes)), {
        code: "ERR_FED_ASSET_UNAVAILABLE",
      });
      assert.equal(stopping.requests.length, 4);
      const peer = await bench.peer(honest(bytes));
      await bench.transfer.fetch(bench.reference(peer, bytes));
      assert.deepEqual(peer.ranges, [`bytes=${SIZE / 2}-`]);
    });
  });

  describe("from a peer that is slow", () => {
    it("gives up on one that says nothing", async () => {
      const bench = await open({ stallSeconds: 4, maxFailuresPerSource: 2 });
      const bytes = blob(SIZE);
      const peer = await bench.peer(() => undefined);
      await assert.rejects(bench.transfer.fetch(bench.reference(peer, bytes)), {
        code: "ERR_FED_TIMEOUT",
        message: /no bytes for 4 s/u,
      });
      assert.equal(peer.requests.length, 2);
    });

    it("gives up on one that stops in the middle", async () => {
      const bench = await open({ stallSeconds: 4, maxFailuresPerSource: 2 });
      const bytes = blob(SIZE);
      const peer = await bench.peer(async (request, response, index) => {
        const from = answerHead(request, response, SIZE);
        if (index === 0) await writeAll(response, bytes.subarray(from, SIZE / 2));
      });
      await assert.rejects(bench.transfer.fetch(bench.reference(peer, bytes)), {
        code: "ERR_FED_TIMEOUT",
      });
      assert.deepEqual(peer.ranges, [undefined, `bytes=${SIZE / 2}-`]);
    });

    it("gives up on one that drips, though it never stalls", async () => {
      const bench = await open({
        stallSeconds: 10,
        minBytesPerSecond: 10_000,
        maxFailuresPerSource: 1,
      });
      const bytes = blob(SIZE);
      const peer = await bench.peer((request, response) => {
        let at = answerHead(request, response, SIZE);
        const timer = setInterval(() => {
          response.write(bytes.subarray(at, at + 100));
          at += 100;
        }, 20);
        response.on("close", () => {
          clearInterval(timer);
        });
      });
      await assert.rejects(bench.transfer.fetch(bench.reference(peer, bytes)), {
        code: "ERR_FED_TIMEOUT",
        message: /slower than 10000 bytes a second/u,
      });
    });

    it("goes on with another one", async () => {
      const bench = await open({ stallSeconds: 4, maxFailuresPerSource: 1 });
      const bytes = blob(SIZE);
      const silent = await bench.peer(() => undefined);
      const good = await bench.peer(honest(bytes));
      const stored = await bench.transfer.fetch(bench.reference(silent, bytes), {
        sources: [good.origin],
      });
      assert.deepEqual(await bench.read(stored.hash), bytes);
    });
  });

  describe("from a peer that lies", () => {
    it("follows no redirect", async () => {
      const bytes = blob(SIZE);
      let followed = 0;
      const { peer } = await refused(
        (request, response) => {
          if (request.url?.startsWith("/elsewhere") === true) followed += 1;
          response.writeHead(302, { location: "/elsewhere" }).end();
        },
        "ERR_FED_ASSET_UNAVAILABLE",
        /redirects are not followed/u,
        bytes,
      );
      assert.equal(followed, 0);
      assert.equal(peer.requests.length, 1);
    });

    it("takes nothing compressed, which may be a bomb", async () => {
      const bytes = Buffer.alloc(8 * 1024 * 1024);
      await refused(
        (_request, response) => {
          const bomb = gzipSync(bytes);
          response.writeHead(200, { "content-encoding": "gzip", "content-length": bomb.length });
          response.end(bomb);
        },
        "ERR_FED_ASSET_UNAVAILABLE",
        /compressed/u,
        bytes,
      );
    });

    it("does not even begin to read another length than it expects", async () => {
      const bytes = blob(SIZE);
      const { peer } = await refused(
        async (_request, response) => {
          response.writeHead(200, { "content-length": String(1e12) });
          response.flushHeaders();
          await new Promise((resolve) => response.on("close", resolve));
        },
        "ERR_FED_ASSET_UNAVAILABLE",
        /would send 1000000000000 bytes/u,
        bytes,
      );
      assert.equal(peer.requests.length, 1);
    });

    it("cuts an endless body at the first byte too many", async () => {
      const bytes = blob(SIZE);
      const { bench, peer } = await refused(
        async (_request, response) => {
          await writeAll(response, bytes);
          while (!response.destroyed) await writeAll(response, Buffer.alloc(65_536));
        },
        "ERR_FED_ASSET_MISMATCH",
        /sent more than it should/u,
        bytes,
      );
      // The rest is what sockets hold on both sides.
      assert.ok(peer.sent < SIZE + 8 * 1024 * 1024, `${peer.sent} bytes sent`);
      const [event] = bench.mismatches;
      assert.ok(event?.result.valid === false);
      assert.deepEqual(event.result.mismatches, ["size"]);
      assert.equal(bench.store.usage().incomingBytes, 0);
    });

    it("takes no extended file", async () => {
      const bytes = blob(SIZE);
      await refused(
        (_request, response) => {
          response.write(bytes);
          response.end("!");
        },
        "ERR_FED_ASSET_MISMATCH",
        /sent more than it should/u,
        bytes,
      );
    });

    it("takes no truncated file", async () => {
      const bytes = blob(SIZE);
      const { bench } = await refused(
        (_request, response) => {
          response.write(bytes.subarray(0, 1000));
          response.end(bytes.subarray(1000, SIZE - 1));
        },
        "ERR_FED_ASSET_MISMATCH",
        /sent less than it should/u,
        bytes,
      );
      const [event] = bench.mismatches;
      assert.ok(event?.result.valid === false);
      assert.equal(event.result.actual.size, SIZE - 1);
    });

    it("takes no range that begins elsewhere", async () => {
      const bytes = blob(SIZE);
      const { peer } = await refused(
        async (request, response, index) => {
          const from = answerHead(
            request,
            response,
            SIZE,
            index === 0
              ? {}
              : { "content-range": `bytes ${startOf(request) - 1}-${SIZE - 1}/${SIZE}` },
          );
          await writeAll(response, bytes.subarray(from, SIZE / 2));
          setTimeout(() => response.socket?.destroy(), 50);
        },
        "ERR_FED_ASSET_UNAVAILABLE",
        /sent the range/u,
        bytes,
      );
      assert.equal(peer.requests.length, 2);
    });

    it("takes no range of another whole, nor one that was not asked for", async () => {
      const bytes = blob(SIZE);
      for (const changes of [
        { "content-range": `bytes 0-${SIZE - 1}/${SIZE}` },
        { "content-range": `bytes 0-${SIZE - 1}/${SIZE + 1}` },
      ]) {
        await refused(
          (_request, response) => {
            response.writeHead(206, { "content-length": SIZE, ...changes }).end(bytes);
          },
          "ERR_FED_ASSET_UNAVAILABLE",
          /not asked for/u,
          bytes,
        );
      }
    });

    it("begins again when the ETag changes between ranges", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      const peer = await bench.peer(async (request, response, index) => {
        const from = answerHead(request, response, SIZE, index === 1 ? { etag: '"other"' } : {});
        // What it would send under another tag is something else.
        if (index === 0) await writeAll(response, bytes.subarray(0, SIZE / 2));
        else if (index === 1) await writeAll(response, Buffer.alloc(SIZE - from, 1));
        else await writeAll(response, bytes.subarray(from));
        if (index === 0) setTimeout(() => response.socket?.destroy(), 50);
        else response.end();
      });
      const stored = await bench.transfer.fetch(bench.reference(peer, bytes));
      assert.deepEqual(await bench.read(stored.hash), bytes);
      assert.deepEqual(peer.ranges, [undefined, `bytes=${SIZE / 2}-`, undefined]);
      assert.deepEqual(bench.mismatches, []);
    });

    it("begins again when it is sent the whole for a range", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      const peer = await bench.peer(async (_request, response, index) => {
        response.writeHead(200, { "content-length": SIZE });
        await writeAll(response, index === 0 ? bytes.subarray(0, SIZE / 2) : bytes);
        if (index === 0) setTimeout(() => response.socket?.destroy(), 50);
        else response.end();
      });
      const stored = await bench.transfer.fetch(bench.reference(peer, bytes));
      assert.deepEqual(await bench.read(stored.hash), bytes);
    });

    it("takes no bytes whose type is not the one claimed", async () => {
      const bench = await open();
      const bytes = Buffer.from("<html><script>alert(1)</script></html>");
      const peer = await bench.peer(honest(bytes));
      const reference = bench.reference(peer, bytes, { mediaType: "image/png" });
      await assert.rejects(bench.transfer.fetch(reference), { code: "ERR_FED_ASSET_TYPE" });
      assert.equal(await bench.store.stat(reference.assetHash), undefined);
    });
  });

  describe("a byte flipped on the way", () => {
    const flipped = (bytes: Buffer): Buffer => {
      const wrong = Buffer.from(bytes);
      wrong[SIZE - 7]! ^= 1;
      return wrong;
    };
    const flip = async (action: HashMismatchAction): Promise<TransferBench> => {
      const bench = await open({ policy: { action } });
      const bytes = blob(SIZE);
      const peer = await bench.peer(honest(flipped(bytes)));
      const reference = bench.reference(peer, bytes);
      await assert.rejects(bench.transfer.fetch(reference), { code: "ERR_FED_ASSET_MISMATCH" });
      assert.equal(peer.requests.length, 1, "who sends wrong bytes is not asked again");
      assert.equal(await bench.store.stat(reference.assetHash), undefined);
      assert.equal(await bench.store.stat(sriOf(flipped(bytes))), undefined);
      assert.equal(bench.mismatches.length, 1);
      const [event] = bench.mismatches;
      assert.equal(event!.action, action);
      assert.equal(event!.source, peer.origin);
      assert.deepEqual(event!.sources, [peer.origin]);
      assert.deepEqual(event!.reference, reference);
      assert.ok(!event!.result.valid);
      assert.deepEqual(event!.result.mismatches, ["hash"]);
      assert.equal(event!.result.actual.hash, sriOf(flipped(bytes)));
      return bench;
    };

    it("is dropped (reject)", async () => {
      const bench = await flip("reject");
      assert.deepEqual(await bench.store.quarantine.list(), []);
      assert.equal(bench.store.usage().incomingBytes, 0);
      assert.ok(!bench.logger.lines.some((line) => line.startsWith("warn")));
    });

    it("is dropped, and the operator is told (report)", async () => {
      const bench = await flip("report");
      assert.deepEqual(await bench.store.quarantine.list(), []);
      assert.ok(bench.logger.lines.some((line) => /^warn: asset sha256-.* from http/u.test(line)));
    });

    it("is kept aside (quarantine)", async () => {
      const bench = await flip("quarantine");
      const [kept, ...others] = await bench.store.quarantine.list();
      assert.equal(others.length, 0);
      assert.equal(kept!.id, bench.mismatches[0]!.quarantineId);
      assert.equal(kept!.size, SIZE);
      assert.equal(kept!.origin, bench.mismatches[0]!.source);
    });

    it("leads to another peer", async () => {
      const bench = await open({ policy: { action: "quarantine" } });
      const bytes = blob(SIZE);
      const bad = await bench.peer(honest(flipped(bytes)));
      const good = await bench.peer(honest(bytes));
      const stored = await bench.transfer.fetch(bench.reference(bad, bytes), {
        sources: [good.origin],
      });
      assert.deepEqual(await bench.read(stored.hash), bytes);
      assert.equal((await bench.store.quarantine.list()).length, 1);
      assert.equal(bench.mismatches.length, 1);
    });

    it("of what several sent is nobody's fault: each must send all of it", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      // Sends a poisoned beginning and dies, again and again.
      const poisoner = await bench.peer(async (request, response) => {
        const from = answerHead(request, response, SIZE);
        if (from === 0) await writeAll(response, Buffer.alloc(SIZE / 2));
        setTimeout(() => response.socket?.destroy(), 50);
      });
      const good = await bench.peer(honest(bytes));
      const stored = await bench.transfer.fetch(bench.reference(poisoner, bytes), {
        sources: [good.origin],
      });
      assert.deepEqual(await bench.read(stored.hash), bytes);
      assert.deepEqual(bench.mismatches[0]!.sources, [poisoner.origin, good.origin]);
      assert.equal(bench.mismatches.length, 1);
    });
  });

  describe("with hashes of chunks", () => {
    const CHUNK = 64 * 1024;
    const chunksOf = (bytes: Buffer) =>
      hashChunks(
        (async function* () {
          yield bytes;
        })(),
        CHUNK,
      );

    it("leaves a peer at its first bad chunk, and keeps what was good", async () => {
      const bench = await open({ policy: { action: "report" } });
      const bytes = blob(16 * CHUNK + 100);
      const wrong = Buffer.from(bytes);
      wrong[5 * CHUNK + 17]! ^= 1;
      let isLeft = false;
      const bad = await bench.peer(async (request, response) => {
        const from = answerHead(request, response, wrong.length);
        await writeAll(response, wrong.subarray(from, 6 * CHUNK));
        // Whoever waits for more than the chunk waits for ever.
        await new Promise((resolve) => response.on("close", resolve));
        isLeft = true;
      });
      const good = await bench.peer(honest(bytes));
      const stored = await bench.transfer.fetch(bench.reference(bad, bytes), {
        sources: [good.origin],
        chunks: await chunksOf(bytes),
      });
      assert.deepEqual(await bench.read(stored.hash), bytes);
      assert.deepEqual(good.ranges, [`bytes=${5 * CHUNK}-`]);
      assert.equal(bad.requests.length, 1);
      assert.equal(bench.mismatches.length, 1);
      assert.equal(bench.mismatches[0]!.chunk, 5);
      await eventually(() => assert.ok(isLeft, "its connection is let go"));
      assert.deepEqual(bench.mismatches[0]!.sources, [bad.origin]);
    });

    it("takes up at a chunk's beginning, and in the middle of one", async () => {
      for (const kept of [3 * CHUNK, 3 * CHUNK + 1234]) {
        const bench = await open();
        const bytes = blob(10 * CHUNK + 5);
        const half = await bench.store.receive({
          hash: sriOf(bytes),
          size: bytes.length,
          mediaType: "application/octet-stream",
        });
        await half.write(bytes.subarray(0, kept));
        await half.suspend();
        const peer = await bench.peer(honest(bytes));
        const stored = await bench.transfer.fetch(bench.reference(peer, bytes), {
          chunks: await chunksOf(bytes),
        });
        assert.deepEqual(await bench.read(stored.hash), bytes);
        assert.deepEqual(peer.ranges, [`bytes=${kept}-`]);
      }
    });

    it("refuses chunks that are not those of the size", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      const peer = await bench.peer(honest(bytes));
      const chunks = await chunksOf(bytes.subarray(0, SIZE / 2));
      await assert.rejects(
        bench.transfer.fetch(bench.reference(peer, bytes), { chunks }),
        TypeError,
      );
    });
  });

  describe("with other peers", () => {
    it("falls back when the origin is down, has it not, or breaks", async () => {
      const bench = await open();
      const down = await nobodyThere();
      const bytes = blob(SIZE);
      const without = await bench.peer((_request, response) => {
        response.writeHead(404).end();
      });
      const broken = await bench.peer((_request, response) => {
        response.writeHead(500).end();
      });
      const good = await bench.peer(honest(bytes));
      const stored = await bench.transfer.fetch(bench.reference(down, bytes), {
        sources: [without.origin, broken.origin, good.origin],
      });
      assert.deepEqual(await bench.read(stored.hash), bytes);
      assert.equal(without.requests.length, 1);
    });

    it("asks nobody who is unknown or not trusted", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      const stranger = await bench.peer(honest(bytes));
      bench.strangers.add(stranger.origin);
      await assert.rejects(bench.transfer.fetch(bench.reference(stranger, bytes)), {
        code: "ERR_FED_ASSET_UNAVAILABLE",
        message: /not known or not trusted/u,
      });
      assert.equal(stranger.requests.length, 0);
    });

    it("waits as long as one asks it to", async () => {
      const clock = quickClock(20);
      const bench = await open({ clock });
      const bytes = blob(SIZE);
      const asked: number[] = [];
      const peer = await bench.peer(async (request, response, index) => {
        asked.push(clock.monotonic());
        if (index === 0) response.writeHead(503, { "retry-after": "6" }).end();
        else await honest(bytes)(request, response, index);
      });
      await bench.transfer.fetch(bench.reference(peer, bytes));
      assert.ok(asked[1]! - asked[0]! >= 5_900, `${asked[1]! - asked[0]!} ms`);
    });
  });

  describe("for several who ask", () => {
    it("fetches once for fifty", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      const peer = await bench.peer(honest(bytes));
      const reference = bench.reference(peer, bytes);
      const told = new Set<number>();
      const stored = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          bench.transfer.fetch(reference, { onProgress: () => told.add(index) }),
        ),
      );
      assert.equal(new Set(stored.map(({ hash }) => hash)).size, 1);
      assert.equal(peer.requests.length, 1);
      assert.equal(told.size, 50);
    });

    it("ends when the last one has given up, and keeps what came", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      let closed = 0;
      let isWell = false;
      let sendMore: () => void = () => undefined;
      const peer = await bench.peer(async (request, response) => {
        response.on("close", () => {
          closed += 1;
        });
        const from = answerHead(request, response, SIZE);
        await writeAll(response, bytes.subarray(from, isWell ? SIZE : SIZE / 4));
        if (isWell) response.end();
        sendMore = () => void writeAll(response, bytes.subarray(SIZE / 4, SIZE / 2));
      });
      const reference = bench.reference(peer, bytes);
      const first = new AbortController();
      const second = new AbortController();
      let received = 0;
      const ask = ({ signal }: AbortController): Promise<unknown> =>
        bench.transfer.fetch(reference, {
          signal,
          onProgress: ({ receivedBytes }) => (received = receivedBytes),
        });
      const one = ask(first);
      const two = ask(second);
      await eventually(() => assert.equal(received, SIZE / 4));
      first.abort(new Error("first left"));
      await assert.rejects(one, /first left/u);
      sendMore();
      await eventually(() => assert.equal(received, SIZE / 2), {
        what: "more comes for the one that still waits",
      });
      assert.equal(closed, 0);
      assert.ok(
        bench.transfer.pending(Buffer.from(reference.assetHash.slice(7), "base64").toString("hex")),
      );
      second.abort(new Error("second left"));
      await assert.rejects(two, /second left/u);
      await eventually(() => assert.equal(closed, 1));
      isWell = true;
      await bench.transfer.fetch(reference);
      assert.equal(peer.ranges.at(-1), `bytes=${SIZE / 2}-`);
    });

    it("does not begin for one who has given up already", async () => {
      const bench = await open();
      const bytes = blob(SIZE);
      const peer = await bench.peer(honest(bytes));
      const options: FetchAssetOptions = { signal: AbortSignal.abort(new Error("too late")) };
      await assert.rejects(
        bench.transfer.fetch(bench.reference(peer, bytes), options),
        /too late/u,
      );
      assert.equal(peer.requests.length, 0);
    });

    it("lets nobody's wrong reference spoil another's", async () => {
      for (const wrong of [{ size: SIZE + 1 }, { mediaType: "image/png" }]) {
        const bench = await open();
        const bytes = blob(SIZE);
        let answer: () => void = () => undefined;
        const asked = new Promise<void>((resolve) => (answer = resolve));
        const peer = await bench.peer(async (request, response, index) => {
          if (index === 0) await asked;
          await honest(bytes)(request, response, index);
        });
        const right = bench.reference(peer, bytes);
        const begun = bench.transfer.fetch({ ...right, ...wrong });
        await eventually(() => assert.equal(peer.requests.length, 1));
        const all = Promise.allSettled([
          begun,
          bench.transfer.fetch(right),
          bench.transfer.fetch(right),
        ]);
        answer();
        const [first, ...others] = await all;
        assert.equal(first.status, "rejected");
        for (const { status } of others) assert.equal(status, "fulfilled");
      }
    });
  });

  describe("its bounds", () => {
    it("are so many at once for one peer, and so many in all", async () => {
      const bench = await open({ maxConcurrentFetchesPerPeer: 2, maxConcurrentFetches: 3 });
      const files = Array.from({ length: 12 }, () => blob(20_000));
      const byHex = new Map(
        files.map((bytes) => [Buffer.from(sriOf(bytes).slice(7), "base64").toString("hex"), bytes]),
      );
      let atOnce = 0;
      let most = 0;
      const handler: AssetHandler = async (request, response, index) => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise((resolve) => setTimeout(resolve, 20));
        atOnce -= 1;
        await honest(byHex.get(request.url!.split("/").at(-1)!)!)(request, response, index);
      };
      const peers = [await bench.peer(handler), await bench.peer(handler)];
      await Promise.all(
        files.map((bytes, index) =>
          bench.transfer.fetch(bench.reference(peers[index % 2]!, bytes)),
        ),
      );
      assert.equal(most, 3);
      for (const peer of peers) {
        assert.equal(peer.mostAtOnce, 2);
        assert.equal(peer.requests.length, 6);
      }
    });

    it("do not let more wait than they say", async () => {
      const bench = await open({ maxConcurrentFetches: 1, maxQueuedFetches: 1 });
      const peer = await bench.peer(() => undefined);
      const [one, two, three] = [blob(10), blob(10), blob(10)].map((bytes) =>
        bench.reference(peer, bytes),
      );
      const abort = new AbortController();
      const waiting = [one!, two!].map((each) =>
        bench.transfer.fetch(each, { signal: abort.signal }),
      );
      await eventually(() => assert.equal(peer.requests.length, 1));
      await assert.rejects(bench.transfer.fetch(three!), {
        code: "ERR_FED_UNAVAILABLE",
        retryAfterSeconds: 5,
      });
      abort.abort(new Error("enough"));
      for (const each of waiting) await assert.rejects(each, /enough/u);
      const again = bench.transfer.fetch(three!);
      await eventually(() => assert.equal(peer.requests.length, 2));
      await bench.transfer.close();
      await assert.rejects(again, { code: "ERR_FED_UNAVAILABLE" });
    });

    it("are the size and the types the operator takes", async () => {
      const bench = await open({ policy: { maxAssetBytes: 1000 } });
      const peer = await bench.peer(() => undefined);
      const fetch = (changes: object): Promise<unknown> =>
        bench.transfer.fetch({ ...bench.reference(peer, blob(1000)), ...changes });
      await assert.rejects(fetch({ size: 1001 }), { code: "ERR_FED_ASSET_TOO_LARGE" });
      await assert.rejects(fetch({ mediaType: "text/html" }), { code: "ERR_FED_ASSET_TYPE" });
      await assert.rejects(fetch({ assetHash: "md5-abc" }), { code: "ERR_FED_ASSET_HASH_INVALID" });
      assert.equal(peer.requests.length, 0);
    });

    it("are the room there is in the store", async () => {
      const bench = await open({ maxBytes: SIZE - 1 });
      const bytes = blob(SIZE);
      const peer = await bench.peer(honest(bytes));
      await assert.rejects(bench.transfer.fetch(bench.reference(peer, bytes)), {
        code: "ERR_FED_ASSET_STORE_FULL",
      });
      assert.equal(peer.requests.length, 0);
    });

    it("are named when they are wrong", async () => {
      await assert.rejects(open({ stallSeconds: 0 }), /stallSeconds/u);
      await assert.rejects(open({ maxConcurrentFetches: 0 }), /maxConcurrentFetches/u);
    });
  });
});
