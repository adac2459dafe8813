/** One world: `npm run world -- --name arena --port 2568`. */
import { createServer } from "node:http";
import { Server, type ServerOptions, matchMaker } from "@colyseus/core";
import { monitor } from "@colyseus/monitor";
import { picturesOf } from "./art/pictures.ts";
import { Door } from "./door.ts";
import { type WorldArt, makeArt } from "./federation/assets.ts";
import { federationOf, originOf } from "./federation/server.ts";
import { forge } from "./forger.ts";
import { type WorldOptions, USAGE, readWorldOptions } from "./options.ts";
import { servePage } from "./page.ts";
import { defineWorldRoom } from "./room.ts";

const options = readOptions();
// Nobody listens any more: what would be said to them is no failure of this server.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
if (process.env["AETHER_STOPS_WITH_PARENT"] !== undefined) stopWithParent();
const origin = originOf(options);
const federation = federationOf(options);

const page = servePage(options.name, origin);
let art: WorldArt | undefined;
const http = createServer();
const server = new Server({
  ...(options.cluster === undefined ? {} : await shared(options.cluster)),
  greet: false,
  transport: new Door(http, openWorld),
  logger: quietLogger(),
  express: (app) => {
    app.use("/monitor", monitor());
    app.get("/status", async (_request, response) => {
      const { name, port } = options;
      const rooms = (await matchMaker.query({ name })).map(({ roomId, clients }) => {
        return { name, roomId, clients };
      });
      response.json({ name, origin, port, peers: federation.peers.list(), rooms });
    });
    app.get("/pictures.json", (_request, response) => {
      response.json(art?.pictures ?? []);
    });
    app.use(page);
  },
});
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
  console.log(`${options.name}  ${origin}  (monitor ${origin}/monitor)`);
} catch (error) {
  // Stopped while starting: Colyseus ends the process once all is put away.
  const stopping = matchMaker.state === matchMaker.MatchMakerState.SHUTTING_DOWN;
  if (!stopping) fail(error instanceof Error ? error.message : String(error));
}

/**
 * The world is there before its door opens: whoever waits outside finds the one room, and makes no second one. It
 * stays when nobody is in it: its gates are there to see.
 */
async function openWorld(): Promise<void> {
  const { name, gallery, graceSeconds, forge } = options;
  art = await makeArt(federation, name);
  if (forge) forgeLastPicture(art);
  const room = server.define(
    name,
    defineWorldRoom(federation, { world: name, art, gallery, graceSeconds }),
  );
  // Of several processes, each has a room: who comes next goes where fewer are.
  if (options.cluster !== undefined) room.sortBy({ clients: 1 });
  const { roomId } = await matchMaker.createRoom(name, {});
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

function forgeLastPicture({ pictures }: WorldArt): void {
  const [picture, genuine] = [pictures.at(-1), picturesOf(options.name).at(-1)];
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
