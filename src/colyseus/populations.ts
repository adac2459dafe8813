/** How many play in each world, as the matchmaker counts: of all processes of this server. */
import { matchMaker } from "@colyseus/core";
import type { Clock } from "../ports.ts";

/** Counted again after this time at the earliest. */
const FRESH_MILLISECONDS = 5_000;

/** Counts. */
export class WorldPopulations {
  readonly #worlds: Readonly<Record<string, string>>;
  readonly #clock: Pick<Clock, "monotonic">;
  #counted:
    { readonly at: number; readonly counts: Promise<Readonly<Record<string, number>>> } | undefined;

  constructor(worlds: Readonly<Record<string, string>>, clock: Pick<Clock, "monotonic">) {
    this.#worlds = worlds;
    this.#clock = clock;
  }

  /** Connected clients by world, at most 5 s old. Two worlds of one room have the same. Rejects as the matchmaker does. */
  readonly count = (): Promise<Readonly<Record<string, number>>> => {
    const at = this.#clock.monotonic();
    if (this.#counted === undefined || at - this.#counted.at >= FRESH_MILLISECONDS) {
      this.#counted = { at, counts: this.#count() };
    }
    return this.#counted.counts;
  };

  async #count(): Promise<Readonly<Record<string, number>>> {
    const inRoom = new Map<string, number>();
    for (const name of new Set(Object.values(this.#worlds))) {
      const rooms = await matchMaker.query({ name });
      inRoom.set(
        name,
        rooms.reduce((sum, { clients }) => sum + clients, 0),
      );
    }
    return Object.fromEntries(
      Object.entries(this.#worlds).map(([world, name]) => [world, inRoom.get(name) ?? 0]),
    );
  }
}
