/**
 * The SDK's client with an end to each of its waits, and a way to give a connection up: nothing of
 * one that was given up stands in a room afterwards.
 */
import { Client, type Room } from "@colyseus/sdk";
import type { Login } from "./identity.ts";
import { within } from "./patience.ts";

const REQUEST_MILLISECONDS = 12_000;
const OPEN_MILLISECONDS = 10_000;
/** Longer than a server gives its rooms to let a player in (LIMITS): the server's word comes first. */
const JOIN_MILLISECONDS = 40_000;

/** A client for one way into a room. */
export class Connector extends Client {
  readonly #signal: AbortSignal;
  readonly #connection: string | undefined;
  #room: Room | undefined;

  /**
   * @param login What is shown; undefined: nothing.
   * @param signal Gives the connection up.
   */
  constructor(origin: string, login: Login | undefined, signal: AbortSignal) {
    super(origin, {
      fetchFn: (input, init) =>
        within(REQUEST_MILLISECONDS, signal, (ended) => fetch(input, { ...init, signal: ended })),
    });
    this.http.authToken = login?.token;
    this.#connection = login?.connection;
    this.#signal = signal;
  }

  override async consumeSeatReservation(
    ...args: Parameters<Client["consumeSeatReservation"]>
  ): Promise<Room> {
    this.#signal.throwIfAborted();
    // The SDK puts it into the URL as it is.
    this.http.authToken =
      this.#connection === undefined ? undefined : encodeURIComponent(this.#connection);
    // The connection is there as soon as this has returned.
    const joined = super.consumeSeatReservation(...args);
    const room = this.#room;
    if (room === undefined) throw new TypeError("this is no @colyseus/sdk 0.18");
    try {
      await within(OPEN_MILLISECONDS, this.#signal, () => Promise.race([opened(room), joined]));
      return await within(JOIN_MILLISECONDS, this.#signal, () => joined);
    } catch (error) {
      letGo(room);
      throw error;
    }
  }

  protected override createRoom(...args: Parameters<Client["createRoom"]>): Room {
    this.#room = super.createRoom(...args);
    return this.#room;
  }
}

/** Leaves at once, joined or not yet: the server sees the connection close, whatever else it is doing. */
export function letGo(room: Room): void {
  room.reconnection.enabled = false;
  // Whoever has joined leaves by its own wish: no place is kept for it.
  if (room.connection.isOpen) void room.leave(true);
  room.connection.close();
}

function opened(room: Room): Promise<void> {
  return new Promise((resolve) => {
    const { events } = room.connection;
    const { onopen } = events;
    events.onopen = (event: unknown) => {
      onopen?.(event);
      resolve();
    };
  });
}
