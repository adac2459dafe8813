/**
 * Many visitors on a server that is told to stop: each was handed something that nobody else knows
 * of yet. All are at home again with it, soon, and nobody is refused on the way.
 */
import { Client } from "@colyseus/sdk";
import { PlayerKey } from "aether-federation/client";
import { ROOMS, Servers } from "../support/processes.ts";
import { Visitor } from "../support/visitor.ts";

/** How many, and from which seed of names. */
export interface DrainOptions {
  readonly players: number;
  /** Clients that connect at once while everybody is brought there. Default 24. */
  readonly atOnce?: number;
  readonly onProgress?: (line: string) => void;
}

/** What came of it. */
export interface DrainResult {
  readonly players: number;
  /** Players who did not have at home what they were handed abroad. */
  readonly lost: readonly string[];
  /** Refusals on the way home, by code. */
  readonly refusals: Readonly<Record<string, number>>;
  /** From the signal until a player played at home. */
  readonly homeSeconds: { readonly median: number; readonly last: number };
  /** From the signal until the server had ended. */
  readonly stopSeconds: number;
}

const GIVE_UP_MILLISECONDS = 120_000;
const AGAIN_MILLISECONDS = 500;

/** Runs it. */
export async function drain(options: DrainOptions): Promise<DrainResult> {
  const servers = new Servers();
  try {
    return await run(servers, options);
  } finally {
    await servers.stop();
  }
}

async function run(
  servers: Servers,
  { players, atOnce = 24, onProgress }: DrainOptions,
): Promise<DrainResult> {
  const flags = ["limit", "peer-limit", "seat-limit", "room-limit"].flatMap((limit) => [
    ...[`--${limit}`, "10000000"],
  ]);
  const [home, away] = await servers.start(
    ["home", "away"].map((name) => ({ name, script: ROOMS, flags })),
  );
  if (home === undefined || away === undefined) throw new Error("two servers were to be started");
  const visitors: Visitor[] = [];
  let next = 0;
  const bring = async (): Promise<void> => {
    while (next < players) {
      const index = next++;
      const visitor = await Visitor.login(home, { key: PlayerKey.generate() });
      await visitor.cross(`aether://${new URL(away.origin).host}/plain`);
      visitors[index] = visitor;
      if (visitors.length % 500 === 0) onProgress?.(`${visitors.length} visitors are there`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, bring));
  await Promise.all(visitors.map((visitor, index) => visitor.note(`gift ${index}`)));
  onProgress?.(`all ${players} have been handed something; the server is told to stop`);

  const refusals: Record<string, number> = {};
  const signalledAt = performance.now();
  const seconds = (): number => (performance.now() - signalledAt) / 1000;
  const times: number[] = [];
  const lost: string[] = [];
  const homecoming = visitors.map(async (visitor, index) => {
    await new Promise<void>((resolve) => visitor.room.onLeave(() => resolve()));
    for (let tries = 0; seconds() * 1000 < GIVE_UP_MILLISECONDS; tries += 1) {
      try {
        const client = new Client(home.origin);
        client.http.authToken = await visitor.key?.prove(home.origin);
        const room = await client.joinOrCreate("plain", { name: "Visitor" });
        times.push(seconds());
        visitor.enter(room);
        const note = (await visitor.whoAmI()).player?.carried?.["note"];
        if (note !== `gift ${index}`) lost.push(`player ${index} has ${JSON.stringify(note)}`);
        await room.leave();
        return;
      } catch (error) {
        const code = /ERR_\w+/u.exec(String(error))?.[0] ?? "unreachable";
        refusals[code] = (refusals[code] ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLISECONDS));
      }
    }
    lost.push(`player ${index} is not home after ${GIVE_UP_MILLISECONDS / 1000} s`);
  });
  const stopped = away.kill("SIGTERM").then(seconds);
  await Promise.all(homecoming);
  times.sort((a, b) => a - b);
  return {
    players,
    lost,
    refusals,
    homeSeconds: {
      median: times[Math.floor(times.length / 2)] ?? Infinity,
      last: times.at(-1) ?? Infinity,
    },
    stopSeconds: await stopped,
  };
}
