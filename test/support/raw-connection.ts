/** One TCP connection to an HTTP server, whose bytes a test writes by itself. */
import { type Socket, connect } from "node:net";

/** An answer as it came. */
export interface HeardAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A connection. Answers must say how long they are. */
export class RawConnection {
  readonly #socket: Socket;
  #heard = "";
  readonly #answers: HeardAnswer[] = [];
  #wake: () => void = () => undefined;
  /** Resolves once the server has closed it. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      this.#heard += chunk;
      this.#read();
      this.#wake();
    });
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#wake();
        resolve();
      });
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, "127.0.0.1");
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new RawConnection(socket);
  }

  /** Writes in one piece. */
  write(bytes: string): void {
    this.#socket.write(bytes, "latin1");
  }

  /** How many answers have come that nobody has taken yet. */
  get waiting(): number {
    return this.#answers.length;
  }

  /** Takes the next answer. @throws Error when the connection ends before it. */
  async answer(): Promise<HeardAnswer> {
    for (;;) {
      const next = this.#answers.shift();
      if (next !== undefined) return next;
      if (this.#socket.destroyed) throw new Error(`closed; heard: ${this.#heard}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(): void {
    for (;;) {
      const end = this.#heard.indexOf("\r\n\r\n");
      if (end < 0) return;
      const [line = "", ...lines] = this.#heard.slice(0, end).split("\r\n");
      const headers = Object.fromEntries(
        lines.map((each) => {
          const colon = each.indexOf(":");
          return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()];
        }),
      );
      const from = end + 4;
      const length = Number(headers["content-length"] ?? 0);
      if (this.#heard.length < from + length) return;
      const body = this.#heard.slice(from, from + length);
      this.#heard = this.#heard.slice(from + length);
      this.#answers.push({ status: Number(line.split(" ")[1]), headers, body });
    }
  }
}
