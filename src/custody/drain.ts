/** What a server that stops does with everybody who plays there. */
import type { Clock } from "../ports.ts";
import type { PlayerSession, PlayerSessions } from "./shared/player-session.ts";
import type { Crossings } from "./source/crossings.ts";

/** How often what has failed is tried again: there is no time to wait as long as usual. */
const HURRY_MILLISECONDS = 500;

/** What {@link drain} is told of the server. */
export interface DrainedServer {
  readonly sessions: PlayerSessions;
  readonly crossings: Pick<Crossings, "giveUp" | "abandonAll">;
  readonly clock: Clock;
  /** Ends a session; resolves once its player is safe: stored at home, or returned there. */
  readonly end: (session: PlayerSession) => Promise<void>;
  /** Resolves once nothing waits for the store. */
  readonly whenStored: () => Promise<unknown>;
  /** Whatever waits to be tried again is tried at once. */
  readonly hurry: () => void;
}

/**
 * Ends every session: visitors go home with what they carry, players at home have it stored, and each
 * is told once that is done. Resolves with how many were left after `milliseconds`: they are settled by
 * the next start.
 */
export async function drain(server: DrainedServer, milliseconds: number): Promise<number> {
  const { sessions, crossings, clock } = server;
  const left = new Set<PlayerSession>();
  let finish: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (finish = resolve));
  const finishWhenStored = (): void => {
    if (left.size === 0) void server.whenStored().then(finish);
  };
  const close = async (session: PlayerSession): Promise<void> => {
    left.add(session);
    session.freeze("stopping");
    await crossings.giveUp(session.player);
    await server.end(session);
    left.delete(session);
    session.body.end("ERR_FED_UNAVAILABLE", "This server is closing. You are safe at home.");
    finishWhenStored();
  };
  const timeout = clock.setTimeout(finish, milliseconds);
  let again = clock.setTimeout(hurry, HURRY_MILLISECONDS);
  function hurry(): void {
    server.hurry();
    again = clock.setTimeout(hurry, HURRY_MILLISECONDS);
  }

  // Somebody may be on the way in, also past the end.
  sessions.onAdded((session) => void close(session));
  crossings.abandonAll();
  for (const session of sessions.all()) void close(session);
  server.hurry();
  finishWhenStored();
  await over;

  clock.clearTimeout(timeout);
  clock.clearTimeout(again);
  for (const session of left) {
    session.body.end("ERR_FED_UNAVAILABLE", "This server is closing. You can go home.");
  }
  return left.size;
}
