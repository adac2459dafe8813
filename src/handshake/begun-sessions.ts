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

/** Ids of sessions by peer, in memory. All end when the wall clock is set back: what was said in them may count again. */
export class BegunSessions {
  readonly #clock: Pick<Clock, "now" | "monotonic">;
  /** By origin: when each session ends, in Unix seconds. */
  readonly #sessions = new Map<string, Map<string, number>>();
  /** By how much the wall clock has been ahead of the monotonic one at most. */
  #ahead = -Infinity;

  constructor(clock: Pick<Clock, "now" | "monotonic">) {
    this.#clock = clock;
  }

  /** A handshake has ended in this session; `expiresAt` in Unix seconds. */
  add(origin: string, sessionId: string, expiresAt: number): void {
    this.#endAllWhenSetBack();
    const sessions = this.#sessions.get(origin) ?? new Map<string, number>();
    this.#sessions.delete(origin);
    this.#sessions.set(origin, sessions);
    sessions.delete(sessionId);
    sessions.set(sessionId, expiresAt);
    forgetOldest(sessions, MAX_SESSIONS_OF_PEER);
    forgetOldest(this.#sessions, MAX_PEERS);
  }

  /** The peer does not know a session any more. */
  end(origin: string, sessionId: string): void {
    this.#sessions.get(origin)?.delete(sessionId);
  }

  /** Whether a session was begun in this run, and has not ended. */
  has(origin: string, sessionId: string): boolean {
    this.#endAllWhenSetBack();
    const expiresAt = this.#sessions.get(origin)?.get(sessionId);
    return expiresAt !== undefined && expiresAt * 1000 > this.#clock.now();
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
