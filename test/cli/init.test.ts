import assert from "node:assert/strict";
import { mkdir, readFile, rm, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { initialise } from "../../src/cli/init.ts";
import { folderOfTest } from "../support/folders.ts";

const STARTER = `import { defineServer, defineRoom, monitor } from "colyseus";
import { Plaza } from "./rooms/Plaza.js";

/* a comment: defineServer( */
const server = defineServer({
  rooms: {
    plaza: defineRoom(Plaza).filterBy(["map"]) /* one more ) */,
    "old-town": defineRoom(Plaza),
  },
  express: (app) => {
    app.get(/["'(]/, (req, res) => res.send(\`it's \${"a)" + \`b}\`}\`));
    app.use("/monitor", monitor());
  },
});

export default server;
`;

const FEDERATION = `import { createFederation } from "aether-federation";

export const federation = createFederation({
  origin: "http://localhost:2567", // where players and peers reach this server
  worlds: { plaza: "plaza", "old-town": "old-town" }, // world → name of the room
  peers: [], // origins of servers you trust
  allowInsecure: true, // http: and localhost, for development: take it out with an https: origin
});
`;

describe("cli/init", () => {
  const folder = folderOfTest();

  const given = async (files: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries({ "package.json": "{}", ...files })) {
      await mkdir(dirname(join(folder.path, name)), { recursive: true });
      await writeFile(join(folder.path, name), text);
    }
  };
  const text = (name: string): Promise<string> => readFile(join(folder.path, name), "utf8");
  const init = (options: { file?: string; origin?: string; peers?: readonly string[] } = {}) =>
    initialise({ folder: folder.path, file: undefined, origin: undefined, peers: [], ...options });
  /** What becomes of the file that makes the server. */
  const attached = async (file: string, code: string): Promise<string> => {
    await given({ [file]: code });
    await init();
    return text(file);
  };

  it("is as strict as a server at an https: origin has to be", async () => {
    const file = { "src/app.config.ts": STARTER };
    for (const [origin, peers, insecure] of [
      ["https://a.example", ["https://b.example"], false],
      ["https://a.example", ["http://localhost:2568"], true],
      [undefined, [], true],
    ] as const) {
      await given(file);
      await rm(join(folder.path, "src/federation.ts"), { force: true });
      await init(origin === undefined ? { peers } : { origin, peers });
      assert.equal((await text("src/federation.ts")).includes("allowInsecure"), insecure);
    }
  });

  it("attaches the starter's server, and says what is left", async () => {
    await given({
      "src/app.config.ts": STARTER,
      "src/index.ts": 'import { listen } from "@colyseus/tools";\nlisten(app);\n',
      ".gitignore": "node_modules",
    });
    const { text: said } = await init();
    assert.equal(
      await text("src/app.config.ts"),
      STARTER.replace("= defineServer({", "= federation.attach(defineServer({")
        .replace("  },\n});", "  },\n}));")
        .replace('Plaza.js";\n', 'Plaza.js";\nimport { federation } from "./federation.js";\n'),
    );
    assert.equal(await text("src/federation.ts"), FEDERATION);
    assert.equal(await text(".gitignore"), "node_modules\n.federation/\n");
    assert.match(said, /src\/app\.config\.ts +federation\.attach/u);
    assert.match(said, /src\/federation\.ts +made/u);
    assert.match(said, /\.gitignore +\.federation\/ put in/u);
  });

  it("changes nothing when it is run again", async () => {
    await given({ "src/app.config.ts": STARTER });
    await init();
    const before = await Promise.all(["src/app.config.ts", "src/federation.ts"].map(text));
    const { text: said, json } = await init({ origin: "https://other.example.com" });
    assert.deepEqual(
      await Promise.all(["src/app.config.ts", "src/federation.ts"].map(text)),
      before,
    );
    assert.match(said, /^Nothing to do/u);
    assert.deepEqual((json as { changed: unknown }).changed, []);
    assert.equal(await text(".gitignore"), ".federation/\n");
  });

  it("leaves alone what is attached by other names, and takes no other attach() for ours", async () => {
    const own = `import { Server } from "colyseus";
import { createFederation } from "aether-federation";
const world = createFederation({});
world.attach(new Server());
`;
    assert.equal(await attached("src/index.ts", own), own);
    await assert.rejects(text("src/federation.ts"));
    const other = 'import { Server } from "colyseus";\nsocket.attach(http);\nnew Server();\n';
    assert.match(await attached("src/index.ts", other), /federation\.attach\(new Server\(\)\);/u);
  });

  it("takes the origin and the peers it is told", async () => {
    await given({ "src/app.config.ts": STARTER });
    await init({
      origin: "https://a.example.com",
      peers: ["https://b.example.com", "https://c.example.com"],
    });
    const made = await text("src/federation.ts");
    assert.match(made, /origin: "https:\/\/a\.example\.com",/u);
    assert.match(made, /peers: \["https:\/\/b\.example\.com", "https:\/\/c\.example\.com"\],/u);
  });

  for (const flags of [{ origin: "a.example.com" }, { peers: ["https://a.example.com/path"] }]) {
    it(`refuses ${JSON.stringify(flags)}, which is no origin`, async () => {
      await given({ "src/app.config.ts": STARTER });
      await assert.rejects(init(flags), /--(?:origin|peer) .* no origin/u);
      assert.equal(await text("src/app.config.ts"), STARTER);
    });
  }

  it("attaches what config() hands out", async () => {
    const code = await attached(
      "src/app.config.ts",
      `import config from "@colyseus/tools";
import { Plaza } from "./rooms/Plaza";

export default config({
    initializeGameServer: (gameServer) => {
        gameServer.define('plaza', Plaza);
    },
});
`,
    );
    assert.match(
      code,
      /\(gameServer\) => \{\n {8}federation\.attach\(gameServer\);\n {8}gameServer\.define/u,
    );
    assert.match(code, /from "\.\/federation";/u);
    assert.match(await text("src/federation.ts"), /worlds: \{ plaza: "plaza" \}/u);
  });

  it("attaches what config() makes of its rooms", async () => {
    const code = await attached(
      "src/app.config.ts",
      `import config from "@colyseus/tools";\nexport default config({\n  rooms: { plaza: defineRoom(Plaza) },\n});\n`,
    );
    assert.match(code, /config\(\{\n {2}initializeGameServer: federation\.attach,\n {2}rooms:/u);
  });

  it("attaches a new Server", async () => {
    const code = await attached(
      "index.js",
      `#!/usr/bin/env node
import { Server } from "@colyseus/core";
import {
  createServer,
} from "node:http";
const server = new Server({ transport: new WebSocketTransport({ server: createServer() }) });
server.define("plaza", Plaza);
server.listen(2567);
`,
    );
    assert.match(code, /"node:http";\nimport \{ federation \} from "\.\/federation";\n/u);
    assert.match(code, /= federation\.attach\(new Server\(.* \}\)\);\nserver\.define/u);
  });

  it("attaches in CommonJS by require", async () => {
    const code = await attached(
      "src/app.config.js",
      `const { defineServer, defineRoom } = require("colyseus");
const {
  Plaza,
} = require("./rooms/Plaza");

module.exports = defineServer({ rooms: { plaza: defineRoom(Plaza) } });
`,
    );
    assert.match(
      code,
      /require\("\.\/rooms\/Plaza"\);\nconst \{ federation \} = require\("\.\/federation"\);\n/u,
    );
    assert.match(code, /module\.exports = federation\.attach\(defineServer\(.*\)\);/u);
    assert.match(await text("src/federation.js"), /^const .*\n\nexports\.federation = create/u);
  });

  it("keeps what an image must not have out of it, where there is a list of that", async () => {
    await given({ "src/app.config.ts": STARTER, ".dockerignore": "node_modules\n" });
    await init();
    assert.equal(await text(".dockerignore"), "node_modules\n.federation/\n");
  });

  for (const line of [".federation", "/.federation/", "**/.federation/"]) {
    it(`takes ${line} for an ignore line`, async () => {
      await given({ "src/app.config.ts": STARTER, ".gitignore": `${line}\n` });
      await init();
      assert.equal(await text(".gitignore"), `${line}\n`);
    });
  }

  describe("where it cannot tell", () => {
    const SERVER = 'import { Server } from "colyseus";\n';
    for (const [what, files, said] of [
      ["without a project", { "package.json": "[" }, /no JSON/u],
      ["without a server", { "src/index.ts": "console.log(1);" }, /name it, as in/u],
      [
        "with a server of something else",
        { "src/index.ts": 'import { Server } from "socket.io"; new Server();' },
        /no file here makes a Colyseus server/u,
      ],
      [
        "with two files that make one",
        { "src/app.config.ts": STARTER, "src/index.ts": `${SERVER}new Server();` },
        /src\/app\.config\.ts, src\/index\.ts/u,
      ],
      [
        "with two servers in a file",
        { "src/index.ts": `${SERVER}new Server(); new Server();` },
        /which server/u,
      ],
      [
        "with a chain",
        { "src/index.ts": `${SERVER}new Server().define("a", A);` },
        /which server/u,
      ],
      [
        "with code that does not end",
        { "src/index.ts": `${SERVER}new Server({ "` },
        /which server/u,
      ],
      [
        "with another federation.ts",
        { "src/app.config.ts": STARTER, "src/federation.ts": "export const other = 1;" },
        /src\/federation\.ts is there already/u,
      ],
      [
        "with an older Colyseus",
        {
          "src/app.config.ts": STARTER,
          "node_modules/@colyseus/core/package.json": '{ "version": "0.17.51" }',
        },
        /needs Colyseus 0\.18, and this project has @colyseus\/core 0\.17\.51/u,
      ],
    ] as const) {
      it(`${what} it says why, and changes nothing`, async () => {
        await given(files);
        const before = await readdir(folder.path, { recursive: true });
        await assert.rejects(init(), said);
        assert.deepEqual(await readdir(folder.path, { recursive: true }), before);
        for (const [name, was] of Object.entries(files)) assert.equal(await text(name), was);
      });
    }

    it("takes the file that it is told", async () => {
      await given({ "src/app.config.ts": STARTER, "lib/game.ts": `${SERVER}new Server();\n` });
      await init({ file: "lib/game.ts" });
      assert.match(await text("lib/game.ts"), /federation\.attach\(new Server\(\)\);/u);
      assert.equal(await text("src/app.config.ts"), STARTER);
    });

    it("says so where there is no package.json", async () => {
      await assert.rejects(init(), /no package\.json here/u);
    });
  });
});
