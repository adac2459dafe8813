/**
 * Connections to rooms over the Colyseus SDK: by a login at home, by a reserved seat, by a
 * reconnection; each proves the player's key where it has one.
 */
import { Client, type Room } from "@colyseus/sdk";
import type { Identity } from "./identity.ts";
import type { Transit } from "./messages.ts";

const CONNECT_TIMEOUT_MILLISECONDS = 12_000;
const RETRY_MILLISECONDS = 500;
/** Refusals that may pass while the seat lasts. */
const PASSING = /ERR_FED_(?:UNREACHABLE|SEAT_BUSY|UNAVAILABLE|STORE_UNAVAILABLE)/u;

/** Logs in at home and joins a room there. */
export async function joinAtHome(
  { home, key, name }: Identity,
  roomName: string,
  options: Readonly<Record<string, unknown>>,
): Promise<Room> {
  const client = new Client(home);
  setToken(client, await key?.prove(home));
  return client.joinOrCreate(roomName, { ...(name === undefined ? {} : { name }), ...options });
}

/** Takes the seat of a crossing; what may pass is tried again, for so long in all. */
export async function takeSeat({ key }: Identity, transit: Transit): Promise<Room> {
  const giveUpAt = Date.now() + CONNECT_TIMEOUT_MILLISECONDS;
  for (;;) {
    try {
      const client = new Client(transit.origin);
      setToken(client, await key?.prove(transit.origin, transit.reservation.sessionId));
      return await within(
        client.consumeSeatReservation(transit.reservation),
        Math.max(1, giveUpAt - Date.now()),
      );
    } catch (error) {
      const passing = error instanceof Error && PASSING.test(error.message);
      if (!passing || Date.now() + RETRY_MILLISECONDS > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
    }
  }
}

/** Goes back into a room that still keeps the player's place. */
export function reconnect(origin: string, reconnectionToken: string): Promise<Room> {
  return within(new Client(origin).reconnect(reconnectionToken), CONNECT_TIMEOUT_MILLISECONDS);
}

/** Asks a room something and waits for the answer of the same name. */
export function ask(room: Room, type: string): Promise<Readonly<Record<string, unknown>>> {
  const answer = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
    const stop = room.onMessage(type, (message: unknown) => {
      stop();
      resolve((message ?? {}) as Record<string, unknown>);
    });
  });
  room.send(type);
  return within(answer, CONNECT_TIMEOUT_MILLISECONDS);
}

/** Leaves a room for good; one that is gone already is as good. */
export async function leaveQuietly(room: Room): Promise<void> {
  room.reconnection.enabled = false;
  if (room.connection.isOpen) await room.leave(true).catch(() => undefined);
}

/** The SDK sends this with matchmaking and with the WebSocket. */
function setToken(client: Client, token: string | undefined): void {
  client.http.authToken = token;
}

function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error("the other world did not answer in time"));
    }, milliseconds);
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}
