/**
 * What nginx or Caddy do in front of several processes, in few lines: a connection goes to one of them in turn, and a
 * WebSocket whose path begins with the port of a process, as its `publicAddress` says, to that one.
 */
import { type Server, type Socket, connect, createServer } from "node:net";

const REQUEST_LINE = /^(GET) \/(\d{1,5})(\/\S*) HTTP/u;

/** Listens at `port`; rejects when that is taken. */
export async function balance(port: number, targets: readonly number[]): Promise<Server> {
  let turn = 0;
  const server = createServer((client) => {
    client.on("error", () => client.destroy());
    client.once("data", (first: Buffer) => {
      client.pause();
      const line = REQUEST_LINE.exec(first.subarray(0, 2_048).toString("latin1"));
      const named = Number(line?.[2]);
      if (line !== null && targets.includes(named)) {
        const head = `${line[1] ?? ""} ${line[3] ?? ""} HTTP`;
        const rest = first.subarray(line[0].length);
        join(client, [named], Buffer.concat([Buffer.from(head, "latin1"), rest]));
        return;
      }
      turn = (turn + 1) % targets.length;
      join(client, [...targets.slice(turn), ...targets.slice(0, turn)], first);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, resolve);
  });
  return server;
}

/** To the first of these that takes the connection. */
function join(client: Socket, [target, ...others]: readonly number[], first: Buffer): void {
  if (target === undefined) {
    client.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  const process = connect({ port: target, host: "localhost" });
  const next = (): void => {
    join(client, others, first);
  };
  process.once("error", next);
  process.once("connect", () => {
    process.off("error", next);
    process.on("error", () => client.destroy());
    process.on("close", () => client.destroy());
    client.on("close", () => process.destroy());
    process.write(first);
    client.pipe(process);
    process.pipe(client);
  });
}
