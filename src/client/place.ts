/** Where a player was when its page was left, so that the next page can go on from there. */
import { type Transit, parseTransit } from "./messages.ts";
import type { KeyStorage } from "./player-key.ts";

/** Enough to get back into a room. */
export interface Place {
  /** The player's home, so that another home's Traveler does not take it over. */
  readonly home: string;
  readonly origin: string;
  readonly world: string;
  /** Colyseus' own token for {@link https://docs.colyseus.io reconnecting}. */
  readonly reconnectionToken: string;
  /** A crossing that had begun. */
  readonly transit?: Transit;
}

const PLACE_KEY = "aether-federation:place";

/** The place kept in `storage`; undefined when there is none, or it is another home's. */
export function readPlace(storage: KeyStorage, home: string): Place | undefined {
  try {
    const place = JSON.parse(storage.getItem(PLACE_KEY) ?? "null") as Partial<Place> | null;
    const { origin, world, reconnectionToken } = place ?? {};
    if (
      place?.home !== home ||
      typeof origin !== "string" ||
      typeof world !== "string" ||
      typeof reconnectionToken !== "string"
    ) {
      return undefined;
    }
    const transit = parseTransit(place.transit);
    return {
      home,
      origin,
      world,
      reconnectionToken,
      ...(transit === undefined ? {} : { transit }),
    };
  } catch {
    return undefined;
  }
}

/** Keeps the place; undefined forgets it. */
export function writePlace(storage: KeyStorage, place: Place | undefined): void {
  try {
    storage.setItem(PLACE_KEY, JSON.stringify(place ?? null));
  } catch {
    // Storage that is full or forbidden costs the way back after a reload, nothing else.
  }
}
