import { type z } from "zod";
import { FederationError, type FederationErrorCode } from "../../errors.ts";
import type { PeerCalls } from "../../ports.ts";
import {
  type CancelAnswer,
  type CancelRequest,
  type DepartAnswer,
  type DepartRequest,
  type PledgeAnswer,
  type PledgeRequest,
  type OfferAnswer,
  type OfferRequest,
  type PreviewAnswer,
  type PreviewRequest,
  type ReceiptAnswer,
  type ReceiptRequest,
  type ReceiptsAnswer,
  type ReceiptsRequest,
  type RenewAnswer,
  type RenewRequest,
  type ReturnRequest,
  type ReturnsAnswer,
  type ReturnsRequest,
  type WonClaim,
  cancelAnswerSchema,
  departedAnswerSchema,
  pledgeAnswerSchema,
  offerAnswerSchema,
  previewAnswerSchema,
  receiptAnswerSchema,
  receiptsAnswerSchema,
  renewAnswerSchema,
  returnAnswerSchema,
  returnsAnswerSchema,
  unpledgeAnswerSchema,
  wonClaimSchema,
} from "./messages.ts";

/** An answer of home: the 200 body, or a refusal with its code. */
export type HomeAnswer<Body> =
  | { readonly ok: true; readonly body: Body }
  | { readonly ok: false; readonly code: FederationErrorCode; readonly reason: string };

/**
 * A player's home as a holder or destination calls it (PROTOCOL 6). Every call may be repeated.
 * A rejection means that nobody knows whether home decided; a refusal is home's own word.
 */
export interface Home {
  /**
   * `ahead`: where this server is home itself, called at most once, with the pass, while the decision goes
   * to disk. The decision is the answer alone: it may refuse, or give another pass.
   */
  depart(request: DepartRequest, ahead?: (pass: string) => void): Promise<HomeAnswer<DepartAnswer>>;
  claim(transferId: string): Promise<HomeAnswer<WonClaim>>;
  cancel(request: CancelRequest): Promise<HomeAnswer<CancelAnswer>>;
  giveBack(request: ReturnRequest): Promise<HomeAnswer<{ epoch: number }>>;
  /** Many returns in one call. A home that follows PROTOCOL 6 alone refuses: `ERR_FED_NOT_FOUND`. */
  giveBackAll(request: ReturnsRequest): Promise<HomeAnswer<ReturnsAnswer>>;
  renew(request: RenewRequest): Promise<HomeAnswer<RenewAnswer>>;
  /** A player gives an item away. As {@link preview}, an addition. */
  offer(request: OfferRequest): Promise<HomeAnswer<OfferAnswer>>;
  /** What home would keep of a state. A home that follows PROTOCOL 6 alone refuses. */
  preview(request: PreviewRequest): Promise<HomeAnswer<PreviewAnswer>>;
  /** Home's receipt of a crossing this server was an end of. As {@link preview}, an addition. */
  receipt(request: ReceiptRequest): Promise<HomeAnswer<ReceiptAnswer>>;
  /** Many of them in one call, for homes that have `RECEIPTS_CAPABILITY`. */
  receipts(request: ReceiptsRequest): Promise<HomeAnswer<ReceiptsAnswer>>;
  /** The destination of a party has home promise that nobody takes the player back for now. As {@link preview}. */
  pledge(request: PledgeRequest): Promise<HomeAnswer<PledgeAnswer>>;
  /** Ends a pledge, also one that has not arrived. */
  unpledge(request: PledgeRequest): Promise<HomeAnswer<object>>;
}

/** Refusals that mean somebody else decided: there is nothing left here to hold. */
const DECIDED_ELSEWHERE: ReadonlySet<FederationErrorCode> = new Set([
  "ERR_FED_STALE_CUSTODY",
  "ERR_FED_TRANSFER_CANCELLED",
  "ERR_FED_TRANSFER_UNKNOWN",
  "ERR_FED_NOT_DESTINATION",
]);

/** Whether a refusal is home's final word on custody, and not a passing obstacle. */
export function isDecidedElsewhere(code: FederationErrorCode): boolean {
  return DECIDED_ELSEWHERE.has(code);
}

/** Refusals of what a call carries, and not of the call: repeated as it is, it is refused again. */
const STATE_REFUSED: ReadonlySet<FederationErrorCode> = new Set([
  "ERR_FED_MALFORMED",
  "ERR_FED_STATE_INVALID",
  "ERR_FED_BODY_TOO_LARGE",
]);

/** Whether home does not take what a call carries, and never will. */
export function isStateRefused(code: FederationErrorCode): boolean {
  return STATE_REFUSED.has(code);
}

/** Home when another server is it. `knowsReceipts`: whether it has `RECEIPTS_CAPABILITY`. */
export function remoteHome(peers: PeerCalls, home: string, knowsReceipts: boolean): Home {
  const call = async <Body>(
    path: string,
    body: unknown,
    schema: z.ZodType<Body>,
  ): Promise<HomeAnswer<Body>> => {
    const answer = await peers.call(home, `/custody/${path}`, body);
    if (!answer.ok) {
      return { ok: false, code: answer.code, reason: answer.detail ?? answer.code };
    }
    const parsed = schema.safeParse(answer.body);
    if (!parsed.success) {
      throw new FederationError(
        "ERR_FED_BAD_RESPONSE",
        `${home} answered ${path} in another form than the protocol's.`,
      );
    }
    return { ok: true, body: parsed.data };
  };
  return {
    depart: (request) => call("depart", request, departedAnswerSchema),
    async claim(transferId) {
      if (knowsReceipts) {
        const later = { transferId, receiptLater: true };
        const answer = await call("claim", later, wonClaimSchema);
        // It has lost the addition since it said that it has it.
        if (answer.ok || answer.code !== "ERR_FED_MALFORMED") return answer;
      }
      return call("claim", { transferId }, wonClaimSchema);
    },
    cancel: (request) => call("cancel", request, cancelAnswerSchema),
    giveBack: (request) => call("return", request, returnAnswerSchema),
    giveBackAll: (request) => call("returns", request, returnsAnswerSchema),
    renew: (request) => call("renew", request, renewAnswerSchema),
    offer: (request) => call("offer", request, offerAnswerSchema),
    async preview(request) {
      const answer = await call("preview", { ...request, why: true }, previewAnswerSchema);
      // A home without reasons refuses to be asked for them.
      return answer.ok || answer.code !== "ERR_FED_MALFORMED"
        ? answer
        : call("preview", request, previewAnswerSchema);
    },
    receipt: (request) => call("receipt", request, receiptAnswerSchema),
    receipts: (request) => call("receipts", request, receiptsAnswerSchema),
    pledge: (request) => call("pledge", request, pledgeAnswerSchema),
    unpledge: (request) => call("unpledge", request, unpledgeAnswerSchema),
  };
}
