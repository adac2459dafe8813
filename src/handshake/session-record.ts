import type { Clock } from "../ports.ts";
import type { ServerRegistry } from "../registry/server-registry.ts";
import { type HandshakeManager, SESSION_SECONDS } from "./handshake-manager.ts";
import type { HandshakeSession } from "./messages.ts";

/** What recording a session takes. */
export interface SessionRecording {
  readonly registry: ServerRegistry;
  readonly clock: Clock;
  readonly manager: HandshakeManager;
}

/** None is shorter: whoever ends one sooner says so when it is called. */
const SHORTEST_SECONDS = 60;

/**
 * Records the session that a handshake ended in. Two servers that shake hands at once make two; both
 * sides keep the one whose id sorts first, so that they end with the same. `seen`: which of our keys the
 * other side has said that it knows.
 */
export async function recordSession(
  { registry, clock, manager }: SessionRecording,
  origin: string,
  session: HandshakeSession,
  seen?: readonly string[],
): Promise<void> {
  if (seen !== undefined) await registry.noteSeenKeys(origin, seen);
  const live = registry.liveSession(origin);
  const lastAt = registry.get(origin)?.lastHandshakeAt ?? 0;
  const simultaneous = clock.now() / 1000 - lastAt < manager.handshakeTimeoutSeconds;
  if (live !== undefined && simultaneous && live.sessionId < session.sessionId) return;
  const { sessionId, protocol, expiresAt } = session;
  const now = Math.floor(clock.now() / 1000);
  await registry.recordSession(origin, {
    sessionId,
    protocol,
    expiresAt: Math.min(Math.max(expiresAt, now + SHORTEST_SECONDS), now + SESSION_SECONDS),
  });
}
