/** Why a player is not let in or out, for the client. */
import { ErrorCode, ServerError } from "@colyseus/core";
import type { FederationErrorCode } from "../errors.ts";

/** A refusal on its way to a client. */
export interface JoinRefusal {
  readonly ok: false;
  readonly code: FederationErrorCode;
  readonly reason: string;
}

/** Refuses; `reason` is for the player. */
export function refusal(code: FederationErrorCode, reason: string): JoinRefusal {
  return { ok: false, code, reason };
}

/** What a client sees: Colyseus' own code for refused auth, and ours in the message. */
export function refusalError(refusal: {
  readonly code: FederationErrorCode;
  readonly reason: string;
}): ServerError {
  return new ServerError(ErrorCode.AUTH_FAILED, `${refusal.code}: ${refusal.reason}`);
}
