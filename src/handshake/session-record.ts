import type { Clock } from "../ports.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { type HandshakeManager, SESSION_SECONDS } from "./handshake-manager.ts";
import type { BegunSessions } from "./begun-sessions.ts";
import type { HandshakeSession } from "./messages.ts";

/** What recording a session takes. */
export interface SessionRecording {
  readonly registry: ServerRegistry;
  readonly clock: Clock;
  readonly manager: HandshakeManager;
  /** Hears of each, also of one that another is kept instead of. */
  readonly begun?: BegunSessions | undefined;
  /** Several processes are this server: a session that none of this one's handshakes began counts, too. */
  readonly shared?: boolean | undefined;
}

/** None is shorter: whoever ends one sooner says so when it is called. */
const SHORTEST_SECONDS = 60;

/**
 * Records the session that a handshake ended in. Two servers that shake hands at once make two; both
 * sides keep the one whose id sorts first, so that they end with the same. `ours`: where this side began the
 * handshake; `seen` are those of our keys that the other side says it knows.
 */
export async function recordSession(
  { registry, clock, manager, begun, shared = false }: SessionRecording,
  origin: string,
  session: HandshakeSession,
  ours?: { readonly seen: readonly string[] | undefined },
): Promise<void> {
  const { sessionId, protocol } = session;
  const now = Math.floor(clock.now() / 1000);
  const expiresAt = Math.min(
    Math.max(session.expiresAt, now + SHORTEST_SECONDS),
    now + SESSION_SECONDS,
  );
  begun?.add(origin, sessionId, expiresAt, ours !== undefined);
  if (ours?.seen !== undefined) await registry.noteSeenKeys(origin, ours.seen);
  // Of all that were begun at once, also where one of them was over for this side meanwhile.
  const first = begun?.firstOfLast(origin, manager.handshakeTimeoutSeconds);
  const kept = first ?? { sessionId, expiresAt };
  await registry.recordSession(origin, { ...kept, protocol }, (live, lastHandshakeAt) => {
    const simultaneous = clock.now() / 1000 - lastHandshakeAt < manager.handshakeTimeoutSeconds;
    // Of a former run, here or there, both keep nothing.
    const counts =
      begun?.isOver(origin, live.sessionId) !== true &&
      (shared || begun?.has(origin, live.sessionId) !== false);
    return counts && simultaneous && live.sessionId < kept.sessionId;
  });
}
