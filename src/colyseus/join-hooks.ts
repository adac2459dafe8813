/**
 * What happens between a connection and a room: proofs and custody before the room's own hooks see
 * the client, what it carries after them.
 *
 * `Room._onJoin` is wrapped for all rooms, also those defined later. The instance hooks
 * (`onAuth`, `onJoin`, `onDrop`, `onLeave`) are wrapped when a room's first client comes; they ask
 * the federation that is attached then, and do nothing of their own while there is none.
 */
import { type AuthContext, type Client, Room } from "@colyseus/core";
import { askRoomAuth } from "./auth-hooks.ts";
import { isExempt } from "./exempt-rooms.ts";
import {
  type ClientInternals,
  type JoinFunction,
  type ReservedSeat,
  internalsOf,
  roomPrototype,
} from "./internals.ts";
import type { WaitingConnection } from "../custody/destination/gatherings.ts";
import type { Clock, Logger } from "../ports.ts";
import { LettingIn, isConnected, orOver, refuseRestoredSeat } from "./letting-in.ts";
import { type JoinRefusal, refusalError } from "./refusal.ts";
import { type RoomPlayer, type RoomSessions } from "./room-sessions.ts";
import { SEAL_MEMBER, type Seal, type Sealer } from "./seal.ts";
import { splitToken } from "../identity/proof.ts";

/** A sealed seat's client that may come in: its entry among the room's players, or its way back. */
export interface Connected {
  readonly ok: true;
  entry(room: Room, sessionId: string): RoomPlayer;
  abort(): Promise<void>;
}

/** What these hooks ask of the federation. */
export interface JoinHost {
  readonly sessions: RoomSessions;
  readonly sealer: () => Sealer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a room's `onJoin` may take for a player. */
  readonly joinMilliseconds: number;
  /** Whether a seat's player is one of this home, about whom the room's own auth decides. */
  isOfThisHome(seal: Seal): boolean;
  /** A seat of the host's own has a client that proves a key beside the host's token. */
  prove(client: Client, proof: string): Promise<JoinRefusal | undefined>;
  /** Whether the host's auth, asked for a seat of this home's player, means that very player. */
  isAccountOf(seal: Seal, auth: unknown, options: unknown): Promise<boolean>;
  /**
   * A sealed seat's client has connected: proof, of a key that a delegation names where there is one, then custody. One of
   * a party waits for the others.
   */
  connect(
    seal: Seal,
    context: AuthContext,
    connection: WaitingConnection,
    delegation: string | undefined,
  ): Promise<Connected | JoinRefusal>;
  /** After the room's own auth, before its `onJoin`: a local player's session starts. */
  beforeJoin(room: Room, client: Client, options: unknown): Promise<{ ok: true } | JoinRefusal>;
  /** The client has left for good. */
  left(entry: RoomPlayer): Promise<void>;
}

const hookedRooms = new WeakSet<Room>();
let attached: JoinHost | undefined;

/** Installs the hooks for the one federation of the process. Returns how to release them. */
export function installJoinHooks(host: JoinHost): () => void {
  attached = host;
  const join = roomPrototype._onJoin;
  const wrapper: JoinFunction = function (client, context, options) {
    return attached === host
      ? joinRoom(host, join, this, client, context, options)
      : join.call(this, client, context, options);
  };
  roomPrototype._onJoin = wrapper;
  return () => {
    if (attached === host) attached = undefined;
    // Where somebody has wrapped it once more, ours stays inside and only hands on.
    if (roomPrototype._onJoin === wrapper) roomPrototype._onJoin = join;
  };
}

