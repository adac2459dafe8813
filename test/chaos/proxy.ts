/** A wire that can be cut: everything that reaches a server goes through it. */
import { type Server, type Socket, connect, createServer } from "node:net";

/** Forwards one port to another, or to several in turn, until it is cut. */
export class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #targets: readonly number[];
  #next = 0;
  #cut = false;

  private constructor(targets: readonly number[]) {
    this.#targets = targets;
    this.#server = createServer((socket) => {
      this.#forward(socket);
    });
  }

  /** Several targets take turns, one connection each. */
  static async open(port: number, ...targets: readonly number[]): Promise<Wire> {
    const wire = new Wire(targets);
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
    this.#connect(socket, this.#targets.length);
  }

  /** As a balancer does: a target that does not take the connection is passed over. */
  #connect(socket: Socket, tries: number): void {
    this.#next = (this.#next + 1) % this.#targets.length;
    const onward = connect(this.#targets[this.#next] ?? 0, "localhost");
    const refused = (): void => {
      if (tries > 1) this.#connect(socket, tries - 1);
      else socket.destroy();
    };
    onward.once("error", refused);
    onward.once("connect", () => {
      onward.off("error", refused);
      this.#join(socket, onward);
    });
  }

  #join(socket: Socket, onward: Socket): void {
    if (this.#cut) {
      socket.destroy();
      onward.destroy();
      return;
    }
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
