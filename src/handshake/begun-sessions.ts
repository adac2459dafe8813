/**
 * The sessions that were begun since this process started: what is said in one of them has not been heard by a
 * former run (PROTOCOL 3).
 */
import type { Clock } from "../ports.ts";

/** Two servers that shake hands at once make two sessions, and calls of a former one are under way still. */
const MAX_SESSIONS_OF_PEER = 8;
/** More than a registry has peers; who began one longest ago is forgotten first, and begins another. */
const MAX_PEERS = 16_384;
/**
 * Less than the second by which a nonce is remembered for longer than its signature counts: a wall clock that is
 * set back by more makes signatures count again whose nonces are forgotten.
 */
const SET_BACK_MILLISECONDS = 500;

interface BegunSession {
  /** Unix seconds. */
  readonly expiresAt: number;
  /** On the monotonic clock. */
  readonly begunAt: number;
  readonly isOver: boolean;
  /** Whether this side began the handshake: the peer had the session before it was heard of here. */
  readonly isOurs: boolean;
}

/** Ids of sessions by peer, in memory. All end when the wall clock is set back: what was said in them may count again. */
export class BegunSessions {
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  readonly #sessions = new Map<string, Map<string, BegunSession>>();
  /** By how much the wall clock has been ahead of the monotonic one at most. */
  #ahead = -Infinity;

  constructor(clock: Pick<Clock, "now" | "monotonic">) {
    this.#clock = clock;
  }

  /** A handshake has ended in this session; `expiresAt` in Unix seconds, `isOurs`: this side began it. */
  add(origin: string, sessionId: string, expiresAt: number, isOurs = false): void {
    this.#endAllWhenSetBack();
    const sessions = this.#sessions.get(origin) ?? new Map<string, BegunSession>();
    this.#sessions.delete(origin);
    this.#sessions.set(origin, sessions);
    sessions.delete(sessionId);
    sessions.set(sessionId, { expiresAt, begunAt: this.#clock.monotonic(), isOver: false, isOurs });
    forgetOldest(sessions, MAX_SESSIONS_OF_PEER);
    forgetOldest(this.#sessions, MAX_PEERS);
  }

  /** The peer does not know a session any more. */
  end(origin: string, sessionId: string): void {
    const sessions = this.#sessions.get(origin);
    const session = sessions?.get(sessionId);
    if (session !== undefined) sessions?.set(sessionId, { ...session, isOver: true });
  }

  /** Whether the peer has said that it does not know a session of this run any more. */
  isOver(origin: string, sessionId: string): boolean {
    return this.#sessions.get(origin)?.get(sessionId)?.isOver === true;
  }

  /** Of the sessions begun in the last `seconds`, the one whose id sorts first; undefined: none counts. */
  firstOfLast(
    origin: string,
    seconds: number,
  ): { readonly sessionId: string; readonly expiresAt: number } | undefined {
    const since = this.#clock.monotonic() - seconds * 1000;
    const recent = [...(this.#sessions.get(origin) ?? [])]
      .filter(([sessionId, { begunAt }]) => begunAt > since && this.has(origin, sessionId))
      .map(([sessionId, { expiresAt }]) => ({ sessionId, expiresAt }))
      .sort((one, other) => (one.sessionId < other.sessionId ? -1 : 1));
    return recent[0];
  }

  /**
   * The last session of a handshake that this side began. Of one that the peer began, the peer hears only once it has
   * been made here: whoever speaks in it at once may be ahead of that.
   */
  lastOfOurs(origin: string): string | undefined {
    const ours = [...(this.#sessions.get(origin) ?? [])].findLast(([, { isOurs }]) => isOurs)?.[0];
    return ours !== undefined && this.has(origin, ours) ? ours : undefined;
  }

  /** Whether a session was begun in this run, and has not ended. */
  has(origin: string, sessionId: string): boolean {
    this.#endAllWhenSetBack();
    const session = this.#sessions.get(origin)?.get(sessionId);
    return session?.isOver === false && session.expiresAt * 1000 > this.#clock.now();
  }

  #endAllWhenSetBack(): void {
    const ahead = this.#clock.now() - this.#clock.monotonic();
    if (ahead < this.#ahead - SET_BACK_MILLISECONDS) {
      this.#sessions.clear();
      this.#ahead = ahead;
    }
    this.#ahead = Math.max(this.#ahead, ahead);
  }
}

function forgetOldest(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  const [oldest = ""] = map.keys();
  map.delete(oldest);
}
