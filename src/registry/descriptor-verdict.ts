/**
 * What a descriptor that was read from a known peer's own origin does to its pins (PROTOCOL 2). Pure:
 * the registry writes it down.
 */
import { type Refusal, refuse } from "../errors.ts";
import type { ServerDescriptor } from "../identity/descriptor.ts";
import type { PublicJwk } from "../identity/ed25519.ts";
import { followRecoveries } from "../identity/recovery.ts";
import type { FederatedServer } from "./federated-server.ts";
import { type PinnedKey, repin, repinApproved, vouches } from "./pinned-keys.ts";

/** The pins from now on, and whether a recovery key has replaced them. */
export interface AcceptedPins {
  readonly verified: true;
  readonly keys: readonly PinnedKey[];
  readonly recovery: string | undefined;
  readonly recovered: boolean;
}

/**
 * A recovery that is new replaces everything. Otherwise a pinned key must have signed, and it cannot name
 * another recovery key than the one that is pinned: only that key itself can.
 */
export function judgeDescriptor(
  server: Pick<FederatedServer, "keys" | "recovery">,
  { descriptor, signedBy }: { readonly descriptor: ServerDescriptor; readonly signedBy: string },
  now: number,
): AcceptedPins | Refusal {
  const { origin, keys: published } = descriptor;
  const followed = followRecoveries(descriptor.recoveries ?? [], {
    iss: origin,
    pinned: server.recovery,
  });
  if (followed.keys !== undefined) {
    if (descriptor.recovery !== followed.recovery || !followed.keys.includes(signedBy)) {
      return refuse(
        "ERR_FED_KEY_CHANGED",
        "the recovery statement is not about the key that signed the descriptor",
      );
    }
    const keys = repinApproved(server.keys, published, now);
    return { verified: true, keys, recovery: followed.recovery, recovered: true };
  }
  if (!vouches(server.keys, signedBy)) {
    return refuse(
      "ERR_FED_KEY_CHANGED",
      "no pinned key vouches for the key that signed the descriptor",
    );
  }
  const { recovery = server.recovery } = descriptor;
  if (server.recovery !== undefined && recovery !== server.recovery) {
    return refuse(
      "ERR_FED_KEY_CHANGED",
      "the descriptor names another recovery key, and the one that is pinned does not vouch for it",
    );
  }
  const keys = repin(server.keys, published, { now });
  return { verified: true, keys, recovery, recovered: false };
}

/**
 * The pins after the operator approved a peer: all that it comes with, or no more than the keys `kids`
 * names. A recovery key counts only by the word of a key that was approved; otherwise it is learnt anew
 * from a descriptor that one signs.
 *
 * @throws TypeError when the peer does not come with one of `kids`.
 */
export function approvedPins(
  server: Pick<FederatedServer, "keys" | "recovery" | "proposedKeys" | "proposal">,
  kids: readonly string[] | undefined,
  now: number,
): { readonly keys: readonly PinnedKey[]; readonly recovery: string | undefined } {
  const { proposedKeys, proposal, recovery } = server;
  const offered = keysOffered(server);
  const unknown = kids?.find((kid) => !offered.some((jwk) => jwk.kid === kid));
  if (unknown !== undefined) {
    const with_ = offered.map(({ kid }) => kid).join(", ");
    throw new TypeError(`the peer does not come with key ${unknown}, but with ${with_}`);
  }
  const approved = offered.filter(({ kid }) => kids?.includes(kid) ?? true);
  if (approved.length === 0) throw new TypeError("at least one key has to be approved");
  const keys = repinApproved(server.keys, approved, now);
  if (proposedKeys === undefined) {
    return { keys, recovery: approved.length === offered.length ? recovery : undefined };
  }
  const vouched = approved.some(({ kid }) => kid === proposal?.signedBy);
  return { keys, recovery: vouched ? proposal?.recovery : undefined };
}

/** The keys that an approval can pin: what a quarantined peer came with, else what it publishes. */
export function keysOffered({
  keys,
  proposedKeys,
}: Pick<FederatedServer, "keys" | "proposedKeys">): readonly PublicJwk[] {
  return (
    proposedKeys ?? keys.filter(({ retiredAt }) => retiredAt === undefined).map(({ jwk }) => jwk)
  );
}
