/** Signed receipts of crossings (PROTOCOL 6): home's word that a player changed hands. */
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import type { VerifyKey } from "./ed25519.ts";
import { signJws, verifyJws } from "./jws.ts";
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
});

/** What a receipt says: `player` went from `from` to `to` under `epoch`. */
export type ReceiptClaims = z.infer<typeof receiptSchema>;

/** Signs a receipt. */
export function issueReceipt(claims: ReceiptClaims, key: SigningKey): Promise<string> {
  return signJws(claims, RECEIPT_TYPE, key);
}

/** Verifies a receipt against its issuer's key. */
export async function verifyReceipt(
  token: unknown,
  keyFor: (issuer: string, kid: string) => VerifyKey | undefined,
): Promise<{ verified: true; claims: ReceiptClaims } | Refusal> {
  const result = verifyJws(token, {
    typ: RECEIPT_TYPE,
    invalid: "ERR_FED_SIGNATURE_INVALID",
    keyFor: (header, payload) => {
      const key =
        typeof payload["iss"] === "string" && typeof header["kid"] === "string"
          ? keyFor(payload["iss"], header["kid"])
          : undefined;
      return key ?? refuse("ERR_FED_UNKNOWN_KEY", "the issuer's key is not known");
    },
  });
  if (!result.verified) return result;
  const shape = receiptSchema.safeParse(result.payload);
  return shape.success
    ? { verified: true, claims: shape.data }
    : refuse("ERR_FED_SIGNATURE_INVALID", "the receipt is malformed");
}