async function joinRoom(
  host: JoinHost,
  join: JoinFunction,
  room: Room,
  client: Client,
  context: AuthContext,
  options: Parameters<JoinFunction>[2],
): Promise<void> {
  if (isExempt(room.constructor)) return join.call(room, client, context, options);
  hookRoom(host, room);
  const internals = internalsOf(room);
  const { _reservedSeats: seats } = internals;
  const seat = seats[client.sessionId];
  refuseRestoredSeat(internals, seat, client, options?.reconnectionToken);
  const sealText = sealOf(seat);
  const { proof, delegation, hostToken } = splitToken(context.token);
  // A proof is the federation's: to the host, whoever brings one alone brings no token.
  const hostContext = proof === undefined ? context : withToken(context, hostToken);
  if (seat === undefined || sealText === undefined) {
    if (seat !== undefined && proof !== undefined && hostToken !== undefined && !isTaken(seat)) {
      const unproven = await host.prove(client, proof);
      if (unproven !== undefined) throw refusalError(unproven);
    }
    const isOurs = hostToken === undefined && delegation === undefined;
    return join.call(room, client, isOurs ? context : hostContext, options);
  }
  const seal = host.sealer().open(sealText, client.sessionId);
  if (seal === undefined) {
    throw refusalError({
      code: "ERR_FED_SEAT_UNKNOWN",
      reason: "the seat's seal is not this server's",
    });
  }
  const auth = await askRoom(host, room, client, seal, seat[0], hostContext);
  const connected = await host.connect(
    seal,
    proof === undefined ? context : withToken(context, proof),
    waitingConnection(client as Client & ClientInternals),
    delegation,
  );
  if (!connected.ok) throw refusalError(connected);
  // The seat's time may have run out, or the client gone, while home was asked.
  const stillThere = seats[client.sessionId] === seat && seat[2] === false;
  if (!stillThere || !isConnected(client)) {
    await connected.abort();
    throw refusalError({
      code: "ERR_FED_SEAT_UNKNOWN",
      reason: "the seat lapsed before it was taken",
    });
  }
  const entry = connected.entry(room, client.sessionId);
  // Who has an account here is who the host says, by whichever door it comes.
  seat[1] = auth ?? entry.player;
  await orOver(
    () => join.call(room, client, hostContext, options),
    () => host.left(entry),
  );
}

/**
 * One decision for every door: a player of this home who comes through a portal, from here or from
 * elsewhere, is asked what it would be asked at matchmaking. Visitors are admitted by `admit`.
 *
 * @returns The payload of the host's own auth, where there is one.
 * @throws ServerError when the room's own auth says no, or takes too long.
 */
async function askRoom(
  host: JoinHost,
  room: Room,
  client: Client,
  seal: Seal,
  options: unknown,
  context: AuthContext,
): Promise<object | undefined> {
  if (seal.kind === "login" || !host.isOfThisHome(seal)) return undefined;
  const asked = async (): Promise<unknown> => {
    try {
      const auth = await askRoomAuth(room, client, options, context);
      return Boolean(auth) && (await host.isAccountOf(seal, auth, options)) ? auth : false;
    } catch {
      // Hosts throw to refuse.
      return false;
    }
  };
  const auth = await new LettingIn(host.clock).run(
    client as Client & ClientInternals,
    host.joinMilliseconds,
    asked,
  );
  if (!auth) {
    throw refusalError({ code: "ERR_FED_JOIN_REFUSED", reason: "This room does not let you in." });
  }
  return typeof auth === "object" ? auth : undefined;
}

function waitingConnection(client: Client & ClientInternals): WaitingConnection {
  const { ref } = client;
  return {
    isOpen: () => isConnected(client),
    onClose: (listener) => {
      ref.once("close", listener);
      return () => {
        ref.removeListener("close", listener);
      };
    },
  };
}

function withToken(context: AuthContext, token: string | undefined): AuthContext {
  return Object.create(context, { token: { value: token, enumerable: true } }) as AuthContext;
}

/** Whether a connection has taken the seat, or the seat waits for one to come back. */
function isTaken(seat: ReservedSeat): boolean {
  return seat[2] === true || seat[3] === true;
}

