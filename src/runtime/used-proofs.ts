/** Proofs of players' keys are good once (PROTOCOL 5): here stands which have been used. */
import { type Refusal, refuse } from "../errors.ts";
import type { ProofClaims } from "../identity/proof.ts";
import type { Store } from "../ports.ts";

/** A proof's life, and what two clocks may be apart. */
const MEMORY_MILLISECONDS = (60 + 60) * 1000;

/**
 * Uses a proof up (PROTOCOL 5). A login is one use in two steps: matchmaking uses its proof up for
 * the one seat it starts (`startedSeat`), whose connection then takes it (`takenSeat`).
 */
export async function useProof(
  store: Pick<Store, "compareAndSet">,
  { jkt, jti }: Pick<ProofClaims, "jkt" | "jti">,
  { startedSeat = "", takenSeat }: { startedSeat?: string; takenSeat?: string } = {},
): Promise<Refusal | undefined> {
  const key = `proof/${jkt}/${jti}`;
  return (await store.compareAndSet(key, takenSeat, startedSeat, MEMORY_MILLISECONDS))
    ? undefined
    : refuse("ERR_FED_PROOF_REPLAYED", "this proof has been used before: make a new one");
}
