/** `POST {endpoint}/hand-over` (PROTOCOL 8): which crossing a player of this home is on, by home's own ledger. */
import type { HandOverAnswer, HandOverRequest } from "../http/inbound/hand-over.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import type { Logins } from "./logins.ts";
import { refusal } from "./refusal.ts";

/** A login that begins no session and decides nothing: the player's crossing goes on as it is. */
export async function openHandOver(
  { runtime, logins }: { readonly runtime: FederationRuntime; readonly logins: Logins },
  { token, proof, transferId }: HandOverRequest,
): Promise<HandOverAnswer> {
  const who = await logins.traveller(token, proof, "hand-over");
  if (!who.ok) return who;
  if (who.jkt === undefined) {
    return refusal("ERR_FED_PROOF_REQUIRED", "only a player with a key can be handed over");
  }
  const { custody, clock } = runtime;
  const row = await custody.ledger.row(who.localId);
  const open = row?.transfer;
  const isOver = open !== undefined && open.deadline * 1000 <= clock.now();
  if (open?.id !== transferId || isOver || row?.recalled === true || row?.jkt !== who.jkt) {
    return refusal("ERR_FED_TRANSFER_UNKNOWN", "the player is on no such crossing");
  }
  return { ok: true, body: { to: open.to, from: open.from, world: open.world } };
}
