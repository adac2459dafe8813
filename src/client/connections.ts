/**
 * Connections to rooms over the Colyseus SDK: by a login at home, by a reserved seat, by a
 * reconnection; each proves the player's key where it has one.
 */
import type { Room } from "@colyseus/sdk";
import { Connector, letGo } from "./connector.ts";
import type { Identity } from "./identity.ts";
import type { Transit } from "./messages.ts";
import type { Whereabouts } from "./whereabouts.ts";
import { NoAnswer, backOff, pause, within } from "./patience.ts";

/** A login: matchmaking, the connection, and a room that takes its time. */
const LOGIN_MILLISECONDS = 60_000;
const RECONNECT_MILLISECONDS = 12_000;
const ANSWER_MILLISECONDS = 12_000;
const LEAVE_MILLISECONDS = 3_000;
/** A seat is tried for as long as it lasts; the clocks of two machines may differ. */
const SHORTEST_SEAT_MILLISECONDS = 12_000;
const LONGEST_SEAT_MILLISECONDS = 60_000;
const FIRST_RETRY_MILLISECONDS = 500;
const LONGEST_RETRY_MILLISECONDS = 2_000;

/** Refusals that may pass. */
const PASSING = /ERR_FED_(?:UNREACHABLE|SEAT_BUSY|UNAVAILABLE|STORE_UNAVAILABLE|RATE_LIMITED)/u;
/** Refusals at home that may pass, too: it gets the player back, or its room was slow. */
const PASSING_AT_HOME = /ERR_FED_(?:AWAY|TIMEOUT)/u;
/** What stands between a client and a server says these; Colyseus' own codes are 520 and up. */
const PASSING_STATUS = new Set([424, 429, 500, 502, 503, 504]);

/** Logs in at home and joins a room there. */
export function joinAtHome(
  identity: Identity,
  whereabouts: Whereabouts,
  roomName: string,
  options: object,
  signal: AbortSignal,
): Promise<Room> {
  return within(LOGIN_MILLISECONDS, signal, async (ended) => {
    await identity.findHome(whereabouts, ended);
    const { home, name } = identity;
    const base = await whereabouts.baseOf(home, ended);
    return byTheRightTime(identity, home, async () => {
      const client = new Connector(base, await identity.login(), ended);
      return client.joinOrCreate(roomName, { ...(name === undefined ? {} : { name }), ...options });
    });
  });
}

/** Tries once more, with another proof, when the server says that our clock is wrong. */
export async function byTheRightTime<T>(
  identity: Identity,
  origin: string,
  attempt: () => Promise<T>,
): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!identity.learnTime(origin, error)) throw error;
    return attempt();
  }
}

/** Takes the seat of a crossing; what may pass is tried again while the seat lasts, with a fresh proof. */
export async function takeSeat(
  identity: Identity,
  whereabouts: Whereabouts,
  transit: Transit,
  signal: AbortSignal,
): Promise<Room> {
  const { origin, expiresAt } = transit;
  const lasts = Math.max(SHORTEST_SEAT_MILLISECONDS, expiresAt * 1000 - Date.now());
  const giveUpAt = performance.now() + Math.min(lasts, LONGEST_SEAT_MILLISECONDS);
  for (let failures = 0; ; failures += 1) {
    try {
      const reservation = await whereabouts.vouchedFor(transit, signal);
      return await byTheRightTime(identity, origin, async () => {
        const login = await identity.seat(origin, reservation.sessionId);
        return new Connector(origin, login, signal).consumeSeatReservation(reservation);
      });
    } catch (error) {
      const wait = backOff(failures, FIRST_RETRY_MILLISECONDS, LONGEST_RETRY_MILLISECONDS);
      if (signal.aborted || !mayPass(error) || performance.now() + wait > giveUpAt) throw error;
      await pause(wait, signal);
    }
  }
}

/** Goes back into a room that still keeps the player's place. */
export function reconnect(
  origin: string,
  whereabouts: Whereabouts,
  reconnectionToken: string,
  signal: AbortSignal,
): Promise<Room> {
  return within(RECONNECT_MILLISECONDS, signal, async (ended) => {
    const base = await whereabouts.baseOf(origin, ended);
    return new Connector(base, undefined, ended).reconnect(reconnectionToken);
  });
}

/** Whether a failure to get in may pass by itself: the network's, and refusals that say so. */
export function mayPass(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = typeof message === "string" ? message : "";
  if (error instanceof NoAnswer || PASSING.test(text)) return true;
  if (text.includes("ERR_FED_")) return false;
  // A WebSocket's close code, or none at all, is the network's word; a server has codes of its own.
  return typeof code !== "number" || (code > 1000 && code < 2000) || PASSING_STATUS.has(code);
}

/** As {@link mayPass}, for a login at home. */
export function mayPassAtHome(error: unknown): boolean {
  return mayPass(error) || (error instanceof Error && PASSING_AT_HOME.test(error.message));
}

/** Asks a room something and waits for the answer of the same name. */
export function ask(
  room: Room,
  type: string,
  {
    payload,
    isAnswer = () => true,
    milliseconds = ANSWER_MILLISECONDS,
  }: {
    readonly payload?: object;
    /** Tells the answer from those to other questions of the same type. */
    readonly isAnswer?: (answer: Readonly<Record<string, unknown>>) => boolean;
    readonly milliseconds?: number;
  } = {},
): Promise<Readonly<Record<string, unknown>>> {
  let stop: () => void = () => undefined;
  return within(milliseconds, undefined, () => {
    return new Promise<Readonly<Record<string, unknown>>>((resolve) => {
      stop = room.onMessage(type, (message: unknown) => {
        const answer = (message ?? {}) as Record<string, unknown>;
        if (isAnswer(answer)) resolve(answer);
      });
      room.send(type, payload);
    });
  }).finally(() => {
    stop();
  });
}

/** Leaves a room for good; one that is gone already, or does not answer, is as good. */
export async function leaveQuietly(room: Room): Promise<void> {
  room.reconnection.enabled = false;
  if (room.connection.isOpen) {
    await within(LEAVE_MILLISECONDS, undefined, () => room.leave(true)).catch(() => undefined);
  }
  letGo(room);
}
