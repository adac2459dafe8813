import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/eventually.ts";
import { folderOfTest } from "../support/folders.ts";
import { Player } from "../support/player.ts";
import { requireProgram } from "../support/requirements.ts";

const script = fileURLToPath(new URL("../../example-server/cluster.ts", import.meta.url));
const PLAZA = "http://localhost:2567";

/** `npm run cluster`, on the ports that it always has. */
describe("the example's cluster", function () {
  this.timeout(90_000);
  const folder = folderOfTest();
  let child: ChildProcess | undefined;
  let output = "";
  before(function () {
    requireProgram(this, "redis-server");
  });
  let stopped: Promise<number | null> | undefined;
  afterEach(async () => {
    child?.kill("SIGTERM");
    await stopped;
  });

  function start(env: NodeJS.ProcessEnv = process.env): Promise<number | null> {
    output = "";
    const begun = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
      ...{ cwd: folder.path, env, stdio: ["ignore", "pipe", "pipe"] },
    });
    child = begun;
    for (const stream of [begun.stdout, begun.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        if (child === begun) output += text;
      });
    }
    return new Promise((resolve) => {
      begun.once("exit", resolve);
    });
  }

  it("has players in both processes behind one port, lets them cross, and ends cleanly", async () => {
    stopped = start();
    await eventually(() => assert.match(output, /Ctrl-C stops everything/u), {
      timeoutMilliseconds: 45_000,
      what: output,
    });
    const [one, two] = [new Player(PLAZA, "One"), new Player(PLAZA, "Two")];
    for (const player of [one, two]) await player.join("plaza");
    const processes = [one, two].map(({ at }) => at.room.connection.url?.split("/")[3]);
    assert.deepEqual([...processes].sort(), ["2571", "2572"]);
    one.traveler.enter("aether://localhost:2568/arena");
    await eventually(() => assert.equal(one.arrivals.length, 2));
    one.traveler.enter("aether://localhost:2567/plaza");
    await eventually(() => assert.equal(one.arrivals.length, 3, JSON.stringify(one.failures)));
    child?.kill("SIGINT");
    assert.equal(await stopped, 0);
    assert.match(output, /Stopped\.\n$/u);
    assert.doesNotMatch(output, /│|rror/u);
  });

  it("says which ports are taken", async () => {
    const other = createServer().listen(2572);
    try {
      assert.equal(await start(), 1);
      assert.match(output, /^port 2572 is taken: stop what listens there and start again\n$/u);
    } finally {
      other.close();
    }
  });

  it("says how to install Redis where there is none", async () => {
    assert.equal(await start({ ...process.env, PATH: folder.path }), 1);
    assert.match(output, /needs Redis.*apt-get install redis-server/u);
  });
});