function sealOf(seat: ReservedSeat | undefined): unknown {
  if (seat === undefined || seat[3] === true) return undefined;
  const auth = seat[1];
  return typeof auth === "object" && auth !== null
    ? (auth as Record<string, unknown>)[SEAL_MEMBER]
    : undefined;
}

/** Wraps the instance hooks of one room, outside of what Colyseus itself wraps around them. */
function hookRoom({ clock, logger }: JoinHost, room: Room): void {
  if (hookedRooms.has(room)) return;
  hookedRooms.add(room);
  const hooks = room as unknown as {
    onAuth: (client: Client, options: unknown, context: AuthContext) => unknown;
    onJoin?: (client: Client, options: unknown, auth: unknown) => unknown;
    onDrop?: (client: Client, code?: number) => unknown;
    onLeave?: (client: Client, code?: number) => unknown;
  };
  const { onAuth, onJoin, onDrop, onLeave } = hooks;
  const lettingIn = new LettingIn(clock);
  /** A leave that comes before the room is through with the join: the room hears of it after that. */
  const afterJoin = (hook: typeof onLeave, client: Client, code?: number): boolean => {
    const unfinished = lettingIn.unfinished(client as Client & ClientInternals);
    if (unfinished === undefined) return false;
    unfinished
      .then(() => hook?.call(room, client, code))
      .catch((cause: unknown) => {
        logger.error(`the leave of a client of room "${room.roomName}" failed`, cause);
      });
    return true;
  };
  /** The last moment at which the room can be asked what a client carries. */
  const capture = (client: Client): RoomPlayer | undefined => {
    const sessions = attached?.sessions;
    const entry = sessions?.get(room, client.sessionId);
    if (entry !== undefined && sessions?.isFrozen(entry) === false) sessions.capture(entry, client);
    return entry;
  };
  if (onAuth !== (Room.prototype as unknown as typeof hooks).onAuth) {
    hooks.onAuth = (client, options, context) =>
      attached?.sessions.get(room, client.sessionId)?.admitted === true
        ? true
        : onAuth.call(room, client, options, context);
  }
  hooks.onJoin = async (client, options) => {
    const join = (): unknown => onJoin?.call(room, client, options, client.auth as unknown);
    const host = attached;
    if (host === undefined) return join();
    const ready = await host.beforeJoin(room, client, options);
    if (!ready.ok) throw refusalError(ready);
    const entry = host.sessions.get(room, client.sessionId);
    // Who is no player of the federation is Colyseus' own business.
    if (entry === undefined) return join();
    const joined = await lettingIn.run(
      client as Client & ClientInternals,
      host.joinMilliseconds,
      join,
    );
    host.sessions.joined(entry);
    return joined;
  };
  if (onDrop !== undefined) {
    hooks.onDrop = (client, code) => {
      if (afterJoin(onDrop, client, code)) return undefined;
      // Home may call the player back, or renew it, while nobody knows whether it reconnects.
      capture(client);
      return onDrop.call(room, client, code);
    };
  }
  hooks.onLeave = async (client, code) => {
    const entry = capture(client);
    try {
      if (!afterJoin(onLeave, client, code)) await onLeave?.call(room, client, code);
    } finally {
      // Awaited, so that a room that closes down has stored what its players carry.
      const host = attached;
      if (entry !== undefined && host !== undefined) {
        await leaveUnlessReconnecting(host, room, client, entry);
      }
    }
  };
}

/** `onLeave` itself may have allowed a reconnection; the player is gone only when that fails. */
async function leaveUnlessReconnecting(
  host: JoinHost,
  room: Room,
  client: Client,
  entry: RoomPlayer,
): Promise<void> {
  if (room.clients.get(entry.sessionId) !== undefined) return;
  const waiting = internalsOf(room)._reconnections[client.reconnectionToken];
  if (waiting === undefined) {
    await host.left(entry);
    return;
  }
  waiting[1].then(
    () => undefined,
    () => host.left(entry),
  );
}
