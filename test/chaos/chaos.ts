/**
 * Real servers and real clients, while servers are killed and started again, connections are cut and stores go
 * away: nobody lost, nothing doubled, nobody stuck.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Random } from "../../src/ports.ts";
import { eventually } from "../support/eventually.ts";
import { Servers } from "../support/processes.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { type ClusterPrograms, twoClusters } from "./cluster.ts";
import { type Host, type Landscape, threeServers, wait } from "./landscape.ts";
import { ChaosParty, type PartyFigures, judgeParties } from "./party.ts";
import { ChaosPlayer } from "./player.ts";

/** What has happened in a run that goes on. */
export type SoFar = Readonly<Record<"arrived" | "kills" | "outages", number>>;

/** How much of it, and from which seed. */
export interface ChaosOptions {
  readonly crossings: number;
  readonly seed: string;
  /** Default 8. */
  readonly players?: number;
  /** A program that is a Redis: one server's store is there. Default: all are on their disks. */
  readonly redisProgram?: string | undefined;
  /** Two operators with two processes each, instead of three servers of one. */
  readonly cluster?: ClusterPrograms | undefined;
  readonly onProgress?: (line: string) => void;
  /** Between two lines of progress. Default 5. */
  readonly progressSeconds?: number;
  /** Begins crossings for so long; `crossings` is the most then. */
  readonly seconds?: number;
  /** Goes on beyond `seconds` until so much has happened, for four times as long at most. Default: it does not. */
  readonly enough?: (soFar: SoFar) => boolean;
  /** Parties of four from three homes that go so many times, instead of players who go alone. */
  readonly parties?: number;
  /** Servers that are never killed, nor told to stop. */
  readonly spared?: readonly string[];
  /** The servers that run, once they do: asked again and again, it tells those of the moment. */
  readonly onRunning?: (running: () => readonly RunningServer[]) => void;
}

/** A process of a server. */
export interface RunningServer {
  readonly name: string;
  readonly pid: number;
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
  /** Servers told to stop, and started again. */
  readonly stops: number;
  /** Processes that stood still for a while. */
  readonly hangs: number;
  /** Times at which a server's store was away: its disk, or its Redis. */
  readonly outages: number;
  /** What a player had brought into another world once, and has no more. */
  readonly lost: readonly string[];
  /** Things that are there twice, and times at which two servers simulated one player. */
  readonly duplicated: readonly string[];
  /** Players who cannot play at the end. */
  readonly stuck: readonly string[];
  /** Where the stores of a cluster do not say what the players were told, once all have left at home. */
  readonly astray: readonly string[];
  readonly seconds: number;
  /** Of parties, where they were asked for. */
  readonly parties: PartyFigures | undefined;
}

/** Parties that go at the same time. */
const PARTIES = 3;
const PARTY_SIZE = 4;
/** How soon it is noticed that all is over. */
const LOOKS_MILLISECONDS = 250;
const CALM_CHECK_MILLISECONDS = 50;
const STUCK_MILLISECONDS = 60_000;
/** How soon after a hang a server must have frozen whose lease is over. */
const SOON_NANOSECONDS = 200_000_000n;

