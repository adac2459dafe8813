/** Those who try to spend what honest players need: each does one thing as fast as it is let. */
import { type Socket, connect } from "node:net";
import { PlayerKey } from "aether-federation/client";
import { sdkClient } from "../../support/sdk.ts";
import { type HostilePeer, freshRing, shakeHandsAsThief } from "../support/hostile-peer.ts";

/** A server, as it is reached from an address of the attacker's own. */
export interface Gate {
  readonly origin: string;
  readonly authority: string;
  readonly port: number;
  /** The same server through the attacker's own address. */
  readonly through: { readonly origin: string; readonly port: number };
}

/** Does its thing once; called again as long as the siege lasts, whatever came of it. */
export interface Besieger {
  readonly what: string;
  /** How many do it at once. */
  readonly hands: number;
  readonly strike: () => Promise<unknown>;
}

const BIG = { junk: "x".repeat(30_000) };
const uuid = (): string => crypto.randomUUID();

/** Everything that is tried against a server; `peer` is trusted by it. */
export function besiegersOf(gate: Gate, peer: HostilePeer): Besieger[] {
  const own = (name: string): string => `${name}@${peer.authority}`;
  const theirs = (): string => `${uuid()}@${gate.authority}`;
  const call = (path: string, body: unknown): Promise<unknown> =>
    peer.call({ origin: gate.through.origin }, path, body, gate.origin);
  const many = Array.from({ length: 200 }, (_, index) => ({
    player: `nobody-${index}@${gate.authority}`,
    epoch: 1,
  }));
  return [
    {
      what: "a trusted peer asks for previews without end",
      hands: 4,
      strike: () => call("/custody/preview", { player: theirs(), epoch: 1, state: BIG }),
    },
    {
      what: "a trusted peer renews whom it does not hold, 200 at once",
      hands: 4,
      strike: () => call("/custody/renew", { players: many }),
    },
    {
      what: "a trusted peer departs with players who are not there",
      hands: 2,
      strike: () =>
        call("/custody/depart", {
          ...{ transferId: uuid(), player: theirs(), epoch: 1, to: peer.origin, world: "plain" },
          state: BIG,
        }),
    },
    {
      what: "a trusted peer asks for seats that nobody takes",
      hands: 2,
      strike: async () => {
        const transferId = uuid();
        const pass = await peer.pass({
          ...{ sub: own(uuid()).split("@")[0]!, aud: gate.origin, xfer: transferId },
          world: "plain",
        });
        return call("/reservations", { transferId, pass, world: "plain" });
      },
    },
    {
      what: "strangers shake hands, each with a key and an origin of its own",
      hands: 4,
      strike: () => {
        const origin = `http://localhost:${1024 + Math.floor(Math.random() * 60_000)}`;
        return shakeHandsAsThief({ origin }, freshRing(), {}, gate.through);
      },
    },
    {
      what: "strangers ask to travel",
      hands: 4,
      strike: () =>
        fetch(`${gate.through.origin}/federation/travel`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            authorization: `Bearer ${"x".repeat(900)}`,
          },
          body: JSON.stringify({ to: `aether://${gate.authority}/plain` }),
        }).then((response) => response.arrayBuffer()),
    },
    {
      what: "bodies drip",
      hands: 16,
      strike: () => drip(gate.through.port),
    },
    {
      what: "players join and leave",
      hands: 2,
      strike: async () => {
        const room = await sdkClient(
          gate.through,
          await PlayerKey.generate().prove(gate.origin),
        ).joinOrCreate("plain", {});
        room.reconnection.enabled = false;
        room.onMessage("*", () => undefined);
        await room.leave();
      },
    },
    {
      what: "a player asks for previews, receipts and crossings without end",
      hands: 2,
      strike: async () => {
        const room = await sdkClient(
          gate.through,
          await PlayerKey.generate().prove(gate.origin),
        ).joinOrCreate("plain", {});
        room.reconnection.enabled = false;
        room.onMessage("*", () => undefined);
        for (let count = 0; count < 300 && room.connection.isOpen; count += 1) {
          room.send("federation:preview");
          room.send("federation:receipt");
          room.send("federation:enter", { to: `aether://${peer.authority}/plain` });
          room.send("federation:cancel", { transferId: uuid() });
          if (count % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await room.leave();
      },
    },
  ];
}

/** Sends a request whose body never comes, until the other side has enough. */
function drip(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect(port, "localhost", () => {
      socket.write(
        "POST /federation/custody/renew HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
      );
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    socket.resume();
  });
}
