/** A wire that can be cut: everything that reaches a server goes through it. */
import { type Server, type Socket, connect, createServer } from "node:net";

/** Forwards one port to another, or to several in turn, until it is cut. */
export class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #targets: readonly number[];
  readonly #from: string | undefined;
  #next = 0;
  #cut = false;

  private constructor(targets: readonly number[], from?: string) {
    this.#targets = targets;
    this.#from = from;
    this.#server = createServer((socket) => {
      this.#forward(socket);
    });
  }

  /** Several targets take turns, one connection each. */
  static open(port: number, ...targets: readonly number[]): Promise<Wire> {
    return new Wire(targets).#listen(port);
  }

  /** What comes this way comes from a loopback address of its own, such as 127.0.0.66. */
  static openFrom(address: string, port: number, target: number): Promise<Wire> {
    return new Wire([target], address).#listen(port);
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

  async #listen(port: number): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, resolve);
    });
    return this;
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
    const onward = connect({
      port: this.#targets[this.#next] ?? 0,
      ...(this.#from === undefined
        ? { host: "localhost" }
        : { host: "127.0.0.1", localAddress: this.#from }),
    });
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
