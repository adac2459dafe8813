/** Who logs in at this server: accounts of the host's own auth, keys that are proven, guests. */
import { type ProofClaims, type ProofUse, tokenType, verifyProof } from "../identity/proof.ts";
import {
  GUEST_PREFIX,
  type Identify,
  WHAT_ACCOUNTS_HAVE,
  identifyByAuthId,
  isAccountId,
} from "../identity/local-id.ts";
import { AccountNames } from "../runtime/account-names.ts";
import { PlayerKeys, removedKey } from "../runtime/player-keys.ts";
import { useProof } from "../runtime/used-proofs.ts";
import type { FederationRuntime } from "../runtime/federation-runtime.ts";
import { shownText } from "../words.ts";
import { hostAuth, letsAnybodyIn, someRoomAsksNothing, worldsAuth } from "./auth-hooks.ts";
import { type FederatedPlayer, isFederatedPlayer } from "./federated-player.ts";
import { type JoinRefusal, refusal } from "./refusal.ts";

type UseProof = Parameters<typeof useProof> extends [unknown, ...infer Rest] ? Rest : never;

/** What a client may wish to be called, and what a host may call its players (PROTOCOL 5). */
const MAX_WISHED_LENGTH = 32;
const MAX_NAME_LENGTH = 128;

/** A player by its account, as its home names it. */
export interface KnownPlayer {
  /** Local id. */
  readonly id: string;
  readonly name?: string;
}

/** Logins at one server. */
export class Logins {
  readonly #runtime: FederationRuntime;
  #names: AccountNames | undefined;
  #keys: PlayerKeys | undefined;
  #saidThatIdIsMissing = false;
  #saidThatAuthIsOurs = false;

  constructor(runtime: FederationRuntime) {
    this.#runtime = runtime;
  }

  /**
   * The player of a login at home outside of any room: a key where the host lets anybody in, else the host's
   * account, which may prove a key beside its token. `use` is what the proof has to be for.
   */
  async traveller(
    token: string,
    beside?: string,
    use: "travel" | "hand-over" = "travel",
  ): Promise<
    { ok: true; localId: string; jkt: string | undefined; name: string | undefined } | JoinRefusal
  > {
    const noLogin = refusal("ERR_FED_PROOF_INVALID", "this is no login at this server");
    const isKey = tokenType(token) === "aether-pop+jwt";
    const said = isKey ? await letsAnybodyIn() : await this.#hostSays(token);
    if (!said) {
      if (someRoomAsksNothing()) return noLogin;
      const reason = "every room here asks its players itself: join one, and go from there";
      return refusal("ERR_FED_JOIN_REFUSED", reason);
    }
    const isAccount = said !== true;
    const account = isAccount
      ? await this.account(said, { options: {}, sessionId: "" })
      : undefined;
    if (isAccount && account === undefined) {
      return refusal("ERR_FED_NOT_A_PLAYER", "this account is no player of the federation");
    }
    const shown = isKey ? token : beside;
    if (shown === undefined) {
      if (account === undefined) return noLogin;
      return { ok: true, localId: account.id, jkt: undefined, name: account.name };
    }
    const proof = await this.proof(shown, use);
    if ("ok" in proof) return proof;
    const used = await this.useProof(proof);
    if (used !== undefined) return used;
    const { jkt } = proof;
    if (account !== undefined) return { ok: true, localId: account.id, jkt, name: account.name };
    const known = await this.byKey(jkt);
    return "ok" in known ? known : { ok: true, localId: known.id, jkt, name: undefined };
  }

  /**
   * Whose key it is, where keys are players.
   *
   * @throws FederationError as `PlayerKeys.playerOf`.
   */
  async byKey(jkt: string): Promise<KnownPlayer | JoinRefusal> {
    const id = await this.keys.playerOf(jkt);
    if (id !== undefined) return { id };
    const { code, reason } = removedKey();
    return refusal(code, reason);
  }

  /** Which keys are whose. */
  get keys(): PlayerKeys {
    const { store } = this.#runtime;
    // The store of a federation that was stopped and started is another one.
    if (this.#keys?.store !== store) this.#keys = new PlayerKeys(store);
    return this.#keys;
  }

  /**
   * What the host makes of a token outside of any room: the payload of a room that takes it, true where
   * rooms take anybody, false.
   */
  async #hostSays(token: string): Promise<unknown> {
    const own = worldsAuth(Object.values(this.#runtime.options.worlds));
    const everybodys = someRoomAsksNothing() ? [hostAuth] : [];
    let anybody = false;
    for (const ask of [...everybodys, ...own]) {
      // The host's own auth throws to refuse.
      const auth = await ask(token).catch(() => undefined);
      if (typeof auth === "object" && auth !== null) return auth;
      if (auth === true && ask === hostAuth) anybody = true;
    }
    // Where tokens mean something, a wrong one makes nobody a player of another kind.
    return anybody && own.length === 0;
  }

  /**
   * Whom the host's own auth names; undefined when that is no player of the federation.
   *
   * @throws TypeError when `identify` answers with an id that can be no account's.
   */
  async account(auth: unknown, context: Parameters<Identify>[1]): Promise<KnownPlayer | undefined> {
    if (isFederatedPlayer(auth)) {
      this.#sayOnceThatAuthIsOurs();
      return undefined;
    }
    const account = await this.#runtime.options.identify(auth, context);
    if (account === undefined) {
      this.#sayOnceThatIdIsMissing();
      return undefined;
    }
    if (!isAccountId(account.id)) {
      throw new TypeError(`the id that identify() returns ${WHAT_ACCOUNTS_HAVE}`);
    }
    const id = await this.#accountNames().localId(account.id);
    const name = cleanName(account.name, MAX_NAME_LENGTH);
    return name === undefined ? { id } : { id, name };
  }

  #sayOnceThatIdIsMissing(): void {
    const { identify, logger } = this.#runtime.options;
    // A host that says itself who is a player means it.
    if (identify !== identifyByAuthId || this.#saidThatIdIsMissing) return;
    this.#saidThatIdIsMissing = true;
    logger.warn(
      "somebody whose client.auth has no id has logged in and is no player of the federation: pass identify to say who is",
    );
  }

  /** Such as by Colyseus' QueueRoom: nobody shall become a second player by the name of the first. */
  #sayOnceThatAuthIsOurs(): void {
    if (this.#saidThatAuthIsOurs) return;
    this.#saidThatAuthIsOurs = true;
    this.#runtime.options.logger.warn(
      "a seat was reserved with the client.auth of a player of the federation, who is nobody's player in that room: let it go there by this.plugins.federation.enter(client, uri), which keeps what it is and carries",
    );
  }

  #accountNames(): AccountNames {
    const { store, random } = this.#runtime;
    // The store of a federation that was stopped and started is another one.
    let names = this.#names;
    if (names === undefined || names.store !== store) names = new AccountNames({ store, random });
    this.#names = names;
    return names;
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

  /** As `useProof` of used-proofs.ts. */
  async useProof(...[proof, seats]: UseProof): Promise<JoinRefusal | undefined> {
    const used = await useProof(this.#runtime.store, proof, seats);
    return used === undefined ? undefined : refusal(used.code, used.reason);
  }

  /**
   * Uses up a proof for one seat. A seat ends with its process, and what the proof is good for with it: no later
   * run need know of it.
   */
  async useSeatProof(proof: ProofClaims): Promise<JoinRefusal | undefined> {
    const { transient, store } = this.#runtime;
    const used = await useProof(transient ?? store, proof);
    return used === undefined ? undefined : refusal(used.code, used.reason);
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
