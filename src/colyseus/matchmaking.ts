/** What a player's token is worth at matchmaking: a seat, sealed for whoever may take it. */
import { verifyPass } from "../identity/pass.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import type { AuthHost, SealedSeat } from "./auth-hooks.ts";
import type { Logins } from "./logins.ts";
import { type JoinRefusal, refusal } from "./refusal.ts";
import { type Sealer, newSessionId } from "./seal.ts";

/** Tokens that players bring to the matchmaker of one server. */
export class Matchmaking implements AuthHost {
  readonly #runtime: FederationRuntime;
  readonly #logins: Logins;
  readonly #sealer: () => Sealer;

  constructor(options: { runtime: FederationRuntime; logins: Logins; sealer: () => Sealer }) {
    this.#runtime = options.runtime;
    this.#logins = options.logins;
    this.#sealer = options.sealer;
  }

  async loginByKey(token: string): Promise<SealedSeat | JoinRefusal> {
    const proof = await this.#logins.proof(token, "login");
    if ("ok" in proof) return proof;
    const player = await this.#logins.byKey(proof.jkt);
    if ("ok" in player) return player;
    const sessionId = newSessionId(this.#runtime.random);
    const used = await this.#logins.useProof(proof, { startedSeat: sessionId });
    if (used !== undefined) return used;
    const seal = this.#sealer().seal({
      kind: "login",
      jkt: proof.jkt,
      jti: proof.jti,
      localId: player.id,
      sessionId,
    });
    return { ok: true, seal, sessionId };
  }

  async joinByPass(token: string, roomName: string): Promise<SealedSeat | JoinRefusal> {
    const { custody, options, clock } = this.#runtime;
    const verified = await verifyPass(token, {
      now: clock.now(),
      audience: options.origin,
      keyFor: (issuer, kid) => this.#runtime.issuerKey(issuer, kid),
    });
    if (!verified.verified) return refusal(verified.code, verified.reason);
    const { claims } = verified;
    if (options.worlds[claims.world] !== roomName) {
      return refusal("ERR_FED_PASS_WORLD", "the pass is for another world");
    }
    const reserved = await custody.seats.seat(claims, claims.src, {}, ({ sessionId }) =>
      Promise.resolve({ ok: true, reservation: { sessionId }, expiresAt: claims.exp }),
    );
    if (!reserved.ok) return reserved;
    const { sessionId } = reserved.seat;
    const player = `${claims.sub}@${new URL(claims.iss).host}`;
    const seal = this.#sealer().seal({
      kind: "arrival",
      player,
      caller: claims.src,
      transferId: claims.xfer,
      sessionId,
    });
    return { ok: true, seal, sessionId };
  }
}
