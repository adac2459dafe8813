/**
 * That this server runs, and under which name, written into its store every minute: for an operator who looks at
 * the store only. Nothing is decided by it.
 */
import { z } from "zod";
import type { Clock, Store } from "../ports.ts";
import type { Part } from "./part.ts";
import { Repeating } from "./repeating.ts";

const KEY = "pulse";
const BEAT_MILLISECONDS = 60_000;
/** Two beats may be missed by a store that is slow. */
const OVER_MILLISECONDS = 150_000;
/** So many named origins are told of. */
const MAX_NAMED = 1_000;

/** Options of {@link Pulse}. */
export interface PulseOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Of the server. */
  readonly name: string;
  /** Origins that the configuration names. Default: none. */
  readonly named?: readonly string[];
}

const pulseSchema = z.strictObject({
  name: z.string().max(256),
  /** Unix milliseconds. */
  startedAt: z.number().min(0),
  /** Unix milliseconds. */
  at: z.number().min(0),
  /** It has stopped, and said so. */
  isOver: z.boolean(),
  /** Origins that its configuration names. */
  named: z.array(z.string().max(300)).max(MAX_NAMED).default([]),
});

/** Writes it. */
export class Pulse implements Part {
  readonly #options: PulseOptions;
  readonly #repeating: Repeating;
  #startedAt: number | undefined;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.#repeating = new Repeating({
      work: () => this.#beat(false),
      everyMilliseconds: BEAT_MILLISECONDS,
      // The store's own failures are reported by whoever needs it.
      onFailure: () => undefined,
      clock: options.clock,
    });
  }

  async start(): Promise<void> {
    this.#startedAt = this.#options.clock.now();
    this.#repeating.start();
    await this.#beat(false).catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#repeating.stop();
    if (this.#startedAt !== undefined) await this.#beat(true).catch(() => undefined);
  }

  async #beat(isOver: boolean): Promise<void> {
    const { store, clock, name, named = [] } = this.#options;
    const startedAt = this.#startedAt ?? clock.now();
    const told = { name, startedAt, at: clock.now(), isOver, named: named.slice(0, MAX_NAMED) };
    await store.set(KEY, JSON.stringify(told));
  }
}

/** What a server's store says of it. */
export interface PulseReading {
  readonly name: string;
  /** Whether it runs; where it was killed, that is noticed within 150 s. */
  readonly isRunning: boolean;
  /** Of the run that wrote last, Unix milliseconds. */
  readonly startedAt: number;
  /** When it was seen last, Unix milliseconds. */
  readonly at: number;
  /** Origins that its configuration names, at most 1000 of them. */
  readonly named: readonly string[];
}

/** Reads it; undefined: no run of the server has written any. `now`: Unix milliseconds. */
export async function readPulse(
  store: Pick<Store, "get">,
  now: number,
): Promise<PulseReading | undefined> {
  const text = await store.get(KEY);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { success, data } = pulseSchema.safeParse(value);
  if (!success) return undefined;
  const { name, startedAt, at, isOver, named } = data;
  return { name, startedAt, at, named, isRunning: !isOver && now - at <= OVER_MILLISECONDS };
}
