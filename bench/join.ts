/** What letting a player in costs the server: CPU for one join, 50 at once. */
import { Client, type Room, type SeatReservation } from "@colyseus/sdk";
import type { Traveler } from "aether-federation/client";
import type { Transit } from "../src/client/messages.ts";
import { PlayerKey } from "../src/client/player-key.ts";
import { eventually } from "../test/support/eventually.ts";
import { type ServerProcess, Servers } from "../test/support/processes.ts";
import { Samples, type Section, compare, cpuOf } from "./measure.ts";

const AT_ONCE = 50;
const WAVES = 5;
const ROUNDS = 15;
/** Enough for the compiler to be done with either server. */
const WARM_UP_WAVES = 40;
/** CPU between two looks of a server that is done with what came before, beyond what it has used idle. */
const IDLE_MICROSECONDS = 1_500;
const LOOK_MILLISECONDS = 60;
const LOOKS_AT_IDLE = 25;
const VISITOR = "visitor: pass, proof, claim";
const ITS_HOME = "the same, its home: departs, claimed";

/** One wave: comes in while the servers are measured, then goes. */
interface Subject {
  readonly name: string;
  readonly server: ServerProcess;
  /** What another server spends on the same wave, and what that is called. */
  readonly beside?: { readonly name: string; readonly server: ServerProcess };
  /** Outside of what is measured; what it answers with brings the wave in. */
  readonly prepare: () => Promise<() => Promise<Room[]>>;
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
      visitor(home, destination),
    ];
    return [
      compare(await measureAll(subjects, [plain, home, destination]), {
        title: `server CPU for a join, ${AT_ONCE} at once`,
        ratio: "cost",
        targets: {
          "local guest, room without portals": 1.03,
          [VISITOR]: 2,
          [ITS_HOME]: 1,
        },
      }),
    ];
  } finally {
    await servers.stop();
  }
}

async function measureAll(
  subjects: readonly Subject[],
  servers: readonly ServerProcess[],
): Promise<Samples> {
  const samples = new Samples();
  // What a machine charges a process that does nothing differs, from machine to machine and with its load.
  const idle = new Map<number, number>();
  for (const { pid } of servers) idle.set(pid, await idleOf(pid));
  for (const { prepare } of subjects) {
    for (let wave = 0; wave < WARM_UP_WAVES; wave += 1) {
      const inside = await (await prepare())();
      await Promise.all(inside.map((room) => room.leave()));
    }
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const spent = new Map<string, number>();
    for (let wave = 0; wave < WAVES; wave += 1) {
      for (const { name, server, beside, prepare } of subjects) {
        const comeIn = await prepare();
        // All of them: a busy neighbour on the same core makes every instruction dearer.
        for (const { pid } of servers) await quiet(pid, idle.get(pid) ?? 0);
        const measured = [{ name, server }, ...(beside === undefined ? [] : [beside])];
        const before = await Promise.all(measured.map(({ server: { pid } }) => cpuOf(pid)));
        const inside = await comeIn();
        for (const [at, { name: whose, server: one }] of measured.entries()) {
          const used = (await cpuOf(one.pid)) - (before[at] ?? 0);
          spent.set(whose, (spent.get(whose) ?? 0) + used);
        }
        await Promise.all(inside.map((room) => room.leave()));
      }
    }
    for (const [name, used] of spent) samples.add(name, used / (WAVES * AT_ONCE));
  }
  return samples;
}

function guest(name: string, server: ServerProcess, world: string): Subject {
  return {
    name,
    server,
    prepare: () => {
      const clients = wave(() => new Client(server.origin));
      return Promise.resolve(() =>
        Promise.all(clients.map(async (client) => quietly(await client.joinOrCreate(world)))),
      );
    },
  };
}

/**
 * All of a wave get their seats, then all connect at once: the clients' own signing, in JavaScript,
 * would otherwise space them out. Keys are new: the destination has seen none of them before.
 */
function visitor(home: ServerProcess, destination: ServerProcess): Subject {
  return {
    name: VISITOR,
    server: destination,
    beside: { name: ITS_HOME, server: home },
    prepare: async () => {
      const travellers = await Promise.all(
        wave(async () => {
          const key = PlayerKey.generate();
          const client = new Client(home.origin);
          client.http.authToken = await key.prove(home.origin);
          const room = quietly(await client.joinOrCreate("portals"));
          const transit = new Promise<SeatReservation>((resolve, reject) => {
            room.onMessage("federation:transit", ({ reservation }: Transit) => {
              resolve(reservation);
            });
            room.onMessage("federation:failed", ({ message }: { message: string }) => {
              reject(new Error(message));
            });
          });
          return { key, room, transit };
        }),
      );
      return async () => {
        for (const { room } of travellers) {
          room.send("federation:enter", { to: `aether://${destination.authority}/portals` });
        }
        const seats = await Promise.all(
          travellers.map(async ({ key, transit }) => {
            const seat = await transit;
            const client = new Client(destination.origin);
            client.http.authToken = await key.prove(destination.origin, { seat: seat.sessionId });
            return { client, seat };
          }),
        );
        return Promise.all(
          seats.map(async ({ client, seat }) => quietly(await client.consumeSeatReservation(seat))),
        );
      };
    },
  };
}

function wave<T>(make: () => T): T[] {
  return Array.from({ length: AT_ONCE }, make);
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

/** The most CPU, in microseconds, that a process uses between two looks while nobody asks anything of it. */
async function idleOf(pid: number): Promise<number> {
  let most = 0;
  for (let look = 0; look < LOOKS_AT_IDLE; look += 1) {
    const before = await cpuOf(pid);
    await nextLook();
    // The first looks may still see it start.
    if (look >= LOOKS_AT_IDLE / 2) most = Math.max(most, (await cpuOf(pid)) - before);
  }
  return most;
}

/** Waits until a process is done with what came before. */
async function quiet(pid: number, idleMicroseconds: number): Promise<void> {
  let before = await cpuOf(pid);
  await eventually(async () => {
    await nextLook();
    const now = await cpuOf(pid);
    const used = now - before;
    before = now;
    if (used >= idleMicroseconds + IDLE_MICROSECONDS) {
      throw new Error(`process ${pid} used ${used} µs in ${LOOK_MILLISECONDS} ms`);
    }
  });
}

function nextLook(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
}
