import assert from "node:assert/strict";
import { freePort } from "../../src/testing/test-place.ts";
import { eventually } from "../support/eventually.ts";
import { folderOfSuite } from "../support/folders.ts";
import { pages } from "./pages.ts";
import { NODE, Started, TSX, install, writeFiles } from "./reader.ts";

describe("docs: the quick start", function () {
  this.timeout(90_000);
  const folder = folderOfSuite();
  const started: Started[] = [];
  afterEach(() => Promise.all(started.splice(0).map((one) => one.stop())));

  it("leads from a starter to a portal, and through it", async () => {
    const page = pages().find(({ name }) => name === "docs/quick-start.md")!;
    const [one, two] = (await Promise.all([freePort(), freePort()])).map(String) as [
      string,
      string,
    ];
    install(folder.path);
    writeFiles(page, folder.path, (code) => code.replaceAll("2567", one).replaceAll("2568", two));
    const start = (...[args, env]: [[string, ...string[]], NodeJS.ProcessEnv?]): Started => {
      const it = new Started(folder.path, args, env);
      started.push(it);
      return it;
    };
    for (const [port, peer] of [
      [one, two],
      [two, one],
    ] as const) {
      const env = { PORT: port, PEERS: `http://localhost:${peer}`, DATA: `.federation-${port}` };
      const server = start([...TSX, "src/index.ts"], env);
      await eventually(() => assert.match(server.output, /Listening on/u, server.output), {
        timeoutMilliseconds: 20_000,
      });
    }

    await eventually(
      async () => {
        // A reader walks when both know each other; this one tries until they do.
        const walk = start([...NODE, "walk.mjs"]);
        try {
          await eventually(() => assert.match(walk.output, /(?:has[^]*){2}|ERR_FED/u, walk.output));
        } finally {
          await walk.stop("SIGKILL");
        }
        assert.deepEqual(walk.output.trim().split("\n"), [
          `Ada is at http://localhost:${one}`,
          "and has { coins: 3 }",
          `Ada is at http://localhost:${two}`,
          "and has { coins: 2 }",
        ]);
      },
      { timeoutMilliseconds: 30_000 },
    );
  });
});
