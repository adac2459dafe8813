/** Projects that are federated by the documented steps, one function each. */
import { freePort } from "../../src/testing/test-place.ts";
import { eventually } from "../support/eventually.ts";
import { findProgram } from "../support/requirements.ts";
import type { Elsewhere, World } from "./elsewhere.ts";
import { commonJsStarter, typescriptStarter } from "./projects/starter.ts";
import { type Project, type Workshop, freePorts } from "./workshop.ts";

/** What each is given. */
export interface Bench {
  readonly workshop: Workshop;
  readonly elsewhere: Elsewhere;
}

/** `docs/attaching.md`: portals for the players of a room. */
async function portals(project: Project): Promise<void> {
  await project.edit("src/rooms/MyRoom.ts", {
    'import { Room, Client, CloseCode } from "colyseus";':
      'import { Room, Client, CloseCode, definePlugins } from "colyseus";\nimport { federation } from "../federation.js";',
    "  maxClients = 4;":
      "  maxClients = 4;\n  plugins = definePlugins([federation.portals({ allowEnter: true })]);",
  });
}

/** `npx aether-federation init` for a server at a port, beside a peer at another. */
function init(project: Project, port: number, peer: number, ...more: readonly string[]) {
  const origins = ["--origin", `http://localhost:${port}`, "--peer", `http://localhost:${peer}`];
  return project.run("npx", "--no-install", "aether-federation", "init", ...more, ...origins);
}

/** Starts both, and has a player cross from each to the other and back. */
async function tryIt(
  { workshop, elsewhere }: Bench,
  peer: number,
  project: Project,
  command: readonly string[],
  world: World,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const port = new URL(world.origin).port;
  await project.start({ command, env: { PORT: port, ...env }, origin: world.origin });
  const other = await elsewhere.start(world.origin, peer);
  await elsewhere.cross(world, other);
  await workshop.stopAll();
}

async function starter(bench: Bench, express: 4 | 5): Promise<void> {
  const [port, peer] = [await freePort(), await freePort()];
  const project = await bench.workshop.project(`express-${express}`, typescriptStarter(express));
  await project.install();
  await project.install("tarball");
  await init(project, port, peer);
  await portals(project);
  await project.run("npm", "run", "build");
  const world = { origin: `http://localhost:${port}`, world: "my_room" };
  await tryIt(bench, peer, project, [process.execPath, "build/index.js"], world);
}

async function commonJs(bench: Bench): Promise<void> {
  const [port, peer] = [await freePort(), await freePort()];
  const project = await bench.workshop.project("commonjs", commonJsStarter());
  await project.install("tarball");
  await init(project, port, peer);
  await project.edit("src/rooms/MyRoom.js", {
    'const colyseus = require("colyseus");':
      'const colyseus = require("colyseus");\nconst { federation } = require("../federation");',
    "  maxClients = 4;":
      "  maxClients = 4;\n  plugins = colyseus.definePlugins([federation.portals({ allowEnter: true })]);",
  });
  const world = { origin: `http://localhost:${port}`, world: "my_room" };
  await tryIt(bench, peer, project, [process.execPath, "src/index.js"], world);
}

const AUTH = `import { auth, JWT } from "@colyseus/auth";

JWT.settings.secret = "the secret of a test";
auth.settings.onFindUserByEmail = async (email) => users.get(email);
auth.settings.onRegisterWithEmailAndPassword = async (email, password) => {
  const user = { id: \`account|\${users.size}\`, email, password };
  users.set(email, user);
  return user;
};
const users = new Map<string, any>();

export { auth, JWT };
`;

async function accounts(bench: Bench): Promise<void> {
  const [port, peer] = [await freePort(), await freePort()];
  const project = await bench.workshop.project("accounts", {
    ...typescriptStarter(),
    "src/config/auth.ts": AUTH,
  });
  // What a game with accounts has before it is federated.
  await project.edit("src/app.config.ts", {
    "/**\n * Import your Room files":
      'import { auth } from "./config/auth.js";\n\n/**\n * Import your Room files',
    '    app.use("/monitor"': '    app.use(auth.prefix, auth.routes());\n    app.use("/monitor"',
  });
  await project.edit("src/rooms/MyRoom.ts", {
    "  onJoin(client":
      "  static async onAuth(token: string) {\n    return JWT.verify(token);\n  }\n\n  onJoin(client",
    "import { MyRoomState": 'import { JWT } from "../config/auth.js";\nimport { MyRoomState',
  });
  await project.install("tarball", "@colyseus/auth");
  await init(project, port, peer);
  await portals(project);
  const world = { origin: `http://localhost:${port}`, world: "my_room", accounts: true };
  await tryIt(bench, peer, project, ["npx", "tsx", "src/index.ts"], world);
}

const OWN_APP = `import { createServer } from "node:http";
import { Server } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import express from "express";
import { Hall } from "./Hall.js";

const app = express();
app.use(express.json());
app.get("/hello", (request, response) => {
  response.send("hello");
});

const server = new Server({
  transport: new WebSocketTransport({ server: createServer(app) }),
});
server.define("hall", Hall);
await server.listen(Number(process.env.PORT));
`;

const HALL = `import { Room } from "@colyseus/core";

export class Hall extends Room {}
`;

const HALL_WITH_PORTALS = `import { Room, definePlugins } from "@colyseus/core";
import { federation } from "./federation.js";

export class Hall extends Room {
  plugins = definePlugins([federation.portals({ allowEnter: true })]);
}
`;

