/**
 * Many players who cross back and forth between two live servers, steadily: how many crossings a second
 * are kept up, how long one takes, and what it costs the servers.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cpuOf } from "../../bench/measure.ts";
import { fetchJson } from "../support/fetch-json.ts";
import { type ServerProcess, Servers } from "../support/processes.ts";
import type { Command, RunOptions, RunResult } from "./clients.ts";

/** How much, and of what. */
export interface LoadOptions {
  readonly players: number;
  /** Of the measured stretch. */
  readonly seconds: number;
  /** Crossings begun in a second; Infinity: as many as `atOnce` at a time make. */
  readonly rate: number;
  /** Crossings under way at once, at most. */
  readonly atOnce: number;
  /** Without a federation: a plain reservation, nothing signed or stored. */
  readonly naive: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
}

/** What one server did meanwhile. */
export interface ServerLoad {
  readonly name: string;
  /** Memory that a collection leaves, at the start, in the middle and at the end. */
  readonly keptBytes: readonly number[];
  /** How late its event loop was, in milliseconds. */
  readonly delay: LoopDelay;
  readonly cpuMillisecondsPerCrossing: number;
}

/** Of an event loop, in milliseconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What came of it. */
export interface LoadResult {
  readonly players: number;
  readonly seconds: number;
  readonly crossings: number;
  readonly perSecond: number;
  readonly latency: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly failures: Readonly<Record<string, number>>;
  readonly backlog: number;
  readonly servers: readonly ServerLoad[];
}

const WARM_UP_SECONDS = 3;

/** Two servers with players on them. */
export class Load {
  readonly #servers = new Servers();
  readonly #clients: ChildProcess;
  #pair: readonly ServerProcess[] = [];

  private constructor() {
    this.#clients = fork(fileURLToPath(new URL("clients.ts", import.meta.url)), {
      execArgv: ["--disable-warning=ExperimentalWarning"],
      // A rate may be Infinity.
      serialization: "advanced",
    });
  }

  /** Starts both servers and lets the players join, half of them at home in each. */
  static async start({ players, naive }: Pick<LoadOptions, "players" | "naive">): Promise<Load> {
    const load = new Load();
    try {
      await load.#start(players, naive);
      return load;
    } catch (cause) {
      await load.stop();
      throw cause;
    }
  }

  async #start(players: number, naive: boolean): Promise<void> {
    const names = naive ? ["naive-a", "naive-b"] : ["a", "b"];
    const kinds = names.map((name) =>
      naive
        ? { name, script: "bench/plain-server.ts", inspected: true }
        : { name, script: "bench/federated-server.ts", inspected: true, flags: ["--lease", "30"] },
    );
    if (naive)
      for (const kind of kinds)
        this.#pair = [...this.#pair, ...(await this.#servers.start([kind]))];
    else this.#pair = await this.#servers.start(kinds);
    const [here, there] = this.#pair.map(({ origin, authority }) => ({ origin, authority }));
    if (here === undefined || there === undefined)
      throw new Error("two servers were to be started");
    await this.#tell({ kind: "join", naive, players, places: [here, there] });
  }

  get servers(): readonly ServerProcess[] {
    return this.#pair;
  }

  /** One stretch of crossings. */
  async run(options: RunOptions): Promise<RunResult> {
    return (await this.#tell({ kind: "run", ...options })) as RunResult;
  }

  /** How late each server's event loop was since the last time it was asked. */
  delays(): Promise<LoopDelay[]> {
    return Promise.all(
      this.#pair.map(({ origin }) => fetchJson<LoopDelay>(`${origin}/loop-delay`)),
    );
  }

  /** Everybody leaves, and both servers end. */
  async stop(): Promise<void> {
    this.#clients.kill("SIGKILL");
    await this.#servers.stop();
  }

  #tell(command: Command): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const clients = this.#clients;
      const forget = (): void => {
        clients.off("message", onMessage);
        clients.off("exit", onExit);
      };
      const onExit = (): void => {
        forget();
        reject(new Error("the players' process has ended"));
      };
      const onMessage = (answer: unknown): void => {
        forget();
        const { ok, result, reason } = answer as { ok: boolean; result: unknown; reason: string };
        if (ok) resolve(result);
        else reject(new Error(reason));
      };
      clients.on("message", onMessage);
      clients.on("exit", onExit);
      clients.send(command);
    });
  }
}

/** Runs it. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { players, seconds, rate, atOnce, naive, signal, onProgress } = options;
  onProgress?.(`${players} players join`);
  const load = await Load.start({ players, naive });
  const stop = (): void => void load.stop();
  signal?.addEventListener("abort", stop);
  try {
    await load.run({ milliseconds: WARM_UP_SECONDS * 1000, atOnce, rate });
    const kept = [await keptBytes(load)];
    await load.delays();
    const before = await cpu(load);
    const halves: RunResult[] = [];
    let used = before.map(() => 0);
    const delays: LoopDelay[][] = [];
    for (const half of [1, 2]) {
      onProgress?.(`half ${half} of 2, ${seconds / 2} s`);
      const from = await cpu(load);
      halves.push(await load.run({ milliseconds: seconds * 500, atOnce, rate }));
      used = (await cpu(load)).map((now, at) => now - (from[at] ?? 0) + (used[at] ?? 0));
      delays.push(await load.delays());
      kept.push(await keptBytes(load));
      // What the collection stood still for is nobody's.
      await load.delays();
    }
    return summarize(options, { halves, load, kept, used, delays });
  } finally {
    signal?.removeEventListener("abort", stop);
    await load.stop();
  }
}

function summarize(
  { players }: LoadOptions,
  {
    halves,
    load,
    kept,
    used,
    delays,
  }: {
    readonly halves: readonly RunResult[];
    readonly load: Load;
    readonly kept: readonly (readonly number[])[];
    readonly used: readonly number[];
    readonly delays: readonly (readonly LoopDelay[])[];
  },
): LoadResult {
  const latencies = halves.flatMap((half) => half.latencies).sort((a, b) => a - b);
  const failures: Record<string, number> = {};
  for (const half of halves) {
    for (const [code, count] of Object.entries(half.failures)) {
      failures[code] = (failures[code] ?? 0) + count;
    }
  }
  const took = halves.reduce((sum, half) => sum + half.seconds, 0);
  const crossings = latencies.length;
  return {
    ...{ players, seconds: took, crossings, perSecond: crossings / took, failures },
    latency: { p50: at(latencies, 0.5), p95: at(latencies, 0.95), p99: at(latencies, 0.99) },
    backlog: halves.reduce((sum, half) => sum + half.backlog, 0),
    servers: load.servers.map(({ spec }, index) => ({
      name: spec.name,
      keptBytes: kept.map((each) => each[index] ?? 0),
      delay: worst(delays.map((each) => each[index])),
      cpuMillisecondsPerCrossing: (used[index] ?? 0) / 1000 / Math.max(1, crossings),
    })),
  };
}

function worst(delays: readonly (LoopDelay | undefined)[]): LoopDelay {
  const most = (name: keyof LoopDelay): number =>
    Math.max(...delays.map((delay) => delay?.[name] ?? 0));
  return { p50: most("p50"), p99: most("p99"), max: most("max") };
}

/** The value below which that share of sorted values lies; 0 of none. */
function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function cpu(load: Load): Promise<number[]> {
  return Promise.all(load.servers.map(({ pid }) => cpuOf(pid)));
}

function keptBytes(load: Load): Promise<number[]> {
  return Promise.all(load.servers.map((server) => server.keptBytes()));
}
