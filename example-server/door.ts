/** A server's door, which opens only once what is behind it is ready: until then nobody gets in, and tries again. */
import type { Server } from "node:http";
import { WebSocketTransport } from "@colyseus/ws-transport";

export class Door extends WebSocketTransport {
  readonly #prepare: () => Promise<void>;

  /** @param prepare Called when the matchmaker is ready, and the port is not open yet. */
  constructor(server: Server, prepare: () => Promise<void>) {
    super({ server });
    this.#prepare = prepare;
  }

  override listen(
    port: number,
    hostname?: string,
    backlog?: number,
    listening?: (error?: unknown) => void,
  ): this {
    const opening = this.#prepare().then(() => super.listen(port, hostname, backlog, listening));
    opening.catch((error: unknown) => listening?.(error));
    return this;
  }
}
