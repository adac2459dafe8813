/** The option by which a server says what game it is, and what becomes of it in its descriptor. */
import { type z } from "zod";
import {
  type Game,
  clientPageSchema,
  gameSchema,
  unfittingGame,
  wantsSchema,
} from "../identity/game-pages.ts";
import { type ListedPicture, kindSchema, pictureSchema } from "../identity/listed-as.ts";
import { checkOptions, customOption, optionsSchema, wrongOption } from "../options.ts";

/** What a server says of one of its worlds; what is left out is as `game` itself says. */
export interface GameWorldOptions {
  /** The page of its own web client, where it has another one. */
  readonly client?: string;
  /** Kind of game, one line of 1–32 characters. */
  readonly kind?: string;
  readonly picture?: ListedPicture;
  readonly wants?: string;
}

/** What a server says of its game, in its descriptor. */
export interface GameOptions {
  /**
   * The page of its own web client, which calls `Traveler.arrive`: an `https:` URL of at most 512 characters,
   * without user and fragment; `http:` with `allowInsecure`.
   */
  readonly client?: string;
  /** Kind of game, one line of 1–32 characters. */
  readonly kind?: string;
  /** An `https:` URL of at most 512 characters, or what `federation.assets.add` returned for an image. */
  readonly picture?: ListedPicture;
  /** What it likes to be sent in the carried state: the `https:` URL of a JSON Schema, or a name, 1–256 characters. */
  readonly wants?: string;
  /** World name → what is said of that world alone, at most 32. */
  readonly worlds?: Readonly<Record<string, GameWorldOptions>>;
}

const CLIENT = "an https URL of at most 512 characters, without user and fragment";
const KIND = 'one line of 1–32 characters such as "racing"';
const PICTURE = "an https URL of at most 512 characters, or a reference to an image";
const WANTS = "the https URL of a JSON Schema, or a name, of 1–256 characters";
const EXAMPLE = 'an object such as { client: "https://worlds.example.com/play" }';

const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const as = (schema: z.ZodType, expected: string): z.ZodType =>
  customOption(expected, (value) => schema.safeParse(value).success).optional();

const SAID = {
  client: customOption(CLIENT, (value) => clientOf(value) !== undefined).optional(),
  kind: as(kindSchema, KIND),
  picture: as(pictureSchema, PICTURE),
  wants: as(wantsSchema, WANTS),
};

/** What `game` must look like; what is in the object, {@link gameOf} sees. */
export const GAME = customOption(EXAMPLE, isObject);
const GAME_OPTIONS = optionsSchema(
  {
    ...SAID,
    worlds: customOption("an object of world names to objects", isObject).optional(),
  } satisfies Record<keyof GameOptions, z.ZodType>,
  EXAMPLE,
);
const WORLD_OPTIONS = optionsSchema(
  SAID satisfies Record<keyof GameWorldOptions, z.ZodType>,
  EXAMPLE,
);

/**
 * What the descriptor says of the game; undefined: nothing.
 *
 * @throws TypeError naming the option that is wrong.
 */
export function gameOf(
  given: GameOptions | undefined,
  worlds: readonly string[],
  allowInsecure: boolean,
): Game | undefined {
  if (given === undefined) return undefined;
  const { worlds: some = {}, ...server } = checkOptions<GameOptions>(GAME_OPTIONS, given, "game");
  const said = Object.entries(some).map(([name, world]) => ({
    name,
    ...normal(checkOptions<GameWorldOptions>(WORLD_OPTIONS, world, `game.worlds.${name}`)),
  }));
  const game: Game = { ...normal(server), ...(said.length === 0 ? {} : { worlds: said }) };
  const parsed = gameSchema.safeParse(game);
  const wrong = parsed.success
    ? unfittingGame(game, { worlds, allowInsecure })
    : parsed.error.issues[0]?.message;
  if (wrong === undefined) return Object.freeze(game);
  throw wrongOption("game", `at most 32 worlds and 3072 bytes in all (${wrong})`, given);
}

/** The page as `URL.href` gives it. */
function normal(said: GameWorldOptions): GameWorldOptions {
  const client = clientOf(said.client);
  return client === undefined ? said : { ...said, client };
}

function clientOf(value: unknown): string | undefined {
  if (typeof value !== "string" || !URL.canParse(value)) return undefined;
  const { href } = new URL(value);
  return clientPageSchema.safeParse(href).success ? href : undefined;
}
