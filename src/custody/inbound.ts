/** The calls of PROTOCOL 6 as they come in from peers: parsed, then decided. */
import type { z } from "zod";
import type { CallAnswer, FederationErrorCode } from "../errors.ts";
import type { Custody } from "./custody.ts";
import { inPhase } from "./holder/visitors.ts";
import {
  cancelSchema,
  claimSchema,
  departSchema,
  departedSchema,
  previewSchema,
  receiptSchema,
  renewSchema,
  returnSchema,
  revokeSchema,
} from "./shared/messages.ts";

/** Answers one call from `caller`, whose signature, made at `sentAt`, has been verified. */
export async function answerCall(
  custody: Custody,
  caller: string,
  call: string,
  body: unknown,
  sentAt: number,
): Promise<CallAnswer> {
  const { ledger } = custody;
  switch (call) {
    case "depart":
      return parsed(departSchema, body, (request) => ledger.depart(caller, request));
    case "claim":
      return parsed(claimSchema, body, ({ transferId }) => ledger.claim(caller, transferId));
    case "cancel":
      return parsed(cancelSchema, body, (request) => ledger.cancel(caller, request));
    case "return":
      return parsed(returnSchema, body, (request) => ledger.giveBack(caller, request));
    case "renew":
      return parsed(renewSchema, body, (request) => ledger.renew(caller, request, sentAt));
    case "preview":
      return parsed(previewSchema, body, (request) => ledger.preview(caller, request));
    case "receipt":
      return parsed(receiptSchema, body, ({ transferId }) => ledger.receipt(caller, transferId));
    case "departed":
      return parsed(departedSchema, body, (request) => departed(custody, caller, request));
    case "revoke":
      return parsed(revokeSchema, body, (request) => revoked(custody, caller, request));
    default:
      return refusal("ERR_FED_NOT_FOUND", `no custody call "${call}"`);
  }
}

/** Rule 5: it counts only while the player is frozen here for that very transfer. */
async function departed(
  custody: Custody,
  caller: string,
  { player, transferId }: { readonly player: string; readonly transferId: string },
): Promise<CallAnswer> {
  const row = await custody.visitors.get(player);
  if (!isHomeOf(caller, player) || (row !== undefined && row.home !== caller)) {
    return refusal("ERR_FED_NOT_HOME", "you are not this player's home");
  }
  if (row?.held?.phase === "frozen" && row.held.transferId === transferId) {
    const request = { kind: "departed", player, transferId } as const;
    const word = await custody.askHolder(row.held.life, request);
    // A process that does not answer learns it when it asks for the player back.
    if (word?.silent !== false) await custody.crossings.departed(player, transferId);
  }
  return { ok: true, body: {} };
}

/** Rule 10: the epoch has to match; the session ends durably, then the player goes home. */
async function revoked(
  custody: Custody,
  caller: string,
  { player, epoch }: { readonly player: string; readonly epoch: number },
): Promise<CallAnswer> {
  const { visitors, sessions, leases, crossings } = custody;
  if (!isHomeOf(caller, player)) {
    return refusal("ERR_FED_NOT_HOME", "you are not this player's home");
  }
  const row = await visitors.get(player);
  if (row?.held === undefined || row.held.epoch !== epoch || row.home !== caller) {
    return refusal("ERR_FED_STALE_CUSTODY", "not held with that epoch");
  }
  const word = await custody.askHolder(row.held.life, { kind: "revoke", player, epoch, caller });
  if (word?.silent === true) {
    return {
      ...refusal("ERR_FED_UNAVAILABLE", "the player's process is busy"),
      retryAfterSeconds: 2,
    };
  }
  if (word !== undefined) return word.answer as unknown as CallAnswer;
  const session = sessions.get(player);
  const state = session?.frozen === false ? session.body.carry() : undefined;
  if (session !== undefined) {
    sessions.remove(session);
    leases.lost(session);
  }
  const matched = await visitors.changeHeld(
    player,
    (held) => held.epoch === epoch,
    (held) =>
      held.phase === "held"
        ? inPhase(held, "returning", state === undefined ? {} : { state })
        : held,
  );
  session?.body.end("ERR_FED_SUPERSEDED", "Your home server called you back.");
  if (!matched) return refusal("ERR_FED_STALE_CUSTODY", "not held with that epoch");
  const transferId = crossings.transferOf(player);
  if (transferId !== undefined) crossings.abandon(player, transferId);
  custody.settleInBackground(player);
  return { ok: true, body: {} };
}

function isHomeOf(caller: string, player: string): boolean {
  return new URL(caller).host === player.slice(player.lastIndexOf("@") + 1);
}

async function parsed<Request>(
  schema: z.ZodType<Request>,
  body: unknown,
  handle: (request: Request) => Promise<CallAnswer>,
): Promise<CallAnswer> {
  const result = schema.safeParse(body);
  if (result.success) return handle(result.data);
  const issue = result.error.issues[0];
  const where = issue?.path.join(".") ?? "";
  return refusal(
    "ERR_FED_MALFORMED",
    `${where === "" ? "body" : where}: ${issue?.message ?? "malformed"}`,
  );
}

function refusal(code: FederationErrorCode, reason: string): Exclude<CallAnswer, { ok: true }> {
  return { ok: false, code, reason };
}
