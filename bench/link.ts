/** What a call over a link costs, both sides together, against a raw echo of the same bytes over `ws`. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { LinkedServer } from "../test/support/linked-server.ts";
import { type Section, Samples, compare } from "./measure.ts";

const ECHO = "raw ws echo";
const LINK = "a call over the link";
const POST = "a signed POST";
const ROUNDS = 15;
const TARGET = 1.5;

/** Both ends are in this process: its time is what both of them spend. */
export async function benchLink(): Promise<Section[]> {
  const [a, b] = await Promise.all([LinkedServer.start(), LinkedServer.start()]);
  const plain = await Promise.all([
    LinkedServer.start({ links: false }),
    LinkedServer.start({ links: false }),
  ]);
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  try {
    const body = { transferId: crypto.randomUUID() };
    const answer = { player: "ada@worlds.example.com", name: "Ada", epoch: 7, leaseSeconds: 30 };
    for (const one of [b, plain[1]]) one.onCall = () => Promise.resolve(answer);
    await a.link(b);
    await plain[0].handshake.connect(plain[1].origin);
    // A message's bytes there, and those of its answer back.
    const there = Buffer.alloc(
      12 + 9 + 1 + "/custody/claim".length + JSON.stringify(body).length + 32,
    );
    const back = Buffer.alloc(12 + 9 + 2 + JSON.stringify(answer).length + 32);
    const echo = await echoer(server, there, back);
    const before = b.posts;
    const sections: Section[] = [];
    for (const underWay of [1, 16]) {
      const samples = new Samples();
      for (let round = -3; round < ROUNDS; round += 1) {
        for (const [name, work] of [
          [ECHO, echo],
          [LINK, () => a.call(b, body)],
          [POST, () => plain[0].call(plain[1], body)],
        ] as const) {
          const each = await spent(work, underWay, name === POST ? 200 : 2_000);
          if (round >= 0) samples.add(name, each);
        }
      }
      sections.push(
        compare(samples, {
          title: `a call, both sides, ${underWay} under way`,
          ratio: "cost",
          targets: underWay === 1 ? {} : { [LINK]: TARGET },
        }),
      );
    }
    if (b.posts !== before) throw new Error("calls went by HTTP");
    return sections;
  } finally {
    server.close();
    for (const client of server.clients) client.terminate();
    await Promise.all([a, b, ...plain].map((one) => one.stop()));
  }
}

/** Microseconds of this process's CPU for one of `count`. */
async function spent(
  work: () => Promise<unknown>,
  underWay: number,
  count: number,
): Promise<number> {
  const before = process.cpuUsage();
  await Promise.all(
    Array.from({ length: underWay }, async () => {
      for (let each = 0; each < count; each += underWay) await work();
    }),
  );
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

async function echoer(
  server: WebSocketServer,
  there: Buffer,
  back: Buffer,
): Promise<() => Promise<void>> {
  server.on("connection", (socket) => {
    socket.on("message", () => {
      socket.send(back);
    });
  });
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  await once(client, "open");
  const waiting: (() => void)[] = [];
  client.on("message", () => {
    waiting.shift()?.();
  });
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      client.send(there);
    });
}
