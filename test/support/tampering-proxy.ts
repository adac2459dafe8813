/** A proxy before a server, which a test tells what to break. */
import {
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
  createServer,
  request as ask,
} from "node:http";
import { connect } from "node:net";
import { hangUp, listen } from "./loopback.ts";

/** The head of a request on its way. */
export interface ForwardedHead {
  readonly method: string;
  path: string;
  readonly headers: Record<string, unknown>;
}

/** What it does to what passes. */
export interface Tampering {
  /** Changes the head of a request that is handed on: `path`, `headers`. */
  readonly head?: (options: ForwardedHead) => void;
  /** Changes the headers of an answer. */
  readonly answer?: (headers: Record<string, unknown>, request: IncomingMessage) => void;
  /** Answers by itself; true: it has. */
  readonly instead?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Whether upgrades at a path are handed on as such. Default: all are. */
  readonly upgrades?: (path: string) => boolean;
  /** Where it leads to. Default: the server. */
  readonly port?: number;
}

/** Before one server at a time. */
export class TamperingProxy {
  tampering: Tampering = {};
  readonly #port: number;
  readonly #server: Server;

  /** @param port - The server's. */
  constructor(port: number) {
    this.#port = port;
    this.#server = createServer((request, response) => {
      this.#pass(request, response);
    });
    this.#server.on("upgrade", (request, socket, head) => {
      const { upgrades = () => true } = this.tampering;
      if (!upgrades(request.url ?? "/")) {
        const refused =
          "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        socket.end(refused);
        return;
      }
      const onward = connect(this.#target, "127.0.0.1", () => {
        const lines = [`${request.method ?? "GET"} ${request.url ?? "/"} HTTP/1.1`];
        for (let at = 0; at < request.rawHeaders.length; at += 2) {
          lines.push(`${request.rawHeaders[at] ?? ""}: ${request.rawHeaders[at + 1] ?? ""}`);
        }
        onward.write(`${lines.join("\r\n")}\r\n\r\n`);
        onward.write(head);
        onward.pipe(socket).pipe(onward);
      });
      onward.on("error", () => socket.destroy());
      socket.on("error", () => onward.destroy());
    });
  }

  async start(): Promise<string> {
    const { port } = await listen(this.#server);
    return `http://localhost:${port}`;
  }

  async stop(): Promise<void> {
    await hangUp(this.#server);
  }

  get #target(): number {
    return this.tampering.port ?? this.#port;
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { head, answer, instead } = this.tampering;
    if (instead?.(request, response) === true) return;
    const { method = "GET", url: path = "/" } = request;
    const to: ForwardedHead = { method, path, headers: { ...request.headers } };
    head?.(to);
    const options = { ...to, host: "127.0.0.1", port: this.#target } as RequestOptions;
    const onward = ask(options, (answered) => {
      const headers = { ...answered.headers } as Record<string, unknown>;
      answer?.(headers, request);
      response.writeHead(answered.statusCode ?? 502, headers as never);
      answered.pipe(response);
    });
    onward.on("error", () => {
      response.writeHead(502).end();
    });
    request.pipe(onward);
  }
}
