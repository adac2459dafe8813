/**
 * Whom trusted peers introduce, and what the host's policy makes of it. The policy decides; an introduction is
 * what it is told.
 */
import {
  type TrustCandidate,
  type TrustDecision,
  type TrustPolicy,
  decideTrust,
} from "../handshake/trust-policy.ts";
import type { Logger } from "../ports.ts";

/** A server that trusted peers introduce. */
export interface IntroducedCandidate extends TrustCandidate {
  /** Origins of the trusted peers that do, at least one, at most 8. */
  readonly introducedBy: readonly string[];
}

/** What becomes of a server that trusted peers introduce; what throws or answers otherwise lets it wait. */
export type TrustIntroduced = (
  candidate: IntroducedCandidate,
) => TrustDecision | Promise<TrustDecision>;

/** Servers that are met in one run because of their introduction, one after the other. */
export const MAX_MET_AT_ONCE = 4;

/**
 * The policy for strangers, with the one for those who are introduced: it is asked only about whom the first one
 * lets wait, so that nobody is trusted by it whom that one refuses.
 */
export function withIntroductions(
  policy: TrustPolicy,
  {
    trust,
    introducersOf,
    named,
  }: {
    readonly trust: TrustIntroduced;
    readonly introducersOf: (origin: string) => readonly string[];
    readonly named: readonly string[];
  },
): TrustPolicy {
  return async (candidate) => {
    const decision = await decideTrust(policy, candidate, named);
    if (decision !== "pending") return decision;
    return decideIntroduced(trust, candidate, introducersOf(candidate.origin));
  };
}

async function decideIntroduced(
  trust: TrustIntroduced,
  candidate: TrustCandidate,
  introducedBy: readonly string[],
): Promise<TrustDecision> {
  if (introducedBy.length === 0) return "pending";
  try {
    const decision: unknown = await trust({ ...candidate, introducedBy });
    return decision === "trusted" || decision === "refused" ? decision : "pending";
  } catch {
    return "pending";
  }
}

/**
 * Meets those who are introduced and not known yet, where the policy may trust them: the handshake asks it. Never
 * rejects.
 */
export async function meetIntroduced(
  servers: readonly { readonly origin: string }[],
  {
    isKnown,
    wouldTrust,
    connect,
    logger,
  }: {
    readonly isKnown: (origin: string) => boolean;
    /** Asked before anybody is called. */
    readonly wouldTrust: (origin: string) => Promise<boolean>;
    readonly connect: (origin: string) => Promise<unknown>;
    readonly logger: Pick<Logger, "info" | "debug">;
  },
): Promise<void> {
  let met = 0;
  for (const { origin } of servers) {
    if (met >= MAX_MET_AT_ONCE) return;
    if (isKnown(origin) || !(await wouldTrust(origin))) continue;
    met += 1;
    try {
      await connect(origin);
      logger.info(
        `${origin}, which a trusted peer introduces, was met by the policy for introductions`,
        { peer: origin },
      );
    } catch (cause) {
      logger.debug(`${origin}, which a trusted peer introduces, could not be met`, {
        peer: origin,
        cause,
      });
    }
  }
}
