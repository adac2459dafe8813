import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { runScript } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { currentKid } from "../support/operator.ts";
import { freePort } from "../../src/testing/test-place.ts";
import { Servers, WORLD } from "../support/processes.ts";

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
      const { code, out, err } = await runScript(WORLD, ...flags);
      assert.equal(code, 2);
      assert.equal(out, "");
      assert.match(err, message);
      assert.equal(err.trim().split("\n").length, 1);
    });
  }

  it("explains itself with --help", async () => {
    const { code, out } = await runScript(WORLD, "--help");
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
      const { code, err } = await runScript(WORLD, ...flags);
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
    const before = await currentKid(plaza);
    assert.equal(await plaza.kill("SIGINT"), 0);
    assert.doesNotMatch(plaza.output, /Error|at .*\.ts:/u);
    await servers.restart(plaza);
    assert.equal(await currentKid(plaza), before);
  });

  it("stops with the process that started it, however that went", async () => {
    const data = join(await servers.folder(), "orphan");
    const flags = ["--name", "plaza", "--port", String(await freePort()), "--data", data];
    // A shell that starts it, says which process it is, and waits to be killed.
    const parent = spawn(
      "sh",
      ["-c", '"$@" & echo $!; wait', "sh", process.execPath, WORLD, ...flags],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, AETHER_STOPS_WITH_PARENT: "1" },
      },
    );
    const [said] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(said.toString());
    await eventually(async () => {
      await stat(join(data, "federation.sqlite"));
    });
    parent.stdout.destroy();
    parent.stderr.destroy();
    parent.kill("SIGKILL");
    await eventually(() => assert.throws(() => process.kill(pid, 0)), {
      timeoutMilliseconds: 20_000,
    });
  });

  it("with --trust allowlist, refuses a server it was not told about", async () => {
    const { closed, stranger } = await pair("allowlist");
    await stranger.ready();
    await eventually(() => assert.match(stranger.output, /refuses the handshake/u));
    assert.deepEqual(await closed.peers(), []);
  });

  it("with --trust approve, keeps a stranger pending", async () => {
    const { closed, stranger } = await pair("approve");
    await stranger.ready();
    await eventually(async () => {
      const [peer] = await closed.peers();
      assert.deepEqual([peer?.origin, peer?.trust], [stranger.origin, "pending"]);
    });
  });

  it("with --trust open, trusts a stranger", async () => {
    const { closed, stranger } = await pair("open");
    await stranger.ready();
    await closed.knows(stranger.origin);
  });

  async function pair(trust: string) {
    const closed = await servers.launch({
      name: "closed",
      script: WORLD,
      flags: ["--trust", trust],
    });
    await closed.ready();
    const flags = ["--peer", closed.origin];
    const stranger = await servers.launch({ name: "stranger", script: WORLD, flags });
    return { closed, stranger };
  }
});
