/** Who may come in: the host's own word, after the pass is verified and before a seat is taken. */
import type { Logger } from "../../ports.ts";

/** A player as the destination's admission policy sees it. */
export interface AdmissionRequest {
  /** `<local id>@<home authority>`. */
  readonly player: string;
  readonly name: string;
  /** Origin of the player's home. */
  readonly home: string;
  /** Origin the player comes from. */
  readonly from: string;
  readonly world: string;
  readonly options: Readonly<Record<string, string>>;
  /** True: nobody comes yet, the player's home only asks (`canEnter`). */
  readonly preflight?: boolean;
}

/** Yes, or no with a reason the player is shown. */
export type AdmissionDecision = true | { readonly admit: false; readonly reason: string };

/** A player of another server asks to be let in: its pass has been verified. */
export type FederationAuthRequest = AdmissionRequest;

/** Whether it is. */
export type FederationAuthResult = AdmissionDecision;

/** Decides who may come in; asked after the pass is verified and before a seat is taken. */
export type AdmissionPolicy = (
  request: AdmissionRequest,
) => AdmissionDecision | Promise<AdmissionDecision>;

/** What the policy says; one that throws says no. Without a policy everybody may come in. */
export async function admitted(
  admit: AdmissionPolicy | undefined,
  request: AdmissionRequest,
  logger: Logger,
): Promise<AdmissionDecision> {
  if (admit === undefined) return true;
  try {
    return await admit(request);
  } catch (cause) {
    logger.error("the admission policy failed; the player was refused", cause, {
      peer: request.from,
      player: request.player,
    });
    return { admit: false, reason: "the admission policy failed" };
  }
}
