/** The bodies of PROTOCOL 6, bounded: what a peer sends is parsed by these and nothing else. */
import { z } from "zod";
import { isFederationErrorCode } from "../../errors.ts";
import { shownText } from "../../words.ts";
import { WORLD_NAME } from "../../identity/descriptor.ts";
import { AUTHORITY } from "../../identity/origin.ts";
import { type JsonValue, type StateFault, checkState, stateSchema } from "../../json.ts";
import { portalOptionsSchema, reservationAnswerSchema } from "./reservation.ts";

/** `<local id>@<home authority>` (PROTOCOL 1). */
export const playerIdSchema = z
  .string()
  .max(64 + 1 + 261)
  .regex(new RegExp(`^[A-Za-z0-9_-]{1,64}@${AUTHORITY}$`, "u"), "not <local id>@<home authority>");

const originSchema = z
  .string()
  .max(300)
  .regex(new RegExp(`^https?://${AUTHORITY}$`, "u"), "not an origin");

/** A transfer's id: the source chooses it. */
export const transferIdSchema = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/iu, "not a UUID");

const epochSchema = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

const tokenSchema = z.string().max(4096);

/** Assets that a `preflight` may name. */
export const MAX_PREFLIGHT_ASSETS = 32;

/** A world's name. */
export const worldSchema = z.string().regex(WORLD_NAME, "not a world's name");

export const departSchema = z.strictObject({
  transferId: transferIdSchema,
  player: playerIdSchema,
  epoch: epochSchema,
  to: originSchema,
  world: worldSchema,
  state: stateSchema.optional(),
  /** To home itself: it is asked for the seat, too. An addition to PROTOCOL 6 that a peer may lack. */
  seat: z.strictObject({ options: portalOptionsSchema.optional() }).optional(),
});
export const claimSchema = z.strictObject({
  transferId: transferIdSchema,
  /** It asks for the receipt later, with others. An addition to PROTOCOL 6 that a peer may lack. */
  receiptLater: z.literal(true).optional(),
});
export const cancelSchema = z.strictObject({
  transferId: transferIdSchema,
  player: playerIdSchema,
  epoch: epochSchema,
});
export const returnSchema = z.strictObject({
  player: playerIdSchema,
  epoch: epochSchema,
  state: stateSchema.optional(),
});
/** Players in one `returns`. */
export const MAX_RETURNED_PLAYERS = 200;
/** Who is held, read strictly; each state is judged by itself: {@link entryStateOf}. */
const heldEntrySchema = z.strictObject({
  player: playerIdSchema,
  epoch: epochSchema,
  state: z.unknown().optional(),
});
/** Many returns in one call: an addition to PROTOCOL 6 that a peer may lack. */
export const returnsSchema = z.strictObject({
  players: z.array(heldEntrySchema).max(MAX_RETURNED_PLAYERS),
});
/** Players in one `renew`. */
export const MAX_RENEWED_PLAYERS = 200;
export const renewSchema = z.strictObject({
  players: z.array(heldEntrySchema).max(MAX_RENEWED_PLAYERS),
});

/** A state that is judged by itself, apart from the message it came in; or what is wrong with it. */
export function entryStateOf(sent: unknown): {
  readonly state: JsonValue | undefined;
  readonly fault: StateFault | undefined;
} {
  if (sent === undefined) return { state: undefined, fault: undefined };
  const checked = checkState(sent);
  return checked.ok
    ? { state: checked.state, fault: undefined }
    : { state: undefined, fault: checked.fault };
}
const tradeTokenSchema = z.string().max(8192);
/** A holder's player gives an item away: an addition to PROTOCOL 6 that a peer may lack. */
export const offerSchema = z.strictObject({
  tradeId: transferIdSchema,
  player: playerIdSchema,
  epoch: epochSchema,
  item: z.string().min(1).max(64),
  to: playerIdSchema,
  toHome: originSchema,
  proof: z.string().max(2048).optional(),
  state: stateSchema.optional(),
});
/** A home asks another one whether it takes an item: an addition to PROTOCOL 6 that a peer may lack. */
export const tradeSchema = z.strictObject({
  trade: tradeTokenSchema,
  withdraw: z.literal(true).optional(),
});
export const departedSchema = cancelSchema;
export const revokeSchema = z.strictObject({ player: playerIdSchema, epoch: epochSchema });

/** Reasons in the answer to a `preview`, and the longest JSON Pointer among them. */
const MAX_REASONS = 32;
const MAX_REASON_POINTER = 200;
/** Asks what home would keep of a state: an addition to PROTOCOL 6 that a peer may lack. */
export const previewSchema = returnSchema.extend({ why: z.literal(true).optional() });
/** Asks for the receipt of a crossing: an addition to PROTOCOL 6 that a peer may lack. */
export const receiptSchema = z.strictObject({
  transferId: transferIdSchema,
  countersignature: tokenSchema.optional(),
});
/** Crossings in one `receipts`. */
export const MAX_RECEIPTS = 32;
/** Many `receipt`s in one call: an addition to PROTOCOL 6 that a peer may lack. */
export const receiptsSchema = z.strictObject({
  crossings: z.array(receiptSchema).min(1).max(MAX_RECEIPTS),
});

/** A transfer of a party: an addition to PROTOCOL 6 that a peer may lack. */
export const pledgeSchema = z.strictObject({
  transferId: transferIdSchema,
  partyId: transferIdSchema,
});

const leaseSecondsSchema = z.number().positive().max(86_400);

