/**
 * Nonces of peers' calls, each good once (PROTOCOL 3).
 *
 * What was signed in a session that this run has begun can have been heard by this run only: its nonces are
 * remembered in memory, and forgotten with the session. All others are remembered by the store.
 */
import type { FederationErrorCode } from "../../errors.ts";
import type { BegunSessions } from "../../handshake/begun-sessions.ts";
import type { Clock, Store } from "../../ports.ts";

/** Of one peer; more than it may call while a signature is good. */
const MAX_NONCES_OF_PEER = 32_768;

/** What a signature that verifies says of itself. */
export interface UsedNonce {
  readonly origin: string;
  readonly kid: string;
  readonly nonce: string;
  readonly session?: string | undefined;
}

/** Options of {@link Nonces}. */
export interface NoncesOptions {
  readonly store: Pick<Store, "compareAndSet">;
  readonly clock: Pick<Clock, "monotonic">;
  /** Where this process is the whole server. Default: the store remembers every nonce. */
  readonly sessions?: Pick<BegunSessions, "has"> | undefined;
}

/** Which nonces have been used. */
export class Nonces {
  readonly #options: NoncesOptions;
  /**
   * By origin: until when each is remembered, in milliseconds of the monotonic clock, the one that came first at
   * the front. A wall clock that is set back ends the sessions.
   */
  readonly #used = new Map<string, Map<string, number>>();

  constructor(options: NoncesOptions) {
    this.#options = options;
  }

  /**
   * Uses a nonce up, to be remembered for `ttlMilliseconds`. Undefined when it was new; else
   * `ERR_FED_REPLAYED`, `ERR_FED_HANDSHAKE_REQUIRED` for a session of a former run, `ERR_FED_RATE_LIMITED` for
   * more calls than can be remembered. Rejects when the store does not answer.
   */
  async use(used: UsedNonce, ttlMilliseconds: number): Promise<FederationErrorCode | undefined> {
    const { store, sessions } = this.#options;
    const { origin, kid, nonce, session } = used;
    const key = `${kid}/${nonce}`;
    if (sessions === undefined || session === undefined) {
      return (await store.compareAndSet(`nonce/${key}`, undefined, "1", ttlMilliseconds))
        ? undefined
        : "ERR_FED_REPLAYED";
    }
    if (!sessions.has(origin, session)) return "ERR_FED_HANDSHAKE_REQUIRED";
    return this.#remember(origin, key, ttlMilliseconds);
  }

  #remember(origin: string, key: string, ttlMilliseconds: number): FederationErrorCode | undefined {
    const now = this.#options.clock.monotonic();
    const nonces = this.#used.get(origin) ?? new Map<string, number>();
    this.#used.set(origin, nonces);
    for (const [each, until] of nonces) {
      if (until > now) break;
      nonces.delete(each);
    }
    if ((nonces.get(key) ?? 0) > now) return "ERR_FED_REPLAYED";
    if (nonces.size >= MAX_NONCES_OF_PEER) return "ERR_FED_RATE_LIMITED";
    nonces.delete(key);
    nonces.set(key, now + ttlMilliseconds);
    return undefined;
  }
}
