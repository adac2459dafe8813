/** How long a player is on the way, from the wish to go until the other room has let it in. */
import { Traveler } from "aether-federation/client";
import { type ServerProcess, Servers } from "../test/support/processes.ts";
import { crossing, quietly } from "./join.ts";
import { Samples, type Section, compare } from "./measure.ts";
import { NaiveTraveler } from "./naive-traveler.ts";

const TIMES = 120;
const WARM_UP = 20;
const TARGET = 1.5;

export async function benchCrossing(): Promise<Section[]> {
  const servers = new Servers();
  try {
    const [[plainHere, plainThere], [home, abroad]] = await Promise.all([
      Promise.all(["plain-here", "plain-there"].map((name) => plainServer(servers, name))),
      servers.start([
        { name: "home", script: "bench/federated-server.ts" },
        { name: "abroad", script: "bench/federated-server.ts" },
      ]),
    ]);
    if (
      plainHere === undefined ||
      plainThere === undefined ||
      home === undefined ||
      abroad === undefined
    ) {
      throw new Error("no servers");
    }
    const naive = new NaiveTraveler();
    await naive.join(plainHere.origin);
    const keyed = new Traveler(home.origin, { name: "Ada" });
    quietly(await keyed.join("portals"));
    const guest = new Traveler(home.origin, { name: "Ada", storage: null });
    quietly(await guest.join("portals"));
    const [out, back] = [new Samples(), new Samples()];
    for (let turn = -WARM_UP; turn < TIMES; turn += 1) {
      for (const [samples, plain, federated] of [
        [out, plainThere, abroad],
        [back, plainHere, home],
      ] as const) {
        const uri = `aether://${federated.authority}/portals`;
        for (const [name, run] of Object.entries({
          "naive: one POST, one seat": () => naive.cross(plain.origin),
          "federated, player with a key": () => crossing(keyed, uri),
          "federated, guest": () => crossing(guest, uri),
        })) {
          const from = performance.now();
          const room = await run();
          const took = (performance.now() - from) * 1000;
          quietly(room);
          if (turn >= 0) samples.add(name, took);
          await settled();
        }
      }
    }
    await Promise.all([naive.leave(), keyed.leave(), guest.leave()]);
    const targets = { "federated, player with a key": TARGET };
    return [
      compare(out, { title: "a crossing, from home", ratio: "cost", targets }),
      compare(back, { title: "a crossing, back home", ratio: "cost", targets }),
    ];
  } finally {
    await servers.stop();
  }
}

async function plainServer(servers: Servers, name: string): Promise<ServerProcess> {
  const [server] = await servers.start([{ name, script: "bench/plain-server.ts" }]);
  if (server === undefined) throw new Error("no server");
  return server;
}

/** Lets what a crossing leaves behind (the old room's goodbye, the returned custody) end. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 25));
}
