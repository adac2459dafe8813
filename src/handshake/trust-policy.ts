import type { ServerDescriptor } from "../identity/descriptor.ts";

/** A server that is not known yet. */
export interface TrustCandidate {
  readonly origin: string;
  readonly name: string;
  readonly kids: readonly string[];
  readonly worlds: readonly string[];
}

/** `refused` ones are not stored at all. */
export type TrustDecision = "trusted" | "pending" | "refused";

/**
 * What becomes of a stranger that completes a handshake. `open`: trusted. `approve`: waits for the
 * operator. `allowlist`: refused. Servers the operator named are trusted under each of them; a
 * function decides about everybody.
 */
export type TrustPolicy =
  | "open"
  | "approve"
  | "allowlist"
  | ((candidate: TrustCandidate) => TrustDecision | Promise<TrustDecision>);

/** Decides about a server by policy. A policy function that throws refuses. */
export async function decideTrust(
  policy: TrustPolicy,
  descriptor: ServerDescriptor,
  named: readonly string[],
): Promise<TrustDecision> {
  if (typeof policy === "function") {
    try {
      return await policy({
        origin: descriptor.origin,
        name: descriptor.name,
        kids: descriptor.keys.map(({ kid }) => kid),
        worlds: descriptor.worlds,
      });
    } catch {
      return "refused";
    }
  }
  if (named.includes(descriptor.origin)) return "trusted";
  if (policy === "open") return "trusted";
  return policy === "approve" ? "pending" : "refused";
}
