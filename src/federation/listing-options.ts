/** Options by which a server agrees to be listed, and what becomes of them in its descriptor. */
import { z } from "zod";
import {
  type ListedAs,
  type ListedPicture,
  MAX_PLAYERS,
  kindSchema,
  listedAsSchema,
  pictureSchema,
  unfitting,
} from "../identity/listed-as.ts";
import { countOption, optionsSchema, wrongOption } from "../options.ts";

/** How a server agrees to be listed. */
export interface ListedOptions {
  /** Kind of game, one line of 1–32 characters. */
  readonly kind?: string;
  /** An `https:` URL of at most 512 characters, or what `federation.assets.add` returned for an image. */
  readonly picture?: ListedPicture;
}

/** A world, where more is to be said of it than the name of its room. */
export interface WorldOptions {
  /** Name of the Colyseus room. */
  readonly room: string;
  /** Whether it is listed. Default: as the server is. */
  readonly listed?: boolean;
  /** Default: the server's. */
  readonly kind?: string;
  /** Default: the server's. */
  readonly picture?: ListedPicture;
  /** Players that it has room for, 1–1,000,000: shown in lists, and kept by nobody. Default: not said. */
  readonly capacity?: number;
}

const KIND = 'one line of 1–32 characters such as "racing"';
const PICTURE = "an https URL of at most 512 characters, or a reference to an image";
const kind = z.custom<string>((value) => kindSchema.safeParse(value).success, KIND).optional();
const picture = z
  .custom<ListedPicture>((value) => pictureSchema.safeParse(value).success, PICTURE)
  .optional();

/** What `listed` must look like. */
export const LISTED = z.union(
  [
    z.boolean(),
    optionsSchema(
      { kind, picture } satisfies Record<keyof ListedOptions, z.ZodType>,
      'an object such as { kind: "racing" }',
    ),
  ],
  `true, false or an object such as { kind: "racing", picture: "https://…" }: kind is ${KIND}, picture ${PICTURE}`,
);

/** What a world must look like. */
export const WORLD = z.union(
  [
    z.string().min(1),
    optionsSchema(
      {
        room: z.string().min(1),
        listed: z.boolean().optional(),
        kind,
        picture,
        capacity: countOption(1, MAX_PLAYERS).optional(),
      } satisfies Record<keyof WorldOptions, z.ZodType>,
      'an object such as { room: "arena", capacity: 64 }',
    ),
  ],
  `the name of a Colyseus room, or an object such as { room: "arena", listed: true, kind: "racing", picture: "https://…", capacity: 64 }: kind is ${KIND}, picture ${PICTURE}, capacity a whole number from 1 to ${MAX_PLAYERS}`,
);

/**
 * What the descriptor says of being listed; undefined: nothing.
 *
 * @throws TypeError naming the option that is wrong.
 */
export function listingOf(
  listed: boolean | ListedOptions,
  worlds: Readonly<Record<string, string | WorldOptions>>,
  allowInsecure: boolean,
): ListedAs | undefined {
  const entries = Object.entries(worlds);
  if (listed === false) {
    const alone = entries.find(([, world]) => typeof world === "object" && world.listed === true);
    if (alone === undefined) return undefined;
    const expected = "false, as this server is not listed itself (listed)";
    throw wrongOption(`worlds.${alone[0]}.listed`, expected, true);
  }
  const server = listed === true ? {} : listed;
  const listing = {
    kind: server.kind,
    picture: server.picture,
    worlds: entries
      .map(([name, world]) => ({ name, ...(typeof world === "string" ? {} : world) }))
      .filter((world) => !("listed" in world) || world.listed)
      .map((world) => {
        const {
          name,
          kind: own,
          picture: shown,
          capacity,
        } = world as WorldOptions & {
          readonly name: string;
        };
        return { name, kind: own, picture: shown, capacity };
      }),
  };
  const parsed = listedAsSchema.safeParse(listing);
  const wrong = parsed.success
    ? unfitting(listing, { worlds: Object.keys(worlds), allowInsecure })
    : parsed.error.issues[0]?.message;
  if (wrong === undefined) return Object.freeze(listing);
  throw wrongOption("listed", `at most 32 worlds, 3072 bytes in all (${wrong})`, listed);
}