export const departedAnswerSchema = z.strictObject({
  transferId: transferIdSchema,
  pass: tokenSchema,
  deadline: z.int().nonnegative(),
  seat: reservationAnswerSchema.optional(),
});
export const claimAnswerSchema = z.strictObject({
  player: playerIdSchema,
  name: z.string().max(128),
  epoch: epochSchema,
  state: stateSchema.optional(),
  leaseSeconds: leaseSecondsSchema,
  receipt: tokenSchema.optional(),
});
/** What a player is shown as whose name cannot be shown. */
export const NAMELESS = "Traveler";

/** As a destination reads it: custody is won even where the state cannot be read. */
export const wonClaimSchema = claimAnswerSchema
  .extend({
    state: z.unknown().optional(),
    /** Custody is won whatever home calls the player. */
    name: claimAnswerSchema.shape.name.transform((name) => shownText(name, 128) ?? NAMELESS),
  })
  .transform(({ state: sent, ...won }): WonClaim => {
    const { state, fault } = entryStateOf(sent);
    return {
      ...won,
      ...(state === undefined ? {} : { state }),
      ...(fault === undefined ? {} : { stateFault: fault }),
    };
  });
export const cancelAnswerSchema = z.strictObject({
  epoch: epochSchema,
  leaseSeconds: leaseSecondsSchema,
});
export const returnAnswerSchema = z.strictObject({ epoch: epochSchema });
export const renewAnswerSchema = z.strictObject({
  leaseSeconds: leaseSecondsSchema,
  lost: z
    .array(z.strictObject({ player: playerIdSchema, epoch: epochSchema }))
    .max(MAX_RENEWED_PLAYERS),
});
/** A code that is not known here is a refusal all the same, for a reason that may pass. */
const codeSchema = z
  .string()
  .max(64)
  .transform((code) => (isFederationErrorCode(code) ? code : "ERR_FED_UNAVAILABLE"));
export const returnsAnswerSchema = z.strictObject({
  returned: z
    .array(z.strictObject({ player: playerIdSchema, epoch: epochSchema }))
    .max(MAX_RETURNED_PLAYERS),
  refused: z
    .array(z.strictObject({ player: playerIdSchema, epoch: epochSchema, code: codeSchema }))
    .max(MAX_RETURNED_PLAYERS),
});
export const previewAnswerSchema = z.strictObject({
  state: stateSchema.optional(),
  why: z
    .record(z.string().max(MAX_REASON_POINTER), z.string().regex(/^[a-z0-9 .+-]{1,64}$/u))
    .refine((why) => Object.keys(why).length <= MAX_REASONS, `more than ${MAX_REASONS} reasons`)
    .optional(),
});
export const offerAnswerSchema = z.strictObject({
  trade: tradeTokenSchema,
  receipt: tradeTokenSchema.optional(),
});
export const tradeAnswerSchema = z.strictObject({ receipt: tradeTokenSchema });
export const receiptAnswerSchema = z.strictObject({
  receipt: tokenSchema,
  // One of each end.
  countersignatures: z.array(tokenSchema).max(2).optional(),
});
export const receiptsAnswerSchema = z.strictObject({
  receipts: z.array(receiptAnswerSchema.extend({ transferId: transferIdSchema })).max(MAX_RECEIPTS),
  refused: z
    .array(z.strictObject({ transferId: transferIdSchema, code: codeSchema }))
    .max(MAX_RECEIPTS),
});

export const pledgeAnswerSchema = z.strictObject({
  player: playerIdSchema,
  name: z.string().max(1024),
  pledgeSeconds: z.number().min(0).max(86_400),
});
export const unpledgeAnswerSchema = z.strictObject({});

export type PledgeRequest = z.infer<typeof pledgeSchema>;
export type PledgeAnswer = z.infer<typeof pledgeAnswerSchema>;
export type DepartRequest = z.infer<typeof departSchema>;
export type CancelRequest = z.infer<typeof cancelSchema>;
export type ReturnRequest = z.infer<typeof returnSchema>;
export type ReturnsRequest = z.infer<typeof returnsSchema>;
export type ReturnsAnswer = z.infer<typeof returnsAnswerSchema>;
export type RenewRequest = z.infer<typeof renewSchema>;
export type PreviewRequest = z.infer<typeof previewSchema>;
export type ReceiptRequest = z.infer<typeof receiptSchema>;
export type ReceiptsRequest = z.infer<typeof receiptsSchema>;
export type ReceiptsAnswer = z.infer<typeof receiptsAnswerSchema>;
export type RevokeRequest = z.infer<typeof revokeSchema>;
export type OfferRequest = z.infer<typeof offerSchema>;
export type TradeRequest = z.infer<typeof tradeSchema>;
export type OfferAnswer = z.infer<typeof offerAnswerSchema>;
export type TradeAnswer = z.infer<typeof tradeAnswerSchema>;
export type DepartAnswer = z.infer<typeof departedAnswerSchema>;
export type ClaimAnswer = z.infer<typeof claimAnswerSchema>;
/** A claim that home has decided. */
export type WonClaim = ClaimAnswer & {
  /** Where what home says that the player carries is no state. */
  readonly stateFault?: StateFault;
  /** The receipt, where home is this very server and has not signed it yet: in no message. */
  readonly issued?: Promise<string>;
  /** As of `PlayerSession`, where home is this very server: in no message. */
  readonly orphanOf?: readonly string[];
};
export type CancelAnswer = z.infer<typeof cancelAnswerSchema>;
export type RenewAnswer = z.infer<typeof renewAnswerSchema>;
export type PreviewAnswer = z.infer<typeof previewAnswerSchema>;
export type ReceiptAnswer = z.infer<typeof receiptAnswerSchema>;
