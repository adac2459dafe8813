/** A host that a player's client was sent to: it keeps the address of everything that reaches it. */
import { createServer } from "node:http";
import { hangUp, listen } from "../../support/loopback.ts";

/** One such host. */
export class Eavesdropper {
  readonly #server = createServer((request, response) => {
    this.seen.push(request.url ?? "");
    response.writeHead(404).end();
  });
  /** Paths and queries, tokens and all. */
  readonly seen: string[] = [];
  /** `host:port`. */
  authority = "";

  async start(): Promise<void> {
    this.#server.on("upgrade", (request, socket) => {
      this.seen.push(request.url ?? "");
      socket.destroy();
    });
    this.authority = new URL((await listen(this.#server)).origin).host;
  }

  stop(): Promise<void> {
    return hangUp(this.#server);
  }

  /** The tokens that clients sent. */
  get tokens(): string[] {
    return this.seen.flatMap((url) => {
      const token = new URL(url, "http://eavesdropper").searchParams.get("_authToken");
      return token === null ? [] : [token];
    });
  }
}
