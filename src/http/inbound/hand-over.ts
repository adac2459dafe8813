/** `POST {endpoint}/hand-over` (PROTOCOL 8), as it comes in: a player's home page asks which crossing is under way. */
import { z } from "zod";
import type { FederationErrorCode } from "../../errors.ts";
import { type Answer, answerOf } from "./answers.ts";
import { readJsonBody } from "./json-body.ts";

/** A home login, and the crossing that is meant. */
export interface HandOverRequest {
  /** The bearer token: a proof for a hand-over, or the host's own token. */
  readonly token: string;
  /** A proof of the player's key beside the host's own token. */
  readonly proof: string | undefined;
  readonly transferId: string;
}

/** Where the crossing leads, or why none is told. */
export type HandOverAnswer =
  | {
      readonly ok: true;
      readonly body: {
        /** Origins. */
        readonly to: string;
        readonly from: string;
        readonly world: string;
      };
    }
  | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string };

const handOverSchema = z.strictObject({
  transferId: z.string().min(1).max(64),
  proof: z.string().max(2048).optional(),
});

/** Parses the body, then asks `handOver`. */
export async function answerHandOver(
  handOver: (request: HandOverRequest) => Promise<HandOverAnswer>,
  token: string,
  raw: Uint8Array,
): Promise<Answer> {
  const read = readJsonBody(raw, handOverSchema, "{transferId, proof?}");
  if ("refused" in read) return read.refused;
  const { transferId, proof } = read.body;
  return answerOf(await handOver({ token, transferId, proof }));
}
