/**
 * Origins that servers known here have left, and where each leads: one durable row per origin, so that who
 * keeps the key or the name of an old one is nobody.
 */
import { z } from "zod";
import { FederationError } from "../errors.ts";
import { MAX_MOVES } from "../identity/move.ts";
import type { Logger, Store } from "../ports.ts";
import { type RowKind, RowReader } from "../rows/rows.ts";

/** An origin that a server has left. */
export interface MovedOrigin {
  readonly from: string;
  readonly to: string;
  /** Unix seconds at which this server followed. */
  readonly at: number;
}

const PREFIX = "moved/";
const rowKey = (from: string): string => `${PREFIX}${from}`;
const NOBODY: readonly string[] = Object.freeze([]);

const MOVED_ROW: RowKind<MovedOrigin> = {
  what: "row of a moved server",
  schema: z.looseObject({
    from: z.string().min(1).max(300),
    to: z.string().min(1).max(300),
    at: z.int().nonnegative(),
  }),
  belongs: ({ from, to }, key) => key === rowKey(from) && from !== to,
  blocks: true,
  advice:
    "The origin that was left is not dealt with until you put the row back from a backup of the store, or `peers remove <old origin>` to meet it as a stranger",
};

/** Where servers have gone that were known by another origin. */
export class MovedOrigins {
  readonly #store: Store;
  readonly #reader: RowReader<MovedOrigin>;
  #moved = new Map<string, MovedOrigin>();
  /** By the origin that a server has now: those it had, the latest first. */
  #former = new Map<string, readonly string[]>();
  #damaged = new Set<string>();
  #version = 0;

  constructor(store: Store, logger?: Pick<Logger, "error">) {
    this.#store = store;
    this.#reader = new RowReader(store, logger, MOVED_ROW);
  }

  /** Reads what the store has, in place of what is known. */
  async load(): Promise<void> {
    const moved = new Map<string, MovedOrigin>();
    const damaged = new Set<string>();
    for await (const [key, text] of this.#store.entries(PREFIX)) {
      const row = this.#reader.parse(key, text);
      if (row === undefined) {
        await this.#reader.setAside(key, text);
        damaged.add(key.slice(PREFIX.length));
      } else moved.set(row.from, row);
    }
    this.#moved = moved;
    this.#damaged = damaged;
    this.#count();
  }

  /** Another number whenever what is known is read or changed; 0 as long as nobody has moved. */
  get version(): number {
    return this.#version;
  }

  /** Where an origin's server went first from there; undefined: it has not left. */
  get(origin: string): MovedOrigin | undefined {
    return this.#moved.get(origin);
  }

  /** Whether what is stored of an origin that was left is damaged. */
  isDamaged(origin: string): boolean {
    return this.#damaged.has(origin);
  }

  /** The origin that the server of one has now: the same, unless it was left. */
  current(origin: string): string {
    let at = origin;
    // One server is known by so many former origins at most; a row put back by hand ends no process.
    for (let steps = 0; steps <= MAX_MOVES; steps += 1) {
      const next = this.#moved.get(at);
      if (next === undefined) return at;
      at = next.to;
    }
    return at;
  }

  /** The origins that a server had, the latest first. */
  former(origin: string): readonly string[] {
    return this.#former.get(origin) ?? NOBODY;
  }

  /** Writes down that an origin was left. */
  async add(moved: MovedOrigin): Promise<void> {
    if (this.#damaged.has(moved.from)) {
      const reason = `What is stored of ${moved.from} is damaged: see peers list.`;
      throw new FederationError("ERR_FED_ROW_DAMAGED", reason);
    }
    await this.#store.set(rowKey(moved.from), JSON.stringify(moved));
    this.#moved.set(moved.from, moved);
    this.#count();
  }

  /** Forgets that an origin was left. False when nothing is known of it. */
  async remove(from: string): Promise<boolean> {
    if (!this.#moved.has(from) && !this.#damaged.has(from)) return false;
    await this.#store.delete(rowKey(from));
    this.#moved.delete(from);
    this.#damaged.delete(from);
    this.#count();
    return true;
  }

  #count(): void {
    if (this.#version > 0 || this.#moved.size > 0) this.#version += 1;
    const former = new Map<string, string[]>();
    const latestFirst = [...this.#moved.values()].sort((one, other) => other.at - one.at);
    for (const { from } of latestFirst) {
      const now = this.current(from);
      former.set(now, [...(former.get(now) ?? []), from]);
    }
    this.#former = former;
  }
}
