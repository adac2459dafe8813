/** A crossing that has to be asked about, or that another page goes on with: from the page that is open. */
import type { Room } from "@colyseus/sdk";
import type { Emitter } from "../emitter.ts";
import type { HandOver } from "../events.ts";
import type { Identity } from "../identity.ts";
import type { Transit } from "../messages.ts";
import type { Place } from "../place.ts";
import type { TravelerOptions } from "../traveler-options.ts";
import type { Visit } from "../visit.ts";
import type { Whereabouts } from "../whereabouts.ts";
import { type Confirm, consents } from "./consent.ts";
import { withFragment } from "./fragments.ts";
import { type Page, gone, isSamePage, open, openPage, shareStorage } from "./page.ts";

/** A crossing, as the `Traveler` of the page that is open sees it. */
export interface Onward {
  readonly transit: Transit;
  /** Page of that world's own client. */
  readonly page: string | undefined;
  readonly signal: AbortSignal;
  readonly confirm: Confirm;
  /** Whether a visited server sends the player to a third, and the player has not asked to go there. */
  readonly isOnward: boolean;
  readonly identity: Identity;
  readonly whereabouts: Whereabouts;
  readonly visit: Visit | undefined;
  /** Server that the player is at. */
  readonly from: string | undefined;
  readonly room: Room | undefined;
  readonly plays: TravelerOptions["plays"];
  readonly listener: Emitter<HandOver>;
  /** Notes that another page goes on with the player, and what leads back where it was in a room. */
  left(place: Omit<Place, "home"> | undefined): void;
}

/** How long a room has to hear that the player is handed over. */
const TOLD_MILLISECONDS = 1_000;

/**
 * Resolves where this page goes on with the player; where another one does, it does not settle until the crossing
 * is called off.
 *
 * @throws Error whose message begins with the code: the player does not go, or cannot be handed over.
 */
export async function goOn(onward: Onward): Promise<void> {
  const { transit, signal, confirm, isOnward, from } = onward;
  const { origin, world } = transit;
  const page = openPage();
  const target = await leadsTo(onward, page);
  // Where the player's home has a page in between, that one asks: it is its own.
  const asks = target === undefined || confirm !== "onward";
  const crossing = { from, to: origin, world, page: target, signal: untilLapse(transit, signal) };
  if (asks && origin !== from && !(await consents(confirm, isOnward, crossing))) {
    throw new Error("ERR_FED_CROSSING_ABANDONED: You stay here.");
  }
  signal.throwIfAborted();
  if (target === undefined) return;
  await handOver(onward, target, page);
}

async function handOver(onward: Onward, target: string, page: Page | undefined): Promise<never> {
  const { transit, identity, room, from, signal, listener } = onward;
  const { transferId, to, origin, world } = transit;
  room?.send("federation:handed-over", { transferId });
  if (room !== undefined) await heard(room);
  signal.throwIfAborted();
  onward.left(
    room === undefined || from === undefined
      ? undefined
      : {
          ...{ origin: from, world: room.name, reconnectionToken: room.reconnectionToken },
          handedOver: transferId,
        },
  );
  const isMove = origin === from;
  const coming = { kind: "coming", home: identity.home, transit, isMove } as const;
  const url = withFragment(target, coming);
  open({ transferId, to, origin, world, url }, (event) => listener.emit(event), page);
  return gone(signal);
}

/** The page that goes on with the player; undefined: the one that is open. */
async function leadsTo(onward: Onward, page: Page | undefined): Promise<string | undefined> {
  const { transit, page: client, signal, identity, whereabouts, visit, from, plays } = onward;
  const { origin, world } = transit;
  if (page === undefined && !onward.listener.isHeard) return undefined;
  const isOpen = client !== undefined && page !== undefined && isSamePage(client, page.url);
  const isShared = client !== undefined && page !== undefined && shareStorage(client, page.url);
  if (visit !== undefined) {
    // Within one server the key of the stay goes on, on pages that have it.
    if (origin === from) return isOpen || !isShared ? undefined : client;
    const home = await whereabouts.pageOf(identity.home, undefined, signal);
    if (home === undefined) {
      throw new Error("ERR_FED_HAND_OVER_FAILED: Your home cannot be asked right now.");
    }
    // Home's page plays what has no page of its own.
    return client ?? home;
  }
  if (client === undefined || isOpen || plays?.({ origin, world, client }) === true) {
    return undefined;
  }
  if (identity.key === undefined || !identity.isKept) {
    throw new Error(
      "ERR_FED_HAND_OVER_FAILED: That world has a page of its own, and nobody there would know who you are.",
    );
  }
  // Where another page has the key, it needs nobody's word.
  if (origin === identity.home) return page === undefined || isShared ? client : undefined;
  if (origin === from) return undefined;
  const home = await whereabouts.pageOf(identity.home, undefined, signal);
  const isHomes = page === undefined || (home !== undefined && shareStorage(home, page.url));
  return home !== undefined && isHomes ? client : undefined;
}

/** A seat is waited for so long at least: the clocks of two machines may differ. */
const SHORTEST_SEAT_MILLISECONDS = 12_000;
const LONGEST_SEAT_MILLISECONDS = 60_000;

/** Ends when the seat does. */
export function untilLapse({ expiresAt }: { readonly expiresAt: number }, signal?: AbortSignal) {
  const lasts = Math.max(SHORTEST_SEAT_MILLISECONDS, expiresAt * 1000 - Date.now());
  const milliseconds = Math.min(lasts, LONGEST_SEAT_MILLISECONDS);
  const lapse = AbortSignal.timeout(milliseconds);
  return signal === undefined ? lapse : AbortSignal.any([signal, lapse]);
}

function heard(room: Room): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, TOLD_MILLISECONDS);
    // What was sent before it is there when it is answered.
    room.ping(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
