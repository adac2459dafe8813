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
import {
  checkOptions,
  countOption,
  customOption,
  optionsSchema,
  textOption,
  wrongOption,
} from "../options.ts";

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

const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What `listed` must look like; what is in an object, {@link listingOf} sees. */
export const LISTED = customOption(
  'true, false or an object such as { kind: "racing" }',
  (value) => typeof value === "boolean" || isObject(value),
);
const LISTED_OPTIONS = optionsSchema(
  { kind, picture } satisfies Record<keyof ListedOptions, z.ZodType>,
  'an object such as { kind: "racing" }',
);

/** What a world must look like; what is in an object, {@link worldsOf} sees. */
export const WORLD = customOption(
  'the name of a Colyseus room, or an object such as { room: "arena", capacity: 64 }',
  (value) => (typeof value === "string" && value !== "") || isObject(value),
);
const WORLD_OPTIONS = optionsSchema(
  {
    room: textOption(256),
    listed: z.boolean("true or false").optional(),
    kind,
    picture,
    capacity: countOption(1, MAX_PLAYERS).optional(),
  } satisfies Record<keyof WorldOptions, z.ZodType>,
  'an object such as { room: "arena", capacity: 64 }',
);

/** The worlds, each as an object. @throws TypeError naming the option that is wrong. */
export function worldsOf(
  worlds: Readonly<Record<string, string | WorldOptions>>,
): Record<string, WorldOptions> {
  return Object.fromEntries(
    Object.entries(worlds).map(([name, world]) => [
      name,
      typeof world === "string"
        ? { room: world }
        : checkOptions<WorldOptions>(WORLD_OPTIONS, world, `worlds.${name}`),
    ]),
  );
}

/**
 * What the descriptor says of being listed; undefined: nothing.
 *
 * @throws TypeError naming the option that is wrong.
 */
export function listingOf(
  listed: boolean | ListedOptions,
  worlds: Readonly<Record<string, WorldOptions>>,
  allowInsecure: boolean,
): ListedAs | undefined {
  const entries = Object.entries(worlds);
  if (listed === false) {
    const alone = entries.find(([, world]) => world.listed === true);
    if (alone === undefined) return undefined;
    const expected = "false, as this server is not listed itself (listed)";
    throw wrongOption(`worlds.${alone[0]}.listed`, expected, true);
  }
  const server =
    listed === true ? {} : checkOptions<ListedOptions>(LISTED_OPTIONS, listed, "listed");
  const listing = {
    ...server,
    worlds: entries
      .filter(([, world]) => world.listed !== false)
      .map(([name, { room: _, listed: _listed, ...said }]) => ({ name, ...said })),
  };
  const parsed = listedAsSchema.safeParse(listing);
  const wrong = parsed.success
    ? unfitting(listing, { worlds: Object.keys(worlds), allowInsecure })
    : parsed.error.issues[0]?.message;
  if (wrong === undefined) return Object.freeze(listing);
  throw wrongOption("listed", `at most 32 worlds and 3072 bytes in all (${wrong})`, listed);
}
