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

const DECISIONS: ReadonlySet<unknown> = new Set(["trusted", "pending", "refused"]);

/** Decides about a server by policy. A policy function that throws, or answers otherwise, refuses. */
export async function decideTrust(
  policy: TrustPolicy,
  server: TrustCandidate | ServerDescriptor,
  named: readonly string[],
): Promise<TrustDecision> {
  if (typeof policy === "function") {
    try {
      const { origin, name, worlds } = server;
      const kids = "kids" in server ? server.kids : server.keys.map(({ kid }) => kid);
      const decision = await policy({ origin, name, kids, worlds });
      // It is the host's own code, perhaps without types: nothing but a clear yes is one.
      return DECISIONS.has(decision) ? decision : "refused";
    } catch {
      return "refused";
    }
  }
  if (named.includes(server.origin)) return "trusted";
  if (policy === "open") return "trusted";
  return policy === "approve" ? "pending" : "refused";
}
