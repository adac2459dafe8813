import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { hangUp, listen } from "./loopback.ts";

/** Answers a request for an asset. */
export type AssetHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  /** Which request it is, from 0. */
  index: number,
) => void | Promise<void>;

/** A peer over real HTTP that serves assets as a test wants it to. */
export class AssetPeer {
  readonly origin: string;
  /** The `Range` header of each request. */
  readonly ranges: (string | undefined)[] = [];
  readonly requests: IncomingMessage[] = [];
  /** Bytes of bodies that were written. */
  sent = 0;
  /** Requests being answered at once, at most. */
  mostAtOnce = 0;
  readonly #server: Server;
  #busy = 0;

  private constructor(server: Server, origin: string) {
    this.#server = server;
    this.origin = origin;
  }

  static async listen(handler: AssetHandler): Promise<AssetPeer> {
    const server = createServer();
    const { origin } = await listen(server);
    const peer = new AssetPeer(server, origin);
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const index = peer.requests.push(request) - 1;
      peer.ranges.push(request.headers.range);
      peer.#busy += 1;
      peer.mostAtOnce = Math.max(peer.mostAtOnce, peer.#busy);
      response.on("close", () => {
        peer.#busy -= 1;
      });
      const write = response.write.bind(response) as (chunk: Uint8Array) => boolean;
      response.write = (chunk: unknown) => {
        peer.sent += (chunk as Uint8Array).length;
        return write(chunk as Uint8Array);
      };
      void Promise.resolve(handler(request, response, index)).catch((cause: unknown) => {
        response.destroy(cause as Error);
      });
    });
    return peer;
  }

  close(): Promise<void> {
    return hangUp(this.#server);
  }
}

/** Where a request wants an asset to begin. */
export function startOf(request: IncomingMessage): number {
  return Number(/^bytes=(\d+)-$/u.exec(request.headers.range ?? "")?.[1] ?? 0);
}

/** Writes the head of a right answer; headers can be changed. */
export function answerHead(
  request: IncomingMessage,
  response: ServerResponse,
  size: number,
  changes: Readonly<Record<string, string>> = {},
): number {
  const from = startOf(request);
  const hex = request.url?.split("/").at(-1) ?? "";
  response.writeHead(from > 0 ? 206 : 200, {
    etag: `"${hex}"`,
    "content-length": String(size - from),
    ...(from > 0 ? { "content-range": `bytes ${from}-${size - 1}/${size}` } : {}),
    ...changes,
  });
  response.flushHeaders();
  return from;
}

/** Writes `bytes` in pieces, waiting for the socket between them. */
export async function writeAll(
  response: ServerResponse,
  bytes: Uint8Array,
  pieceBytes = 16 * 1024,
): Promise<void> {
  for (let at = 0; at < bytes.length && !response.destroyed; at += pieceBytes) {
    if (!response.write(bytes.subarray(at, at + pieceBytes))) {
      await new Promise<void>((resolve) => {
        const go = (): void => {
          response.off("drain", go).off("close", go);
          resolve();
        };
        response.on("drain", go).on("close", go);
      });
    }
  }
}

/** A peer that does what it should. */
export function honest(bytes: Uint8Array): AssetHandler {
  return async (request, response) => {
    const from = answerHead(request, response, bytes.length);
    await writeAll(response, bytes.subarray(from));
    response.end();
  };
}
