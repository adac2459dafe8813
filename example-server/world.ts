/** One world: `npm run world -- --name arena --port 2568`. */
import { createServer } from "node:http";
import { Server, type ServerOptions, matchMaker } from "@colyseus/core";
import { monitor } from "@colyseus/monitor";
import { WebSocketTransport } from "@colyseus/ws-transport";
import { createFederation } from "aether-federation";
import { type WorldOptions, USAGE, readWorldOptions } from "./options.ts";
import { picturesOf } from "./art/pictures.ts";
import { forge } from "./forger.ts";
import { servePage } from "./page.ts";
import { type WorldArt, makeArt } from "./pictures.ts";
import { defineWorldRoom } from "./room.ts";

const options = readOptions();
// Nobody listens any more: what would be said to them is no failure of this server.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
if (process.env["AETHER_STOPS_WITH_PARENT"] !== undefined) stopWithParent();
const adminToken = process.env["FEDERATION_ADMIN_TOKEN"];
const origin = options.cluster?.origin ?? `http://localhost:${options.port}`;

const federation = createFederation({
  origin,
  name: options.name,
  worlds: { [options.name]: options.name },
  peers: options.peers,
  trust: options.trust,
  dataDirectory: options.data,
  allowInsecure: true,
  listed: { kind: "a walk for coins" },
  status: true,
  ...(adminToken === undefined ? {} : { admin: { token: adminToken } }),
  healthCheckIntervalSeconds: 3,
  leaseSeconds: 15,
  maxRequestsPerMinutePerAddress: 60_000,
  assets: { policy: { action: "quarantine", mediaTypes: ["image/svg+xml", "image/png"] } },
  logger: {
    debug: (message) => {
      if (process.env["AETHER_DEBUG"] !== undefined) console.error(`debug: ${message}`);
    },
    info: () => undefined,
    warn: (message) => {
      console.error(`warning: ${message}`);
    },
    error: (message, cause) => {
      console.error(`error: ${message}`, cause instanceof Error ? `(${cause.message})` : "");
    },
  },
});

const page = await servePage(options.name, origin);
let giveArt: (art: WorldArt) => void = () => undefined;
const art = new Promise<WorldArt>((resolve) => {
  giveArt = resolve;
});
const http = createServer();
const server = new Server({
  ...(options.cluster === undefined ? {} : await shared(options.cluster)),
  greet: false,
  transport: new WebSocketTransport({ server: http }),
  logger: quietLogger(),
  express: (app) => {
    app.use("/monitor", monitor());
    app.get("/status", (_request, response) => {
      response.json({
        name: options.name,
        origin,
        port: options.port,
        peers: federation.peers.list(),
      });
    });
    app.get("/pictures.json", async (_request, response) => {
      response.json((await art).pictures);
    });
    app.use(page);
  },
});
const room = server.define(
  options.name,
  defineWorldRoom(federation, {
    world: options.name,
    art,
    gallery: options.gallery,
  }),
);
// Of several processes, each has a room: who comes next goes where fewer are.
if (options.cluster !== undefined) room.sortBy({ clients: 1 });
federation.attach(server);
// Players join; how many rooms there are is this server's to say.
matchMaker.controller.exposedMethods = ["joinOrCreate", "join", "joinById", "reconnect"];

http.once("error", (error: NodeJS.ErrnoException) => {
  fail(
    error.code === "EADDRINUSE"
      ? `port ${options.port} is taken: stop what listens there, or choose another with --port`
      : `cannot listen at port ${options.port}: ${error.message}`,
  );
});
try {
  await server.listen(options.port);
  await openWorld();
  giveArt(await makeArt(federation, options.name));
  if (options.forge) await forgeFirstPicture();
  console.log(`${options.name}  ${origin}  (monitor ${origin}/monitor)`);
} catch (error) {
  // Stopped while starting: Colyseus ends the process once all is put away.
  const stopping = matchMaker.state === matchMaker.MatchMakerState.SHUTTING_DOWN;
  if (!stopping) fail(error instanceof Error ? error.message : String(error));
}

/** The room is there before its first visitor, and stays: its portals are there to see. */
async function openWorld(): Promise<void> {
  const rooms = await matchMaker.query({ name: options.name });
  const own = rooms.find(({ processId }) => processId === matchMaker.processId);
  const { roomId } = own ?? (await matchMaker.createRoom(options.name, {}));
  matchMaker.getLocalRoomById(roomId).autoDispose = false;
}

/** What several processes of a server share, and where each is reached: a path that the balancer knows. */
async function shared({ redis }: { readonly redis: string }): Promise<Partial<ServerOptions>> {
  const [{ RedisPresence }, { RedisDriver }] = await Promise.all([
    import("@colyseus/redis-presence"),
    import("@colyseus/redis-driver"),
  ]);
  return {
    presence: new RedisPresence(redis),
    driver: new RedisDriver(redis),
    publicAddress: `${new URL(origin).host}/${options.port}`,
    selectProcessIdToCreateRoom: () => Promise.resolve(matchMaker.processId),
  };
}

async function forgeFirstPicture(): Promise<void> {
  const [picture] = (await art).pictures;
  const [genuine] = picturesOf(options.name);
  if (picture === undefined || genuine === undefined) return;
  forge(http, new URL(federation.assets.urlOf(picture.reference)).pathname, genuine.svg);
}

/** `npm start` is gone, however it went: so is this world. */
function stopWithParent(): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 1_000);
  timer.unref();
}

function readOptions(): WorldOptions {
  let read: ReturnType<typeof readWorldOptions>;
  try {
    read = readWorldOptions(process.argv.slice(2));
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    console.error(`${line} (see npm run world -- --help)`);
    process.exit(2);
  }
  if (read === "help") {
    console.log(USAGE);
    process.exit(0);
  }
  return read;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

/** Colyseus logs every refused join with a stack; in an example that is noise. */
function quietLogger(): Record<string, (...args: unknown[]) => void> {
  const silent = (): void => undefined;
  const debug = process.env["AETHER_DEBUG"] === undefined ? silent : console.error;
  return { debug, info: debug, log: debug, trace: debug, warn: debug, error: debug };
}
