/** Four players of three homes who go everywhere together, whatever happens, and what became of each time. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { eventually } from "../support/eventually.ts";
import type { Random } from "../../src/ports.ts";
import { type Host, wait } from "./landscape.ts";
import type { ChaosPlayer } from "./player.ts";

/** One time that a party went, or did not. */
export interface PartyAttempt {
  readonly players: readonly string[];
  /** Origins. */
  readonly source: string;
  readonly destination: string;
  /** Of the clock of all processes, in nanoseconds. */
  readonly from: bigint;
  readonly to: bigint;
}

/** What became of all attempts, by what the servers have written down. */
export interface PartyFigures {
  readonly attempts: number;
  /** All of them played at the destination. */
  readonly together: number;
  /** Nobody did. */
  readonly nobody: number;
  /** Some did, in the moment in which the destination was killed. */
  readonly cut: number;
  /** Some did, and others did not. */
  readonly parted: readonly string[];
}

/** Between two times, at most. */
const PAUSE_MILLISECONDS = 1_500;
const AGAIN_MILLISECONDS = 200;
const GATHERING_MILLISECONDS = 60_000;
/** A server that dies while sessions begin has written down some of them. */
const DEATH_NANOSECONDS = 1_000_000_000n;

/** A party. */
export class ChaosParty {
  readonly members: readonly ChaosPlayer[];
  readonly attempts: PartyAttempt[] = [];
  readonly #origins: readonly string[];
  readonly #random: Random;

  constructor(members: readonly ChaosPlayer[], origins: readonly string[], random: Random) {
    this.members = members;
    this.#origins = origins;
    this.#random = random;
  }

  /** Goes as long as it may begin another time. */
  async live(mayGo: () => boolean): Promise<void> {
    while (mayGo()) {
      const source = this.#whereMostAre();
      const isThere = await eventually(
        async () => {
          await Promise.all(this.members.map((member) => member.beAt(source)));
          const there = this.members.every(({ origin }) => origin === source);
          if (!there) {
            await wait(AGAIN_MILLISECONDS);
            throw new Error("they are not all there");
          }
        },
        { timeoutMilliseconds: GATHERING_MILLISECONDS, what: "a party is together" },
      ).then(
        () => true,
        () => false,
      );
      await wait(this.#random.fraction() * PAUSE_MILLISECONDS);
      if (isThere) await this.#go(source);
    }
  }

  /** They go on from where they are. */
  #whereMostAre(): string {
    const of = (origin: string): number =>
      this.members.filter((member) => member.origin === origin).length;
    const most = Math.max(...this.#origins.map(of));
    return this.#pick(this.#origins.filter((origin) => of(origin) === most));
  }

  async #go(source: string): Promise<void> {
    const destination = this.#pick(this.#origins.filter((origin) => origin !== source));
    const [leader] = this.members;
    const players = this.members.map(({ id }) => id);
    for (const member of this.members) member.mint();
    const from = process.hrtime.bigint();
    const dice = this.#random.fraction();
    const fickle = this.#pick(this.members);
    const ended = this.members.map((member) =>
      member.expectEnd(
        member !== fickle ? undefined : dice < 0.1 ? "turns" : dice < 0.15 ? "leaves" : undefined,
      ),
    );
    leader?.ask("party", { to: `aether://${new URL(destination).host}/world`, ids: players });
    const how = await Promise.all(ended);
    // Somebody had gone before the others could go together.
    if (how.includes("no-party")) return;
    this.attempts.push({ players, source, destination, from, to: process.hrtime.bigint() });
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.fraction() * list.length)] as T;
  }
}

/** Reads in the servers' journals who of each party played at its destination. */
export async function judgeParties(
  attempts: readonly PartyAttempt[],
  hosts: readonly Host[],
): Promise<PartyFigures> {
  const starts = new Map<string, { at: bigint; player: string; from: string }[]>();
  for (const { spec, journal } of hosts) {
    const text = existsSync(journal) ? await readFile(journal, "utf8") : "";
    const lines = text.split("\n").slice(0, -1);
    starts.set(
      spec.origin,
      lines.flatMap((line) => {
        const [at = "0", , what, player = "", , from] = line.split(" ");
        return what === "start" && from !== undefined ? [{ at: BigInt(at), player, from }] : [];
      }),
    );
  }
  let [together, nobody, cut] = [0, 0, 0];
  const parted: string[] = [];
  for (const { players, source, destination, from, to } of attempts) {
    const came = (starts.get(destination) ?? []).filter(
      (start) =>
        start.from === source &&
        start.at >= from &&
        start.at <= to &&
        players.includes(start.player),
    );
    const there = new Set(came.map(({ player }) => player));
    const first = came[0]?.at ?? 0n;
    const deaths = hosts.find(({ spec }) => spec.origin === destination)?.deaths ?? [];
    if (there.size === 0) nobody += 1;
    else if (there.size === players.length) together += 1;
    else if (deaths.some((death) => death >= first && death - first < DEATH_NANOSECONDS)) cut += 1;
    else {
      const missing = players.filter((player) => !there.has(player));
      parted.push(`${destination} had ${[...there].join(" ")} without ${missing.join(" ")}`);
    }
  }
  return { attempts: attempts.length, together, nobody, cut, parted };
}
