/**
 * What kind of game a server and each of its worlds is, and at which page its own web client is (PROTOCOL 2,
 * `game`): said in its own signed descriptor, or not at all.
 *
 * An addition: who does not read it has its players play every world with the client that they have.
 */
import { z } from "zod";
import { type ListedPicture, kindSchema, pictureSchema } from "./listed-as.ts";
import { isOrigin } from "./origin.ts";

/** What is said of a game. */
export interface GameSaid {
  /**
   * The page of its own web client: an `https:` URL of at most 512 characters, as `URL.href` gives it,
   * without user and fragment. `http:` in development alone.
   */
  readonly client?: string | undefined;
  /** Kind of game, one line of 1–32 characters. */
  readonly kind?: string | undefined;
  readonly picture?: ListedPicture | undefined;
  /** What it likes to be sent in the carried state: the `https:` URL of a JSON Schema, or a name, 1–256 characters. */
  readonly wants?: string | undefined;
}

/** What is said of one world; what is left out is the server's. */
export interface GameWorld extends GameSaid {
  readonly name: string;
}

/** What a server says of its game. */
export interface Game extends GameSaid {
  /** Worlds of which something else is said, at most 32, each one of the descriptor's `worlds`. */
  readonly worlds?: readonly GameWorld[] | undefined;
}

/** A game, as JSON. */
export const MAX_GAME_BYTES = 3 * 1024;
const MAX_GAME_WORLDS = 32;
const MAX_CLIENT_LENGTH = 512;
const WORLD = /^[A-Za-z0-9_-]{1,64}$/u;
/** A name of a schema; what has a scheme is a URL. */
const WANTS_NAME = /^[A-Za-z0-9][A-Za-z0-9._/@-]*$/u;

/** Whether a text can be the page of a web client; that `http:` is for development alone, {@link unfittingGame} sees. */
export function isClientPage(value: string): boolean {
  if (value.length > MAX_CLIENT_LENGTH || !URL.canParse(value)) return false;
  const url = new URL(value);
  return (
    (url.protocol === "https:" || url.protocol === "http:") &&
    url.username === "" &&
    url.password === "" &&
    !value.includes("#") &&
    url.href === value
  );
}

/** Whether a text can say what a game likes to be sent. */
export function isWants(value: string): boolean {
  if (value.length === 0 || value.length > 256) return false;
  if (WANTS_NAME.test(value)) return true;
  return URL.canParse(value) && new URL(value).protocol === "https:";
}

/** A client's page as it must be. */
export const clientPageSchema = z
  .string()
  .refine(isClientPage, "is no https URL of at most 512 characters without user and fragment");
/** What a game likes to be sent, as it must be. */
export const wantsSchema = z
  .string()
  .refine(isWants, "is no https URL and no name of 1–256 characters");

const said = {
  client: clientPageSchema.optional(),
  kind: kindSchema.optional(),
  picture: pictureSchema.optional(),
  wants: wantsSchema.optional(),
};

/** A game as it must be; that its worlds are the descriptor's is for the descriptor to see. */
export const gameSchema = z
  .object({
    ...said,
    worlds: z
      .array(z.object({ name: z.string().regex(WORLD), ...said }))
      .max(MAX_GAME_WORLDS)
      .refine(
        (worlds) => new Set(worlds.map(({ name }) => name)).size === worlds.length,
        "a world is there twice",
      )
      .optional(),
  })
  .refine(
    (game) => Buffer.byteLength(JSON.stringify(game)) <= MAX_GAME_BYTES,
    `longer than ${MAX_GAME_BYTES} bytes`,
  );

/** Why a game does not fit the worlds and the network that it stands in; undefined: it does. */
export function unfittingGame(
  game: Game,
  {
    worlds,
    allowInsecure,
  }: { readonly worlds: readonly string[]; readonly allowInsecure: boolean },
): string | undefined {
  const all: readonly GameSaid[] = [game, ...(game.worlds ?? [])];
  const stranger = game.worlds?.find(({ name }) => !worlds.includes(name));
  if (stranger !== undefined) return `${stranger.name} is none of its worlds`;
  if (!allowInsecure && all.some(({ client }) => client?.startsWith("http:"))) {
    return "a client's page is not at an https origin";
  }
  const isFetchable = ({ picture }: GameSaid): boolean =>
    typeof picture !== "object" || isOrigin(picture.originServer, { allowInsecure });
  return all.every(isFetchable) ? undefined : "a picture is not at an https origin";
}
