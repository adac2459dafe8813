/**
 * Three real servers and real clients, while servers are killed and started again and connections
 * are cut: nobody lost, nothing doubled, nobody stuck.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "../../src/ports.ts";
import { eventually } from "../support/eventually.ts";
import { type ServerProcess, type ServerSpec, Servers, freePort } from "../support/processes.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ChaosPlayer } from "./player.ts";
import { Wire } from "./proxy.ts";

/** How much of it, and from which seed. */
export interface ChaosOptions {
  readonly crossings: number;
  readonly seed: string;
  /** Default 8. */
  readonly players?: number;
  readonly onProgress?: (line: string) => void;
}

/** What came of it. */
export interface ChaosResult {
  readonly crossings: number;
  readonly arrived: number;
  readonly stayed: number;
  /** Crossings of which the client heard nothing more: its server or its wire was gone. */
  readonly cutShort: number;
  readonly kills: number;
  readonly cuts: number;
  /** What a player had brought into another world once, and has no more. */
  readonly lost: readonly string[];
  /** Things that are there twice, and times at which two servers simulated one player. */
  readonly duplicated: readonly string[];
  /** Players who cannot play at the end. */
  readonly stuck: readonly string[];
  readonly seconds: number;
}

interface Host {
  readonly spec: ServerSpec;
  readonly wire: Wire;
  process: ServerProcess;
  /** When a life of it was over for sure. */
  readonly deaths: bigint[];
  busy: boolean;
}

const NAMES = ["a", "b", "c"];
const STUCK_MILLISECONDS = 40_000;

/** Runs it. The seed decides what is done to whom; when that meets whom is the machine's doing. */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const run = new Chaos(options);
  try {
    return await run.run();
  } finally {
    await run.stop();
  }
}

class Chaos {
  readonly #options: ChaosOptions;
  readonly #random: Random;
  readonly #servers = new Servers();
  #hosts: Host[] = [];
  #over = false;
  #kills = 0;
  #cuts = 0;

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<ChaosResult> {
    const startedAt = performance.now();
    await this.#start();
    const origins = this.#hosts.map(({ spec }) => spec.origin);
    let left = this.#options.crossings;
    const players = Array.from({ length: this.#options.players ?? 8 }, (_, index) => {
      const home = origins[index % origins.length] ?? "";
      return new ChaosPlayer(
        `p${index}`,
        home,
        origins,
        seededRandom(`${this.#options.seed}/${index}`),
      );
    });
    const trouble = Promise.all([this.#killOn(), this.#cutOn()]);
    const report = setInterval(() => {
      this.#options.onProgress?.(
        `${left} crossings to go, ${this.#kills} kills, ${this.#cuts} cuts`,
      );
    }, 5_000);
    await Promise.all(players.map((player) => player.live(() => left-- > 0)));
    clearInterval(report);
    this.#over = true;
    await trouble;
    await Promise.all(this.#hosts.map(({ process }) => process.ready()));

    const stuck: string[] = [];
    await Promise.all(
      players.map((player) =>
        eventually(() => player.playAtHome(), {
          timeoutMilliseconds: STUCK_MILLISECONDS,
          what: `${player.name} plays`,
        }).catch((error: unknown) => stuck.push(`${player.name}: ${String(error)}`)),
      ),
    );
    const twice = await this.#overlaps();
    const seen = new Map<string, string>();
    for (const { name, items } of players) {
      for (const item of items) {
        const owner = seen.get(item);
        if (owner !== undefined) twice.push(`${item} is ${owner}'s and ${name}'s`);
        seen.set(item, name);
      }
    }
    await Promise.all(players.map((player) => player.leave()));
    const sum = (count: (player: ChaosPlayer) => number): number =>
      players.reduce((total, player) => total + count(player), 0);
    return {
      crossings: sum(({ crossings }) => crossings),
      arrived: sum(({ arrived }) => arrived),
      stayed: sum(({ stayed }) => stayed),
      cutShort: sum(({ cutShort }) => cutShort),
      kills: this.#kills,
      cuts: this.#cuts,
      lost: players.flatMap(({ lost }) => lost),
      duplicated: twice,
      stuck,
      seconds: (performance.now() - startedAt) / 1000,
    };
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#servers.stop();
    for (const { wire } of this.#hosts) wire.close();
  }

  async #start(): Promise<void> {
    const folder = await this.#servers.folder();
    const places = await Promise.all(
      NAMES.map(async (name) => ({ name, port: await freePort(), door: await freePort() })),
    );
    this.#hosts = await Promise.all(
      places.map(async ({ name, port, door }) => {
        const origin = `http://localhost:${door}`;
        const others = places.filter((other) => other.name !== name);
        const data = join(folder, name);
        const spec = {
          name,
          port,
          origin,
          data,
          script: "test/chaos/server.ts",
          flags: [
            ...["--name", name, "--port", String(port), "--origin", origin, "--data", data],
            ...others.flatMap((other) => ["--peer", `http://localhost:${other.door}`]),
          ],
        };
        const wire = await Wire.open(door, port);
        return { spec, wire, process: this.#servers.run(spec), deaths: [], busy: false };
      }),
    );
    await Promise.all(this.#hosts.map(({ process }) => process.ready()));
    const origins = this.#hosts.map(({ spec }) => spec.origin);
    await Promise.all(
      this.#hosts.map(({ process, spec }) =>
        process.knows(...origins.filter((origin) => origin !== spec.origin)),
      ),
    );
  }

  async #killOn(): Promise<void> {
    while (!this.#over) {
      await this.#wait(800, 3_500);
      const host = this.#victim();
      if (host === undefined) continue;
      host.busy = true;
      await host.process.kill();
      host.deaths.push(process.hrtime.bigint());
      this.#kills += 1;
      await this.#wait(50, 2_500);
      host.process = this.#servers.run(host.spec);
      host.busy = false;
    }
  }

  async #cutOn(): Promise<void> {
    while (!this.#over) {
      await this.#wait(500, 2_500);
      const host = this.#victim();
      if (host === undefined) continue;
      host.wire.cut();
      this.#cuts += 1;
      // Now and then for longer than a lease.
      await this.#wait(20, this.#random.fraction() < 0.15 ? 8_000 : 800);
      host.wire.mend();
    }
    for (const { wire } of this.#hosts) wire.mend();
  }

  #victim(): Host | undefined {
    const host = this.#hosts[Math.floor(this.#random.fraction() * this.#hosts.length)];
    return this.#over || host?.busy === true ? undefined : host;
  }

