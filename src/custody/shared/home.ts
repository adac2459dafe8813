import { type z } from "zod";
import { FederationError, type FederationErrorCode } from "../../errors.ts";
import type { PeerCalls } from "../../ports.ts";
import type { CustodyLedger, LedgerAnswer } from "../home/ledger.ts";
import {
  type CancelAnswer,
  type CancelRequest,
  type ClaimAnswer,
  type DepartAnswer,
  type DepartRequest,
  type PreviewAnswer,
  type PreviewRequest,
  type ReceiptAnswer,
  type RenewAnswer,
  type RenewRequest,
  type ReturnRequest,
  cancelAnswerSchema,
  claimAnswerSchema,
  departedAnswerSchema,
  previewAnswerSchema,
  receiptAnswerSchema,
  renewAnswerSchema,
  returnAnswerSchema,
} from "./messages.ts";

/**
 * A player's home as a holder or destination calls it (PROTOCOL 6). Every call may be repeated.
 * A rejection means that nobody knows whether home decided; a refusal is home's own word.
 */
export interface Home {
  depart(request: DepartRequest): Promise<LedgerAnswer<DepartAnswer>>;
  claim(transferId: string): Promise<LedgerAnswer<ClaimAnswer>>;
  cancel(request: CancelRequest): Promise<LedgerAnswer<CancelAnswer>>;
  giveBack(request: ReturnRequest): Promise<LedgerAnswer<{ epoch: number }>>;
  renew(request: RenewRequest): Promise<LedgerAnswer<RenewAnswer>>;
  /** What home would keep of a state. A home that follows PROTOCOL 6 alone refuses. */
  preview(request: PreviewRequest): Promise<LedgerAnswer<PreviewAnswer>>;
  /** Home's receipt of a crossing this server was an end of. As {@link preview}, an addition. */
  receipt(transferId: string): Promise<LedgerAnswer<ReceiptAnswer>>;
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

/** Home when this server is it: the ledger itself. */
export function localHome(ledger: CustodyLedger, origin: string): Home {
  return {
    depart: (request) => ledger.depart(origin, request),
    claim: (transferId) => ledger.claim(origin, transferId),
    cancel: (request) => ledger.cancel(origin, request),
    giveBack: (request) => ledger.giveBack(origin, request),
    renew: (request) => ledger.renew(origin, request, 0),
    preview: (request) => ledger.preview(origin, request),
    receipt: (transferId) => ledger.receipt(origin, transferId),
  };
}

/** Home when another server is it. */
export function remoteHome(peers: PeerCalls, home: string): Home {
  const call = async <Body>(
    path: string,
    body: unknown,
    schema: z.ZodType<Body>,
  ): Promise<LedgerAnswer<Body>> => {
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
    claim: (transferId) => call("claim", { transferId }, claimAnswerSchema),
    cancel: (request) => call("cancel", request, cancelAnswerSchema),
    giveBack: (request) => call("return", request, returnAnswerSchema),
    renew: (request) => call("renew", request, renewAnswerSchema),
    preview: (request) => call("preview", request, previewAnswerSchema),
    receipt: (transferId) => call("receipt", { transferId }, receiptAnswerSchema),
  };
}
