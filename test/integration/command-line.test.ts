import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Servers, freePort } from "../support/processes.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe("npm run world", function () {
  this.timeout(30_000);
  const servers = new Servers();
  afterEach(() => servers.stop());

  for (const [flags, message] of [
    [["--what"], /--what/u],
    [["--name", "a b", "--port", "2568"], /--name must be/u],
    [["--port", "2568"], /--name must be/u],
    [["--name", "arena"], /--port must be/u],
    [["--name", "arena", "--port", "x"], /--port must be/u],
    [["--name", "arena", "--port", "70000"], /--port must be/u],
    [["--name", "arena", "--port", "2568", "--trust", "blindly"], /--trust must be/u],
    [["--name", "arena", "--port", "2568", "--peer", "localhost"], /--peer must be/u],
    [["--name", "arena", "--port", "2568", "more"], /more|positional/u],
  ] as const) {
    it(`refuses ${flags.join(" ")} in one line, with exit 2`, async () => {
      const { code, out, err } = await world(flags);
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(err, message);
      assert.equal(err.trim().split("\n").length, 1);
    });
  }

  it("explains itself with --help", async () => {
    const { code, out } = await world(["--help"]);
    assert.equal(code, 0);
    for (const flag of ["--name", "--port", "--data", "--trust", "--peer"]) {
      assert.ok(out.includes(flag), flag);
    }
  });

  it("says in one line that a port is taken", async () => {
    const port = await freePort();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(port, resolve));
    try {
      const data = join(await servers.folder(), "taken");
      const flags = ["--name", "arena", "--port", String(port), "--data", data];
      const { code, err } = await world(flags);
      assert.equal(code, 1);
      assert.match(err, new RegExp(`port ${port} is taken`, "u"));
      assert.equal(err.trim().split("\n").length, 1);
    } finally {
      holder.close();
    }
  });

  it("makes its key and its database readable by nobody else", async () => {
    const [plaza] = await servers.worlds("plaza");
    assert.ok(plaza !== undefined);
    for (const file of ["keys.json", "federation.sqlite"]) {
      const stats: { mode: number } = await stat(join(plaza.spec.data, file));
      assert.equal(stats.mode & 0o777, 0o600, file);
    }
    assert.equal((await stat(plaza.spec.data)).mode & 0o777, 0o700);
  });

  it("stops cleanly on SIGINT, and runs again on the same data as the same server", async () => {
    const [plaza] = await servers.worlds("plaza");
    assert.ok(plaza !== undefined);
    const before = await kidOf(plaza.origin);
    assert.equal(await plaza.kill("SIGINT"), 0);
    assert.doesNotMatch(plaza.output, /Error|at .*\.ts:/u);
    const again = servers.run(plaza.spec);
    await again.ready();
    assert.equal(await kidOf(plaza.origin), before);
  });

  it("with --trust allowlist, refuses a server it was not told about", async () => {
    const { closed, stranger } = await pair("allowlist");
    await stranger.ready();
    await waitFor(() => Promise.resolve(stranger.output.includes("refuses the handshake")));
    assert.deepEqual(await closed.peers(), []);
  });

  it("with --trust approve, keeps a stranger pending", async () => {
    const { closed, stranger } = await pair("approve");
    await stranger.ready();
    await waitFor(async () => {
      const [peer] = await closed.peers();
      return peer?.origin === stranger.origin && peer.trust === "pending";
    });
  });

  it("with --trust open, trusts a stranger", async () => {
    const { closed, stranger } = await pair("open");
    await stranger.ready();
    await closed.knows(stranger.origin);
  });

  async function pair(trust: string) {
    const folder = await servers.folder();
    const [first, second] = [await freePort(), await freePort()];
    const spec = (name: string, port: number, more: string[]) => ({
      name,
      port,
      origin: `http://localhost:${port}`,
      data: join(folder, name),
      script: "example-server/world.ts",
      flags: ["--name", name, "--port", String(port), "--data", join(folder, name), ...more],
    });
    const closed = servers.run(spec("closed", first, ["--trust", trust]));
    await closed.ready();
    const stranger = servers.run(spec("stranger", second, ["--peer", closed.origin]));
    return { closed, stranger };
  }
});

async function waitFor(check: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while (!(await check())) {
    assert.ok(performance.now() < giveUpAt, "in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function kidOf(origin: string): Promise<string> {
  const response = await fetch(`${origin}/.well-known/aether-federation`);
  return ((await response.json()) as { keys: [{ kid: string }] }).keys[0].kid;
}

function world(flags: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", "example-server/world.ts", ...flags],
      { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
    );
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.once("exit", (code) => {
      resolve({ code, out, err });
    });
  });
}
