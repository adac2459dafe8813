/**
 * How a server agrees to be listed (PROTOCOL 2, `listing`): said in its own signed descriptor, or not at all.
 *
 * An addition: who is not named by a list needs nothing of it.
 */
import { z } from "zod";
import { shownText } from "../words.ts";
import { isOrigin } from "./origin.ts";

/** An image that is fetched as an asset (PROTOCOL 9). */
export interface PictureReference {
  /** Origin of the server that has it. */
  readonly originServer: string;
  /** `sha256-` and base64. */
  readonly assetHash: string;
  /** Bytes. */
  readonly size: number;
  /** `image/…`, lower case, without parameters. */
  readonly mediaType: string;
}

/** A picture of a server or world: an `https:` URL of at most 512 characters, or a reference to an asset. */
export type ListedPicture = string | PictureReference;

/** A world that may be listed. */
export interface ListedWorld {
  readonly name: string;
  /** Kind of game, one line of 1–32 characters. Absent: the server's. */
  readonly kind?: string | undefined;
  /** Absent: the server's. */
  readonly picture?: ListedPicture | undefined;
  /** Players that it has room for, 1–1,000,000. Absent: it does not say. */
  readonly capacity?: number | undefined;
}

/** What a server that agrees to be listed says for it. */
export interface ListedAs {
  /** Kind of game, one line of 1–32 characters. */
  readonly kind?: string | undefined;
  readonly picture?: ListedPicture | undefined;
  /** The worlds that may be listed, at most 32, each one of the descriptor's `worlds`. */
  readonly worlds: readonly ListedWorld[];
}

/** Worlds in one listing. */
export const MAX_LISTED_WORLDS = 32;
/** A listing, as JSON. */
export const MAX_LISTING_BYTES = 3 * 1024;
/** Players in one world, or room for so many: more are read as this. */
export const MAX_PLAYERS = 1_000_000;

const MAX_KIND_LENGTH = 32;
const WORLD = /^[A-Za-z0-9_-]{1,64}$/u;

/** Whether a text can be the kind of a game. */
export function isKind(kind: string): boolean {
  return kind.length <= MAX_KIND_LENGTH && shownText(kind, MAX_KIND_LENGTH) === kind;
}

/** Whether a text can be the address of a picture: a plain `https:` URL, in the form `URL.href` gives. */
export function isPictureUrl(value: string): boolean {
  if (value.length > 512 || !URL.canParse(value)) return false;
  const url = new URL(value);
  return (
    url.protocol === "https:" && url.username === "" && url.password === "" && url.href === value
  );
}

// As in the whole descriptor, members that nobody here knows are read over.
const referenceSchema = z.object({
  originServer: z
    .string()
    .max(300)
    .refine((origin) => isOrigin(origin, { allowInsecure: true }), "is no origin"),
  assetHash: z.string().regex(/^sha256-[A-Za-z0-9+/]{43}=$/u),
  size: z.int().positive(),
  mediaType: z.string().regex(/^image\/[a-z0-9][a-z0-9.+-]{0,63}$/u),
});

/** A picture as it must be. */
export const pictureSchema: z.ZodType<ListedPicture> = z.union([
  z.string().refine(isPictureUrl, "is no https URL of at most 512 characters"),
  referenceSchema,
]);

/** Whether a value is a picture. */
export function isPicture(value: unknown): value is ListedPicture {
  return pictureSchema.safeParse(value).success;
}

/** A kind of game as it must be. */
export const kindSchema = z.string().refine(isKind, "not as it can be shown");

/** A listing as it must be; that its worlds are the descriptor's is for the descriptor to see. */
export const listedAsSchema = z
  .object({
    kind: kindSchema.optional(),
    picture: pictureSchema.optional(),
    worlds: z
      .array(
        z.object({
          name: z.string().regex(WORLD),
          kind: kindSchema.optional(),
          picture: pictureSchema.optional(),
          capacity: z.int().min(1).max(MAX_PLAYERS).optional(),
        }),
      )
      .max(MAX_LISTED_WORLDS)
      .refine(
        (worlds) => new Set(worlds.map(({ name }) => name)).size === worlds.length,
        "a world is there twice",
      ),
  })
  .refine(
    (listing) => Buffer.byteLength(JSON.stringify(listing)) <= MAX_LISTING_BYTES,
    `longer than ${MAX_LISTING_BYTES} bytes`,
  );

/** Why a listing does not fit the worlds and the network that it stands in; undefined: it does. */
export function unfitting(
  listing: ListedAs,
  {
    worlds,
    allowInsecure,
  }: { readonly worlds: readonly string[]; readonly allowInsecure: boolean },
): string | undefined {
  const stranger = listing.worlds.find(({ name }) => !worlds.includes(name));
  if (stranger !== undefined) return `${stranger.name} is none of its worlds`;
  const pictures = [listing.picture, ...listing.worlds.map(({ picture }) => picture)];
  const isFetchable = (picture: ListedPicture | undefined): boolean =>
    typeof picture !== "object" || isOrigin(picture.originServer, { allowInsecure });
  return pictures.every(isFetchable) ? undefined : "a picture is not at an https origin";
}
