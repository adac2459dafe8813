/** The harbour, another game of another operator: `node example-server/harbour/server.ts --port 2570`. */
import { createServer } from "node:http";
import { defineRoom, defineServer } from "@colyseus/core";
import { monitor } from "@colyseus/monitor";
import { Door } from "../door.ts";
import {
  colyseusLogger,
  flagsOrExit,
  listen,
  liveWithParent,
  serveStatus,
  standingRoom,
} from "../process.ts";
import { WORLD, harbourFederation } from "./federation.ts";
import { USAGE, readOptions } from "./options.ts";
import { harbourPage } from "./page.ts";
import { pierRoom } from "./room.ts";

const options = flagsOrExit(readOptions, { usage: USAGE, help: "--help" });
liveWithParent();
const { name, port } = options;
const federation = harbourFederation(options);
const { origin } = federation;
const page = await harbourPage();
const http = createServer();
const server = federation.attach(
  defineServer({
    greet: false,
    // The pier is there before its first angler, who would make a second one.
    transport: new Door(http, () => standingRoom(WORLD)),
    logger: colyseusLogger(),
    rooms: { [WORLD]: defineRoom(pierRoom(federation)) },
    express: (app) => {
      app.use("/monitor", monitor());
      serveStatus(app, federation, { name, port, room: WORLD });
      app.use(page);
    },
  }),
);
await listen(server, http, { port, line: `${name}  ${origin}/play  (monitor ${origin}/monitor)` });
