/** `POST {endpoint}/travel` (PROTOCOL 8), as it comes in: a player's login and where it wants to go. */
import { z } from "zod";
import type { FederationErrorCode } from "../../errors.ts";
import { type Answer, answerOf } from "./answers.ts";
import { readJsonBody } from "./json-body.ts";

/** A home login and where it wants to go. */
export interface TravelRequest {
  /** The bearer token: what the client would send Colyseus as its auth token. */
  readonly token: string;
  /** A proof of the player's key beside the host's own token. */
  readonly proof: string | undefined;
  /** Portal URI. */
  readonly to: string;
  /** Name the player wishes to be shown with. */
  readonly name: string | undefined;
}

/** A seat behind the portal, or why there is none. */
export type TravelAnswer =
  | { readonly ok: true; readonly body: unknown }
  | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string };

const travelSchema = z.strictObject({
  to: z.string().max(2048),
  name: z.string().max(128).optional(),
  proof: z.string().max(2048).optional(),
});

/** Parses the body, then asks `travel`. */
export async function answerTravel(
  travel: (request: TravelRequest) => Promise<TravelAnswer>,
  token: string,
  raw: Uint8Array,
): Promise<Answer> {
  const read = readJsonBody(raw, travelSchema, "{to, name?, proof?}");
  if ("refused" in read) return read.refused;
  const { to, name, proof } = read.body;
  return answerOf(await travel({ token, to, name, proof }));
}
