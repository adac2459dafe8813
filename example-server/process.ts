/** What is the same for each of the example's processes, whatever it serves: how it begins, speaks and ends. */
import type { Server as HttpServer } from "node:http";
import { type Server, matchMaker } from "@colyseus/core";
import type { Federation } from "aether-federation";
import type { Application } from "express";

/**
 * Reads the flags, or ends the process with one line that says what is wrong.
 *
 * @param read Throws an Error with that line, or says that help is wanted.
 * @param help What to call for it.
 */
export function flagsOrExit<Options>(
  read: (args: readonly string[]) => Options | "help",
  { usage, help }: { readonly usage: string; readonly help: string },
): Options {
  let options: Options | "help";
  try {
    options = read(process.argv.slice(2));
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    console.error(`${line} (see ${help})`);
    process.exit(2);
  }
  if (options === "help") {
    console.log(usage);
    process.exit(0);
  }
  return options;
}

/** This process neither fails for want of a reader, nor outlives the `npm start` that began it. */
export function liveWithParent(): void {
  // Nobody listens any more: what would be said to them is no failure of this server.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  if (process.env["AETHER_STOPS_WITH_PARENT"] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 1_000);
  timer.unref();
}

/** Opens the port and says where the server is; ends the process with one line where it cannot. */
export async function listen(
  server: Server,
  http: HttpServer,
  { port, line }: { readonly port: number; readonly line: string },
): Promise<void> {
  // Players join; how many rooms there are is the server's to say.
  matchMaker.controller.exposedMethods = ["joinOrCreate", "join", "joinById", "reconnect"];
  http.once("error", (error: NodeJS.ErrnoException) => {
    fail(
      error.code === "EADDRINUSE"
        ? `port ${port} is taken: stop what listens there, or choose another with --port`
        : `cannot listen at port ${port}: ${error.message}`,
    );
  });
  try {
    await server.listen(port);
    console.log(line);
  } catch (error) {
    // Stopped while starting: Colyseus ends the process once all is put away.
    const stopping = matchMaker.state === matchMaker.MatchMakerState.SHUTTING_DOWN;
    if (!stopping) fail(error instanceof Error ? error.message : String(error));
  }
}

/** A room that is there before the first player asks for one, and stays when nobody is in it. */
export async function standingRoom(name: string): Promise<void> {
  const { roomId } = await matchMaker.createRoom(name, {});
  matchMaker.getLocalRoomById(roomId).autoDispose = false;
}

/** `/status`: who this server is, what it thinks of its peers, and its rooms of that name. */
export function serveStatus(
  app: Application,
  federation: Federation,
  { name, port, room }: { readonly name: string; readonly port: number; readonly room: string },
): void {
  app.get("/status", async (_request, response) => {
    const rooms = (await matchMaker.query({ name: room })).map(({ roomId, clients }) => {
      return { name: room, roomId, clients };
    });
    const { origin } = federation;
    response.json({ name, origin, port, peers: federation.peers.list(), rooms });
  });
}

/** Colyseus logs every refused join with a stack; in an example that is noise. */
export function colyseusLogger(): Record<string, (...args: unknown[]) => void> {
  const debug = process.env["AETHER_DEBUG"] === undefined ? (): void => undefined : console.error;
  return { debug, info: debug, log: debug, trace: debug, warn: debug, error: debug };
}

/** The federation's own lines: what somebody should look at. */
export const federationLogger = {
  debug: (message: string): void => {
    if (process.env["AETHER_DEBUG"] !== undefined) console.error(`debug: ${message}`);
  },
  info: (): void => undefined,
  warn: (message: string): void => {
    console.error(`warning: ${message}`);
  },
  error: (message: string, cause?: unknown): void => {
    console.error(`error: ${message}`, cause instanceof Error ? `(${cause.message})` : "");
  },
};

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
