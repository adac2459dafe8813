import assert from "node:assert/strict";
import { type Server, createServer } from "node:http";
import { createServer as createNetServer } from "node:net";
import { createGuardedFetch, isAllowedAddress } from "../../../src/http/outbound/outbound-guard.ts";
import { hangUp, listen, nobodyThere } from "../../support/loopback.ts";

const STRICT = { allowInsecure: false, allowPrivateNetwork: false };
const DEVELOPMENT = { allowInsecure: true, allowPrivateNetwork: false };
const PRIVATE = { allowInsecure: false, allowPrivateNetwork: true };

describe("http/outbound-guard", () => {
  const forbidden: [string, string][] = [
    ["0.0.0.0", "this host"],
    ["127.0.0.1", "loopback"],
    ["127.255.255.254", "loopback, the far end"],
    ["10.1.2.3", "private"],
    ["172.16.0.1", "private"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "carrier-grade NAT"],
    ["169.254.169.254", "cloud metadata"],
    ["168.63.129.16", "Azure's wire server"],
    ["100.100.100.200", "Alibaba's metadata"],
    ["192.0.0.1", "protocol assignments"],
    ["198.18.0.1", "benchmarking"],
    ["203.0.113.9", "documentation"],
    ["224.0.0.1", "multicast"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "broadcast"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["::7f00:1", "IPv4-compatible loopback"],
    ["::a9fe:a9fe", "IPv4-compatible metadata"],
    ["::ffff:127.0.0.1", "mapped loopback"],
    ["::ffff:a9fe:a9fe", "mapped metadata"],
    ["::ffff:0:7f00:1", "translated loopback"],
    ["64:ff9b::7f00:1", "NAT64 loopback"],
    ["64:ff9b:1::1", "local NAT64"],
    ["2002:7f00:1::", "6to4 loopback"],
    ["2001:0:7f00:1::", "Teredo"],
    ["fe80::1", "link-local"],
    ["fec0::1", "site-local"],
    ["fc00::1", "unique local"],
    ["fd00:ec2::254", "EC2's metadata"],
    ["ff02::1", "multicast"],
    ["100::1", "discard"],
    ["2001:db8::1", "documentation"],
    ["4000::1", "unassigned"],
    ["not an address", "no address"],
  ];
  for (const [address, what] of forbidden) {
    it(`allows no ${address} (${what})`, () => {
      assert.equal(isAllowedAddress(address, STRICT), false);
    });
  }

  it("allows public addresses", () => {
    for (const address of ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1"]) {
      assert.equal(isAllowedAddress(address, STRICT), true, address);
    }
  });

  it("opens no more than each switch says", () => {
    for (const address of ["10.0.0.1", "192.168.0.1", "100.64.0.1", "fd12::1"]) {
      assert.equal(isAllowedAddress(address, PRIVATE), true, address);
      assert.equal(isAllowedAddress(address, DEVELOPMENT), false, address);
    }
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
      assert.equal(isAllowedAddress(address, PRIVATE), false, address);
      assert.equal(isAllowedAddress(address, DEVELOPMENT), true, address);
    }
    const both = { allowInsecure: true, allowPrivateNetwork: true };
    for (const address of [
      "169.254.169.254",
      "168.63.129.16",
      "100.100.100.200",
      "fd00:ec2::254",
      "fe80::1",
      "224.0.0.1",
      "0.0.0.0",
    ]) {
      assert.equal(isAllowedAddress(address, both), false, address);
    }
  });

  describe("createGuardedFetch", () => {
    let server: Server;
    let port: number;
    let hits: string[];
    const closers: (() => Promise<void>)[] = [];
    const guarded = (options: object = {}) => {
      const fetch = createGuardedFetch({ ...DEVELOPMENT, ...options });
      closers.push(() => fetch.close());
      return fetch;
    };
    const get = (path: string, options: object = {}, request: object = {}) =>
      guarded(options)({
        method: "GET",
        url: `http://127.0.0.1:${port}${path}`,
        headers: {},
        ...request,
      });

    before(async () => {
      server = createServer((request, response) => {
        hits.push(request.url ?? "");
        if (request.url === "/redirect") {
          response.writeHead(302, { location: `http://127.0.0.1:${port}/secret` }).end();
        } else if (request.url === "/large") {
          response.writeHead(200, { "content-length": "100000" }).end(Buffer.alloc(100_000));
        } else if (request.url === "/endless") {
          const more = (): void => {
            while (!response.destroyed && response.write(Buffer.alloc(16_384)));
          };
          response.on("drain", more);
          more();
        } else if (request.url === "/drip") {
          const timer = setInterval(() => response.write("."), 20);
          response.on("close", () => {
            clearInterval(timer);
          });
        } else if (request.url === "/headers") {
          for (let index = 0; index < 40; index += 1) {
            response.setHeader(`x-${index}`, "y".repeat(1000));
          }
          response.end();
        } else if (request.url !== "/silent") {
          const chunks: Buffer[] = [];
          request.on("data", (chunk: Buffer) => chunks.push(chunk));
          request.on("end", () => {
            response.setHeader("X-Mixed-Case", "yes");
            response.end(`${request.method ?? ""} ${Buffer.concat(chunks).toString()}`);
          });
        }
      });
      ({ port } = await listen(server));
    });
    beforeEach(() => {
      hits = [];
    });
    after(async () => {
      for (const close of closers) await close();
      await hangUp(server);
    });

    it("sends and receives", async () => {
      const answer = await get("/echo", {}, { method: "POST", body: Buffer.from("hello") });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["x-mixed-case"], "yes");
      assert.equal(Buffer.from(answer.body).toString(), "POST hello");
    });

    const literals = [
      "http://127.0.0.1",
      "http://2130706433",
      "http://0x7f000001",
      "http://017700000001",
      "http://127.1",
      "http://0",
      "http://[::1]",
      "http://[::ffff:127.0.0.1]",
      "http://[0:0:0:0:0:ffff:7f00:1]",
      "http://169.254.169.254",
      "http://\u2460\u2461\u2466.0.0.1",
    ];
    for (const literal of literals) {
      it(`does not connect to ${literal} over https`, async () => {
        const fetch = guarded(STRICT);
        const url = `${literal.replace("http:", "https:")}:${port}/`;
        await assert.rejects(fetch({ method: "GET", url, headers: {} }), {
          code: "ERR_FED_FORBIDDEN_ADDRESS",
        });
        assert.deepEqual(hits, []);
      });
    }

    it("does not connect to a name that resolves to loopback", async () => {
      const url = `https://localhost:${port}/`;
      await assert.rejects(guarded(STRICT)({ method: "GET", url, headers: {} }), {
        code: "ERR_FED_FORBIDDEN_ADDRESS",
      });
    });

    it("resolves names where it connects, in development", async () => {
      const url = `http://localhost:${port}/echo`;
      const answer = await guarded()({ method: "GET", url, headers: {} });
      assert.equal(answer.status, 200);
    });

    it("takes no http, and no other scheme", async () => {
      for (const url of [
        `http://127.0.0.1:${port}/`,
        "file:///etc/passwd",
        "ftp://example.com/",
        "nonsense",
      ]) {
        await assert.rejects(guarded(STRICT)({ method: "GET", url, headers: {} }), {
          code: "ERR_FED_FORBIDDEN_ADDRESS",
        });
      }
    });

    it("follows no redirect", async () => {
      await assert.rejects(get("/redirect"), { code: "ERR_FED_BAD_RESPONSE" });
      assert.deepEqual(hits, ["/redirect"]);
    });

    it("reads no more than it was told to", async () => {
      await assert.rejects(get("/large", {}, { maxBodyBytes: 65_536 }), {
        code: "ERR_FED_RESPONSE_TOO_LARGE",
      });
      await assert.rejects(get("/endless"), { code: "ERR_FED_RESPONSE_TOO_LARGE" });
      assert.equal((await get("/large", {}, { maxBodyBytes: 100_000 })).body.length, 100_000);
    });

    it("reads no more headers than fit in 16 KiB", async () => {
      await assert.rejects(get("/headers"), { code: "ERR_FED_RESPONSE_TOO_LARGE" });
    });

    it("ends a body that drips", async () => {
      await assert.rejects(get("/drip", {}, { timeoutMilliseconds: 200 }), {
        code: "ERR_FED_TIMEOUT",
      });
    });

    it("ends a server that says nothing", async () => {
      await assert.rejects(get("/silent", {}, { timeoutMilliseconds: 200 }), {
        code: "ERR_FED_TIMEOUT",
      });
    });

    it("says that nobody listens", async () => {
      const { origin: url } = await nobodyThere();
      await assert.rejects(guarded()({ method: "GET", url, headers: {} }), {
        code: "ERR_FED_UNREACHABLE",
      });
    });

    it("makes sense of no answer that is not HTTP", async () => {
      const odd = createNetServer((socket) => {
        socket.on("error", () => undefined);
        socket.resume();
        socket.end("hello\r\n\r\n");
      });
      const { origin: url } = await listen(odd);
      await assert.rejects(guarded()({ method: "GET", url, headers: {} }), {
        code: "ERR_FED_UNREACHABLE",
      });
      await new Promise((resolve) => odd.close(resolve));
    });
  });
});
