/**
 * The parts of Colyseus 0.18 that are not public and that the federation relies on, in one place.
 *
 * Every transport enters a room through `Room._onJoin`, so a connection can be refused before the
 * room sees it and without spending the seat; nothing public allows that. {@link assertInternals}
 * makes a release that changes them fail at start, not in the middle of a crossing.
 */
import { type AuthContext, type Client, Room, Server, type Transport } from "@colyseus/core";
import { FederationError } from "../errors.ts";

/** `[join options, auth data, consumed, waiting for a reconnection]`. */
export type ReservedSeat = [options: unknown, auth: unknown, consumed?: boolean, waiting?: boolean];

/** The non-public members of a room that are used. */
export interface RoomInternals {
  _reservedSeats: Record<string, ReservedSeat | undefined>;
  _reconnections: Record<string, [sessionId: string, deferred: DeferredLike] | undefined>;
  readonly _inputController?: InputsInternals | undefined;
}

/** What reads the inputs of a room's clients, where it has any. */
export interface InputsInternals {
  /** Forgets what has not been simulated yet. */
  freeze(client: Client): void;
  decodeReliable(client: Client, frame: Buffer, it: { offset: number }, modifiers: number): void;
  decodeUnreliable(client: Client, frame: Buffer, modifiers: number): void;
}

/** Colyseus' own deferred promise. */
interface DeferredLike extends PromiseLike<unknown> {
  reject(reason?: unknown): void;
}

/** A client's connection as far as it is used. */
export interface ClientInternals {
  readonly readyState: number;
  /** The connection itself. */
  readonly ref: {
    once(event: "close", listener: () => void): unknown;
    removeListener(event: "close", listener: () => void): unknown;
  };
}

export type JoinFunction = (
  this: Room,
  client: Client,
  context: AuthContext,
  options?: { reconnectionToken?: string; skipHandshake?: boolean },
) => Promise<void>;

export type MessageFunction = (this: Room, client: Client, buffer: Uint8Array) => void;

/** `Room.prototype`, with the methods that are wrapped. */
export const roomPrototype = Room.prototype as unknown as {
  _onJoin: JoinFunction;
  _onMessage: MessageFunction;
};

/** The non-public members of a room. */
export function internalsOf(room: Room): RoomInternals {
  return room as unknown as RoomInternals;
}

/** What reads the inputs of a room's clients; undefined for a room that defines none. */
export function inputsOf(room: Room): InputsInternals | undefined {
  return internalsOf(room)._inputController;
}

/** @throws FederationError `ERR_FED_INCOMPATIBLE_COLYSEUS` when a release lacks what is needed. */
export function assertInternals(): void {
  const missing = (["_onJoin", "_onMessage"] as const).filter(
    (name) => typeof roomPrototype[name] !== "function",
  );
  if (missing.length > 0) {
    throw new FederationError(
      "ERR_FED_INCOMPATIBLE_COLYSEUS",
      `This release of @colyseus/core has no Room.${missing.join(", Room.")}: use 0.18.`,
    );
  }
}

/** Members of a Colyseus server that are used and not public. */
export interface ServerInternals {
  onBeforeShutdownCallback: () => unknown;
  onShutdownCallback: () => unknown;
  /** Absent until the default transport is loaded. */
  readonly transport?: Transport;
  /** Set once it listens. */
  readonly port?: number | string;
  readonly _onTransportReady?: PromiseLike<Transport>;
}

/** The non-public members of a server. */
export function serverInternals(server: Server): ServerInternals {
  return server as unknown as ServerInternals;
}

/** Whether a server runs its own life; Vite's dev server runs that of the others, and reloads them. */
export function bootsItself(server: Server): boolean {
  const boot = (of: object): unknown => (of as { bootRuntime?: unknown }).bootRuntime;
  return boot(server) === boot(Server.prototype);
}

/** The transport of a server, once it is there; undefined where the server has none. */
export async function transportOf(server: Server): Promise<Transport | undefined> {
  const internals = serverInternals(server);
  await internals._onTransportReady;
  return internals.transport;
}
