/**
 * The players of a load, in a process of their own: joins them, and lets them cross back and forth when
 * it is told to by messages of its parent (`load.ts`).
 */
import { Traveler } from "aether-federation/client";
import { NaiveTraveler } from "../../bench/naive-traveler.ts";
import { crossing, quietly } from "../../bench/join.ts";
import { memoryStorage } from "../support/memory-storage.ts";
import "../support/quiet.mjs";

/** A server of the two. */
export interface Place {
  readonly origin: string;
  readonly authority: string;
}

/** What the parent says. */
export type Command =
  | {
      readonly kind: "join";
      readonly naive: boolean;
      readonly players: number;
      readonly places: readonly [Place, Place];
    }
  | ({ readonly kind: "run" } & RunOptions)
  | { readonly kind: "leave" };

/** One stretch of crossings. */
export interface RunOptions {
  readonly milliseconds: number;
  /** Crossings that may be under way at once. */
  readonly atOnce: number;
  /** Crossings begun in a second; Infinity: the next one begins when another has ended. */
  readonly rate: number;
}

/** What came of it. */
export interface RunResult {
  readonly seconds: number;
  /** Of each crossing that arrived, in milliseconds. */
  readonly latencies: readonly number[];
  /** By code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Crossings that were due by the rate and not begun by the end. */
  readonly backlog: number;
}

/** A player and where it is: 0 or 1. */
interface Player {
  at: number;
  cross(to: Place): Promise<unknown>;
  leave(): Promise<unknown>;
}

const JOINED_AT_ONCE = 16;
/** Longer than any limit of the protocol: a crossing that neither arrives nor fails by then is lost. */
const LOST_MILLISECONDS = 60_000;

let players: Player[] = [];
let places: readonly [Place, Place] | undefined;

async function join(command: Extract<Command, { kind: "join" }>): Promise<void> {
  const { naive, players: count } = command;
  places = command.places;
  const [here, there] = command.places;
  let next = 0;
  const bring = async (): Promise<void> => {
    while (next < count) {
      const at = next % 2;
      next += 1;
      const home = at === 0 ? here : there;
      if (naive) {
        const traveler = new NaiveTraveler();
        await traveler.join(home.origin);
        players.push({
          at,
          cross: ({ origin }) => traveler.cross(origin),
          leave: () => traveler.leave(),
        });
      } else {
        const traveler = new Traveler(home.origin, { name: "Load", storage: memoryStorage() });
        quietly(await traveler.join("portals"));
        players.push({
          at,
          cross: async ({ authority }) =>
            quietly(await crossing(traveler, `aether://${authority}/portals`)),
          leave: () => traveler.leave(),
        });
      }
    }
  };
  await Promise.all(Array.from({ length: JOINED_AT_ONCE }, bring));
}

async function run({ milliseconds, atOnce, rate }: RunOptions): Promise<RunResult> {
  const targets = places;
  if (targets === undefined) throw new Error("nobody has joined");
  const latencies: number[] = [];
  const failures: Record<string, number> = {};
  const idle = [...players];
  const begun = performance.now();
  const until = begun + milliseconds;
  let started = 0;
  const cross = async (player: Player): Promise<void> => {
    const from = performance.now();
    try {
      const to = targets[1 - player.at];
      if (to === undefined) throw new Error("nowhere");
      await within(LOST_MILLISECONDS, player.cross(to));
      player.at = 1 - player.at;
      latencies.push(performance.now() - from);
    } catch (cause) {
      const code = /^[A-Z_]+/u.exec(cause instanceof Error ? cause.message : "")?.[0] ?? "unknown";
      failures[code] = (failures[code] ?? 0) + 1;
    }
    idle.push(player);
  };
  /** One of so many that take the next player who waits longest. */
  const worker = async (): Promise<void> => {
    for (;;) {
      const wait = rate === Infinity ? 0 : begun + (started / rate) * 1000 - performance.now();
      if (performance.now() + Math.max(0, wait) >= until) return;
      if (wait > 0) {
        await pause(wait);
        continue;
      }
      const player = idle.shift();
      if (player === undefined) return;
      started += 1;
      await cross(player);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, players.length) }, worker));
  const due = rate === Infinity ? started : Math.floor((milliseconds / 1000) * rate);
  const seconds = (Math.max(performance.now(), until) - begun) / 1000;
  return { seconds, latencies, failures, backlog: Math.max(0, due - started) };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error("LOST: neither arrived nor failed"));
    }, milliseconds);
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}

async function leave(): Promise<void> {
  await Promise.all(players.map((player) => player.leave()));
  players = [];
}

process.on("message", (command: Command) => {
  const work =
    command.kind === "join" ? join(command) : command.kind === "run" ? run(command) : leave();
  work.then(
    (result) => process.send?.({ ok: true, result }),
    (cause: unknown) => process.send?.({ ok: false, reason: String(cause) }),
  );
});
process.on("disconnect", () => process.exit());
// The parent is told to stop, and stops this process.
process.on("SIGINT", () => undefined);
