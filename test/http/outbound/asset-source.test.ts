import assert from "node:assert/strict";
import {
  type AssetSourceOptions,
  createAssetSource,
} from "../../../src/http/outbound/asset-source.ts";
import type { StreamResponse } from "../../../src/ports.ts";
import { type AssetHandler, AssetPeer } from "../../support/asset-peer.ts";
import { eventually } from "../../support/eventually.ts";
import { nobodyThere } from "../../support/loopback.ts";

const DEVELOPMENT = { allowInsecure: true, allowPrivateNetwork: false };

describe("http/asset-source", () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  const source = (options: Partial<AssetSourceOptions> = {}) => {
    const open = createAssetSource({ ...DEVELOPMENT, ...options });
    closers.push(() => open.close());
    return open;
  };
  const listen = async (handler: AssetHandler): Promise<AssetPeer> => {
    const peer = await AssetPeer.listen(handler);
    closers.push(() => peer.close());
    return peer;
  };
  const get = (
    url: string,
    options: Partial<AssetSourceOptions> = {},
    signal: AbortSignal = new AbortController().signal,
  ): Promise<StreamResponse> => source(options)({ url, headers: { "x-test": "1" }, signal });
  const read = async ({ body }: StreamResponse): Promise<Buffer> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  it("gives status, headers and a body to read", async () => {
    const peer = await listen((_request, response) => {
      response.writeHead(206, { ETag: '"x"' }).end("hello");
    });
    const response = await get(`${peer.origin}/a?b`);
    assert.deepEqual([response.status, response.headers["etag"]], [206, '"x"']);
    assert.equal((await read(response)).toString(), "hello");
    assert.equal(peer.requests[0]!.url, "/a?b");
    assert.equal(peer.requests[0]!.headers["x-test"], "1");
  });

  it("calls no private address, whether as it is or as a name", async () => {
    const peer = await listen(() => undefined);
    const port = new URL(peer.origin).port;
    for (const host of ["127.0.0.1", "[::1]", "0", "localhost", "169.254.169.254", "10.0.0.1"]) {
      await assert.rejects(get(`https://${host}:${port}/`, { allowInsecure: false }), {
        code: "ERR_FED_FORBIDDEN_ADDRESS",
      });
    }
    await assert.rejects(get(`${peer.origin}/`, { allowInsecure: false }), {
      code: "ERR_FED_FORBIDDEN_ADDRESS",
    });
    assert.equal(peer.requests.length, 0);
  });

  it("calls https: only, but in development", async () => {
    for (const url of ["http://8.8.8.8:9/", "ftp://8.8.8.8/", "file:///etc/passwd", "nonsense"]) {
      await assert.rejects(get(url, { allowInsecure: false, connectTimeoutMilliseconds: 100 }), {
        code: "ERR_FED_FORBIDDEN_ADDRESS",
      });
    }
  });

  it("follows no redirect", async () => {
    const peer = await listen((_request, response) => {
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    await assert.rejects(get(`${peer.origin}/`), { code: "ERR_FED_BAD_RESPONSE" });
    assert.equal(peer.requests.length, 1);
  });

  it("reads no more headers than fit in 16 KiB", async () => {
    const peer = await listen((_request, response) => {
      response.writeHead(200, { "x-large": "x".repeat(17_000) }).end();
    });
    await assert.rejects(get(`${peer.origin}/`), { code: "ERR_FED_RESPONSE_TOO_LARGE" });
  });

  it("says that nobody listens", async () => {
    const { origin } = await nobodyThere();
    await assert.rejects(get(`${origin}/`), { code: "ERR_FED_UNREACHABLE" });
  });

  it("ends before the answer when it is told to", async () => {
    const abort = new AbortController();
    const peer = await listen(() => {
      abort.abort();
    });
    await assert.rejects(get(`${peer.origin}/`, {}, abort.signal), { code: "ERR_FED_TIMEOUT" });
  });

  it("ends in the body when it is told to, and lets the connection go", async () => {
    let closed = false;
    const peer = await listen((_request, response) => {
      response.write("begun");
      response.on("close", () => (closed = true));
    });
    const abort = new AbortController();
    const response = await get(`${peer.origin}/`, {}, abort.signal);
    const reading = read(response);
    abort.abort();
    await assert.rejects(reading, { name: "FederationError" });
    await eventually(() => assert.ok(closed));
  });

  it("lets go of a body that nobody wants", async () => {
    let closed = false;
    const peer = await listen((_request, response) => {
      response.write("begun");
      response.on("close", () => (closed = true));
    });
    const response = await get(`${peer.origin}/`);
    response.cancel();
    response.cancel();
    await eventually(() => assert.ok(closed));
  });

  it("says that a body broke off", async () => {
    const peer = await listen((_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("begun");
      setTimeout(() => response.socket?.destroy(), 20);
    });
    await assert.rejects(read(await get(`${peer.origin}/`)), { code: "ERR_FED_UNREACHABLE" });
  });

  it("reads no faster than it is read from", async () => {
    const peer = await listen(async (_request, response) => {
      for (let sent = 0; sent < 64 && !response.destroyed; sent += 1) {
        if (!response.write(Buffer.alloc(1024 * 1024))) {
          await new Promise((resolve) => response.once("drain", resolve));
        }
      }
      response.end();
    });
    const response = await get(`${peer.origin}/`);
    // What it could send without anybody reading is what sockets hold.
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(peer.sent < 16 * 1024 * 1024, `${peer.sent} bytes`);
    assert.equal((await read(response)).length, 64 * 1024 * 1024);
  });
});
