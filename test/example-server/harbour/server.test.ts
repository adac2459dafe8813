import assert from "node:assert/strict";
import { USAGE, readOptions } from "../../../example-server/harbour/options.ts";
import { type ServerProcess, Servers } from "../../support/processes.ts";

describe("the harbour's flags", () => {
  it("have defaults", () => {
    assert.deepEqual(readOptions([]), {
      ...{ name: "harbour", port: 2570, data: ".data/harbour", trust: "approve", peers: [] },
    });
    assert.equal(readOptions(["--help"]), "help");
    assert.match(USAGE, /--peer/u);
  });

  it("are refused in one line", () => {
    for (const [flags, message] of [
      [["--name", "a b"], /--name must be/u],
      [["--port", "0"], /--port must be/u],
      [["--port", "70000"], /--port must be/u],
      [["--data", ""], /--data must/u],
      [["--trust", "all"], /--trust must be/u],
      [["--peer", "ftp://a.example"], /--peer must be an origin/u],
      [["--peer", "http://a.example/x"], /--peer must be an origin/u],
    ] as const) {
      assert.throws(() => readOptions(flags), message);
    }
  });
});

describe("the harbour's server", function () {
  this.timeout(30_000);
  const servers = new Servers();
  let harbour: ServerProcess;
  before(async () => {
    const kind = { name: "harbour", script: "example-server/harbour/server.ts" };
    [harbour] = (await servers.start([kind])) as [ServerProcess];
  });
  after(() => servers.stop());

  it("serves a light page, whose files are kept by their hash", async () => {
    const page = await fetch(`${harbour.origin}/play`);
    assert.equal(page.headers.get("cache-control"), "no-cache");
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/u);
    const html = await page.text();
    const files = [...html.matchAll(/"(\/play\/(?:main|style)-[\w-]+\.(?:js|css))"/gu)];
    assert.equal(files.length, 2);
    for (const [, path = ""] of files) {
      const headers = { "accept-encoding": "br" };
      const file = await fetch(`${harbour.origin}${path}`, { headers });
      assert.match(file.headers.get("cache-control") ?? "", /immutable/u);
      assert.equal(file.headers.get("content-encoding"), "br");
      assert.ok(Number(file.headers.get("content-length")) < 90 * 1024, path);
      await file.arrayBuffer();
    }
    const plain = await fetch(`${harbour.origin}${files[0]?.[1] ?? ""}`, {
      headers: { "accept-encoding": "identity" },
    });
    assert.equal(plain.headers.get("content-encoding"), null);
    await plain.arrayBuffer();
    assert.equal((await fetch(`${harbour.origin}/play/nothing.js`)).status, 404);
    assert.equal((await fetch(harbour.origin, { redirect: "manual" })).status, 302);
  });

  it("says in its descriptor which page is its own", async () => {
    const answer = await fetch(`${harbour.origin}/.well-known/aether-federation`);
    const { game } = (await answer.json()) as { game?: { client?: string } };
    assert.equal(game?.client, `${harbour.origin}/play`);
  });

  it("ends with one line where its port is taken", async () => {
    const second = await servers.launch({
      name: "second",
      script: "example-server/harbour/server.ts",
      port: harbour.spec.port,
    });
    for (let waited = 0; second.exitCode === undefined && waited < 200; waited += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(second.exitCode, 1);
    assert.match(second.output, /port \d+ is taken/u);
  });

  it("stops in order on SIGTERM", async () => {
    assert.equal(await harbour.kill("SIGTERM"), 0);
  });
});
