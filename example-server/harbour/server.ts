/** The harbour, another game of another operator: `node example-server/harbour/server.ts --port 2570`. */
import { createServer } from "node:http";
import { defineRoom, defineServer, matchMaker } from "@colyseus/core";
import { monitor } from "@colyseus/monitor";
import { WORLD, harbourFederation } from "./federation.ts";
import { type HarbourOptions, USAGE, readOptions } from "./options.ts";
import { Door } from "../door.ts";
import { harbourPage } from "./page.ts";
import { pierRoom } from "./room.ts";

const options = optionsOrExit();
// Nobody listens any more: what would be said to them is no failure of this server.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
if (process.env["AETHER_STOPS_WITH_PARENT"] !== undefined) stopWithParent();

const federation = harbourFederation(options);
const { origin } = federation;
const page = await harbourPage();
const http = createServer();
const server = federation.attach(
  defineServer({
    greet: false,
    transport: new Door(http, openPier),
    logger: quietLogger(),
    rooms: { [WORLD]: defineRoom(pierRoom(federation)) },
    express: (app) => {
      app.use("/monitor", monitor());
      app.get("/status", async (_request, response) => {
        const { name, port } = options;
        const rooms = (await matchMaker.query({ name: WORLD })).map(({ roomId, clients }) => {
          return { name: WORLD, roomId, clients };
        });
        response.json({ name, origin, port, peers: federation.peers.list(), rooms });
      });
      app.use(page);
    },
  }),
);
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
  console.log(`${options.name}  ${origin}/play  (monitor ${origin}/monitor)`);
} catch (error) {
  // Stopped while starting: Colyseus ends the process once all is put away.
  const stopping = matchMaker.state === matchMaker.MatchMakerState.SHUTTING_DOWN;
  if (!stopping) fail(error instanceof Error ? error.message : String(error));
}

/** The pier is there before its first angler, who would make a second one, and stays. */
async function openPier(): Promise<void> {
  const { roomId } = await matchMaker.createRoom(WORLD, {});
  matchMaker.getLocalRoomById(roomId).autoDispose = false;
}

/** `npm start` is gone, however it went: so is the harbour. */
function stopWithParent(): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 1_000);
  timer.unref();
}

function optionsOrExit(): HarbourOptions {
  let read: ReturnType<typeof readOptions>;
  try {
    read = readOptions(process.argv.slice(2));
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    console.error(`${line} (see --help)`);
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
  const debug = process.env["AETHER_DEBUG"] === undefined ? (): void => undefined : console.error;
  return { debug, info: debug, log: debug, trace: debug, warn: debug, error: debug };
}
