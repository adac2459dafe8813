import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ReadStream } from "node:fs";
import { type IncomingHttpHeaders, type Server, createServer, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import type { ContentStore } from "../../../src/assets/store/content-store.ts";
import type { StoredAsset } from "../../../src/assets/store/stored-asset.ts";
import {
  type AssetServerOptions,
  assetPath,
  createAssetServer,
  isAssetPath,
} from "../../../src/http/inbound/asset-server.ts";
import { parseByteRange } from "../../../src/http/inbound/byte-range.ts";
import { systemClock } from "../../../src/ports.ts";
import { blob, hexOf } from "../../support/assets.ts";
import { eventually } from "../../support/eventually.ts";
import { recordingLogger } from "../../support/loggers.ts";
import { hangUp, listen } from "../../support/loopback.ts";
import { bytesOf, put, storesOnDisk } from "../../support/stores.ts";

const BASE = "/federation";
const SIZE = 100_000;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

describe("http/asset-server", () => {
  const disk = storesOnDisk();
  let store: ContentStore;
  let server: Server;
  let port: number;
  let bytes: Buffer;
  let asset: StoredAsset;
  let options: { -readonly [Name in keyof AssetServerOptions]?: AssetServerOptions[Name] };
  const logger = recordingLogger();

  /** A request as written: nothing normalizes its path. */
  const ask = (
    path: string,
    headers: Record<string, string> = {},
    method = "GET",
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const outgoing = request({ port, method, path: `${BASE}${path}`, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
  const get = (headers: Record<string, string> = {}, method = "GET"): Promise<Answer> =>
    ask(assetPath(asset.hex), headers, method);
  const etag = (): string => `"${asset.hex}"`;

  beforeEach(async () => {
    store = await disk.openStore({ maxBytes: 64 * 1024 * 1024, clock: systemClock, logger });
    bytes = blob(SIZE);
    asset = await store.add(bytes, { mediaType: "application/octet-stream" });
    options = {};
    let handler: ReturnType<typeof createAssetServer> | undefined;
    server = createServer((incoming, response) => {
      handler ??= createAssetServer({ store, clock: systemClock, logger, ...options });
      // As Colyseus does.
      response.setHeader("Access-Control-Allow-Credentials", "true");
      handler(incoming, response, incoming.url!.slice(BASE.length)).catch((cause: unknown) => {
        response.destroy(cause as Error);
      });
    });
    ({ port } = await listen(server));
  });
  afterEach(() => hangUp(server));

  it("sends an asset, with all that a cache, a peer and a page want to know", async () => {
    const { status, headers, body } = await get();
    assert.equal(status, 200);
    assert.deepEqual(body, bytes);
    const digest = createHash("sha256").update(bytes).digest("base64");
    const expected = {
      "content-type": "application/octet-stream",
      "content-length": String(SIZE),
      etag: etag(),
      "accept-ranges": "bytes",
      "repr-digest": `sha-256=:${digest}:`,
      "cache-control": "public, max-age=31536000, immutable",
      "access-control-allow-origin": "*",
      "cross-origin-resource-policy": "cross-origin",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
      "access-control-allow-credentials": undefined,
      "content-disposition": undefined,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(headers[name], value, name);
    const exposed = headers["access-control-expose-headers"]?.split(", ");
    for (const name of ["ETag", "Content-Length", "Content-Range", "Repr-Digest"]) {
      assert.ok(exposed?.includes(name), name);
    }
  });

  it("sends no body to HEAD, and no range", async () => {
    const { status, headers, body } = await get({ range: "bytes=0-9" }, "HEAD");
    assert.equal(status, 200);
    assert.equal(headers["content-length"], String(SIZE));
    assert.equal(headers["content-range"], undefined);
    assert.equal(body.length, 0);
  });

  it("sends an asset of no bytes", async () => {
    asset = await store.add(Buffer.alloc(0), { mediaType: "text/plain" });
    const { status, headers, body } = await get();
    assert.deepEqual([status, headers["content-length"], body.length], [200, "0", 0]);
    assert.equal((await get({ range: "bytes=0-" })).status, 416);
  });

  it("sandboxes what a browser would run, so that it can be a picture but no page", async () => {
    for (const [mediaType, text, policy] of [
      ["image/svg+xml", "<svg/>", "default-src 'none'; style-src 'unsafe-inline'; sandbox"],
      ["text/html", "<html></html>", "default-src 'none'; sandbox"],
      ["application/pdf", "%PDF-1.7", "default-src 'none'; sandbox"],
    ] as const) {
      asset = await store.add(Buffer.from(text), { mediaType });
      const { headers } = await get();
      assert.equal(headers["content-type"], mediaType);
      assert.equal(headers["content-security-policy"], policy);
      assert.equal(headers["content-disposition"], "attachment");
    }
  });

  describe("conditions", () => {
    it("answers 304 to whoever has it", async () => {
      for (const condition of [etag(), `W/${etag()}`, `"other", ${etag()}`, "*"]) {
        const { status, headers, body } = await get({ "if-none-match": condition });
        assert.equal(status, 304, condition);
        assert.equal(headers.etag, etag());
        assert.equal(headers["cache-control"], "public, max-age=31536000, immutable");
        assert.equal(headers["access-control-allow-origin"], "*");
        assert.equal(body.length, 0);
      }
      assert.equal((await get({ "if-none-match": etag(), range: "bytes=0-1" })).status, 304);
    });

    it("answers 200 to whoever has another", async () => {
      for (const condition of ['"other"', asset.hex, `"${asset.hex.toUpperCase()}"`]) {
        assert.equal((await get({ "if-none-match": condition })).status, 200, condition);
      }
    });

    it("sends a range of what the client has, and else the whole", async () => {
      const range = "bytes=10-19";
      assert.equal((await get({ range, "if-range": etag() })).status, 206);
      for (const condition of [
        '"other"',
        `W/${etag()}`,
        new Date().toUTCString(),
        asset.hex,
        "nonsense",
      ]) {
        const { status, body } = await get({ range, "if-range": condition });
        assert.deepEqual([status, body.length], [200, SIZE], condition);
      }
    });
  });

  describe("ranges", () => {
    const ranges: [string, number, number][] = [
      ["bytes=0-0", 0, 0],
      ["bytes=10-19", 10, 19],
      ["bytes=99999-", 99_999, 99_999],
      ["bytes=5-", 5, SIZE - 1],
      ["bytes=-1", SIZE - 1, SIZE - 1],
      ["bytes=-500000", 0, SIZE - 1],
      ["bytes=10-500000", 10, SIZE - 1],
      ["BYTES=10-19", 10, 19],
      ["bytes= 10-19 ", 10, 19],
      [`bytes=0-${"9".repeat(400)}`, 0, SIZE - 1],
    ];
    for (const [range, start, end] of ranges) {
      it(`sends ${range.slice(0, 30)}`, async () => {
        const { status, headers, body } = await get({ range });
        assert.equal(status, 206);
        assert.equal(headers["content-range"], `bytes ${start}-${end}/${SIZE}`);
        assert.equal(headers["content-length"], String(end - start + 1));
        assert.equal(headers.etag, etag());
        assert.match(headers["repr-digest"] as string, /^sha-256=:/u);
        assert.deepEqual(body, bytes.subarray(start, end + 1));
      });
    }

    for (const range of [
      "bytes=0-1,5-6",
      "bytes=",
      "bytes=-",
      "bytes=a-b",
      "bytes=9-5",
      "bytes=1.5-2",
      "bytes=+1-2",
      "bytes=0x1-2",
      "bytes 0-1",
      "lines=0-1",
      "bytes=0-1,",
    ]) {
      it(`sends the whole for ${range}`, async () => {
        const { status, headers, body } = await get({ range });
        assert.equal(status, 200);
        assert.equal(headers["content-range"], undefined);
        assert.equal(body.length, SIZE);
      });
    }

    for (const range of [
      "bytes=100000-",
      "bytes=100000-100001",
      "bytes=-0",
      `bytes=${"9".repeat(400)}-`,
    ]) {
      it(`cannot send ${range.slice(0, 30)}`, async () => {
        const { status, headers, body } = await get({ range });
        assert.equal(status, 416);
        assert.equal(headers["content-range"], `bytes */${SIZE}`);
        assert.equal(body.length, 0);
        assert.equal(headers["cache-control"], "no-store");
      });
    }

    it("sends two of one asset at once, which together are the whole", async () => {
      const [first, second] = await Promise.all([
        get({ range: "bytes=0-49999" }),
        get({ range: "bytes=50000-" }),
      ]);
      assert.deepEqual(Buffer.concat([first.body, second.body]), bytes);
    });

    it("are cut to what is there, whatever is asked", () => {
      assert.equal(parseByteRange(undefined, 10), undefined);
      assert.deepEqual(parseByteRange("bytes=-3", 2), { start: 0, end: 1 });
      assert.equal(parseByteRange("bytes=-3", 0), "unsatisfiable");
    });
  });

  describe("paths", () => {
    it("are below /assets/", () => {
      assert.equal(isAssetPath(`/assets/sha256/${asset.hex}`), true);
      assert.equal(isAssetPath("/assetsx"), false);
      assert.equal(isAssetPath("/health"), false);
    });

    const tricks: Record<string, (hex: string) => string> = {
      "upper case": (hex) => `/assets/sha256/${hex.toUpperCase()}`,
      "a digit more": (hex) => `/assets/sha256/${hex}0`,
      "a digit less": (hex) => `/assets/sha256/${hex.slice(1)}`,
      "a slash at the end": (hex) => `/assets/sha256/${hex}/`,
      "two slashes": (hex) => `/assets//sha256/${hex}`,
      dots: (hex) => `/assets/sha256/../sha256/${hex}`,
      "encoded dots": (hex) => `/assets/sha256/%2e%2e/sha256/${hex}`,
      "an encoded slash": (hex) => `/assets/sha256%2f${hex}`,
      "an encoded digit": (hex) => `/assets/sha256/%3${hex.slice(1)}`,
      "an encoded NUL": (hex) => `/assets/sha256/${hex}%00`,
      "a line break": (hex) => `/assets/sha256/${hex}%0a`,
      "a backslash": (hex) => `/assets/sha256\\${hex}`,
      "another folder": () => "/assets/sha256/../../../../etc/passwd",
      "a file of the store": (hex) => `/assets/sha256/${hex.slice(0, 2)}/${hex}/meta.json`,
      "another algorithm": (hex) => `/assets/sha512/${hex}`,
      "a file name": (hex) => `/assets/sha256/${hex}.png`,
      "letters that are no digits": () => `/assets/sha256/${"g".repeat(64)}`,
      "digits of another script": () => `/assets/sha256/${"%D9%A1".repeat(64)}`,
      "no hash": () => "/assets/sha256/",
      nothing: () => "/assets/",
    };
    for (const [what, path] of Object.entries(tricks)) {
      it(`with ${what} are not found`, async () => {
        const { status, headers, body } = await ask(path(asset.hex));
        assert.equal(status, 404);
        assert.equal(headers["content-type"], "application/problem+json");
        assert.equal(headers["cache-control"], "no-store");
        assert.equal(headers["access-control-allow-origin"], "*");
        assert.equal(JSON.parse(body.toString()).code, "ERR_FED_NOT_FOUND");
      });
    }

    it("of an asset that is not here are not found", async () => {
      assert.equal((await ask(assetPath("0".repeat(64)))).status, 404);
      assert.equal((await ask(assetPath("0".repeat(64)), {}, "HEAD")).body.length, 0);
    });
  });

  it("tells a page that it may ask for ranges", async () => {
    const { status, headers, body } = await get({ origin: "https://page.example" }, "OPTIONS");
    assert.equal(status, 204);
    assert.equal(headers["access-control-allow-origin"], "*");
    assert.equal(headers["access-control-allow-methods"], "GET, HEAD, OPTIONS");
    assert.match(headers["access-control-allow-headers"] ?? "", /Range/u);
    assert.equal(headers["access-control-allow-credentials"], undefined);
    assert.equal(body.length, 0);
  });

  it("takes no other method", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const { status, headers } = await get({}, method);
      assert.deepEqual([status, headers.allow], [405, "GET, HEAD, OPTIONS"]);
    }
  });

  describe("an asset on its way here", () => {
    it("is waited for", async () => {
      const late = blob(1000);
      const hex = hexOf(late);
      let arrive: (came: boolean) => void = () => undefined;
      const coming = new Promise<boolean>((resolve) => (arrive = resolve));
      let asked = 0;
      options.pending = (wanted) => {
        asked += 1;
        return wanted === hex ? coming : undefined;
      };
      assert.equal((await ask(assetPath("0".repeat(64)))).status, 404);
      const answer = ask(assetPath(hex));
      await eventually(() => assert.equal(asked, 2));
      await store.add(late, { mediaType: "application/octet-stream" });
      arrive(true);
      assert.deepEqual((await answer).body, late);
    });

    it("that did not come is not found", async () => {
      options.pending = () => Promise.resolve(false);
      assert.equal((await ask(assetPath("0".repeat(64)))).status, 404);
    });

    it("is not waited for longer than so", async () => {
      options = { pending: () => new Promise(() => undefined), pendingTimeoutSeconds: 0.1 };
      const { status, headers, body } = await ask(assetPath("0".repeat(64)));
      assert.deepEqual([status, headers["retry-after"]], [503, "5"]);
      assert.equal(JSON.parse(body.toString()).code, "ERR_FED_UNAVAILABLE");
    });
  });

  it("does not answer more at once than it should", async () => {
    let arrive: (came: boolean) => void = () => undefined;
    const coming = new Promise<boolean>((resolve) => (arrive = resolve));
    let asked = 0;
    options = {
      maxConcurrentRequests: 2,
      pending: () => {
        asked += 1;
        return coming;
      },
    };
    const waiting = [ask(assetPath("0".repeat(64))), ask(assetPath("0".repeat(64)))];
    await eventually(() => assert.equal(asked, 2));
    const { status, headers } = await get();
    assert.deepEqual([status, headers["retry-after"]], [503, "1"]);
    arrive(false);
    for (const each of waiting) assert.equal((await each).status, 404);
    assert.equal((await get()).status, 200);
  });

  describe("a large asset", () => {
    /** Opens and closes of the store's assets. */
    let opens: number;
    let closes: number;
    let streams: ReadStream[];
    beforeEach(async () => {
      streams = [];
      opens = 0;
      closes = 0;
      options.store = {
        open: async (hash) => {
          const opened = await store.open(hash);
          if (opened === undefined) return undefined;
          opens += 1;
          return {
            asset: opened.asset,
            stream: (range) => {
              const stream = opened.stream(range);
              assert.ok(stream instanceof ReadStream);
              streams.push(stream);
              return stream;
            },
            close: async () => {
              await opened.close();
              closes += 1;
            },
          };
        },
      };
      bytes = blob(32 * 1024 * 1024);
      asset = await store.add(bytes, { mediaType: "application/octet-stream" });
    });
    /** Asks, and reads nothing. */
    const lazy = () => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.pause();
      socket.write(`GET ${BASE}${assetPath(asset.hex)} HTTP/1.1\r\nHost: a\r\n\r\n`);
      return socket;
    };

    /** What is sent when this happens between the head and the body. */
    const sentDuring = (work: () => Promise<unknown>): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        request({ port, path: `${BASE}${assetPath(asset.hex)}` }, (response) => {
          work()
            .then(() => bytesOf(response))
            .then(resolve, reject);
        }).end();
      });

    it("is sent whole though it is removed meanwhile", async () => {
      const sent = await sentDuring(() => store.remove(asset.hash));
      assert.ok(sent.equals(bytes));
      assert.equal((await get()).status, 404);
    });

    it("is sent whole though others need its room meanwhile", async () => {
      const small = await disk.openStore({
        directory: join(disk.folder, "small"),
        maxBytes: bytes.length + 1000,
        clock: systemClock,
        logger,
      });
      options.store = small;
      // As from a peer: it may be evicted.
      await put(small, bytes);
      const sent = await sentDuring(() =>
        // There is room for one of the two.
        put(small, blob(2000)).catch((cause: unknown) => {
          assert.equal((cause as { code?: string }).code, "ERR_FED_ASSET_STORE_FULL");
        }),
      );
      assert.ok(sent.equals(bytes));
      await eventually(() => put(small, blob(2000)));
      assert.equal((await get()).status, 404, "then it gives way");
    });

    it("is let go of when the client goes away", async () => {
      const socket = lazy();
      await eventually(() => assert.equal(opens, 1));
      assert.equal(closes, 0);
      socket.destroy();
      await eventually(() => assert.equal(closes, 1));
      assert.deepEqual(
        logger.lines.filter((line) => line.startsWith("error")),
        [],
      );
    });

    it("is let go of when the client takes nothing", async () => {
      options.idleTimeoutSeconds = 0.2;
      const socket = lazy();
      await eventually(() => assert.equal(opens, 1));
      await eventually(() => assert.equal(closes, 1));
      socket.destroy();
    });

    it("is read no faster than the client takes it", async () => {
      const sockets = Array.from({ length: 8 }, lazy);
      await eventually(() => {
        assert.equal(streams.length, 8);
        for (const stream of streams) assert.ok(stream.isPaused(), "waits for the client");
      });
      for (const { bytesRead } of streams) {
        assert.ok(bytesRead < bytes.length / 4, `${bytesRead} bytes for a client that takes none`);
      }
      for (const socket of sockets) socket.destroy();
      await eventually(() => assert.equal(closes, 8));
    });
  });
});
