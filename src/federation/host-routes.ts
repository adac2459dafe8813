/**
 * Players at a host's own HTTP routes: a shop, a profile page, a download.
 *
 *   app.post("/shop", async (request, response) => {
 *     const shown = await verifyProof(federation, bearerOf(request), { purpose: "shop" });
 *     if (!shown.verified) return void response.status(401).json({ error: shown.reason });
 *     response.json(goodsFor(shown.player));
 *   });
 *
 * on the player's side, `traveler.prove("shop")` makes the token. Where players have accounts, the host's
 * own auth says who one is, as it does at every other route.
 *
 * What it costs: a signature, and one write to the store.
 */
import { type Refusal, refuse } from "../errors.ts";
import {
  PASS_MEMORY_MILLISECONDS,
  type PassClaims,
  verifyPass as verifyPassToken,
} from "../identity/pass.ts";
import { type ProofClaims, isPurpose, verifyProof as verifyProofToken } from "../identity/proof.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { PlayerKeys, removedKey } from "../runtime/player-keys.ts";
import { useProof } from "../runtime/used-proofs.ts";

/** A federation, as `createFederation` returns it. */
interface Running {
  readonly runtime: FederationRuntime;
}

/** A key that has been proven, and whose account it is where keys are accounts. */
export interface ProvenKey {
  readonly verified: true;
  /** Thumbprint of the key (RFC 7638). */
  readonly jkt: string;
  /** Player id of whoever is at home here by this key: `key-…@<this server>`, or one that has added it. */
  readonly player: string;
}

/** A pass that has been verified. */
export interface VerifiedPass {
  readonly verified: true;
  /** `<local id>@<home authority>`. */
  readonly player: string;
  /** As its home has it; safe to show. */
  readonly name: string;
  /** Origin of the player's home. */
  readonly home: string;
}

/**
 * Verifies a proof that a player's client has made for this server and this purpose
 * (`Traveler.prove(purpose)`), and uses it up: the same one is refused the next time. A proof made for a
 * login, for a seat or for another purpose is refused.
 *
 * Refuses with `ERR_FED_PROOF_INVALID`, `ERR_FED_WEAK_KEY`, `ERR_FED_PROOF_REPLAYED` or
 * `ERR_FED_KEY_REMOVED`.
 *
 * @param token The bearer token as it came in.
 * @param options `purpose`: 1–64 of `A-Za-z0-9_-`, the host's name for the route, or the group of routes
 * that a token may be shown to.
 * @throws TypeError for a purpose that is none, and while the federation does not run.
 * @throws FederationError `ERR_FED_STORE_UNAVAILABLE`: nobody is let in then.
 */
export async function verifyProof(
  { runtime }: Running,
  token: unknown,
  { purpose }: { readonly purpose: string },
): Promise<ProvenKey | Refusal> {
  const proof = await usedProof(runtime, token, purpose);
  if ("verified" in proof) return proof;
  const authority = new URL(runtime.options.origin).host;
  const localId = await new PlayerKeys(runtime.store).playerOf(proof.jkt);
  if (localId === undefined) return removedKey();
  return { verified: true, jkt: proof.jkt, player: `${localId}@${authority}` };
}

/**
 * Verifies a pass of a trusted home for this server, and uses it up for this purpose; its use for a seat is
 * apart from that. A pass that names a key needs a proof of that key beside it (`prove(purpose, origin)`).
 * One that names none is good for whoever holds it, and the server that the player comes from does.
 *
 * Refuses with `ERR_FED_PASS_INVALID`, `ERR_FED_PASS_ISSUER`, `ERR_FED_PASS_AUDIENCE`,
 * `ERR_FED_PASS_EXPIRED`, `ERR_FED_PASS_REUSED`, `ERR_FED_PROOF_REQUIRED`, and as {@link verifyProof}.
 *
 * @throws TypeError, FederationError As {@link verifyProof}.
 */
export async function verifyPass(
  { runtime }: Running,
  pass: unknown,
  { purpose, proof }: { readonly purpose: string; readonly proof?: unknown },
): Promise<VerifiedPass | Refusal> {
  checkPurpose(purpose);
  const result = await verifyPassToken(pass, {
    now: runtime.clock.now(),
    audience: runtime.options.origin,
    keyFor: (issuer, kid) => runtime.issuerKey(issuer, kid),
  });
  if (!result.verified) return result;
  const { claims } = result;
  if (claims.cnf !== undefined) {
    const unproven = await provenBy(runtime, claims.cnf.jkt, proof, purpose);
    if (unproven !== undefined) return unproven;
  }
  if (!(await usePass(runtime, claims, purpose))) {
    return refuse("ERR_FED_PASS_REUSED", "this pass has been used for this before");
  }
  const { iss, sub, name } = claims;
  return { verified: true, player: `${sub}@${new URL(iss).host}`, name, home: iss };
}

async function usedProof(
  runtime: FederationRuntime,
  token: unknown,
  purpose: string,
): Promise<ProofClaims | Refusal> {
  checkPurpose(purpose);
  const result = await verifyProofToken(token, {
    now: runtime.clock.now(),
    audience: runtime.options.origin,
    use: { purpose },
  });
  if (!result.verified) return result;
  return (await useProof(runtime.store, result.proof)) ?? result.proof;
}

async function provenBy(
  runtime: FederationRuntime,
  jkt: string,
  token: unknown,
  purpose: string,
): Promise<Refusal | undefined> {
  if (token === undefined) {
    return refuse("ERR_FED_PROOF_REQUIRED", "this pass is bound to the player's key");
  }
  const proof = await usedProof(runtime, token, purpose);
  if ("verified" in proof) return proof;
  return proof.jkt === jkt
    ? undefined
    : refuse("ERR_FED_PROOF_INVALID", "the proof is of another key");
}

function usePass(
  runtime: FederationRuntime,
  claims: PassClaims,
  purpose: string,
): Promise<boolean> {
  const key = `host-pass/${purpose}/${claims.iss}/${claims.jti}`;
  return runtime.store.compareAndSet(key, undefined, "", PASS_MEMORY_MILLISECONDS);
}

function checkPurpose(purpose: unknown): void {
  if (!isPurpose(purpose)) throw new TypeError("purpose must be 1–64 of A-Za-z0-9_-");
}
