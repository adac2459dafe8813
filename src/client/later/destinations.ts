/** Where the player could go (PROTOCOL 8, `federation:destinations`): checked, because any server may say it. */
import { kit } from "./kit.ts";

/** An image that is an asset (PROTOCOL 9). */
export interface DestinationPicture {
  readonly originServer: string;
  readonly assetHash: string;
  readonly size: number;
  readonly mediaType: string;
}

/** A world on another server, as the room's server knows it. */
export interface Destination {
  /** Of the portal that leads there. */
  readonly uri: string;
  readonly origin: string;
  /** The server's, as it can be shown. */
  readonly name: string;
  readonly world: string;
  /** Kind of game. */
  readonly kind?: string;
  /** An `https:` URL, or an asset. */
  readonly picture?: string | DestinationPicture;
  /** Players in it, as its server claims. */
  readonly population?: number;
  /** Room for so many, as its server claims. */
  readonly capacity?: number;
  readonly status: "up" | "down" | "unknown";
  /** Whether the room's server would send players there now, as far as it knows. */
  readonly mayEnter: boolean;
}

/** What a room says of destinations. */
export interface DestinationsMessage {
  /** All there are, instead of what has changed. */
  readonly whole: boolean;
  readonly destinations: readonly Destination[];
  readonly removed: readonly string[];
}

/** Destinations that are kept of one room, and read of one message. */
const MAX_DESTINATIONS = 128;
const STATUSES: readonly unknown[] = ["up", "down", "unknown"];

/** Reads `federation:destinations`; undefined when it is not of that form. Entries that are not are left out. */
export function parseDestinations(message: unknown): DestinationsMessage | undefined {
  const { whole, destinations, removed } = kit.members(message);
  if (typeof whole !== "boolean" || !Array.isArray(destinations) || !Array.isArray(removed)) {
    return undefined;
  }
  return {
    whole,
    destinations: destinations
      .slice(0, MAX_DESTINATIONS)
      .map(parseDestination)
      .filter((destination) => destination !== undefined),
    removed: removed.slice(0, MAX_DESTINATIONS).filter(kit.isText),
  };
}

/** The list after a message. */
export function withChange(
  before: readonly Destination[],
  { whole, destinations, removed }: DestinationsMessage,
): Destination[] {
  const byUri = new Map(whole ? [] : before.map((destination) => [destination.uri, destination]));
  for (const uri of removed) byUri.delete(uri);
  for (const destination of destinations) byUri.set(destination.uri, destination);
  return [...byUri.values()].slice(0, MAX_DESTINATIONS);
}

function parseDestination(value: unknown): Destination | undefined {
  const { uri, origin, name, world, kind, picture, population, capacity, status, mayEnter } =
    kit.members(value);
  const shown = kit.shownText(name, 64);
  const game = kit.shownText(kind, 32);
  const image = parsePicture(picture);
  if (
    !kit.isText(uri) ||
    !kit.isOrigin(origin) ||
    !kit.isText(world) ||
    shown === undefined ||
    !STATUSES.includes(status) ||
    typeof mayEnter !== "boolean"
  ) {
    return undefined;
  }
  return {
    ...{ uri, origin, world, name: shown, status: status as Destination["status"], mayEnter },
    ...(game === undefined ? {} : { kind: game }),
    ...(image === undefined ? {} : { picture: image }),
    ...(kit.isCount(population) ? { population } : {}),
    ...(kit.isCount(capacity) ? { capacity } : {}),
  };
}

function parsePicture(value: unknown): string | DestinationPicture | undefined {
  if (typeof value === "string") {
    const isUrl = value.length <= 512 && URL.canParse(value);
    return isUrl && new URL(value).protocol === "https:" ? value : undefined;
  }
  const { originServer, assetHash, size, mediaType } = kit.members(value);
  return kit.isOrigin(originServer) &&
    kit.isText(assetHash) &&
    kit.isCount(size) &&
    kit.isText(mediaType) &&
    mediaType.startsWith("image/")
    ? { originServer, assetHash, size, mediaType }
    : undefined;
}
