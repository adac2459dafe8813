/** Who logs in at this server: accounts of the host's own auth, keys that are proven, guests. */
import { type ProofClaims, type ProofUse, tokenType, verifyProof } from "../identity/proof.ts";
import {
  GUEST_PREFIX,
  type Identify,
  type IdentifiedPlayer,
  RESERVED_PREFIXES,
  isAccountId,
  localIdOfKey,
} from "../identity/local-id.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { shownText } from "../words.ts";
import { hostAuth, someRoomAsksNothing } from "./auth-hooks.ts";
import type { FederatedPlayer } from "./federated-player.ts";
import { type JoinRefusal, refusal } from "./refusal.ts";

const PROOF_MEMORY_MILLISECONDS = (60 + 60) * 1000;
/** What a client may wish to be called, and what a host may call its players (PROTOCOL 5). */
const MAX_WISHED_LENGTH = 32;
const MAX_NAME_LENGTH = 128;

/** Logins at one server. */
export class Logins {
  readonly #runtime: FederationRuntime;

  constructor(runtime: FederationRuntime) {
    this.#runtime = runtime;
  }

  /** The player of a home login: a key where the host lets anybody in, else the host's account. */
  async traveller(
    token: string,
  ): Promise<
    { ok: true; localId: string; jkt: string | undefined; name: string | undefined } | JoinRefusal
  > {
    const noLogin = refusal("ERR_FED_PROOF_INVALID", "this is no login at this server");
    if (!someRoomAsksNothing()) {
      const reason = "every room here asks its players itself: join one, and go from there";
      return refusal("ERR_FED_JOIN_REFUSED", reason);
    }
    try {
      if (tokenType(token) !== "aether-pop+jwt") {
        const auth = await hostAuth(token);
        if (auth === true || auth === undefined || auth === null || auth === false) return noLogin;
        const account = await this.account(auth, { options: {}, sessionId: "" });
        return account === undefined
          ? refusal("ERR_FED_NOT_A_PLAYER", "this account is no player of the federation")
          : { ok: true, localId: account.id, jkt: undefined, name: account.name };
      }
      if ((await hostAuth(undefined)) !== true) return noLogin;
    } catch {
      // The host's own auth throws to refuse.
      return noLogin;
    }
    const proof = await this.proof(token, "travel");
    if ("ok" in proof) return proof;
    const used = await this.useProof(proof);
    return used ?? { ok: true, localId: localIdOfKey(proof.jkt), jkt: proof.jkt, name: undefined };
  }

  /**
   * Whom the host's own auth names; undefined when that is no player of the federation.
   *
   * @throws TypeError when `identify` answers with an id that can be no local id.
   */
  async account(
    auth: unknown,
    context: Parameters<Identify>[1],
  ): Promise<IdentifiedPlayer | undefined> {
    const account = await this.#runtime.options.identify(auth, context);
    if (account !== undefined && !isAccountId(account.id)) {
      throw new TypeError(
        `identify() must return an id of 1–64 of A-Za-z0-9_- that does not begin with "${RESERVED_PREFIXES.join('" or "')}"`,
      );
    }
    if (account?.name === undefined) return account;
    const name = cleanName(account.name, MAX_NAME_LENGTH);
    return name === undefined ? { id: account.id } : { id: account.id, name };
  }

  /** Verifies a proof of the player's key, for that one use. */
  async proof(token: string, use: ProofUse): Promise<ProofClaims | JoinRefusal> {
    const verified = await verifyProof(token, {
      now: this.#runtime.clock.now(),
      audience: this.#runtime.options.origin,
      use,
    });
    return verified.verified ? verified.proof : refusal(verified.code, verified.reason);
  }

  /**
   * Uses a proof up (PROTOCOL 5). A login is one use in two steps: matchmaking uses its proof up for
   * the one seat it starts (`startedSeat`), whose connection then takes it (`takenSeat`).
   */
  async useProof(
    { jkt, jti }: Pick<ProofClaims, "jkt" | "jti">,
    { startedSeat = "", takenSeat }: { startedSeat?: string; takenSeat?: string } = {},
  ): Promise<JoinRefusal | undefined> {
    const fresh = await this.#runtime.store.compareAndSet(
      `proof/${jkt}/${jti}`,
      takenSeat,
      startedSeat,
      PROOF_MEMORY_MILLISECONDS,
    );
    return fresh
      ? undefined
      : refusal("ERR_FED_PROOF_REPLAYED", "this proof has been used before: make a new one");
  }

  /** A player of this home, before home has said what it knows of it. */
  player(localId: string, name: string | undefined): FederatedPlayer {
    const { origin } = this.#runtime.options;
    return {
      id: `${localId}@${new URL(origin).host}`,
      name: name ?? "Traveler",
      home: origin,
      carried: undefined,
      from: undefined,
    };
  }

  /** A local id for a player without account or key. */
  guestId(): string {
    return `${GUEST_PREFIX}${Buffer.from(this.#runtime.random.bytes(15)).toString("base64url")}`;
  }
}

/** The name among a client's join options. */
export function wishedName(options: unknown): string | undefined {
  return cleanName((options as { name?: unknown } | null | undefined)?.name);
}

/** A name that can be shown, of what a player wishes to be called. */
export function cleanName(name: unknown, maxLength = MAX_WISHED_LENGTH): string | undefined {
  return shownText(name, maxLength);
}
