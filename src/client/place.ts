/** Where a player was when its page was left, so that the next page can go on from there. */
import { type Transit, parseTransit } from "./messages.ts";
import { type KeyStorage, storageOf } from "./storage.ts";

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
  /** The transfer of a crossing that another page was to go on with. */
  readonly handedOver?: string;
}

const PLACE_KEY = "aether-federation:place";

/** Keeps the place of one home's player. */
export class PlaceKeeper {
  readonly #home: string;
  readonly #storage: KeyStorage | undefined;

  /** @param storage Undefined: the browser's, of this tab, where there is one; null keeps nothing. */
  constructor(home: string, storage: KeyStorage | null | undefined) {
    this.#home = home;
    this.#storage = storageOf("placeStorage", storage, "sessionStorage") ?? undefined;
  }

  /** The place kept; undefined when there is none, or it is another home's. */
  read(): Place | undefined {
    return this.#storage === undefined ? undefined : readPlace(this.#storage, this.#home);
  }

  /** Keeps the place. */
  keep(place: Omit<Place, "home">): void {
    this.#write({ home: this.#home, ...place });
  }

  /** Forgets it. */
  forget(): void {
    this.#write(null);
  }

  #write(place: Place | null): void {
    try {
      this.#storage?.setItem(PLACE_KEY, JSON.stringify(place));
    } catch {
      // Storage that is full or forbidden costs the way back after a reload, nothing else.
    }
  }
}

function readPlace(storage: KeyStorage, home: string): Place | undefined {
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
    const { handedOver } = place;
    return {
      home,
      origin,
      world,
      reconnectionToken,
      ...(transit === undefined ? {} : { transit }),
      ...(typeof handedOver === "string" ? { handedOver } : {}),
    };
  } catch {
    return undefined;
  }
}
