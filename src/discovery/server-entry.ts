/** One server as a list names it (PROTOCOL 10): in `GET /servers` and in a published file. */
import { z } from "zod";
import { isShownName } from "../identity/descriptor.ts";
import {
  type ListedAs,
  type ListedPicture,
  type ListedWorld,
  MAX_LISTED_WORLDS,
  MAX_PLAYERS,
  kindSchema,
  pictureSchema,
} from "../identity/listed-as.ts";
import { isOrigin } from "../identity/origin.ts";

/** How a server is, as whoever lists it sees it. */
export type ListedStatus = "online" | "degraded" | "offline";

/** A world in a list. */
export interface WorldEntry extends ListedWorld {
  /** Players in it, as its own server says. Absent: nobody has said. */
  readonly population?: number | undefined;
}

/** A server in a list: the word of whoever made the list, and of nobody else. */
export interface ServerEntry {
  readonly origin: string;
  readonly name: string;
  readonly kind?: string | undefined;
  readonly picture?: ListedPicture | undefined;
  readonly status?: ListedStatus | undefined;
  readonly worlds: readonly WorldEntry[];
}

/** Players by world. */
export type Populations = Readonly<Record<string, number>>;

const players = z
  .number()
  .transform((count) => Math.min(Math.max(0, Math.floor(count)), MAX_PLAYERS));

// What is not known in an entry is not looked at: a later version may say more.
const entrySchema = z.object({
  origin: z.string().refine((origin) => isOrigin(origin, { allowInsecure: true })),
  name: z.string().min(1).max(64).refine(isShownName),
  kind: kindSchema.optional(),
  picture: pictureSchema.optional(),
  status: z.enum(["online", "degraded", "offline"]).optional(),
  worlds: z
    .array(
      z.object({
        name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/u),
        kind: kindSchema.optional(),
        picture: pictureSchema.optional(),
        capacity: players.optional(),
        population: players.optional(),
      }),
    )
    .max(MAX_LISTED_WORLDS),
});

/** Reads an entry of somebody's list; undefined for one that is not of its form. Counts are clamped to 0–1,000,000. */
export function readEntry(value: unknown): ServerEntry | undefined {
  const parsed = entrySchema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/** What is said of a server that agrees to be listed. */
export function entryOf(
  {
    origin,
    name,
    listing,
  }: { readonly origin: string; readonly name: string; readonly listing: ListedAs },
  said: { readonly status?: ListedStatus; readonly populations?: Populations | undefined } = {},
): ServerEntry {
  const { status, populations = {} } = said;
  return {
    ...{ origin, name, kind: listing.kind, picture: listing.picture, status },
    worlds: listing.worlds.map((world) => ({
      ...world,
      population: Object.hasOwn(populations, world.name) ? populations[world.name] : undefined,
    })),
  };
}

/** The populations that an entry claims. */
export function populationsIn({ worlds }: ServerEntry): Populations {
  return Object.fromEntries(
    worlds.flatMap(({ name, population }) =>
      population === undefined ? [] : [[name, population]],
    ),
  );
}
