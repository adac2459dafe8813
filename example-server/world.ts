/** One world: `npm run world -- --name arena --port 2568`. */
import { createServer } from "node:http";
import { Server, type ServerOptions, matchMaker } from "@colyseus/core";
import { monitor } from "@colyseus/monitor";
import { picturesOf } from "./art/pictures.ts";
import { Door } from "./door.ts";
import { type WorldArt, makeArt } from "./federation/assets.ts";
import { federationOf, originOf } from "./federation/server.ts";
import { forge } from "./forger.ts";
import { USAGE, readWorldOptions } from "./options.ts";
import { servePage } from "./page.ts";
import {
  colyseusLogger,
  flagsOrExit,
  listen,
  liveWithParent,
  serveStatus,
  standingRoom,
} from "./process.ts";
import { defineWorldRoom } from "./room.ts";

const options = flagsOrExit(readWorldOptions, { usage: USAGE, help: "npm run world -- --help" });
liveWithParent();
const { name, port } = options;
const origin = originOf(options);
const federation = federationOf(options);

const page = servePage(name, origin);
let art: WorldArt | undefined;
const http = createServer();
const server = new Server({
  ...(options.cluster === undefined ? {} : await shared(options.cluster)),
  greet: false,
  transport: new Door(http, openWorld),
  logger: colyseusLogger(),
  express: (app) => {
    app.use("/monitor", monitor());
    serveStatus(app, federation, { name, port, room: name });
    app.get("/pictures.json", (_request, response) => {
      response.json(art?.pictures ?? []);
    });
    app.use(page);
  },
});
federation.attach(server);
await listen(server, http, { port, line: `${name}  ${origin}  (monitor ${origin}/monitor)` });

/**
 * The world is there before its door opens: whoever waits outside finds the one room, and makes no second one. It
 * stays when nobody is in it: its gates are there to see.
 */
async function openWorld(): Promise<void> {
  const { gallery, graceSeconds, forge } = options;
  art = await makeArt(federation, name);
  if (forge) forgeLastPicture(art);
  const room = server.define(
    name,
    defineWorldRoom(federation, { world: name, art, gallery, graceSeconds }),
  );
  // Of several processes, each has a room: who comes next goes where fewer are.
  if (options.cluster !== undefined) room.sortBy({ clients: 1 });
  await standingRoom(name);
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
    publicAddress: `${new URL(origin).host}/${port}`,
    selectProcessIdToCreateRoom: () => Promise.resolve(matchMaker.processId),
  };
}

function forgeLastPicture({ pictures }: WorldArt): void {
  const [picture, genuine] = [pictures.at(-1), picturesOf(name).at(-1)];
  if (picture === undefined || genuine === undefined) return;
  forge(http, new URL(federation.assets.urlOf(picture.reference)).pathname, genuine.svg);
}
