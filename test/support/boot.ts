/** A Colyseus server in the process of the tests, in the shape of `boot` of `@colyseus/testing`. */
import { type Room, type Server, matchMaker } from "@colyseus/core";
import { Client, type Room as ClientRoom } from "@colyseus/sdk";

/** A server that runs here. */
export class BootedServer {
  readonly server: Server;
  readonly sdk: Client;

  constructor(server: Server, port: number) {
    this.server = server;
    this.sdk = new Client(`http://127.0.0.1:${port}`);
  }

  /** A room of the server. */
  async createRoom<RoomType extends Room>(name: string, options: object = {}): Promise<RoomType> {
    const { roomId } = await matchMaker.createRoom(name, options);
    return matchMaker.getLocalRoomById(roomId) as RoomType;
  }

  /** A client in it. */
  connectTo(room: Room, options: object = {}): Promise<ClientRoom> {
    return this.sdk.joinById(room.roomId, options);
  }

  /** Ends every room. */
  async cleanup(): Promise<void> {
    await Promise.all(matchMaker.disconnectAll());
  }

  /** Stops. */
  async shutdown(): Promise<void> {
    await this.server.gracefullyShutdown(false);
  }
}

/** Has a server listen. */
export async function boot(server: Server, port: number): Promise<BootedServer> {
  await server.listen(port);
  return new BootedServer(server, port);
}