const ESM = '{ "private": true, "type": "module" }\n';

async function ownApp(bench: Bench, express: 4 | 5): Promise<void> {
  const [port, peer] = [await freePort(), await freePort()];
  const files = { "package.json": ESM, "src/index.js": OWN_APP, "src/Hall.js": HALL };
  const project = await bench.workshop.project(`own-app-${express}`, files);
  const colyseus = ["@colyseus/core@0.18", "@colyseus/ws-transport@0.18", "@colyseus/schema@5"];
  await project.install("tarball", ...colyseus, `express@${express}`);
  await init(project, port, peer);
  await project.write({ "src/Hall.js": HALL_WITH_PORTALS });
  const world = { origin: `http://localhost:${port}`, world: "hall" };
  await project.start({
    command: [process.execPath, "src/index.js"],
    env: { PORT: String(port) },
    origin: world.origin,
  });
  const hello = await fetch(`${world.origin}/hello`);
  if ((await hello.text()) !== "hello") throw new Error("the host's own route is gone");
  await bench.elsewhere.cross(world, await bench.elsewhere.start(world.origin, peer));
  await bench.workshop.stopAll();
}

async function vite(bench: Bench): Promise<void> {
  const [port, peer] = [await freePort(), await freePort()];
  const project = await bench.workshop.project("vite", {
    "package.json": ESM,
    "index.html": "<h1>a game</h1>\n",
    "vite.config.js": `import { colyseus } from "colyseus/vite";
import { defineConfig } from "vite";

export default defineConfig({ plugins: [colyseus({ serverEntry: "/src/server.ts" })] });
`,
    "src/server.ts": `import { defineRoom, defineServer } from "@colyseus/core";
import { Hall } from "./Hall.js";

export const server = defineServer({ rooms: { hall: defineRoom(Hall) } });
`,
    "src/Hall.ts": HALL,
  });
  await project.install("tarball", "vite", "colyseus@0.18", "@colyseus/schema@5", "express");
  await init(project, port, peer);
  await project.write({ "src/Hall.ts": HALL_WITH_PORTALS });
  const world = { origin: `http://localhost:${port}`, world: "hall" };
  const command = ["npx", "vite", "--host", "localhost", "--port", String(port), "--strictPort"];
  const output = await project.start({ command, origin: world.origin });
  const other = await bench.elsewhere.start(world.origin, peer);
  await bench.elsewhere.cross(world, other);
  const starts = (): number => output().split("is federated as").length;
  for (let reload = 0; reload < 2; reload += 1) {
    const before = starts();
    await project.write({ "src/Hall.ts": `${HALL_WITH_PORTALS}// reload ${reload}\n` });
    await eventually(
      () => {
        if (starts() === before) throw new Error(output());
      },
      { timeoutMilliseconds: 20_000, what: "Vite has loaded the server again" },
    );
    await bench.elsewhere.cross(world, other);
  }
  await bench.workshop.stopAll();
}

/** Two processes of one server, as PM2 starts them: each with the number of its own. */
async function pm2(bench: Bench): Promise<void> {
  const program = findProgram("redis-server");
  if (program === undefined) throw new Error("it needs redis-server: apt-get install redis-server");
  const [port, peer, redis] = [await freePorts(2), await freePort(), await freePort()];
  const project = await bench.workshop.project("pm2", typescriptStarter());
  await project.edit("src/app.config.ts", {
    "import {\n":
      'import { RedisDriver } from "@colyseus/redis-driver";\nimport { RedisPresence } from "@colyseus/redis-presence";\nimport {\n  matchMaker,\n',
    "defineServer({\n": `defineServer({
  presence: new RedisPresence(process.env.REDIS_URL),
  driver: new RedisDriver(process.env.REDIS_URL),
  // A room is in the other process than the one that is asked for it.
  selectProcessIdToCreateRoom: async () => {
    const all = await matchMaker.stats.fetchAll();
    return all.find(({ processId }) => processId !== matchMaker.processId).processId;
  },
  publicAddress: \`localhost:\${Number(process.env.PORT) + Number(process.env.NODE_APP_INSTANCE)}\`,
`,
  });
  await project.install("tarball", "@colyseus/redis-driver@0.18", "@colyseus/redis-presence@0.18");
  await init(project, port, peer);
  await portals(project);
  await project.run("npm", "run", "build");
  const store = await bench.workshop.project("redis", {});
  store.background(program, "--port", String(redis), "--save", "", "--appendonly", "no");
  const start = (instance: number): Promise<unknown> =>
    project.start({
      command: [process.execPath, "build/index.js"],
      env: {
        PORT: String(port),
        NODE_APP_INSTANCE: String(instance),
        REDIS_URL: `redis://localhost:${redis}`,
      },
      origin: `http://localhost:${port + instance}`,
    });
  await start(0);
  await start(1);
  const world = { origin: `http://localhost:${port}`, world: "my_room" };
  const other = await bench.elsewhere.start(world.origin, peer);
  await bench.elsewhere.cross(world, other);
  await bench.workshop.stopAll();
}

/** Every project, by name. */
export const SERVERS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  starter: (bench) => starter(bench, 5),
  "express-4": (bench) => starter(bench, 4),
  commonjs: commonJs,
  accounts,
  "own-app": (bench) => ownApp(bench, 5),
  "own-app-express-4": (bench) => ownApp(bench, 4),
  vite,
  pm2,
};
