/** A player who keeps travelling whatever happens, and remembers what it owns. */
import type { Room } from "@colyseus/sdk";
import { Traveler } from "aether-federation/client";
import type { Random } from "../../src/ports.ts";

const CROSSING_MILLISECONDS = 25_000;
/** More than this would not pass through a portal some time. */
const MOST_ITEMS = 400;

/** One player with a key of its own. */
export class ChaosPlayer {
  readonly name: string;
  readonly lost: string[] = [];
  items: readonly string[] = [];
  crossings = 0;
  arrived = 0;
  stayed = 0;
  cutShort = 0;
  readonly #traveler: Traveler;
  readonly #origins: readonly string[];
  readonly #random: Random;
  /** What has been seen in a second world: home knows of it for sure. */
  #sure = new Set<string>();
  #ended: ((how: "arrived" | "stayed" | "gone" | "no-party") => void) | undefined;
  #told: (() => void) | undefined;
  /** What it does once it is told of a seat, beside taking it. */
  #whim: "turns" | "leaves" | undefined;

  constructor(name: string, home: string, origins: readonly string[], random: Random) {
    this.name = name;
    this.#origins = origins;
    this.#random = random;
    this.#traveler = new Traveler(home, { name });
    this.#traveler.onArrive(({ room, transferId }) => {
      // Whatever it was told it has before it crossed has to come along.
      if (transferId !== undefined) this.#sure = new Set([...this.#sure, ...this.items]);
      this.#watch(room);
      this.#ended?.("arrived");
    });
    this.#traveler.onDepart(({ transferId }) => {
      const whim = this.#whim;
      this.#whim = undefined;
      if (whim === "turns") this.#traveler.cancel(transferId);
      else if (whim === "leaves") void this.leave().then(() => this.#ended?.("gone"));
    });
    this.#traveler.onFailed(() => this.#ended?.("stayed"));
    this.#traveler.onLeave(() => this.#ended?.("gone"));
  }

  /** `<local id>@<home>`; empty before the first join. */
  get id(): string {
    return this.#traveler.playerId ?? "";
  }

  /** Where it plays. */
  get origin(): string | undefined {
    return this.#traveler.origin;
  }

  /** Is given something, where it plays. */
  mint(): void {
    this.ask(this.items.length < MOST_ITEMS ? "mint" : "tell");
  }

  /** Asks the room it is in for something. */
  ask(type: string, payload?: object): void {
    this.#traveler.room?.send(type, payload);
  }

  /** Goes to a server, by home where it is nowhere. It may not get there. */
  async beAt(origin: string): Promise<void> {
    if (this.#traveler.room === undefined) {
      await this.#traveler.join("world").catch(() => this.#wait(300));
    }
    const here = this.#traveler.origin;
    if (here === undefined || here === origin) return;
    const ended = this.expectEnd(undefined);
    this.#traveler.enter(`aether://${new URL(origin).host}/world`);
    await ended;
  }

  /** Waits until its crossing has ended, however it does; `whim`: what its client does on the way. */
  async expectEnd(
    whim: "turns" | "leaves" | undefined,
  ): Promise<"arrived" | "stayed" | "gone" | "silence" | "no-party"> {
    this.crossings += 1;
    this.#whim = whim;
    const ended = new Promise<"arrived" | "stayed" | "gone" | "silence" | "no-party">((resolve) => {
      const timer = setTimeout(() => {
        resolve("silence");
      }, CROSSING_MILLISECONDS);
      this.#ended = (how) => {
        clearTimeout(timer);
        resolve(how);
      };
    });
    const how = await ended;
    this.#ended = undefined;
    this.#whim = undefined;
    if (how === "arrived") this.arrived += 1;
    else if (how === "stayed" || how === "no-party") this.stayed += 1;
    else {
      this.cutShort += 1;
      if (how === "silence") await this.leave();
    }
    return how;
  }

  /** Travels as long as it may begin another crossing. */
  async live(mayCross: () => boolean): Promise<void> {
    for (;;) {
      if (this.#traveler.room === undefined) {
        await this.#traveler.join("world").catch(() => this.#wait(300));
        continue;
      }
      this.#traveler.room.send(this.items.length < MOST_ITEMS ? "mint" : "tell");
      await this.#wait(1_200 * this.#random.fraction());
      if (this.#traveler.origin === undefined) continue;
      if (!mayCross()) return;
      await this.#cross(this.#traveler.origin);
    }
  }

  /** Plays at home and has been told what it owns; throws when it cannot yet. */
  async playAtHome(): Promise<void> {
    if (this.#traveler.origin !== this.#traveler.home) {
      await this.leave();
      await this.#traveler.join("world");
    }
    const told = new Promise<void>((resolve, reject) => {
      this.#told = resolve;
      setTimeout(() => {
        reject(new Error("the room does not answer"));
      }, 2_000);
    });
    this.#traveler.room?.send("tell");
    await told.catch(async (error: unknown) => {
      await this.leave();
      throw error;
    });
  }

  async leave(): Promise<void> {
    await this.#traveler.leave().catch(() => undefined);
  }

  async #cross(origin: string): Promise<void> {
    const others = this.#origins.filter((other) => other !== origin);
    const to = others[Math.floor(this.#random.fraction() * others.length)];
    if (to === undefined) return;
    const ended = this.expectEnd(undefined);
    this.#traveler.enter(`aether://${new URL(to).host}/world`);
    await ended;
  }

  #watch(room: Room): void {
    room.reconnection.enabled = false;
    // Somebody had just gone.
    room.onMessage("no-party", () => this.#ended?.("no-party"));
    let first = true;
    room.onMessage("items", (items: string[]) => {
      for (const item of this.#sure) {
        if (!items.includes(item)) this.lost.push(`${this.name} has lost ${item}`);
      }
      this.items = items;
      if (first) this.#sure = new Set([...this.#sure, ...items]);
      first = false;
      this.#told?.();
    });
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}
