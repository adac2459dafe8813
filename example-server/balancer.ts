/**
 * What nginx or Caddy do in front of several processes, in few lines: a request goes to one of them in turn, and a
 * WebSocket whose path begins with the port of a process, as its `publicAddress` says, to that one.
 */
import { type IncomingMessage, type Server, createServer, request as call } from "node:http";
import { type Socket, connect } from "node:net";
import type { Duplex } from "node:stream";

const OF_PROCESS = /^\/(\d{1,5})(\/.*)$/u;

/** Listens at `port`; rejects when that is taken. */
export async function balance(port: number, targets: readonly number[]): Promise<Server> {
  let turn = 0;
  const inTurn = (): number[] => {
    turn = (turn + 1) % targets.length;
    return [...targets.slice(turn), ...targets.slice(0, turn)];
  };
  const server = createServer((request, response) => {
    const failed = (): void => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    };
    connected(inTurn(), failed, (socket) => {
      const { method, url: path, headers } = request;
      const onward = call({ method, path, headers, createConnection: () => socket });
      onward.on("error", failed).on("response", (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
      });
      response.on("close", () => socket.destroy());
      request.pipe(onward);
    });
  });
  server.on("upgrade", (request: IncomingMessage, client: Duplex, head: Buffer) => {
    const { url = "/", rawHeaders } = request;
    const [, named, rest] = OF_PROCESS.exec(url) ?? [];
    const isNamed = targets.includes(Number(named));
    client.on("error", () => client.destroy());
    connected(
      isNamed ? [Number(named)] : inTurn(),
      () => client.destroy(),
      (socket) => {
        const lines = [`GET ${isNamed ? (rest ?? "/") : url} HTTP/1.1`];
        for (let at = 0; at < rawHeaders.length; at += 2) {
          lines.push(`${rawHeaders[at] ?? ""}: ${rawHeaders[at + 1] ?? ""}`);
        }
        socket.on("error", () => client.destroy()).on("close", () => client.destroy());
        client.on("close", () => socket.destroy());
        socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
        socket.write(head);
        client.pipe(socket);
        socket.pipe(client);
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, resolve);
  });
  return server;
}

/** Connects to the first of these that takes the connection. */
function connected(
  [target, ...others]: readonly number[],
  failed: () => void,
  then: (socket: Socket) => void,
): void {
  if (target === undefined) {
    failed();
    return;
  }
  const socket = connect({ port: target, host: "localhost" });
  const next = (): void => {
    connected(others, failed, then);
  };
  socket.once("error", next);
  socket.once("connect", () => {
    socket.off("error", next);
    then(socket);
  });
}
