/** A wire that can be cut: everything that reaches a server goes through it. */
import { type Server, type Socket, connect, createServer } from "node:net";

/** Forwards one port to another, until it is cut. */
export class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: number;
  #cut = false;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((socket) => {
      this.#forward(socket);
    });
  }

  static async open(port: number, target: number): Promise<Wire> {
    const wire = new Wire(target);
    await new Promise<void>((resolve, reject) => {
      wire.#server.once("error", reject);
      wire.#server.listen(port, resolve);
    });
    return wire;
  }

  /** Breaks every connection and lets none through until {@link mend}. */
  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#cut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #forward(socket: Socket): void {
    if (this.#cut) {
      socket.destroy();
      return;
    }
    const onward = connect(this.#target, "localhost");
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
