/**
 * The HTTP server of a fake peer: a server's own endpoints, unless a test wants a call treated otherwise.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { type AnswerSigner, send, sendSigned } from "../http/inbound/answers.ts";
import type { Middleware } from "../http/inbound/middleware.ts";
import { readRawBody } from "../http/inbound/raw-body.ts";
import { peekKeyId } from "../identity/http-signatures.ts";

/** A call that came in; nobody has looked at its signature. */
export interface HeardCall {
  /** Origin that it says it is from; undefined where it is not signed. */
  readonly caller: string | undefined;
  /** Below the endpoint, e.g. `/custody/claim`; of the descriptor, from the origin. */
  readonly path: string;
  /** Undefined for what is no JSON. */
  readonly body: unknown;
}

/** An answer made by hand; to a signed call it is signed, so that it is believed to come from the peer. */
export interface HandMadeAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** What is done with a call. */
export type Treatment = (call: HeardCall) => HandMadeAnswer | Promise<HandMadeAnswer> | "hang";

const HEARD_CALLS = 1_000;

/** Listens on a port of 127.0.0.1. */
export class FakeEndpoints {
  /** The last 1000 calls that came in. */
  readonly heard: HeardCall[] = [];
  readonly #server: Server;
  readonly #treatments = new Map<string, Treatment>();
  /** Set once there is somebody to answer. */
  serve: { readonly endpoints: Middleware; readonly signer: AnswerSigner } | undefined;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#receive(request, response).catch((cause: unknown) => {
        response.destroy(cause instanceof Error ? cause : undefined);
      });
    });
  }

  /** Listens; its origin. `port` 0: a free one. */
  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(port, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Treats calls to a path below the endpoint so, or, with `*`, all. */
  treat(path: string, treatment: Treatment): void {
    if (path !== "*" && !path.startsWith("/")) {
      throw new TypeError(`path must begin with "/" or be "*", got ${JSON.stringify(path)}`);
    }
    this.#treatments.set(path, treatment);
  }

  /** Answers everything as a server would. */
  behave(): void {
    this.#treatments.clear();
  }

  /** Cuts every connection and closes the port. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", headers, url = "/" } = request;
    const raw = await readRawBody(request);
    const path = url.replace(/^\/federation(?=\/)/u, "").replace(/\?.*$/u, "");
    const call = { caller: peekKeyId(headers)?.origin, path, body: jsonOf(raw) };
    this.heard.push(call);
    if (this.heard.length > HEARD_CALLS) this.heard.shift();
    if (this.serve === undefined) {
      response.writeHead(503).end();
      return;
    }
    const { endpoints, signer } = this.serve;
    const treatment = this.#treatments.get(path) ?? this.#treatments.get("*");
    const answer = await treatment?.(call);
    if (answer === "hang") return;
    if (answer !== undefined && call.caller === undefined) send(response, answer);
    else if (answer !== undefined) {
      const message = { method, targetUri: `${signer.origin}${url}`, headers, body: raw };
      await sendSigned(signer, message, response, answer);
    } else {
      endpoints(replayed(request, raw), response, () => {
        response.writeHead(404).end();
      });
    }
  }
}

/** A request whose body has been read, to be read once more. */
function replayed(request: IncomingMessage, raw: Uint8Array): IncomingMessage {
  const { method, url, headers, socket } = request;
  const again = Readable.from(raw.length === 0 ? [] : [Buffer.from(raw)]);
  const ip = socket.remoteAddress;
  return Object.assign(again, { method, url, headers, socket, ip, complete: true }) as never;
}

function jsonOf(raw: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(raw).toString("utf8"));
  } catch {
    return undefined;
  }
}
