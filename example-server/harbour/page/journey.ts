/**
 * How players come to this page and leave it: all that the page knows of the federation. One call brings whoever
 * comes: an own player, one that another page hands over, one whose page was reloaded, one on its way back.
 */
import type { Room } from "@colyseus/sdk";
import { type Destination, Traveler } from "aether-federation/client";

/** What the rest of the page is told. */
export interface Journey {
  /** The player sits on the pier, or does so again. */
  arrived(room: Room, player: { readonly home: string; readonly isGuest: boolean }): void;
  gates(destinations: readonly Destination[], home: string): void;
  /** On the way to another world; `cancel` turns round. */
  leaving(to: string, cancel: () => void): void;
  /** The player stays here, and why. */
  stayed(message: string, code: string): void;
  /** Nobody plays the player for the moment. */
  lost(title: string, text: string, seconds?: number): void;
  back(): void;
  /** Nobody plays the player here any more, and it is not on its way either. */
  ended(message: string, code: string): void;
  /** Something the player should know. */
  told(title: string, text: string, code: string): void;
}

const WORLD = "harbour";
/** As long as the room keeps a place. */
const PLACE_SECONDS = 20;
const GUEST = "harbour:guest";
const KEPT = "Your place is kept, and so is all that you carry.";

/** Whether whoever opens this page is neither on its way from another nor known here. */
export function isFirstVisit(): boolean {
  return !location.hash.startsWith("#aether") && sessionStorage.getItem(GUEST) === null;
}

export async function setOut(name: string, journey: Journey): Promise<Traveler> {
  const { traveler } = await Traveler.arrive(location.origin, {
    ...{ world: WORLD, name },
    listen: (player) => {
      follow(player, journey);
    },
  });
  return traveler;
}

/** The way home: through its gate where there is one; otherwise home calls the player back. */
export function goHome(traveler: Traveler): void {
  const gate = traveler.destinations.find(
    ({ origin, mayEnter }) => origin === traveler.home && mayEnter,
  );
  if (gate !== undefined) traveler.enter(gate.uri);
  else void traveler.join(WORLD);
}

/** Host and port, as people name a server. */
export function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : origin;
}

function follow(traveler: Traveler, journey: Journey): void {
  traveler.onArrive(({ room }) => {
    const { home } = traveler;
    const isGuest = home !== location.origin;
    if (isGuest) sessionStorage.setItem(GUEST, home);
    else sessionStorage.removeItem(GUEST);
    // A short cut, even right after the arrival, need not cost the place.
    Object.assign(room.reconnection, { minUptime: 0, maxDelay: 2_000 });
    room.onDrop(() => journey.lost("The connection is lost.", KEPT, PLACE_SECONDS));
    room.onReconnect(() => journey.back());
    journey.arrived(room, { home, isGuest });
    journey.gates(traveler.destinations, home);
  });
  traveler.onDestinations((destinations) => {
    journey.gates(destinations, traveler.home);
  });
  traveler.onDepart(({ to, transferId }) => {
    journey.leaving(placeOf(to, traveler.destinations), () => {
      traveler.cancel(transferId);
    });
  });
  traveler.onFailed(({ message, code }) => journey.stayed(message, code));
  traveler.onUndecided(({ message }) => journey.lost("One moment.", message));
  traveler.onFrozen(({ reason, message }) => {
    if (reason !== "crossing") journey.lost("One moment.", message);
  });
  traveler.onThawed(() => journey.back());
  traveler.onRecalled(({ message, code }) => journey.told("You are called away.", message, code));
  traveler.onLeave(({ comesHome, message, reason }) => {
    if (comesHome) journey.lost("Your place is gone.", `You are on your way home. ${message}`);
    else journey.ended(message, reason);
  });
  traveler.onKept(({ from, lost, more }) => {
    const text = `Not all that you had at ${hostOf(from)} was kept: ${lost.length + more} things.`;
    if (lost.length > 0) journey.told("Welcome home.", text, lost.join(" "));
  });
}

function placeOf(uri: string, destinations: readonly Destination[]): string {
  const known = destinations.find((destination) => destination.uri === uri);
  return known?.world ?? /^aether:\/\/[^/]+\/([^?]*)/u.exec(uri)?.[1] ?? uri;
}
