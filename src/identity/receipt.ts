/** Signed receipts of crossings (PROTOCOL 6): home's word that a player changed hands. */
import { hash } from "node:crypto";
import { z } from "zod";
import { type Refusal, refuse } from "../errors.ts";
import { type DatedKey, countedAt } from "./dated-key.ts";
import { type VerifyKey, importVerifyKey } from "./ed25519.ts";
import { peekHeader, peekPayload, signAllJws, signJws, verifyJws } from "./jws.ts";
import type { SigningKey } from "./server-keys.ts";

/** Of a server that reads and signs many receipts at once (PROTOCOL 6). */
export const RECEIPTS_CAPABILITY = "aether-receipts/1";

const RECEIPT_TYPE = "aether-receipt+jwt";

/** Unix seconds that a date can be of. */
const secondsSchema = z.int().nonnegative().max(8_640_000_000_000);

const receiptSchema = z.strictObject({
  iss: z.string().max(300),
  xfer: z.string().max(64),
  player: z.string().max(400),
  epoch: z.int().nonnegative(),
  from: z.string().max(300),
  to: z.string().max(300),
  iat: secondsSchema,
  digest: z.string().max(128).optional(),
  handed: z.string().max(128).optional(),
});

/**
 * What a receipt says: `player` went from `from` to `to` under `epoch`; `digest` is that of what it
 * carried ({@link digestOfState}), where home says; `handed` that of what the source had handed to home
 * with its departure, where home was not the source itself.
 */
export type ReceiptClaims = z.infer<typeof receiptSchema>;

/**
 * `sha-256=` and the base64url SHA-256 of what a player carried, as JSON: the UTF-8 bytes of the member
 * `state` of the claim's answer (PROTOCOL 6). Without a state, that of no bytes.
 */
export function digestOfState(state: unknown): string {
  const text = state === undefined ? "" : JSON.stringify(state);
  return `sha-256=${hash("sha256", text, "base64url")}`;
}

/** Signs a receipt. */
export function issueReceipt(claims: ReceiptClaims, key: SigningKey): Promise<string> {
  return signJws(claims, RECEIPT_TYPE, key);
}

/** Signs many with one Ed25519 operation, for ends that have {@link RECEIPTS_CAPABILITY}. In their order. */
export function issueReceipts(
  claims: readonly ReceiptClaims[],
  key: SigningKey,
): Promise<string[]> {
  return signAllJws(claims, RECEIPT_TYPE, key);
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
  const result = await verifyDatedJws(token, RECEIPT_TYPE, keyFor, true);
  if (!result.verified) return result;
  const shape = receiptSchema.safeParse(result.payload);
  if (!shape.success) return refuse("ERR_FED_SIGNATURE_INVALID", "the receipt is malformed");
  const claims = shape.data;
  return result.countsAt(claims.iat) ? { verified: true, claims } : outOfUse();
}

/** What a receipt says, unverified: for one that was verified when it was filed. */
export function readReceipt(token: string): ReceiptClaims | undefined {
  return receiptSchema.safeParse(peekPayload(token)).data;
}

const COUNTERSIGNATURE_TYPE = "aether-countersignature+jwt";

/** One of each end, and as many that are not. */
const MAX_COUNTERSIGNATURES = 4;

const countersignatureSchema = z.strictObject({
  iss: z.string().max(300),
  home: z.string().max(300),
  xfer: z.string().max(64),
  player: z.string().max(400),
  epoch: z.int().nonnegative(),
  from: z.string().max(300),
  to: z.string().max(300),
  iat: secondsSchema,
  digest: z.string().max(128),
});

/**
 * What an end of a crossing says beside home's receipt (`home` is who issued that): `digest` is that
 * of what it handed over, or of what it got.
 */
export type CountersignatureClaims = z.infer<typeof countersignatureSchema>;

/** An end's word on a crossing, as `verifyCountersignature` finds it. */
export interface Countersigned {
  /** Origin of the end. */
  readonly by: string;
  /** Which end it is. */
  readonly as: "source" | "destination";
  /** Digest of what the source says it handed over, or the destination that it got. */
  readonly digest: string;
  /** Whether home's receipt says the same digest; undefined where it says none. */
  readonly agrees: boolean | undefined;
}

