/**
 * A room lets a player in: its `onJoin` has so long and no longer, and a client that goes meanwhile is
 * gone at once, whatever the room is doing.
 *
 * A room that did not get through with its `onJoin` hears of the leave once it does, so that it never
 * takes off the board whom it puts there a moment later.
 */
import * as core from "@colyseus/core";
import type { Client } from "@colyseus/core";
import type { ClientInternals, ReservedSeat, RoomInternals } from "./internals.ts";
import type { Clock } from "../ports.ts";
import { refusalError } from "./refusal.ts";

const WEBSOCKET_OPEN = 1;

/** Whether a client's connection is up. */
export function isConnected(client: Client): boolean {
  return (client as Client & ClientInternals).readyState === WEBSOCKET_OPEN;
}

/**
 * A player whose session has begun comes in. When its room does not let it, the session is over: who
 * is in no room is not played.
 */
export async function orOver<T>(join: () => Promise<T>, over: () => Promise<unknown>): Promise<T> {
  try {
    return await join();
  } catch (error) {
    await over();
    throw error;
  }
}

/** The `onJoin` of one room's clients that have not been let in yet. */
export class LettingIn {
  readonly #clock: Clock;
  readonly #unfinished = new Map<ClientInternals, Promise<void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs a room's `onJoin`.
   *
   * @throws ServerError when it takes too long or the client goes; what the room itself throws.
   */
  async run<T>(
    client: ClientInternals,
    milliseconds: number,
    onJoin: () => T | Promise<T>,
  ): Promise<T> {
    const joined = (async () => onJoin())();
    const settled = joined.then(
      () => undefined,
      () => undefined,
    );
    this.#unfinished.set(client, settled);
    void settled.then(() => this.#unfinished.delete(client));
    const { ref } = client;
    let stop: () => void = () => undefined;
    const ended = new Promise<never>((_resolve, reject) => {
      const gone = (): void => {
        const reason = "the client went while the room was letting it in";
        reject(refusalError({ code: "ERR_FED_SEAT_UNKNOWN", reason }));
      };
      const timer = this.#clock.setTimeout(() => {
        const reason = `The room took longer than ${milliseconds / 1000} s to let you in.`;
        reject(refusalError({ code: "ERR_FED_TIMEOUT", reason }));
      }, milliseconds);
      ref.once("close", gone);
      stop = () => {
        this.#clock.clearTimeout(timer);
        ref.removeListener("close", gone);
      };
      if (client.readyState !== WEBSOCKET_OPEN) gone();
    });
    try {
      return await Promise.race([joined, ended]);
    } finally {
      stop();
    }
  }

  /** Resolves when the room is through with the client's `onJoin`; undefined when it is. */
  unfinished(client: ClientInternals): Promise<void> | undefined {
    return this.#unfinished.get(client);
  }
}

/**
 * Refuses a seat that a restart in Colyseus' devMode has made up again: nobody knows any more whose it
 * was, and its player has been sent home meanwhile.
 *
 * @throws ServerError for such a seat.
 */
export function refuseRestoredSeat(
  { _reconnections: reconnections }: RoomInternals,
  seat: ReservedSeat | undefined,
  client: Client,
  reconnectionToken: string | null | undefined,
): void {
  if (typeof reconnectionToken !== "string" || seat?.[3] === true) return;
  if (reconnections[reconnectionToken]?.[0] !== client.sessionId) return;
  const refusal = {
    code: "ERR_FED_SEAT_UNKNOWN",
    reason: "This server has restarted: join again.",
  } as const;
  // What the transport closes with by itself would have the SDK try this seat again and again.
  client.leave(core.CloseCode.FAILED_TO_RECONNECT, `${refusal.code}: ${refusal.reason}`);
  throw refusalError(refusal);
}
