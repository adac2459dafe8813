import type { Server as HttpServer } from "node:http";
import { type AddressInfo, type Server, createServer } from "node:net";

/** Has a server listen on a free port of 127.0.0.1. */
export async function listen(server: Server): Promise<{ port: number; origin: string }> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, origin: `http://127.0.0.1:${port}` };
}

/** Where nobody listens. */
export async function nobodyThere(): Promise<{ port: number; origin: string }> {
  const server = createServer();
  const where = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return where;
}

/** Cuts an HTTP server's connections and closes it. */
export async function hangUp(server: HttpServer): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
