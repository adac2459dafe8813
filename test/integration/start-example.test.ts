import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/eventually.ts";

const START = fileURLToPath(new URL("../../example-server/start.ts", import.meta.url));
const USUAL = 2567;
const COLUMNS = 80;

describe("npm start", function () {
  this.timeout(120_000);
  let folder: string;
  let child: ChildProcess | undefined;
  /** Somebody else's server at a port that it wants: nobody's, where it is taken anyway. */
  const holder = createServer();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "aether-start-"));
    holder.on("error", () => undefined);
    holder.listen(USUAL + 1);
  });
  afterEach(() => child?.kill("SIGTERM"));
  after(async () => {
    holder.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("takes the next free ports, says so, stops on SIGINT, and starts again", async () => {
    for (const run of ["first", "second"]) {
      const said = await start();
      const output = said();
      assert.match(output, new RegExp(`^Taken: [^\\n]*\\b${USUAL + 1}\\b`, "u"), run);
      const first = /Open http:\/\/localhost:(\d+) and walk into a gate\./u.exec(output)?.[1];
      assert.ok(Number(first) > USUAL + 1);
      assert.match(output, /The arena forges one of its pictures/u);
      const long = output.split("\n").filter((line) => line.length > COLUMNS);
      assert.deepEqual(long, []);
      const { peers } = (await (await fetch(`http://localhost:${first}/status`)).json()) as {
        peers: { origin: string }[];
      };
      assert.ok(peers.length >= 2);
      assert.equal(await stop(), 0);
      assert.match(said(), /Stopped\.\n$/u);
      await assert.rejects(fetch(`http://localhost:${first}/status`));
    }
  });

  async function start(): Promise<() => string> {
    let output = "";
    child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", START], {
      cwd: folder,
      stdio: ["ignore", "pipe", "ignore"],
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    await eventually(() => assert.match(output, /Ctrl-C stops/u), { timeoutMilliseconds: 50_000 });
    return () => output;
  }

  async function stop(): Promise<unknown> {
    if (child === undefined) return undefined;
    const exit = once(child, "exit");
    child.kill("SIGINT");
    const [code] = (await exit) as [unknown];
    child = undefined;
    return code;
  }
});
