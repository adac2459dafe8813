/** What letting a player in costs the server: CPU for one join, 50 at once. */
import { Client, type Room } from "@colyseus/sdk";
import { Traveler } from "aether-federation/client";
import { eventually } from "../test/support/eventually.ts";
import { type ServerProcess, Servers } from "../test/support/processes.ts";
import { Samples, type Section, compare, cpuOf } from "./measure.ts";

const AT_ONCE = 50;
const WAVES = 5;
const ROUNDS = 7;
const WARM_UP = 2;
const IDLE_MICROSECONDS = 1_500;

/** One wave: comes in while the server is measured, then goes. */
interface Subject {
  readonly name: string;
  readonly server: ServerProcess;
  /** Outside of what is measured. */
  readonly prepare: () => Promise<() => Promise<Leaver>>;
}

interface Leaver {
  leave(): Promise<unknown>;
}

export async function benchJoin(): Promise<Section[]> {
  const servers = new Servers();
  try {
    const [[plain], [home, destination]] = await Promise.all([
      servers.start([{ name: "plain", script: "bench/plain-server.ts" }]),
      servers.start([
        { name: "home", script: "bench/federated-server.ts" },
        { name: "destination", script: "bench/federated-server.ts" },
      ]),
    ]);
    if (plain === undefined || home === undefined || destination === undefined) {
      throw new Error("no servers");
    }
    const subjects: Subject[] = [
      guest("Colyseus alone", plain, "bare"),
      guest("local guest, room without portals", destination, "bare"),
      guest("local guest, room with portals", destination, "portals"),
      visitor("visitor: pass, proof, claim", home, destination),
    ];
    return [
      compare(await measureAll(subjects), {
        title: `server CPU for a join, ${AT_ONCE} at once`,
        ratio: "cost",
        targets: {
          "local guest, room without portals": 1.03,
          "visitor: pass, proof, claim": 2,
        },
      }),
    ];
  } finally {
    await servers.stop();
  }
}

async function measureAll(subjects: readonly Subject[]): Promise<Samples> {
  const samples = new Samples();
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    const spent = new Map<string, number>();
    for (let wave = 0; wave < WAVES; wave += 1) {
      for (const { name, server, prepare } of subjects) {
        const comers = await Promise.all(Array.from({ length: AT_ONCE }, prepare));
        await quiet(server.pid);
        const before = await cpuOf(server.pid);
        const inside = await Promise.all(comers.map((comeIn) => comeIn()));
        const used = (await cpuOf(server.pid)) - before;
        spent.set(name, (spent.get(name) ?? 0) + used);
        await Promise.all(inside.map((each) => each.leave()));
      }
    }
    if (round < 0) continue;
    for (const [name, used] of spent) samples.add(name, used / (WAVES * AT_ONCE));
  }
  return samples;
}

function guest(name: string, server: ServerProcess, world: string): Subject {
  return {
    name,
    server,
    prepare: () => {
      const client = new Client(server.origin);
      return Promise.resolve(async () => quietly(await client.joinOrCreate(world)));
    },
  };
}

function visitor(name: string, home: ServerProcess, destination: ServerProcess): Subject {
  return {
    name,
    server: destination,
    prepare: async () => {
      const traveler = new Traveler(home.origin, { name: "Ada" });
      quietly(await traveler.join("portals"));
      return async () => {
        quietly(await crossing(traveler, `aether://${destination.authority}/portals`));
        return traveler;
      };
    },
  };
}

/** Crosses and resolves with the room it arrives in. */
export function crossing(traveler: Traveler, uri: string): Promise<Room> {
  return new Promise((resolve, reject) => {
    const stops = [
      traveler.onArrive(({ room }) => {
        for (const stop of stops) stop();
        resolve(room);
      }),
      traveler.onFailed(({ code, message }) => {
        for (const stop of stops) stop();
        reject(new Error(`${code}: ${message}`));
      }),
    ];
    traveler.enter(uri);
  });
}

/** A room whose client does not try to come back. */
export function quietly(room: Room): Room {
  room.reconnection.enabled = false;
  return room;
}

/** Waits until a process is done with what came before. */
async function quiet(pid: number): Promise<void> {
  let before = await cpuOf(pid);
  await eventually(async () => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    const now = await cpuOf(pid);
    const idle = now - before < IDLE_MICROSECONDS;
    before = now;
    if (!idle) throw new Error("the server is busy");
  });
}