  #wait(low: number, high: number): Promise<void> {
    const milliseconds = low + this.#random.fraction() * (high - low);
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }

  /** Reads what the servers wrote down: no player is simulated by two of them at one time. */
  async #overlaps(): Promise<string[]> {
    const stays: { player: string; server: string; from: bigint; to: bigint }[] = [];
    for (const { spec, deaths } of this.#hosts) {
      const open = new Map<string, { player: string; life: string; from: bigint }>();
      const endOf = (from: bigint): bigint =>
        deaths.find((death) => death > from) ?? process.hrtime.bigint();
      const text = await readFile(join(spec.data, "journal.log"), "utf8");
      // A line that was being written when the process died is no line.
      for (const line of text.split("\n").slice(0, -1)) {
        const [at = "0", life = "", what, player = "", session = ""] = line.split(" ");
        const key = `${life} ${session}`;
        const stay = open.get(key);
        if (what === "start") open.set(key, stay ?? { player, life, from: BigInt(at) });
        else if (stay !== undefined) {
          stays.push({ player, server: spec.name, from: stay.from, to: BigInt(at) });
          open.delete(key);
        }
      }
      for (const { player, from } of open.values()) {
        stays.push({ player, server: spec.name, from, to: endOf(from) });
      }
    }
    stays.sort((a, b) => (a.from < b.from ? -1 : 1));
    const latest = new Map<string, (typeof stays)[number]>();
    const twice: string[] = [];
    for (const stay of stays) {
      const before = latest.get(stay.player);
      if (before !== undefined && stay.from < before.to) {
        const milliseconds = Number(before.to - stay.from) / 1e6;
        twice.push(
          `${stay.player} at ${before.server} and ${stay.server} for ${milliseconds.toFixed(1)} ms`,
        );
      }
      if (before === undefined || before.to < stay.to) latest.set(stay.player, stay);
    }
    return twice;
  }
}
