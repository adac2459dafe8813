/** Crossings a second that two servers and their players keep up on this machine, against the naive ones. */
import { Load } from "../test/load/load.ts";
import { type Section, Samples, compare } from "./measure.ts";

const PLAYERS = 200;
const AT_ONCE = 32;
const ROUNDS = 7;
const ROUND_MILLISECONDS = 3_000;
const TARGET = 0.6;
const NAMES = { naive: "naive: one POST, one seat", federated: "federated, players with keys" };

export async function benchLoad(): Promise<Section[]> {
  const loads: { readonly name: string; readonly load: Load }[] = [];
  try {
    for (const [kind, name] of Object.entries(NAMES)) {
      loads.push({ name, load: await Load.start({ players: PLAYERS, naive: kind === "naive" }) });
    }
    const samples = new Samples();
    for (let round = -2; round < ROUNDS; round += 1) {
      for (const { name, load } of loads) {
        const { seconds, latencies, failures } = await load.run({
          ...{ milliseconds: ROUND_MILLISECONDS, atOnce: AT_ONCE, rate: Infinity },
        });
        if (Object.keys(failures).length > 0) {
          throw new Error(`${name}: crossings failed: ${JSON.stringify(failures)}`);
        }
        if (round >= 0) samples.add(name, (seconds * 1e6) / latencies.length);
      }
    }
    return [
      compare(samples, {
        title: `microseconds between two crossings, ${PLAYERS} players, ${AT_ONCE} under way`,
        ratio: "speed",
        targets: { [NAMES.federated]: TARGET },
      }),
    ];
  } finally {
    for (const { load } of loads) await load.stop();
  }
}
