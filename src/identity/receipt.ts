/** Signed receipts of crossings (PROTOCOL 6): home's word that a player changed hands. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { type DatedKey, countedAt } from "./dated-key.ts";
import { type VerifyKey, importVerifyKey } from "./ed25519.ts";
import { peekHeader, peekPayload, signJws, verifyJws } from "./jws.ts";
import type { SigningKey } from "./server-keys.ts";

const RECEIPT_TYPE = "aether-receipt+jwt";

const receiptSchema = z.strictObject({
  iss: z.string().max(300),
  xfer: z.string().max(64),
  player: z.string().max(400),
  epoch: z.int().nonnegative(),
  from: z.string().max(300),
  to: z.string().max(300),
  iat: z.int().nonnegative(),
  digest: z.string().max(128).optional(),
});

/**
 * What a receipt says: `player` went from `from` to `to` under `epoch`; `digest` is that of what it
 * carried ({@link digestOfState}), where home says.
 */
export type ReceiptClaims = z.infer<typeof receiptSchema>;

/**
 * `sha-256=` and the base64url SHA-256 of what a player carried, as JSON: the UTF-8 bytes of the member
 * `state` of the claim's answer (PROTOCOL 6). Without a state, that of no bytes.
 */
export function digestOfState(state: unknown): string {
  const text = state === undefined ? "" : JSON.stringify(state);
  return `sha-256=${createHash("sha256").update(text).digest("base64url")}`;
}

/** Signs a receipt. */
export function issueReceipt(claims: ReceiptClaims, key: SigningKey): Promise<string> {
  return signJws(claims, RECEIPT_TYPE, key);
}

/**
 * The key of an issuer, as {@link verifyReceipt} is told of it: one that is in use, or one with its
 * dates; undefined when it is not known.
 */
export type ReceiptKeys = (
  issuer: string,
  kid: string,
) => VerifyKey | DatedKey | undefined | Promise<VerifyKey | DatedKey | undefined>;

/**
 * Verifies a receipt against its issuer's key. With a key's dates, it counts when the key was in use at
 * the receipt's `iat`: `federation.verifyReceipt` finds retired keys by itself.
 */
export async function verifyReceipt(
  token: unknown,
  keyFor: ReceiptKeys,
): Promise<{ verified: true; claims: ReceiptClaims } | Refusal> {
  const unknown = refuse("ERR_FED_UNKNOWN_KEY", "the issuer's key is not known");
  const kid = peekHeader(token)?.["kid"];
  const issuer = typeof token === "string" ? peekPayload(token)?.["iss"] : undefined;
  const found =
    typeof kid === "string" && typeof issuer === "string" ? await keyFor(issuer, kid) : undefined;
  const result = verifyJws(token, {
    typ: RECEIPT_TYPE,
    invalid: "ERR_FED_SIGNATURE_INVALID",
    keyFor: () =>
      found === undefined ? unknown : "verify" in found ? found : importVerifyKey(found.jwk),
  });
  if (!result.verified) return result;
  const shape = receiptSchema.safeParse(result.payload);
  if (!shape.success) return refuse("ERR_FED_SIGNATURE_INVALID", "the receipt is malformed");
  const claims = shape.data;
  if (found !== undefined && !("verify" in found) && !countedAt(found, claims.iat)) {
    return refuse("ERR_FED_UNKNOWN_KEY", "the key was retired or revoked before it was issued");
  }
  return { verified: true, claims };
}
