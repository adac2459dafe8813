/**
 * The player's way through the federation: all that this page has to do with `Traveler` for it. Whoever comes, this
 * page's own player, one after a reload, or one whom another game's page hands over, comes through `begin`.
 */
import type { Room } from "@colyseus/sdk";
import { type ArriveOptions, Traveler, onGift, onParty } from "aether-federation/client";
import type { Destination, GiftProposal, PartyProgress } from "aether-federation/client";
import type { Step } from "../hud/passage.ts";

/** Who hears what happens on the way. */
export interface Companion {
  /** The player stands in a room. */
  arrived(at: { room: Room; origin: string; world: string; from: string | undefined }): void;
  /** A crossing has got so far. */
  onTheWay(to: string, step: Step, share?: number): void;
  /** The player stays where it is. */
  stays(why: { to: string; code: string; message: string }): void;
  /** What home did not take back as another server had it. */
  notKept(from: string, lost: readonly string[]): void;
  /** Nobody plays the player for the moment, and why; undefined: it is played again. */
  frozen(message: string | undefined): void;
  /** The connection has gone; the SDK looks for it. */
  dropped(): void;
  /** It is back. */
  reconnected(): void;
  /** The place is lost. `comesHome`: an arrival follows. */
  lost(why: { code: string; message: string; comesHome: boolean }): void;
  destinations(all: readonly Destination[]): void;
  /** Whether the player gives away what the room proposes. */
  agrees(proposal: GiftProposal): boolean | Promise<boolean>;
  party(progress: PartyProgress): void;
  /** Whether the player goes where a visited server sends it, without its having asked. */
  goes(to: {
    from: string | undefined;
    origin: string;
    world: string | undefined;
  }): boolean | Promise<boolean>;
}

/** Where a portal URI leads. */
export function placeOf(uri: string): { readonly host: string; readonly world: string } {
  const [, host = "", world = ""] = /^aether:\/\/([^/]+)\/(.*)$/u.exec(uri) ?? [];
  return { host, world };
}

/** The URI of a world. */
export function uriOf(origin: string, world: string): string {
  return `aether://${new URL(origin).host}/${world}`;
}

/** A connection that is lost in the first seconds is looked for, too, and often as long as the place is kept. */
const LOOKS_FOR_IT = { minUptime: 0, maxDelay: 1_500 } as const;

export class Journey {
  readonly #world: string;
  readonly #companion: Companion;
  #traveler: Traveler | undefined;
  #stops: (() => void)[] = [];

  /** @param world The world of this page's own server. */
  constructor(world: string, companion: Companion) {
    this.#world = world;
    this.#companion = companion;
  }

  /** Whether this page's own player is here, whose key this page has; another's was handed over to it. */
  get isOwn(): boolean {
    return this.#traveler === undefined || this.#traveler.home === location.origin;
  }

  /** Origin of the player's home. */
  get home(): string {
    return this.#traveler?.home ?? location.origin;
  }

  /** Goes on with whoever comes. Rejects with why nobody could come in. */
  async begin(name: string | undefined): Promise<void> {
    await Traveler.arrive(location.origin, {
      ...this.#options(name),
      world: this.#world,
      listen: (traveler) => {
        this.#follow(traveler);
      },
    });
  }

  /** Goes home, into this page's world; by another name where one is given. */
  async goHome(name: string | undefined): Promise<void> {
    await this.leave();
    const traveler = new Traveler(location.origin, this.#options(name));
    this.#follow(traveler);
    await traveler.join(this.#world);
  }

  /** Leaves for good: whoever comes next does not go on as this one. */
  async leave(): Promise<void> {
    await this.#traveler?.leave().catch(() => undefined);
  }

  /** Asks the room to let the player through to another world. */
  enter(uri: string): void {
    this.#traveler?.enter(uri);
  }

  /** Gives the crossing up that the player is on. */
  turnBack(): void {
    this.#traveler?.cancel();
  }

  #options(name: string | undefined): Omit<ArriveOptions<Traveler>, "world"> {
    return {
      ...(name === undefined ? {} : { name }),
      // Pages of this very game are at `/`, whoever runs them: whatever they can play, this one can.
      plays: ({ client }) => new URL(client).pathname === "/",
      confirm: ({ from, to, world }) => this.#companion.goes({ from, origin: to, world }),
    };
  }

  #follow(traveler: Traveler): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#traveler = traveler;
    const hears = this.#companion;
    this.#stops = [
      traveler.onArrive(({ room, origin, world, from }) => {
        Object.assign(room.reconnection, LOOKS_FOR_IT);
        room.onDrop(() => {
          hears.dropped();
        });
        room.onReconnect(() => {
          hears.reconnected();
        });
        hears.arrived({ room, origin, world, from });
        void this.#keepReceipt(traveler, from);
      }),
      traveler.onProgress(({ to, stage, receivedBytes = 0, totalBytes = 0 }) => {
        if (stage === "arrived") return;
        const share = totalBytes > 0 ? receivedBytes / totalBytes : undefined;
        hears.onTheWay(to, stage, share);
      }),
      traveler.onFailed((failure) => {
        hears.stays(failure);
      }),
      traveler.onUndecided(({ message }) => {
        hears.frozen(message);
      }),
      traveler.onKept(({ from, lost }) => {
        if (lost.length > 0) hears.notKept(from, lost);
      }),
      traveler.onFrozen(({ reason, message }) => {
        if (reason !== "crossing") hears.frozen(message);
      }),
      traveler.onThawed(() => {
        hears.frozen(undefined);
      }),
      traveler.onLeave(({ reason, message, comesHome }) => {
        hears.lost({ code: reason, message, comesHome });
      }),
      traveler.onDestinations((all) => {
        hears.destinations(all);
      }),
      onGift(traveler, (proposal) => hears.agrees(proposal)),
      onParty(traveler, (progress) => {
        hears.party(progress);
      }),
    ];
  }

  async #keepReceipt(traveler: Traveler, from: string | undefined): Promise<void> {
    if (from === undefined) return;
    const [receipt, { keepReceipt }] = await Promise.all([
      traveler.receipt().catch(() => undefined),
      import("./travels.ts"),
    ]);
    keepReceipt(receipt);
  }
}
