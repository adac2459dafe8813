/** The two words by which an item goes from a player of one home to a player of another (PROTOCOL 6, "Trades"). */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { JsonValue } from "../json.ts";
import { type Refusal, refuse } from "../errors.ts";
import { type ReceiptKeys, verifyDatedJws } from "./receipt.ts";
import { peekPayload, signJws } from "./jws.ts";
import type { SigningKey } from "./server-keys.ts";

/** Among the `protocols` of a descriptor: its server knows trades. */
export const TRADE_CAPABILITY = "aether-trade/1";

/** An item, as JSON. */
export const MAX_ITEM_BYTES = 2048;

const TRADE_TYPE = "aether-trade+jwt";
const TRADE_RECEIPT_TYPE = "aether-trade-receipt+jwt";

const secondsSchema = z.int().nonnegative().max(8_640_000_000_000);
const idSchema = z.uuid().transform((id) => id.toLowerCase());

const tradeSchema = z.strictObject({
  iss: z.string().max(300),
  trade: idSchema,
  from: z.string().max(400),
  to: z.string().max(400),
  item: z
    .record(z.string(), z.json() as z.ZodType<JsonValue>)
    .refine((item) => Buffer.byteLength(JSON.stringify(item)) <= MAX_ITEM_BYTES, "too large"),
  iat: secondsSchema,
  exp: secondsSchema,
});

const receiptSchema = z.strictObject({
  iss: z.string().max(300),
  trade: idSchema,
  home: z.string().max(300),
  from: z.string().max(400),
  to: z.string().max(400),
  taken: z.boolean(),
  iat: secondsSchema,
});

/** The giver's home says: this item left `from` at `iat`; it is `to`'s if that one's home takes it by `exp`. */
export type TradeClaims = z.infer<typeof tradeSchema>;

/** The receiver's home says: the item that `home` let go of is `to`'s (`taken`), or never will be. */
export type TradeReceiptClaims = z.infer<typeof receiptSchema>;

/** Signs the giver's home's word. */
export function issueTrade(claims: TradeClaims, key: SigningKey): Promise<string> {
  return signJws(claims, TRADE_TYPE, key);
}

/** Signs the receiver's home's word. */
export function issueTradeReceipt(claims: TradeReceiptClaims, key: SigningKey): Promise<string> {
  return signJws(claims, TRADE_RECEIPT_TYPE, key);
}

/** Verifies the giver's home's word. Refuses with `ERR_FED_SIGNATURE_INVALID` or `ERR_FED_UNKNOWN_KEY`. */
export function verifyTrade(
  token: unknown,
  keyFor: ReceiptKeys,
): Promise<{ readonly verified: true; readonly claims: TradeClaims } | Refusal> {
  return verifyWord(token, TRADE_TYPE, tradeSchema, keyFor);
}

/** Verifies the receiver's home's word. Refuses as {@link verifyTrade}. */
export function verifyTradeReceipt(
  token: unknown,
  keyFor: ReceiptKeys,
): Promise<{ readonly verified: true; readonly claims: TradeReceiptClaims } | Refusal> {
  return verifyWord(token, TRADE_RECEIPT_TYPE, receiptSchema, keyFor);
}

async function verifyWord<Claims extends { readonly iat: number }>(
  token: unknown,
  typ: string,
  schema: z.ZodType<Claims>,
  keyFor: ReceiptKeys,
): Promise<{ readonly verified: true; readonly claims: Claims } | Refusal> {
  const result = await verifyDatedJws(token, typ, keyFor);
  if (!result.verified) return result;
  const shape = schema.safeParse(result.payload);
  if (!shape.success)
    return refuse("ERR_FED_SIGNATURE_INVALID", "the word on a trade is malformed");
  const claims = shape.data;
  if (result.countsAt(claims.iat)) return { verified: true, claims };
  return refuse("ERR_FED_UNKNOWN_KEY", "the key was retired or revoked before it was issued");
}

/** What a player signs to give an item away: good for this very trade (PROTOCOL 5, `trade`). */
export function tradePurpose(trade: {
  readonly tradeId: string;
  readonly item: string;
  readonly to: string;
}): string {
  const text = JSON.stringify([trade.tradeId.toLowerCase(), trade.item, trade.to]);
  return createHash("sha256").update(text).digest("base64url");
}

/** What the receiver's home says, unverified: by the word of a home that has verified it. */
export function readTradeReceipt(token: string): TradeReceiptClaims | undefined {
  return receiptSchema.safeParse(peekPayload(token)).data;
}
