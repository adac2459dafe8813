/** `POST {endpoint}/player/keys` (PROTOCOL 8), as it comes in: a player's key and what becomes of its others. */
import { z } from "zod";
import { type Answer, type Verdict, answerOf } from "./answers.ts";
import { readJsonBody } from "./json-body.ts";

/** What a player asks for. Nothing: which keys there are. */
export interface PlayerKeysRequest {
  /** The bearer token: a proof of one of the player's keys. */
  readonly token: string;
  /** A device's request, to be added. */
  readonly add?: string | undefined;
  /** That whatever the device's own player has here is left behind. */
  readonly leaveBehind?: boolean | undefined;
  /** Thumbprint of a key to be removed. */
  readonly remove?: string | undefined;
}

const requestSchema = z
  .strictObject({
    add: z.string().max(2048).optional(),
    leaveBehind: z.boolean().optional(),
    remove: z
      .string()
      .regex(/^[A-Za-z0-9_-]{43}$/u)
      .optional(),
  })
  .refine(({ add, remove }) => add === undefined || remove === undefined)
  .refine(({ add, leaveBehind }) => add !== undefined || leaveBehind === undefined);

/** Parses the body, then asks. */
export async function answerPlayerKeys(
  ask: (request: PlayerKeysRequest) => Promise<Verdict>,
  token: string,
  raw: Uint8Array,
): Promise<Answer> {
  const read = readJsonBody(raw, requestSchema, "{}, {add, leaveBehind?} or {remove}");
  if ("refused" in read) return read.refused;
  return answerOf(await ask({ token, ...read.body }));
}