function isSoonAfter(at: bigint, moment: bigint): boolean {
  return at >= moment && at - moment < SOON_NANOSECONDS;
}

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
  #landscape: Landscape | undefined;
  #over = false;
  #kills = 0;
  #cuts = 0;
  #stops = 0;
  #hangs = 0;
  #outages = 0;

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<ChaosResult> {
    const startedAt = performance.now();
    const { cluster, redisProgram } = this.#options;
    const landscape = await (cluster === undefined
      ? threeServers(this.#servers, redisProgram)
      : twoClusters(this.#servers, cluster));
    this.#landscape = landscape;
    const { origins } = landscape;
    const { seconds = Infinity, progressSeconds = 5, enough = () => true } = this.#options;
    this.#options.onRunning?.(() =>
      this.#hosts.map(({ spec, process }) => ({ name: spec.name, pid: process.pid })),
    );
    const begunAt = performance.now();
    const goesOn = (): boolean => {
      const spent = performance.now() - begunAt;
      if (spent < seconds * 1000) return true;
      const arrived = players.reduce((total, player) => total + player.arrived, 0);
      const soFar = { arrived, kills: this.#kills, outages: this.#outages };
      return spent < 4 * seconds * 1000 && !enough(soFar);
    };
    let left = this.#options.crossings;
    const { parties: times } = this.#options;
    const count = times === undefined ? (this.#options.players ?? 8) : PARTIES * PARTY_SIZE;
    const players = Array.from({ length: count }, (_, index) => {
      const home = origins[index % origins.length] ?? "";
      return new ChaosPlayer(
        `p${index}`,
        home,
        origins,
        seededRandom(`${this.#options.seed}/${index}`),
      );
    });
    const parties = Array.from(
      { length: times === undefined ? 0 : PARTIES },
      (_, index) =>
        new ChaosParty(
          players.filter((_player, at) => at % PARTIES === index),
          origins,
          seededRandom(`${this.#options.seed}/party ${index}`),
        ),
    );
    const gone = (): number => parties.reduce((total, { attempts }) => total + attempts.length, 0);
    const trouble = Promise.all([
      this.#killOn(),
      this.#cutOn(),
      this.#stopOn(),
      this.#hangOn(),
      this.#starveOn(),
      this.#superviseOn(),
    ]);
    const report = setInterval(() => {
      const lost = players.reduce((total, player) => total + player.lost.length, 0);
      const crossed = players.reduce((total, player) => total + player.crossings, 0);
      const togo =
        times !== undefined
          ? `${gone()} of ${times} times`
          : seconds === Infinity
            ? `${Math.max(0, left)} crossings to go`
            : `${crossed} crossings`;
      this.#options.onProgress?.(
        `${togo}; ${lost} lost; ${this.#kills} kills, ${this.#cuts} cuts, ${this.#stops} stops, ${this.#hangs} hangs, ${this.#outages} outages`,
      );
    }, progressSeconds * 1_000);
    // Whoever is under way then has no more trouble: else nobody would ever be done.
    const calm = setInterval(() => (this.#over ||= !goesOn()), CALM_CHECK_MILLISECONDS);
    const mayCross = (): boolean => !this.#over && goesOn() && left-- > 0;
    const mayGo = (): boolean => !this.#over && goesOn() && gone() < (times ?? 0);
    await Promise.all(
      times === undefined
        ? players.map((player) => player.live(mayCross))
        : parties.map((party) => party.live(mayGo)),
    );
    clearInterval(report);
    clearInterval(calm);
    this.#over = true;
    await trouble;
    for (const host of this.#hosts) this.#startAgain(host);
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
    const figures =
      times === undefined
        ? undefined
        : await judgeParties(
            parties.flatMap(({ attempts }) => attempts),
            this.#hosts,
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
    const astray =
      stuck.length > 0 ? [] : await landscape.astray(new Map(players.map((p) => [p.id, p.items])));
    const sum = (count: (player: ChaosPlayer) => number): number =>
      players.reduce((total, player) => total + count(player), 0);
    return {
      crossings: sum(({ crossings }) => crossings),
      arrived: sum(({ arrived }) => arrived),
      stayed: sum(({ stayed }) => stayed),
      cutShort: sum(({ cutShort }) => cutShort),
      kills: this.#kills,
      cuts: this.#cuts,
      stops: this.#stops,
      hangs: this.#hangs,
      outages: this.#outages,
      lost: players.flatMap(({ lost }) => lost),
      duplicated: twice,
      stuck,
      astray,
      seconds: (performance.now() - startedAt) / 1000,
      parties: figures,
    };
  }

  get #hosts(): readonly Host[] {
    return this.#landscape?.hosts ?? [];
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#servers.stop();
    await this.#landscape?.stop();
  }

  async #killOn(): Promise<void> {
    while (!this.#over) {
      await this.#wait(800, 3_500);
      const host = this.#victim();
      if (host === undefined || this.#isSpared(host)) continue;
      host.busy = true;
      await host.process.kill();
      host.deaths.push(process.hrtime.bigint());
      this.#kills += 1;
      await this.#wait(50, 2_500);
      host.process = this.#servers.run(host.spec);
      host.busy = false;
    }
  }

  /** Starts servers again that could not start while their store was away, as an operator's supervisor does. */
  async #superviseOn(): Promise<void> {
    while (!this.#over) {
      await this.#wait(500, 1_000);
      for (const host of this.#hosts) this.#startAgain(host);
    }
  }

  #startAgain(host: Host): void {
    if (host.busy || host.process.exitCode === undefined) return;
    host.deaths.push(process.hrtime.bigint());
    host.process = this.#servers.run(host.spec);
  }

  /** Tells servers to stop, as an operator does. */
  async #stopOn(): Promise<void> {
    while (!this.#over) {
      await this.#wait(4_000, 12_000);
      const host = this.#victim();
      if (host === undefined || this.#isSpared(host)) continue;
      host.busy = true;
      await host.process.kill("SIGTERM");
      host.deaths.push(process.hrtime.bigint());
      this.#stops += 1;
      await this.#wait(50, 1_500);
      host.process = this.#servers.run(host.spec);
      host.busy = false;
    }
  }

  /** Lets processes stand still, now and then for longer than a lease. */
  async #hangOn(): Promise<void> {
    while (!this.#over) {
      await this.#wait(4_000, 12_000);
      const host = this.#victim();
      if (host === undefined) continue;
      host.busy = true;
      host.process.pause();
      const from = process.hrtime.bigint();
      await this.#wait(200, this.#random.fraction() < 0.3 ? 9_000 : 2_000);
      host.process.resume();
      host.hangs.push({ from, to: process.hrtime.bigint() });
      this.#hangs += 1;
      host.busy = false;
    }
  }

  /** Takes a server's store away: a lock on its file, its Redis, its PostgreSQL. */
  async #starveOn(): Promise<void> {
    // Also a run of ten seconds has one.
    await this.#wait(1_000, 4_000);
    while (!this.#over && this.#landscape !== undefined) {
      const which = this.#random.fraction();
      const milliseconds = 300 + this.#random.fraction() * 9_000;
      if (await this.#landscape.starve(which, milliseconds)) this.#outages += 1;
      await this.#wait(4_000, 12_000);
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

  #isSpared({ spec }: Host): boolean {
    return this.#options.spared?.includes(spec.name) === true;
  }

  #victim(): Host | undefined {
    const host = this.#hosts[Math.floor(this.#random.fraction() * this.#hosts.length)];
    return this.#over || host?.busy === true ? undefined : host;
  }

  /** Shorter where all is over. */
  async #wait(low: number, high: number): Promise<void> {
    const until = performance.now() + low + this.#random.fraction() * (high - low);
    for (let left = until - performance.now(); left > 0; left = until - performance.now()) {
      await wait(Math.min(left, this.#over ? 0 : LOOKS_MILLISECONDS));
      if (this.#over) return;
    }
  }

  /** Reads what the servers wrote down: no player is simulated by two of them at one time. */
  async #overlaps(): Promise<string[]> {
    const stays: { player: string; server: string; from: bigint; to: bigint }[] = [];
    for (const { spec, journal, deaths, hangs } of this.#hosts) {
      const open = new Map<string, { player: string; life: string; from: bigint }>();
      const endOf = (from: bigint): bigint =>
        deaths.find((death) => death > from) ?? process.hrtime.bigint();
      // Who has had no player has written nothing.
      const text = existsSync(journal) ? await readFile(journal, "utf8") : "";
      // A line that was being written when the process died is no line.
      for (const line of text.split("\n").slice(0, -1)) {
        const [at = "0", life = "", what, player = "", session = ""] = line.split(" ");
        const key = `${life} ${session}`;
        const stay = open.get(key);
        if (what === "start") open.set(key, stay ?? { player, life, from: BigInt(at) });
        else if (stay !== undefined) {
          // Who is frozen right after a hang was simulated by nobody since it began.
          const hang = hangs.find(
            ({ from, to }) => stay.from < from && isSoonAfter(BigInt(at), to),
          );
          stays.push({
            player,
            server: spec.name,
            from: stay.from,
            to: hang === undefined ? BigInt(at) : hang.from,
          });
          open.delete(key);
        }
      }
      for (const { player, from } of open.values()) {
        stays.push({ player, server: spec.name, from, to: endOf(from) });
      }
    }
    if (stays.length === 0) throw new Error("no server has written down that anybody played");
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