/** Signs an end's word on a crossing. */
export function issueCountersignature(
  claims: CountersignatureClaims,
  key: SigningKey,
): Promise<string> {
  return signJws(claims, COUNTERSIGNATURE_TYPE, key);
}

/** Signs many with one Ed25519 operation, for homes that have {@link RECEIPTS_CAPABILITY}. In their order. */
export function issueCountersignatures(
  claims: readonly CountersignatureClaims[],
  key: SigningKey,
): Promise<string[]> {
  return signAllJws(claims, COUNTERSIGNATURE_TYPE, key);
}

/** Whether a token, unverified, is what an end of the crossing that `receipt` is of would sign. */
export function isWordOn(token: unknown, receipt: ReceiptClaims): boolean {
  const said =
    typeof token === "string" ? countersignatureSchema.safeParse(peekPayload(token)) : undefined;
  if (said?.success !== true) return false;
  const { iss, home, xfer, player, epoch, from, to } = said.data;
  return (
    (iss === receipt.from || iss === receipt.to) &&
    home === receipt.iss &&
    xfer.toLowerCase() === receipt.xfer.toLowerCase() &&
    player === receipt.player &&
    epoch === receipt.epoch &&
    from === receipt.from &&
    to === receipt.to
  );
}

/** Verifies the word of an end of the crossing that `receipt`, verified already, is of. */
export async function verifyCountersignature(
  token: unknown,
  receipt: ReceiptClaims,
  keyFor: ReceiptKeys,
): Promise<({ verified: true } & Countersigned) | Refusal> {
  if (!isWordOn(token, receipt)) {
    return refuse("ERR_FED_SIGNATURE_INVALID", "it is not the word of an end of this crossing");
  }
  const result = await verifyDatedJws(token, COUNTERSIGNATURE_TYPE, keyFor, true);
  if (!result.verified) return result;
  const { iss, iat, digest } = countersignatureSchema.parse(result.payload);
  if (!result.countsAt(iat)) return outOfUse();
  const as = iss === receipt.to ? "destination" : "source";
  const homes = as === "destination" ? receipt.digest : receipt.handed;
  const agrees = homes === undefined ? undefined : homes === digest;
  return { verified: true, by: iss, as, digest, agrees };
}

/** Those of an untrusted list that verify; one for each end. */
export async function countersignedBy(
  words: readonly string[],
  receipt: ReceiptClaims,
  keyFor: ReceiptKeys,
): Promise<Countersigned[]> {
  const found = new Map<string, Countersigned>();
  for (const word of words.slice(0, MAX_COUNTERSIGNATURES)) {
    const result = await verifyCountersignature(word, receipt, keyFor);
    if (!result.verified) continue;
    const { by, as, digest, agrees } = result;
    found.set(by, { by, as, digest, agrees });
  }
  return [...found.values()];
}

function outOfUse(): Refusal {
  return refuse("ERR_FED_UNKNOWN_KEY", "the key was retired or revoked before it was issued");
}

/**
 * Verifies a JWS of an issuer that is not asked itself: `countsAt` tells whether its key was in use then,
 * `trees` whether it may be one of many under one signature.
 */
export async function verifyDatedJws(
  token: unknown,
  typ: string,
  keyFor: ReceiptKeys,
  trees = false,
): Promise<
  | {
      readonly verified: true;
      readonly payload: unknown;
      readonly countsAt: (seconds: number) => boolean;
    }
  | Refusal
> {
  const unknown = refuse("ERR_FED_UNKNOWN_KEY", "the issuer's key is not known");
  const kid = peekHeader(token)?.["kid"];
  const issuer = typeof token === "string" ? peekPayload(token)?.["iss"] : undefined;
  const found =
    typeof kid === "string" && typeof issuer === "string" ? await keyFor(issuer, kid) : undefined;
  const result = verifyJws(token, {
    ...{ typ, trees, invalid: "ERR_FED_SIGNATURE_INVALID" },
    keyFor: () =>
      found === undefined ? unknown : "verify" in found ? found : importVerifyKey(found.jwk),
  });
  if (!result.verified) return result;
  return {
    verified: true,
    payload: result.payload,
    countsAt: (seconds) => found === undefined || "verify" in found || countedAt(found, seconds),
  };
}
