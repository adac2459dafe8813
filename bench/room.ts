/** The room of every benched server, and what such a server needs besides. */
import { createServer } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { type Client, Room, Server, matchMaker } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import type { Application } from "express";

/** What a player of the benches carries. */
export const CARRIED = { coins: ["plaza-1f3a", "plaza-77c0", "arena-0b52"], hat: "green" };

/** How the benches start a server (`Servers` of the tests does). */
export function readFlags() {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "bench" },
      port: { type: "string", default: "0" },
      data: { type: "string", default: "" },
      peer: { type: "string", multiple: true, default: [] },
      lease: { type: "string", default: "3600" },
      routes: { type: "string", default: "0" },
      "max-peers": { type: "string", default: "128" },
    },
  });
  const port = Number(values.port);
  return { ...values, port, origin: `http://localhost:${port}` };
}

/** A room that does next to nothing, so that what is measured is the way into it. */
export class BenchRoom extends Room {
  override autoDispose = false;

  override messages: Record<string, (client: Client, message: { to: string }) => unknown> = {
    /** A crossing as one writes it without a federation: nothing is signed, nothing is stored. */
    "naive:enter": async (client, { to }) => {
      const response = await fetch(`${to}/reserve`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ world: this.roomName, state: CARRIED }),
      });
      const reservation: unknown = await response.json();
      client.send("naive:transit", { origin: to, reservation });
    },
  };

  override onJoin(client: Client): void {
    client.userData = { ...CARRIED };
  }
}

/** A quiet server with the tests' status page and one open room of each name. */
export async function listen(
  port: number,
  rooms: Readonly<Record<string, typeof BenchRoom>>,
  options: {
    readonly express: (app: Application) => void;
    readonly attach?: (server: Server) => void;
  },
): Promise<void> {
  const silent = (): void => undefined;
  const late = monitorEventLoopDelay({ resolution: 1 });
  late.enable();
  const server = new Server({
    greet: false,
    transport: new WebSocketTransport({ server: createServer() }),
    logger: {
      debug: silent,
      info: silent,
      warn: silent,
      error: silent,
      log: silent,
      trace: silent,
    },
    express: (app) => {
      app.get("/loop-delay", (_request, response) => {
        const { max } = late;
        const [p50, p99] = [late.percentile(50), late.percentile(99)];
        response.json({ p50: p50 / 1e6, p99: p99 / 1e6, max: max / 1e6 });
        late.reset();
      });
      options.express(app);
    },
  });
  for (const [name, room] of Object.entries(rooms)) server.define(name, room);
  options.attach?.(server);
  await server.listen(port);
  for (const name of Object.keys(rooms)) await matchMaker.createRoom(name, {});
}
