/**
 * A federation under its normal load, first in peace and then besieged by a trusted but hostile peer,
 * strangers and hostile players, who come from addresses of their own: what do honest players feel?
 */
import { freePort } from "../../../src/testing/test-place.ts";
import { Servers, ROOMS, type ServerProcess } from "../../support/processes.ts";
import { Wire } from "../../chaos/proxy.ts";
import { HostilePeer } from "../support/hostile-peer.ts";
import { type Besieger, type Gate, besiegersOf } from "./besiegers.ts";
import { Feelings, Townsman } from "./townsfolk.ts";

/** How long each of both phases is. */
export interface SiegeOptions {
  readonly seconds: number;
  /** Default 6. */
  readonly players?: number;
  readonly onProgress?: (line: string) => void;
}

/** What honest players felt, and how often each thing was tried. */
export interface SiegeResult {
  readonly peace: Feelings;
  readonly siege: Feelings;
  readonly strikes: Readonly<Record<string, number>>;
}

/** Addresses that the besiegers come from. */
const ADDRESSES = ["127.0.0.66", "127.0.0.67", "127.0.0.68"];

/** Runs it. */
export async function besiege(options: SiegeOptions): Promise<SiegeResult> {
  const servers = new Servers();
  const peer = await HostilePeer.start();
  const wires: Wire[] = [];
  try {
    const [home, away] = (await startBoth(servers, peer)) as [ServerProcess, ServerProcess];
    const feelings = { peace: new Feelings(), siege: new Feelings() };
    let over = false;
    const townsfolk = Array.from({ length: options.players ?? 6 }, (_, index) => {
      const places = index % 2 === 0 ? [home, away] : [away, home];
      return new Townsman(`Honest ${index}`, places, feelings.peace);
    });
    const lives = Promise.all(townsfolk.map((each) => each.live(() => !over)));
    await pause(options.seconds * 1000);
    options.onProgress?.("the siege begins");
    for (const each of townsfolk) each.feel(feelings.siege);

    const strikes: Record<string, number> = {};
    let besieged = true;
    const sieges: Promise<unknown>[] = [];
    for (const [index, server] of [home, away].entries()) {
      const address = ADDRESSES[index % ADDRESSES.length]!;
      const port = await freePort();
      wires.push(await Wire.openFrom(address, port, server.spec.port));
      const gate: Gate = {
        ...{ origin: server.origin, authority: server.authority, port: server.spec.port },
        through: { origin: `http://localhost:${port}`, port },
      };
      for (const besieger of besiegersOf(gate, peer)) {
        for (let hand = 0; hand < besieger.hands; hand += 1) {
          sieges.push(strikeOn(besieger, () => besieged, strikes));
        }
      }
    }
    await pause(options.seconds * 1000);
    over = true;
    await lives;
    besieged = false;
    for (const wire of wires) wire.cut();
    await Promise.all(sieges);
    await Promise.all(townsfolk.map((each) => each.leave()));
    return { ...feelings, strikes };
  } finally {
    for (const wire of wires) wire.close();
    await peer.stop();
    await servers.stop();
  }
}

async function startBoth(servers: Servers, peer: HostilePeer): Promise<ServerProcess[]> {
  const ports = [await freePort(), await freePort()];
  const origins = ports.map((port) => `http://localhost:${port}`);
  const started = await Promise.all(
    ports.map((port, index) =>
      servers.launch({
        ...{ name: index === 0 ? "home" : "away", port, script: ROOMS },
        flags: [...[...origins.filter((_, at) => at !== index), peer.origin]].flatMap((origin) => [
          "--peer",
          origin,
        ]),
      }),
    ),
  );
  await Promise.all(started.map((server) => server.ready()));
  await Promise.all(
    started.map((server, index) =>
      server.knows(...origins.filter((_, at) => at !== index), peer.origin),
    ),
  );
  return started;
}

async function strikeOn(
  { what, strike }: Besieger,
  goesOn: () => boolean,
  strikes: Record<string, number>,
): Promise<void> {
  while (goesOn()) {
    strikes[what] = (strikes[what] ?? 0) + 1;
    // What was cut off with the wire may never settle.
    await Promise.race([strike().catch(() => pause(5)), until(() => !goesOn())]);
  }
}

/** Resolves soon after something holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(50);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
